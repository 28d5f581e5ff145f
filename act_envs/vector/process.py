"""A worker process with a row of environments in it: started, asked, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from act_envs.errors import UnknownArgument
from act_envs.vector.channel import Channel, ChannelClosed, Garbled, Unsendable, packed
from act_envs.vector.row import Blueprint, Order, Revive

START_TIMEOUT = 600.0  # seconds; a large catalogue that was not compiled is read in minutes
_TIDYING = 1.0  # seconds that what a worker has started has to end by itself
_CLOSING = 5.0  # seconds that a worker has to close its environments
_MARK = "ACT_WORKER"  # a variable that all processes of a worker inherit
_PROGRAM = "import sys; sys.path[:] = {path!r}; from act_envs.vector.worker import main; main()"


class WorkerDied(Exception):
    """The process has died, or had to be ended. The message says how."""


class Worker:
    """A process, ended by ``close``, by garbage collection, or with this process.

    Args:
        blueprint: what it makes.
        timeout: seconds that it has for an answer: to all actions together, or to each other order.
        folder: where it works.
        start: seconds that it has to make its environments.

    Attributes:
        busy: whether there are answers that nobody has waited for.

    Raises:
        UnknownArgument: an argument of the environments cannot be sent to it.
        OSError: it cannot be started.
    """

    def __init__(
        self, blueprint: Blueprint, timeout: float, folder: str, start: float = START_TIMEOUT
    ) -> None:
        request = _packed(blueprint)
        self._timeout, self._owner = timeout, os.getpid()
        self._allow(start)
        self.busy = True
        self._number = 0  # of the last orders; their answers repeat it
        mark = secrets.token_hex(16)
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as failing, theirs:
            failing.callback(ours.close)
            by_main = threading.current_thread() is threading.main_thread()
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM.format(path=[path or folder for path in sys.path]),
                    str(theirs.fileno()),
                    str(self._owner),
                    str(int(by_main)),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd=folder,
                env={**os.environ, _MARK: mark},
                start_new_session=True,  # Ctrl-C is for this process
            )
            failing.pop_all()
        self._channel = Channel(ours)
        self._end = weakref.finalize(self, _end, self._process, self._channel, mark, self._owner)
        with contextlib.suppress(WorkerDied):  # whoever waits for it hears of that
            self._send(request)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked: it was not ended, and it is this process that started it."""
        return self._end.alive and os.getpid() == self._owner

    def ready(self) -> None:
        """Wait until its environments are made.

        Raises:
            WorkerDied: it has.
            Exception: that of making them.
        """
        error = self.answers()
        if error is not None:
            self.kill()
            raise error

    def ask(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Send orders; ``answers`` waits for what they give.

        Raises:
            WorkerDied: it has.
            UnknownArgument: an order cannot be sent.
        """
        request = _packed((self._number + 1, orders))
        others = sum(_moves(order) for _, order in orders if type(order) is not str)
        self._allow(self._timeout * max(1, others))
        self.busy = True
        self._number += 1
        self._send(request)

    def answers(self) -> Any:
        """What the orders gave.

        Raises:
            WorkerDied: it has, did not answer in time, or answered with what is no answer.
        """
        try:
            answer = self._channel.receive(self._deadline)
        except TimeoutError:
            self.kill()
            raise WorkerDied(f"no answer within {self._allowed:g} s") from None
        except Garbled as error:
            self.kill()
            raise WorkerDied(f"an answer that is none: {error}") from None
        except ChannelClosed:
            raise WorkerDied(self._how()) from None
        match answer:
            case (number, answers) if number == self._number:
                self.busy = False
                return answers
        self.kill()
        raise WorkerDied("an answer that is none: it does not belong to the last orders")

    def leave(self) -> None:
        """Tell it to close its environments and end, without waiting for that."""
        self._deadline = time.monotonic() + _CLOSING
        if self.alive and not self.busy:
            with contextlib.suppress(ChannelClosed, TimeoutError):
                self._channel.send(packed(None), self._deadline)

    def close(self) -> None:
        """Wait for the end that ``leave`` has asked for, or bring it about. May be called twice."""
        if self.alive and not self.busy:
            with contextlib.suppress(ChannelClosed, Garbled, TimeoutError):
                self._channel.receive(self._deadline)
        self._end()

    def kill(self) -> None:
        """End it at once, with all the processes that it has started. May be called twice."""
        self._end()

    def _allow(self, seconds: float) -> None:
        """How long it may take to answer what comes next."""
        self._allowed = seconds
        self._deadline = time.monotonic() + seconds

    def _send(self, request: bytes) -> None:
        try:
            self._channel.send(request, self._deadline)
        except TimeoutError:
            self.kill()
            raise WorkerDied(f"orders not taken within {self._allowed:g} s") from None
        except ChannelClosed:
            raise WorkerDied(self._how()) from None

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


def _moves(order: Order) -> int:
    """How many moves of an environment an order stands for."""
    return 1 + len(order.turns) if isinstance(order, Revive) else 1


def _packed(message: object) -> bytes:
    try:
        return packed(message)
    except Unsendable as error:
        raise UnknownArgument(
            f"an argument cannot be sent to a worker process ({error}). Give plain data, or make "
            "the environments with workers=0."
        ) from None


def _end(process: subprocess.Popen[bytes], channel: Channel, mark: str, owner: int) -> None:
    """Leave neither a process, nor a zombie, nor a file. In a fork of the owner: let go of it."""
    with contextlib.ExitStack() as last_first:  # all of them, also when one is interrupted
        last_first.callback(channel.close)
        if os.getpid() == owner:
            last_first.callback(process.wait)
            last_first.callback(_signal_marked, mark, signal.SIGKILL)
            last_first.callback(_let_go, mark)
            last_first.callback(process.wait)
            last_first.callback(process.kill)


def _let_go(mark: str) -> None:
    """Let what a worker has left see that it is gone, and clear up; also what was stopped."""
    end = time.monotonic() + _TIDYING
    while _signal_marked(mark, signal.SIGCONT) and time.monotonic() < end:
        time.sleep(0.02)


def _signal_marked(mark: str, number: signal.Signals) -> int:
    """Signal to all that a worker has started, as far as the system tells. How many these were."""
    mine, found = f"{_MARK}={mark}".encode(), 0
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mine in path.read_bytes().split(b"\0"):
                found += 1
                os.kill(int(path.parent.name), number)
    return found
