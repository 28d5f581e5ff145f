"""Whether a judge is right as often as it is sure to be.

Of two actions it chooses the likelier one; its confidence is the probability of that, from 0.5 to
1. ``BINS`` bins of equal width divide this range. The expected calibration error (Guo et al. 2017,
arXiv 1706.04599) is the mean over all prompts of the distance, within a bin, between mean
confidence and accuracy: 0 is perfect, 0.5 is sure and right every second time, 1 is sure and always
wrong. With few prompts a bin is off by chance, so that even a perfectly calibrated judge comes out
above 0 (Broecker 2012; Roelofs et al. 2022, arXiv 2012.08668).

Resamples are off by chance once more, and all too high: their percentiles would leave the truth
out, and reflecting them (the basic bootstrap) does not help where many bins are near 0. But the
error is a norm of the vector of the bins' gaps. By the triangle inequality it is above the true one
by no more than the norm of what is wrong with the vector, and the distribution of that is the
resamples' distance from the data (confidence regions by bootstrap: Hall 1992, section 4.2). This
gives the lower bound, which is 0 for 97.5 % of the calibrated judges; the upper one is the
percentile, which errs on the side of caution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from act_data.analysis.bootstrap import Estimate
from act_train.judging.resampling import Array, Tasks

BINS = 10


def calibration_error(right: Array, confidence: Array, tasks: Tasks) -> Estimate:
    """The expected calibration error, with bounds as the module says.

    Args:
        right: 1 where the judge was right, 0 where it was not, 0.5 for a tie; shape
            (pairs, orders).
        confidence: in [0.5, 1], likewise.
        tasks: of the pairs.
    """
    gaps = (_in_bins(confidence) * (confidence - right)[..., None]).sum(1)
    columns = np.column_stack([gaps, np.full(len(right), right.shape[1])])
    here = _mean_gaps(columns.sum(0))
    error = tasks.of_sums(columns, lambda sums: np.abs(_mean_gaps(sums)).sum(-1))
    apart = tasks.of_sums(columns, lambda sums: np.abs(_mean_gaps(sums) - here).sum(-1))
    return Estimate(error.value, max(0.0, error.value - apart.high), error.high)


def _mean_gaps(sums: Array) -> Array:
    """Gaps of the bins, of one prompt in the mean, from their sums and the number of prompts."""
    return sums[..., :-1] / sums[..., -1:]


def reliability(right: Array, confidence: Array, tasks: Tasks) -> list[dict[str, Any]]:
    """The points of a reliability diagram: one row per bin, the least sure first.

    Args:
        right: as :func:`calibration_error`.
        confidence: likewise.
        tasks: of the pairs.

    Returns:
        Where the bin begins and ends, how many ``prompts`` fall into it, their mean
        ``confidence``, their ``accuracy`` and its interval; None where there are none.
    """
    edges = np.linspace(0.5, 1, BINS + 1).round(6).tolist()
    rows = []
    for at, inside in enumerate(np.moveaxis(_in_bins(confidence), -1, 0)):
        row: dict[str, Any] = {"from": edges[at], "to": edges[at + 1], "prompts": int(inside.sum())}
        if not row["prompts"]:
            rows.append(row | {"confidence": None, "accuracy": None, "accuracy_95": None})
            continue
        found = tasks.ratio((inside * right).sum(1), inside.sum(1))
        row["confidence"] = float((inside * confidence).sum() / inside.sum())
        rows.append(row | {"accuracy": found.value, "accuracy_95": [found.low, found.high]})
    return rows


def _in_bins(confidence: Array) -> Array:
    """1 where a prompt falls into a bin; shape (pairs, orders, bins)."""
    at = np.minimum((2 * BINS * (confidence - 0.5)).astype(int), BINS - 1)
    return np.eye(BINS)[at]
