"""Result files: JSON lines that one process appends to, each of them complete by itself.

A line repeats the request that it answers, and holds no time: equal requests give equal bytes. It
is on the disk before the next one is written, so a killed process leaves whole lines and perhaps a
torn one, which the next process cuts off.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from act_data.runs.run import digest
from act_data.storage.files import FULL, hold
from act_envs.types import Task
from act_train.errors import ResultMismatch
from act_train.evaluation.measures import NEXT_ACTION, REASONING, check_line
from act_train.evaluation.pairing import SAME, SET_UP

Line = dict[str, Any]

_SAME = (*SAME, *SET_UP, "grader_version")
_START = b'{"'  # of every line


def read_results(path: str | Path) -> list[Line]:
    """The complete lines of a result file of ``act-train evaluate`` or ``reason``, in order.

    Raises:
        ResultMismatch: it is no result file, is damaged, or holds no line.
    """
    path = Path(path)
    lines = list(complete_lines(path, path.read_bytes()))
    if not lines:
        raise ResultMismatch(f"{path} holds no result. Let act-train evaluate go on with it.")
    first = lines[0]
    for number, line in enumerate(lines, 1):
        check_line(f"line {number} of {path}", line)
        if other := [key for key in _SAME if line.get(key) != first.get(key)]:
            raise ResultMismatch(
                f"line {number} of {path} is of another evaluation than the first: {other[0]} is "
                f"{line.get(other[0])!r}, not {first.get(other[0])!r}. "
                "Evaluate into a file of its own."
            )
    if first["metric"] == NEXT_ACTION and not any(line["answers"] for line in lines):
        raise ResultMismatch(f"{path} holds no state of an expert. Evaluate on other tasks.")
    names = [line["task_id"] for line in lines]
    twice = len(set(names)) < len(names) or len(names) > first["tasks"]
    whole = len(names) == first["tasks"] and first["metric"] != REASONING  # hashes more than names
    if twice or (whole and digest(names) != first["task_list"]):
        raise ResultMismatch(
            f"{path} does not hold every task of its list once, in order. Evaluate again."
        )
    return lines


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result file that this process writes.

    Attributes:
        lines: those that were found and those that were added.
        request: what every line repeats.
    """

    lines: list[Line]
    request: Mapping[str, Any]
    _file: FileIO

    def add(self, result: Mapping[str, Any]) -> None:
        """Append a line. It is on the disk when this returns."""
        self.lines.append({**self.request, **result})
        text = json.dumps(self.lines[-1], sort_keys=True, ensure_ascii=False)
        rest = f"{text}\n".encode()
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno in FULL:
                error.filename = self._file.name  # a write does not say to what
            raise


@contextlib.contextmanager
def opened(
    path: Path,
    request: Mapping[str, Any],
    tasks: Sequence[Task],
    check: Callable[[str, Line], None] = lambda place, line: None,
) -> Iterator[ResultFile]:
    """The file, for this process alone, with the lines that it holds already.

    Args:
        path: the file; made when missing.
        request: what every line repeats.
        tasks: what the lines are about, in their order.
        check: raises an error that names the place, where a line found there holds something else.

    Raises:
        ResultMismatch: it holds lines of another request, or something else; or is a device.
        RunLocked: another process writes to it.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ResultMismatch(f"{path} keeps nothing to go on with. Give the name of a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unbuffered: what a full disk has refused would be tried once more when the file is closed.
    with path.open("a+b", buffering=0) as file:
        hold(file, f"another process is writing to {path}. Wait for it, or choose another output.")
        file.seek(0)
        raw = file.read()
        lines = list(complete_lines(path, raw))
        _check(path, lines, request, tasks)
        for number, line in enumerate(lines, 1):
            check(f"line {number} of {path}", line)
        _check_torn(path, raw[raw.rfind(b"\n") + 1 :], request)
        file.truncate(raw.rfind(b"\n") + 1)
        yield ResultFile(lines, request, file)


def _check(
    path: Path, lines: Sequence[Line], request: Mapping[str, Any], tasks: Sequence[Task]
) -> None:
    for line, task in zip(lines, tasks, strict=False):
        here = {**request, "task_id": task.task_id}
        other = [key for key, value in here.items() if line.get(key) != value]
        if other:
            raise ResultMismatch(
                f"{path} holds another evaluation: {other[0]} is {line.get(other[0])!r} there and "
                f"{here[other[0]]!r} here. Choose another output, or delete the file."
            )
    if len(lines) > len(tasks):
        raise ResultMismatch(
            f"{path} holds {len(lines)} tasks, and {len(tasks)} are asked for. "
            "Choose another output, or delete the file."
        )


def _check_torn(path: Path, rest: bytes, request: Mapping[str, Any]) -> None:
    """Refuse to cut off what no line of results begins with.

    Zeros are what a file system may leave where it has lost what was written.
    """
    rest = rest.rstrip(b"\0")
    whole = None
    with contextlib.suppress(ValueError):
        whole = json.loads(rest)
    ours = _START.startswith(rest[:2]) if whole is None else isinstance(whole, dict)
    if rest and not (ours and (whole is None or whole.keys() >= request.keys())):
        raise ResultMismatch(
            f"{path} ends with something that is no result: {rest[:40]!r}. "
            "Choose another output, or delete the file."
        )


def complete_lines(path: Path, raw: bytes) -> Iterator[Line]:
    """Lines up to the first one that a kill has torn.

    Args:
        path: of the file, for messages.
        raw: its content.

    Raises:
        ResultMismatch: something else than a line of JSON comes before.
    """
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ResultMismatch(
                f"line {number} of {path} is no JSON object: {line[:40]!r}. "
                "That is no file of results: name another."
            )
        yield value
