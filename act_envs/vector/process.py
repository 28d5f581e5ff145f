"""A worker process with a row of environments in it: started, asked, and ended for certain."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from act_envs.vector.channel import Channel, ChannelClosed, Garbled
from act_envs.vector.row import Blueprint, Order

logger = logging.getLogger(__name__)

START_TIMEOUT = 600.0  # seconds; a large catalogue that was not compiled is read in minutes
_CLOSING = 5.0  # seconds that a worker has to close its environments
_PROGRAM = "import sys; sys.path[:] = {path!r}; from act_envs.vector.worker import main; main()"


class WorkerDied(Exception):
    """The process has died, or had to be ended. The message says how."""


class Worker:
    """A process, ended by ``close``, by garbage collection, or with this process.

    Args:
        blueprint: what it makes.
        timeout: seconds that it has for an answer: to all actions together, or to each other order.

    Attributes:
        busy: whether there are answers that nobody has waited for.
    """

    def __init__(self, blueprint: Blueprint, timeout: float) -> None:
        self._timeout = timeout
        self._deadline = time.monotonic() + START_TIMEOUT
        self.busy = True
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM.format(path=sys.path),
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for this process
            )
        self._end = weakref.finalize(self, _end, self._process, self._channel, os.getpid())
        self._owner = os.getpid()
        self._send(blueprint)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked: it was not ended, and it is this process that started it."""
        return self._end.alive and os.getpid() == self._owner

    def ask(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Send orders; ``answers`` waits for what they give.

        Raises:
            WorkerDied: it has.
        """
        others = sum(type(order) is not str for _, order in orders)
        self._deadline = time.monotonic() + self._timeout * max(1, others)
        self.busy = True
        self._send(orders)

    def answers(self) -> Any:
        """What the orders gave, or None where it is ready for the first.

        Raises:
            WorkerDied: it has, did not answer in time, or answered with what is no answer.
            Exception: that of making the environments.
        """
        try:
            answer = self._channel.receive(self._deadline)
        except TimeoutError:
            self.kill()
            raise WorkerDied(f"no answer in time (timeout={self._timeout:g})") from None
        except Garbled as error:
            self.kill()
            raise WorkerDied(f"an answer that is none: {error}") from None
        except ChannelClosed:
            raise WorkerDied(self._how()) from None
        self.busy = False
        if isinstance(answer, Exception):
            self.close()
            raise answer
        return answer

    def _send(self, message: object) -> None:
        try:
            self._channel.send(message, self._deadline)
        except TimeoutError:
            self.kill()
            raise WorkerDied(f"orders not taken in time (timeout={self._timeout:g})") from None
        except ChannelClosed:
            raise WorkerDied(self._how()) from None

    def close(self) -> None:
        """Let it close its environments, and end it. May be called twice."""
        if self.alive:
            with contextlib.suppress(ChannelClosed, Garbled, TimeoutError):
                self._channel.send(None, time.monotonic() + _CLOSING)
                self._channel.receive(time.monotonic() + _CLOSING)
        self._end()

    def kill(self) -> None:
        """End it at once, with all the processes that it has started. May be called twice."""
        self._end()

    def _how(self) -> str:
        """How it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.returncode
        self.kill()
        if code is None:
            return "it closed its connection"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"ended with status {code}"


def _end(process: subprocess.Popen[bytes], channel: Channel, owner: int) -> None:
    """Leave neither a process, nor a zombie, nor a file. In a fork of the owner: let go of it."""
    with contextlib.ExitStack() as last_first:  # all of them, also when one is interrupted
        last_first.callback(channel.close)
        if os.getpid() == owner:
            last_first.callback(process.wait)
            if process.poll() is None:
                descendants = _descendants(process.pid)
                last_first.callback(_kill, [process.pid, *descendants])


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """What a process has started and what that has, as far as the system tells.

    What only waits for the end of its parent need not be killed; what is stopped, or hangs, must.
    """
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found
