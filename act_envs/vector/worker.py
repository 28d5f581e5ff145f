"""What runs in a worker process: environments, and a loop that carries out orders."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from act_envs.vector.channel import Channel, ChannelClosed
from act_envs.vector.row import Refused, Row

_LOOK = 0.5  # seconds between looks at whether the parent still lives


def main() -> None:
    """Serve the process that started this one, until it says so or is gone.

    Takes two arguments from the command line: the descriptor of a socket and the parent's number.
    """
    descriptor, parent = map(int, sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(ChannelClosed):  # the parent is gone
        _serve(channel)


def _serve(channel: Channel) -> None:
    blueprint = channel.receive()
    try:
        row = Row(blueprint)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        channel.send(_portable(error))
        return
    channel.send(None)
    try:
        while (orders := channel.receive()) is not None:
            answers = [_checked(answer) for answer in row.carry_out(orders)]
            try:
                channel.send(answers)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                channel.send([Refused(_portable(error))] * len(answers))
    finally:
        row.close()
    channel.send(None)


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
