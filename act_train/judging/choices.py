"""Choices on pairs as numbers, and estimates as entries of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from act_data.analysis.bootstrap import Estimate
from act_data.splits import made_from
from act_train.judging.resampling import Array, Tasks

Line = Mapping[str, Any]
"""What :mod:`act_train.judge` writes of a pair."""


class Choices:
    """Choices on pairs under one condition.

    Args:
        lines: of the pairs.
        condition: which of their choices.

    Attributes:
        gap: log-odds (nats) of naming the expert's action, shape (pairs, orders).
        probability: of naming it, likewise; 1.0 of all gaps above some 37, which it cannot tell
            apart.
        right: 1 where it is chosen, 0.5 for a tie; likewise.
    """

    def __init__(self, lines: Sequence[Line], condition: str) -> None:
        found = np.array([line["choices"][condition] for line in lines], dtype=float)
        self.gap: Array = found[..., 0] - found[..., 1]
        self.probability: Array = np.exp(-np.logaddexp(0, -self.gap))
        self.right: Array = (1 + np.sign(self.gap)) / 2

    @property
    def confidence(self) -> Array:
        """The probability of what is chosen, shape (pairs, orders)."""
        return np.maximum(self.probability, 1 - self.probability)

    @property
    def accuracy(self) -> Array:
        """Of each pair, shape (pairs,)."""
        return self.right.mean(1)

    @property
    def consistent(self) -> Array:
        """1 where the expert's action is chosen in both orders, shape (pairs,)."""
        return (self.right == 1).all(1).astype(float)


def with_interval(name: str, found: Estimate | None) -> dict[str, Any]:
    """An estimate and its interval, ``NAME`` and ``NAME_95``; None where there is none."""
    if found is None:
        return {name: None, f"{name}_95": None}
    return {name: found.value, f"{name}_95": [found.low, found.high]}


def tasks_of(lines: Sequence[Line]) -> Tasks:
    """The tasks of pairs; ids are unique within an environment only.

    Tasks that were made from one thing (WebShop's of a product) are alike, and count as one.
    """
    return Tasks([f"{line['env_id']} {made_from(line['task_id'], line['origin'])}"
                  for line in lines])  # fmt: skip
