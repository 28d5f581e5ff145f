"""Shares with intervals that allow for pairs of one task being alike: drawn by task.

Intervals hold 95 %, by a percentile bootstrap over *tasks*, for pairs of one task are not
independent: ``RESAMPLES`` times, n - 1 of n tasks are drawn with replacement and the share is
computed again (n - 1 makes the variance unbiased, Rao and Wu 1988). Where a share is 0 or 1 in all
resamples, they cannot say how rare the opposite is: the bound is Wilson's, with a task as one
observation (:func:`agreeing`). One task alone says nothing about others: its interval is [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
ENOUGH = 10
"""Tasks. With fewer, resamples are too much alike: what a 95 % interval leaves out happens far more
often than every twentieth time (Cameron, Gelbach and Miller 2008), and nothing may be claimed."""

_BATCH = 1_000_000  # draws at a time; bounds the memory of a bootstrap
_QUANTILE = 1.96  # of the normal distribution, for 95 %


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, or another number in [0, 1], with its interval.

    Attributes:
        value: in the data.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


def task_weights(tasks: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """How often each task is drawn in each of ``RESAMPLES`` resamples.

    Args:
        tasks: number of tasks, at least 2.
        rng: draws them.

    Yields:
        Weights of shape (some resamples, tasks).
    """
    size = max(1, _BATCH // tasks)
    for start in range(0, RESAMPLES, size):
        number = min(size, RESAMPLES - start)
        draws = rng.integers(tasks, size=(number, tasks - 1))
        draws += tasks * np.arange(number)[:, None]
        drawn = np.bincount(draws.ravel(), minlength=number * tasks)
        yield drawn.reshape(number, tasks).astype(np.float64)


def agreeing(value: float, tasks: int, least: float = 0.0) -> tuple[float, float]:
    """Bounds of a mean where all tasks say the same, so that resamples have no width.

    Where none of n tasks is otherwise, up to z^2 / (n + z^2) of all tasks may be (Wilson 1927),
    which from seven tasks on is no less than the exact 95 % bound 1 - 0.05^(1/n) (Clopper and
    Pearson 1934). What these tasks would say may be anything from ``least`` to 1.

    Args:
        value: what each of the tasks says.
        tasks: number of them.
        least: what a task may say at least: -1 for a difference of shares.
    """
    if tasks < 2:
        return least, 1.0
    others = _QUANTILE**2 / (tasks + _QUANTILE**2)
    return value + others * (least - value), value + others * (1 - value)


def estimate(value: float, resampled: NDArray[np.float64], tasks: int) -> Estimate:
    """A number with its interval.

    Args:
        value: in the data.
        resampled: in each resample; not a number where it is not defined there.
        tasks: from how many tasks it is.
    """
    if tasks < 2:
        return Estimate(value, 0.0, 1.0)
    low, high = (float(bound) for bound in np.nanpercentile(resampled, [2.5, 97.5]))
    # Sums of weights round: 0 and 1 need not come out exactly. Between them, resamples of strata
    # may agree because the strata are given.
    if math.isclose(low, high, abs_tol=1e-9) and min(value, 1 - value) < 1e-9:
        low, high = agreeing(float(round(value)), tasks)
    # Of two or three tasks none of the resamples may come out as all of them together do.
    return Estimate(value, min(low, value), max(high, value))
