"""Episodes that somebody else wrote down, as far as their files tell. Nothing is played here.

What is not understood is a record, too, with a fault that says why; it stops no other record.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """What a record says about one moment. What it does not say is None, and is not compared.

    Attributes:
        text: the observation.
        offered: all actions that were offered, in the environment's order.
        score: the score so far, in [0, 1].
    """

    text: str | None = None
    offered: tuple[str, ...] | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded episode.

    Attributes:
        place: where it stands: file, and number in the file from 1 where it holds several.
        source: who acted, where nobody says otherwise (``"eto"``, ``"human"``).
        names: what may name its task, the likeliest first.
        statement: the words that tell the task, for where no name does.
        seen: what was seen before each action and, where that was recorded, after the last.
        actions: what was done, in order.
        refused: indexes of the actions of which the record says that they were refused.
        fault: why it was not understood, ``""`` where it was.
    """

    place: str
    source: str = ""
    names: tuple[str, ...] = ()
    statement: str = ""
    seen: tuple[Seen, ...] = ()
    actions: tuple[str, ...] = ()
    refused: frozenset[int] = frozenset()
    fault: str = ""


class NotUnderstood(ValueError):
    """A part of a file is no record in a known format. Says why; never leaves this package."""
