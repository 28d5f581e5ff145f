"""Messages between two processes over a socket, with deadlines. Any object that can be pickled."""

from __future__ import annotations

import pickle
import select
import socket
import struct
import time
from typing import Any

_MARK = b"ACT\x01"
_HEAD = struct.Struct(">4sQ")  # the mark, and how many bytes follow
_LARGEST = 1 << 32  # bytes of a message
_CHUNK = 1 << 16
_LONGEST = 1e6  # seconds that the system can be asked to wait at a time, and more than anybody does
_GRACE = 1e-3  # seconds for what has arrived already when its deadline has passed


class ChannelClosed(Exception):
    """The other end is gone."""


class Garbled(Exception):
    """What came is no message."""


class Unsendable(Exception):
    """The message cannot be pickled."""


class Channel:
    """One end.

    Args:
        end: a connected stream socket; the channel closes it.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(True)
        self._end = end
        self._come = bytearray()  # and not yet read
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(end, select.POLLIN)
        self._writable.register(end, select.POLLOUT)

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send a message.

        Args:
            message: as ``packed`` makes it.
            deadline: when to give up, by ``time.monotonic``; None for never.

        Raises:
            ChannelClosed: nobody is there.
            TimeoutError: the deadline has passed.
        """
        left = memoryview(message)
        while left:
            try:
                left = left[self._end.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                _wait(self._writable, deadline)
            except OSError as error:
                raise ChannelClosed(error.strerror or str(error)) from error

    def receive(self, deadline: float | None = None) -> Any:
        """Wait for a message.

        Args:
            deadline: when to give up, by ``time.monotonic``; None for never.

        Raises:
            ChannelClosed: the other end is gone.
            Garbled: what came is no message.
            TimeoutError: the deadline has passed.
        """
        self._await(_HEAD.size, deadline)
        mark, size = _HEAD.unpack_from(self._come)
        if mark != _MARK or size > _LARGEST:
            raise Garbled(f"{mark!r} is not the beginning of a message")
        end = _HEAD.size + size
        self._await(end, deadline)
        data = bytes(memoryview(self._come)[_HEAD.size : end])
        del self._come[:end]
        try:
            return pickle.loads(data)
        except Exception as error:  # unpickling bytes that are no pickle raises what it likes
            raise Garbled(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _await(self, count: int, deadline: float | None) -> None:
        """Wait until so many bytes have come."""
        while len(self._come) < count:
            if deadline is not None:
                _wait(self._readable, deadline)
            try:
                part = self._end.recv(_CHUNK)
            except OSError as error:
                raise ChannelClosed(error.strerror or str(error)) from error
            if not part:
                raise ChannelClosed("end of stream")
            self._come += part


def _wait(event: select.poll, deadline: float | None) -> None:
    # Whoever waits for several answers one after the other finds the later ones there.
    left = _LONGEST if deadline is None else max(deadline - time.monotonic(), _GRACE)
    if not event.poll(1000 * min(left, _LONGEST)):
        raise TimeoutError


def packed(message: object) -> bytes:
    """A message as it is sent.

    Raises:
        Unsendable: it cannot be pickled.
    """
    try:
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever the objects in it raise
        raise Unsendable(f"{type(error).__name__}: {error}") from error
    return _HEAD.pack(_MARK, len(data)) + data
