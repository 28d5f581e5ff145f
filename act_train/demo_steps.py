"""Runs the demo's commands, some of them at the same time, and remembers which are done.

Those that run beside the others have a process of their own, in which the libraries are loaded
once. What they say goes to a file, and the terminal is told when one begins and ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TextIO

from act_data.storage.files import write_json
from act_envs.vector.lifeline import end_with
from act_train.errors import DemoFailed

SAID = "beside.log"  # what was said by commands that ran beside the others
STEPS = "steps"  # folder of the records

Command = tuple[str, ...]
Span = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """The commands of a demo.

    Attributes:
        data: one after the other.
        act: after these, one after the other.
        rest: the same, at the same time; neither reads what the other makes.
    """

    data: tuple[Command, ...]
    act: tuple[Command, ...]
    rest: tuple[Command, ...]

    @property
    def lines(self) -> list[str]:
        """All of them, in the order in which they are numbered."""
        return [shlex.join(one) for one in (*self.data, *self.act, *self.rest)]


class Steps:
    """Commands that are run in this process, if they have not been run before.

    Args:
        plan: all commands.
        out: the demo's folder.
        told: where it is said which command begins.
        beside: whether this is the process beside the other one.

    Raises:
        DemoFailed: ``out`` holds something else.
    """

    def __init__(self, plan: Plan, out: Path, told: TextIO, *, beside: bool = False) -> None:
        self._lines, self._out, self._told = plan.lines, out, told
        self._name = "beside it: " if beside else ""
        self._done = spans(plan, out)

    def left(self, commands: Sequence[Command]) -> bool:
        """Whether any has not been run yet."""
        return not all(map(self._ran, commands))

    def run(self, commands: Sequence[Command]) -> None:
        """Run those that have not been run yet.

        Raises:
            DemoFailed: one did not end well.
        """
        for command in commands:
            line = shlex.join(command)
            place = self._lines.index(line)
            number = f"[{place + 1}/{len(self._lines)}]"
            self._told.write(f"\n\x1b[1m{number}\x1b[0m {self._name}$ {line}\n")
            if self._ran(command):
                begin, end = self._done[line]
                self._told.write(f"done before ({end - begin:.0f} s)\n")
                continue
            record = _record(self._out, place)
            # There is one where what it had made was deleted: until it ends again, it is not done.
            record.unlink(missing_ok=True)
            begin = time.time()
            execute(command)
            span = (round(begin, 1), round(time.time(), 1))
            record.parent.mkdir(parents=True, exist_ok=True)
            write_json(record, {"code": _code(), "command": line, "span": span})
            if self._name:
                self._told.write(f"\n{number} done ({span[1] - begin:.0f} s)\n")

    def _ran(self, command: Command) -> bool:
        return shlex.join(command) in self._done and output(command).exists()


@contextlib.contextmanager
def in_own_process(run: Callable[[TextIO], None], out: Path) -> Iterator[Callable[[], None]]:
    """Run something in a process of its own, which does not outlive this one.

    Args:
        run: what is called there, with the terminal.
        out: folder of what it says.

    Yields:
        What waits for its end, and raises :class:`DemoFailed` if that was not a good one. If it
        fails, the terminal is told at once, and what is being done here may go on: it is kept.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=_aside, args=(run, out, os.getpid())
    )
    process.start()

    def wait() -> None:
        process.join()
        if process.exitcode == 130:
            raise KeyboardInterrupt
        if process.exitcode:
            how = (
                f"was killed by signal {-process.exitcode}"
                if process.exitcode < 0
                else f"did not end well: see the end of {out / SAID}"
            )
            raise DemoFailed(
                f"a step beside the others {how}. "
                "Mend that and run the demo again: it goes on with this step."
            )

    try:
        yield wait
    finally:
        process.terminate()
        process.join()


def spans(plan: Plan, out: Path) -> dict[str, Span]:
    """When each command was run that this very code has finished: begin and end, Unix seconds.

    Raises:
        DemoFailed: ``out`` holds something else.
    """
    paths = (_record(out, place) for place in range(len(plan.lines)))
    found = dict(_read(path) for path in paths if path.exists())
    return {line: found[line] for line in plan.lines if line in found}


def covered(times: Mapping[str, Span]) -> float:
    """Seconds in which anything was run."""
    total, end = 0.0, float("-inf")
    for begin, ended in sorted(times.values()):
        total += max(0.0, ended - max(begin, end))
        end = max(end, ended)
    return total


def execute(command: Command) -> None:
    """Run a command in this process.

    Raises:
        DemoFailed: it did not end well; it has said why.
    """
    import act_data.cli
    import act_train.cli

    programs: dict[str, Callable[[Sequence[str]], int]] = {
        "act-data": act_data.cli.main,
        "act-train": act_train.cli.main,
    }
    status = programs[command[0]](command[1:])
    if status == 130:
        raise KeyboardInterrupt
    if status:
        raise DemoFailed(
            f"`{shlex.join(command)}` ended with status {status}. "
            "Mend what it says and run the demo again: it goes on with this step."
        )


def output(command: Command) -> Path:
    """What a command leaves behind."""
    (place,) = (
        i
        for i, word in enumerate(command)
        if word in ("--out", "--output_dir", "--output", "--json")
    )
    return Path(command[place + 1])


def quiet() -> None:
    """Keep the libraries' notes for developers off the newcomer's terminal."""
    import datasets
    import torch
    from transformers.utils import logging as transformers_logging

    # Of tokenising, loading and saving, milliseconds each; the training bars stay.
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # as the recipes; DeepSpeed warns of it else
    if "OMP_NUM_THREADS" not in os.environ:  # more cost a model this small more than they do
        torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate|datasets)\b")
    for name in ("transformers", "trl", "accelerate", "datasets", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _aside(run: Callable[[TextIO], None], out: Path, parent: int) -> None:
    """In the process beside: all that is said goes to the file, but for what ``run`` tells."""
    end_with(parent, by_signal=True)
    terminal = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    with terminal, (out / SAID).open("a") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        try:
            quiet()
            run(terminal)
        except KeyboardInterrupt:
            sys.exit(130)
        except DemoFailed as error:
            for stream in (terminal, sys.stderr):
                stream.write(f"\nbeside it: {error} ({out / SAID})\n")
            sys.exit(1)
        except Exception as error:
            terminal.write(f"\nbeside it: {error!r} (where: at the end of {out / SAID})\n")
            raise


def _record(out: Path, place: int) -> Path:
    return out / STEPS / f"{place + 1:02}.json"


def _read(path: Path) -> tuple[str, Span]:
    folder = path.parent.parent
    remedy = f"Delete it (rm -r {folder}), or choose another folder with --out."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        code, line, (begin, end) = found["code"], str(found["command"]), found["span"]
        span = float(begin), float(end)
    except (ValueError, TypeError, KeyError) as error:
        raise DemoFailed(f"{path} is not what the demo wrote ({error!r}). {remedy}") from error
    if code != _code():
        raise DemoFailed(f"{folder} holds a demo of another version of this package. {remedy}")
    return line, span


@cache
def _code() -> str:
    """A name of the installed code and recipes by their content, when it was first asked for."""
    total = hashlib.sha256()
    for package in ("act_envs", "act_data", "act_train"):
        root = Path(str(files(package)))
        for path in sorted(
            [*root.rglob("*.py"), *root.rglob("*.yaml"), *root.rglob("*.safetensors")]
        ):
            total.update(path.read_bytes())
    return total.hexdigest()[:16]
