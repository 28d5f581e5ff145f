"""How operations and their answers are written for the Java process; see ``Worker.java``."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from act_envs.errors import SimulatorError

_START, _STEP, _ADMISSIBLE, _DIGEST, _SAVE, _RESTORE, _EXPERT, _END, _TRY = range(1, 10)
DIGEST_SIZE = 32  # bytes


class OperationFailed(SimulatorError):
    """The simulator could not do what it was asked; its process goes on."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the simulator says after an action.

    Attributes:
        text: the observation.
        progress: upstream's score, at most 1; negative after a failure.
        completed: whether its goals are reached, or missed for good.
        choices: how many answers are offered to a question that it asks.
        moves: its own count of moves.
        look: what ``look around`` would show.
        inventory: what ``inventory`` would show.
    """

    text: str
    progress: float
    completed: bool
    choices: int
    moves: int
    look: str
    inventory: str


def start(episode: int, key: bytes, name: str, variation: int, simplifications: str) -> bytes:
    """Begin a task, from the state saved under its key if there is one."""
    return _head(_START, episode) + key + _task(name, variation, simplifications)


def step(episode: int, action: str) -> bytes:
    """Take an action."""
    return _head(_STEP, episode) + _text(action)


def tries(episode: int, actions: Sequence[str]) -> bytes:
    """Take each action in a copy: a truth value, and where it is true what is told and a digest."""
    return b"".join(_head(_TRY, episode) + _text(action) for action in actions)


def admissible(episode: int) -> bytes:
    """List the valid actions."""
    return _head(_ADMISSIBLE, episode)


def digest(episode: int) -> bytes:
    """Digest what can affect the future."""
    return _head(_DIGEST, episode)


def save(episode: int, key: bytes) -> bytes:
    """Keep the state under a key of 16 bytes."""
    return _head(_SAVE, episode) + key


def restore(episode: int, key: bytes) -> bytes:
    """Go back to the state under a key: a truth value, and where it is true the goal."""
    return _head(_RESTORE, episode) + key


def expert(name: str, variation: int, simplifications: str) -> bytes:
    """Find the gold path of a task, in a world of its own."""
    return _head(_EXPERT, 0) + _task(name, variation, simplifications)


def end(episode: int) -> bytes:
    """Forget an episode."""
    return _head(_END, episode)


class Reader:
    """Reads an answer from its beginning: for each operation ``check``, then what it gives."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 0

    def check(self) -> None:
        """Begin with the next operation.

        Raises:
            OperationFailed: it could not be carried out.
        """
        if self.flag():
            raise OperationFailed(self.text())

    def told(self) -> Told:
        """What ``step`` gives."""
        text = self.text()
        progress, completed, choices, moves = struct.unpack_from(">d?ii", self._take(17))
        return Told(text, progress, completed, choices, moves, self.text(), self.text())

    def text(self) -> str:
        """A text."""
        (length,) = struct.unpack(">i", self._take(4))
        return self._take(length).decode()

    def flag(self) -> bool:
        """A truth value."""
        return self._take(1) != b"\0"

    def digest(self) -> bytes:
        """What ``digest`` gives."""
        return self._take(DIGEST_SIZE)

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._answer[self._at - count : self._at]


def _head(operation: int, episode: int) -> bytes:
    return struct.pack(">bi", operation, episode)


def _task(name: str, variation: int, simplifications: str) -> bytes:
    return _text(name) + struct.pack(">i", variation) + _text(simplifications)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">i", len(data)) + data
