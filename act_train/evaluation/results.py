"""Result files: JSON lines that one process appends to, each of them complete by itself.

A line repeats the request that it answers, and holds no time: equal requests give equal bytes. It
is on the disk before the next one is written, so a killed process leaves whole lines and perhaps a
torn one, which the next process cuts off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from act_data.errors import RunLocked
from act_data.runs.run import digest
from act_envs.types import Task
from act_train.errors import ResultMismatch

Line = dict[str, Any]

_SAME = ("env", "env_kwargs", "split", "task_list", "policy", "revision", "prompt_version", "seed")


def read_results(path: str | Path) -> list[Line]:
    """The complete lines of a result file, in order.

    Raises:
        ResultMismatch: it is no result file, or holds no line.
    """
    path = Path(path)
    lines = list(_complete(path, path.read_bytes()))
    if not lines:
        raise ResultMismatch(f"{path} holds no result. Let act-train evaluate go on with it.")
    first = lines[0]
    for number, line in enumerate(lines, 1):
        if not line.keys() >= {*_SAME, "task_id", "tasks"}:
            raise ResultMismatch(
                f"line {number} of {path} is no line of act-train evaluate: it has the keys "
                f"{', '.join(sorted(line))[:80]}. Choose another file."
            )
        if other := [key for key in _SAME if line[key] != first[key]]:
            raise ResultMismatch(
                f"line {number} of {path} is of another evaluation than the first: {other[0]} is "
                f"{line[other[0]]!r}, not {first[other[0]]!r}. Evaluate into a file of its own."
            )
    names = [line["task_id"] for line in lines]
    whole = len(lines) == first["tasks"]
    if len(set(names)) < len(names) or (whole and digest(names) != first["task_list"]):
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
    _file: BinaryIO

    def add(self, result: Mapping[str, Any]) -> None:
        """Append a line. It is on the disk when this returns."""
        self.lines.append({**self.request, **result})
        text = json.dumps(self.lines[-1], sort_keys=True, ensure_ascii=False)
        self._file.write(f"{text}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def opened(path: Path, request: Mapping[str, Any], tasks: Sequence[Task]) -> Iterator[ResultFile]:
    """The file, for this process alone, with the lines that it holds already.

    Args:
        path: the file; made when missing.
        request: what every line repeats.
        tasks: what the lines are about, in their order.

    Raises:
        ResultMismatch: it holds lines of another request, or something else.
        RunLocked: another process writes to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel drops it at the end
        except BlockingIOError as error:
            raise RunLocked(
                f"another process is writing to {path}. Wait for it, or choose another output."
            ) from error
        file.seek(0)
        raw = file.read()
        lines = list(_complete(path, raw))
        _check(path, lines, request, tasks)
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
    """Refuse to cut off what no line of results begins with."""
    whole = None
    with contextlib.suppress(ValueError):
        whole = json.loads(rest)
    ours = rest.startswith(b'{"') if whole is None else isinstance(whole, dict)
    if rest and not (ours and (whole is None or whole.keys() >= request.keys())):
        raise ResultMismatch(
            f"{path} ends with something that is no result: {rest[:40]!r}. "
            "Choose another output, or delete the file."
        )


def _complete(path: Path, raw: bytes) -> Iterator[Line]:
    """Lines up to the first one that a kill has torn."""
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ResultMismatch(
                f"line {number} of {path} is no JSON object: {line[:40]!r}. "
                "Is that a result file? Choose another output, or delete the file."
            )
        yield value
