"""Intervals and tests for small samples, and for two players of the same tasks.

Each call has a generator of its own: equal data, equal interval.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

RESAMPLES = 10_000


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> tuple[float, list[float]]:
    """Mean with its 95 % percentile-bootstrap interval (Efron 1979).

    Args:
        values: one per observation.
        clusters: name of the cluster that each belongs to (its task): observations of one cluster
            are not independent, so whole clusters are resampled. Each its own by default.

    Returns:
        The mean, and the bounds of the interval.
    """
    groups: dict[Hashable, list[float]] = {}
    for name, value in zip(clusters or range(len(values)), values, strict=True):
        groups.setdefault(name, []).append(float(value))
    totals = np.array([sum(group) for group in groups.values()])
    counts = np.array([len(group) for group in groups.values()])
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(totals), size=(RESAMPLES, len(totals)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(totals.sum() / counts.sum()), [float(low), float(high)]


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p-value that two players win equally often (McNemar 1947, exact binomial form).

    Args:
        only_a: tasks that the first won and the second did not.
        only_b: the other way round.
    """
    total = only_a + only_b
    tail = sum(math.comb(total, wins) for wins in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**total)
