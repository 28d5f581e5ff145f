"""Random choices that depend on their key alone: the same on every machine and every Python.

Everything rests on ``random.Random(seed).random()``, the one method whose sequence Python promises
to keep for a seed; ``choice``, ``shuffle`` and their kin may change between versions.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of choices.

    Args:
        key: what the stream is for; other keys give other streams.
    """

    def __init__(self, *key: str | int) -> None:
        digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
        self.number = random.Random(int.from_bytes(digest[:16], "big")).random
        """Draws a number in [0, 1)."""

    def below(self, limit: int) -> int:
        """A whole number from 0 to ``limit`` - 1."""
        return int(self.number() * limit)

    def happens(self, probability: float) -> bool:
        """True as often as ``probability`` says."""
        return self.number() < probability

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, each as likely."""
        return values[self.below(len(values))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """One of the keys, as likely as its weight is large."""
        left = self.below(sum(weights.values()))
        for value, weight in weights.items():
            left -= weight
            if left < 0:
                return value
        raise ValueError("no weight is positive")

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The values in another order (Fisher and Yates)."""
        order = list(values)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order
