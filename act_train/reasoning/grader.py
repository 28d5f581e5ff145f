"""Grades formulas in a process of its own, each within a limit of computing time and of memory.

A model can write what no machine finishes (``9^{9^{9^9}}``), and nothing within Python stops sympy
at it; :mod:`act_train.reasoning.limits` is what does. What it stops is undecided: neither right nor
wrong, and counted apart.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from typing import Self

from act_envs.errors import MissingExtra
from act_train.errors import GradingFailed

GRADER_VERSION = 2
"""Of the rules by which answers are read and compared; result files name it."""

SECONDS = 20.0
"""Of computing time for one pair; ordinary ones take a hundredth of one."""


class Grader:
    """A process that compares formulas; a context manager, for it must end.

    Args:
        seconds: of computing time for one comparison.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # a child may still compute
            self._process.communicate()
            self._process = None

    def start(self) -> subprocess.Popen[bytes]:
        """The process, which is started once.

        Raises:
            MissingExtra: sympy is not installed.
        """
        if self._process is None:
            if importlib.util.find_spec("sympy") is None:
                raise MissingExtra(
                    "sympy, which grades formulas, is not installed. "
                    'Run: pip install "agentic-critical-training[train]", or pip install sympy.'
                )
            self._process = subprocess.Popen(
                [sys.executable, "-m", "act_train.reasoning.limits", str(self._seconds)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                env={**os.environ, "PYTHONHASHSEED": "0"},  # sympy goes through sets
            )  # fmt: skip
        return self._process

    def same(self, answer: str, key: str) -> bool | None:
        """Whether an answer is the right one; None where that is not decided within the limits.

        Raises:
            GradingFailed: the process is gone.
            MissingExtra: sympy is not installed.
        """
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then it says nothing either
            process.stdin.write(f"{json.dumps([answer, key])}\n".encode())
            process.stdin.flush()
        said = process.stdout.readline()
        if not said.endswith(b"\n"):
            raise GradingFailed(
                f"the process that grades answers ended with exit code {process.wait()} at "
                f"{answer[:80]!r}. See that it has memory; the same command then goes on."
            )
        return json.loads(said)
