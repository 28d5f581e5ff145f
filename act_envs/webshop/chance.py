"""Choices for generated products that depend on a key alone, the same on every machine.

All rests on ``random.Random(seed).random()``, whose sequence Python promises to keep for a seed,
and on sums and products of its numbers: a logarithm may differ between machines in its last digit.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

WIDEST = 16
"""Of ranks."""

_STEPS = 32  # powers kept from one whole exponent to the next


class Chance:
    """A stream of choices.

    Args:
        key: what it is for; another key gives another stream.
    """

    def __init__(self, key: str) -> None:
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        self.number = random.Random(int.from_bytes(digest, "big")).random
        """Draws a number in [0, 1)."""

    def below(self, limit: int) -> int:
        """A whole number from 0 to ``limit`` - 1."""
        return int(self.number() * limit)

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, each as likely."""
        return values[int(self.number() * len(values))]

    def common(self, values: Sequence[T]) -> T:
        """One of the values, rather one of the first: its place is the square of a number."""
        number = self.number()
        return values[int(number * number * len(values))]

    def rank(self, width: float) -> int:
        """A rank from 1 to e ** ``width``, the n-th as likely as 1 / n (Zipf's law)."""
        place = self.number() * width * _STEPS
        step = int(place)
        powers = _powers()
        return int(powers[step] + (powers[step + 1] - powers[step]) * (place - step))

    def normal(self) -> float:
        """A number with mean 0 and variance 1, between -3 and 3."""
        return (self.number() + self.number() + self.number() - 1.5) * 2


@functools.cache
def _powers() -> tuple[float, ...]:
    return tuple(power(step / _STEPS) for step in range(WIDEST * _STEPS + 2))


def power(exponent: float) -> float:
    """About e to that power."""
    found = 1 + exponent / 1024
    for _ in range(10):
        found *= found
    return found
