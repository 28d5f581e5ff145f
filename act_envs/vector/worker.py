"""What runs in a worker process: environments, and a loop that carries out orders."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import Any

from act_envs.vector.channel import Channel, ChannelClosed, Unsendable, packed
from act_envs.vector.lifeline import end_with, portable
from act_envs.vector.row import Refused, Row


def main() -> None:
    """Serve the process that started this one, until it says so or is gone.

    Takes three arguments from the command line: the descriptor of a socket, the parent's number,
    and 1 where the parent's main thread has started it, else 0.
    """
    descriptor, parent, by_main = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent, by_signal=bool(by_main))  # of threads, the main one alone ends with all
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(ChannelClosed):  # the parent is gone
        _serve(channel)


def _serve(channel: Channel) -> None:
    try:
        row = Row(channel.receive())
    except Exception as error:  # noqa: BLE001 - the parent raises it
        channel.send(packed((0, portable(error))))
        return
    channel.send(packed((0, None)))
    try:
        while (asked := channel.receive()) is not None:
            number, orders = asked
            answers = [_checked(answer) for answer in row.carry_out(orders)]
            try:
                message = packed((number, answers))
            except Unsendable as error:
                message = packed((number, [Refused(portable(error))] * len(answers)))
            channel.send(message)
    finally:
        row.close()
    channel.send(packed(None))


def _checked(answer: Any) -> Any:
    return Refused(portable(answer.error)) if isinstance(answer, Refused) else answer
