"""Intervals and tests for small samples, and for two players of the same tasks.

Each call has a generator of its own: equal data, equal interval.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from act_data.analysis.bootstrap import agreeing

RESAMPLES = 10_000

_BATCH = 1_000_000  # draws at a time; bounds the memory of a bootstrap
_QUANTILE = 1.96  # of the normal distribution, for 95 %


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, *, least: float = 0.0
) -> tuple[float, list[float]]:
    """Mean with its 95 % interval.

    Where each cluster is a single yes or no, Wilson's (:func:`wilson`): resamples of a few rare
    outcomes are too much alike, and what they leave out happens far more often than every twentieth
    time. Else a percentile bootstrap over clusters (Efron 1979); where all of these agree, no
    resample differs from them, and the bounds are those of
    :func:`act_data.analysis.bootstrap.agreeing`.

    Args:
        values: one per observation.
        clusters: name of the cluster that each belongs to (its task): observations of one cluster
            are not independent, so whole clusters are resampled. Each its own by default.
        least: what a value can be at least: -1 for a difference of two. At most it is 1.

    Returns:
        The mean, and the bounds of the interval.
    """
    groups: dict[Hashable, list[float]] = {}
    for name, value in zip(clusters or range(len(values)), values, strict=True):
        groups.setdefault(name, []).append(float(value))
    totals = np.array([sum(group) for group in groups.values()])
    counts = np.array([len(group) for group in groups.values()])
    mean = float(totals.sum() / counts.sum())
    if least == 0 and len(groups) == len(values) and {*values} <= {0, 1}:
        return mean, [*wilson(mean, len(values))]
    low, high = np.percentile(_resampled(totals, counts), [2.5, 97.5])
    if math.isclose(low, high, abs_tol=1e-9):
        return mean, [*agreeing(mean, len(groups), least)]
    return mean, [float(low), float(high)]


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval (1927) of the share of yes among independent outcomes.

    Args:
        share: in the data.
        count: of the outcomes; one alone says nothing about others: its interval is [0, 1].
    """
    if count < 2 or share in (0, 1):  # the same bounds, without rounding
        return agreeing(share, count)
    square = _QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = _QUANTILE * spread / (1 + square / count)
    return middle - half, middle + half


def _resampled(totals: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means of resamples, shape (RESAMPLES,)."""
    generator = np.random.default_rng(0)
    size = max(1, _BATCH // len(totals))
    means = []
    for start in range(0, RESAMPLES, size):
        number = min(size, RESAMPLES - start)
        drawn = generator.integers(len(totals), size=(number, len(totals)))
        means.append(totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p-value that two players win equally often (McNemar 1947, exact binomial form).

    Args:
        only_a: tasks that the first won and the second did not.
        only_b: the other way round.
    """
    total = only_a + only_b
    tail = sum(math.comb(total, wins) for wins in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**total)
