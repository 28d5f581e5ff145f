"""Messages between two processes over a socket, with deadlines. Any object that can be pickled."""

from __future__ import annotations

import pickle
import socket
import struct
import time
from typing import Any

_MARK = b"ACT\x01"
_HEAD = struct.Struct(">4sQ")  # the mark, and how many bytes follow
_LARGEST = 1 << 32  # bytes of a message
_CHUNK = 1 << 20
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
        self._end = end

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Send a message.

        Args:
            message: as ``packed`` makes it.
            deadline: when to give up, by ``time.monotonic``; None for never.

        Raises:
            ChannelClosed: nobody is there.
            TimeoutError: the deadline has passed.
        """
        self._limit(deadline)
        try:
            self._end.sendall(message)
        except TimeoutError:
            raise
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
        mark, size = _HEAD.unpack(self._read(_HEAD.size, deadline))
        if mark != _MARK or size > _LARGEST:
            raise Garbled(f"{mark!r} is not the beginning of a message")
        data = self._read(size, deadline)
        try:
            return pickle.loads(data)
        except Exception as error:  # unpickling bytes that are no pickle raises what it likes
            raise Garbled(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _read(self, count: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < count:
            self._limit(deadline)
            try:
                part = self._end.recv(min(count - len(data), _CHUNK))
            except TimeoutError:
                raise
            except OSError as error:
                raise ChannelClosed(error.strerror or str(error)) from error
            if not part:
                raise ChannelClosed("end of stream")
            data += part
        return data

    def _limit(self, deadline: float | None) -> None:
        # Whoever waits for several answers one after the other finds the later ones there.
        left = None if deadline is None else max(deadline - time.monotonic(), _GRACE)
        self._end.settimeout(left)


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
