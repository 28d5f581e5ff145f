"""What runs in a worker process: environments, and a loop that carries out orders."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from act_envs.vector.channel import Channel, ChannelClosed, Unsendable, packed
from act_envs.vector.row import Refused, Row

_LOOK = 0.5  # seconds between looks at whether the parent still lives
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the process that started this one, until it says so or is gone.

    Takes three arguments from the command line: the descriptor of a socket, the parent's number,
    and 1 where the parent's main thread has started it, else 0.
    """
    descriptor, parent, by_main = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if by_main and sys.platform == "linux":
        # Even a stopped process dies of this. The system sends it when the thread that started us
        # ends, which only the main thread does with its process.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(ChannelClosed):  # the parent is gone
        _serve(channel)


def _serve(channel: Channel) -> None:
    try:
        row = Row(channel.receive())
    except Exception as error:  # noqa: BLE001 - the parent raises it
        channel.send(packed((0, _portable(error))))
        return
    channel.send(packed((0, None)))
    try:
        while (asked := channel.receive()) is not None:
            number, orders = asked
            answers = [_checked(answer) for answer in row.carry_out(orders)]
            try:
                message = packed((number, answers))
            except Unsendable as error:
                message = packed((number, [Refused(_portable(error))] * len(answers)))
            channel.send(message)
    finally:
        row.close()
    channel.send(packed(None))


def _leave_with(parent: int) -> None:
    """End with the parent, whatever the main thread is doing."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _checked(answer: Any) -> Any:
    return Refused(_portable(answer.error)) if isinstance(answer, Refused) else answer


def _portable(error: Exception) -> Exception:
    """The error as it can be sent, with where it comes from."""
    where = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - of an unusual class; what it says is what counts
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In a worker process:\n{where}")
    return error
