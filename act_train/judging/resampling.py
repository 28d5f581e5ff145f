"""Intervals of any statistic of pairs: whole tasks are drawn, for pairs of one task are alike.

The draws are those of :mod:`act_data.analysis.bootstrap`, as are the bounds where a resample says
nothing. Every call draws anew from the same seed: equal data, equal interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from act_data.analysis.bootstrap import Estimate, agreeing, estimate, task_weights

_BATCH = 2_000_000  # numbers at a time; bounds the memory of a bootstrap

Array = NDArray[np.float64]


class Tasks:
    """The tasks of some observations.

    Args:
        names: the task of each observation.

    Attributes:
        count: how many different tasks there are.
        numbers: which of them each observation belongs to, from 0.
    """

    def __init__(self, names: Sequence[str]) -> None:
        found, self.numbers = np.unique(np.asarray(names, dtype=str), return_inverse=True)
        self.count = len(found)

    def ratio(self, above: Array, below: Array | None = None) -> Estimate:
        """Sum of ``above`` over sum of ``below``; the mean of ``above`` where that is left out.

        Args:
            above: shape (observations,); the ratio lies in [0, 1].
            below: likewise.
        """
        below = np.ones(len(above)) if below is None else below
        return self.of_sums(np.stack([above, below], 1), lambda sums: sums[..., 0] / sums[..., 1])

    def difference(self, values: Array) -> Estimate:
        """The mean of values in [-1, 1], such as paired differences of shares."""
        found = self.ratio((1 + values) / 2)
        return Estimate(2 * found.value - 1, 2 * found.low - 1, 2 * found.high - 1)

    def of_sums(self, columns: Array, statistic: Callable[[Array], Array]) -> Estimate:
        """A statistic in [0, 1] that depends on sums over the observations alone.

        Args:
            columns: what is summed up, shape (observations, columns).
            statistic: from shape (..., columns) to (...); not a number where it is not defined.
        """
        sums = np.zeros((self.count, columns.shape[1]))
        np.add.at(sums, self.numbers, columns)

        def drawn(weights: Array) -> Array:
            return statistic(weights @ sums)

        return self._estimate(float(statistic(columns.sum(0))), drawn)

    def of_weights(self, statistic: Callable[[Array], Array]) -> Estimate:
        """A statistic in [0, 1] of weighted observations.

        Args:
            statistic: from weights of shape (resamples, observations) to (resamples,).
        """
        size = max(1, _BATCH // len(self.numbers))

        def drawn(weights: Array) -> Array:
            parts = (weights[at : at + size] for at in range(0, len(weights), size))
            return np.concatenate([statistic(part[:, self.numbers]) for part in parts])

        return self._estimate(float(statistic(np.ones((1, len(self.numbers))))[0]), drawn)

    def _estimate(self, value: float, drawn: Callable[[Array], Array]) -> Estimate:
        if self.count < 2:
            return Estimate(value, 0.0, 1.0)
        with np.errstate(invalid="ignore"):
            weights = task_weights(self.count, np.random.default_rng(0))
            found = np.concatenate([drawn(some) for some in weights])
        if np.isnan(found).all():
            return Estimate(value, 0.0, 1.0)
        if np.nanmax(found) - np.nanmin(found) < 1e-9:  # on whatever, all tasks agree
            return Estimate(value, *agreeing(value, self.count))
        return estimate(value, found, self.count)
