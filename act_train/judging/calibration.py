"""Whether a judge is right as often as it is sure to be.

Of two actions it chooses the likelier one; its confidence is the probability of that, from 0.5 to
1. ``BINS`` bins of equal width divide this range. The expected calibration error (Guo et al. 2017,
arXiv 1706.04599) is the mean over all prompts of the distance, within a bin, between mean
confidence and accuracy: 0 is perfect, 0.5 is sure and right every second time, 1 is sure and always
wrong. With few prompts a bin is off by chance, so that even a perfectly calibrated judge comes out
above 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from act_data.analysis.bootstrap import Estimate
from act_train.judging.resampling import Array, Tasks

BINS = 10


def calibration_error(right: Array, confidence: Array, tasks: Tasks) -> Estimate:
    """The expected calibration error.

    Args:
        right: 1 where the judge was right, 0 where it was not, 0.5 for a tie; shape
            (pairs, orders).
        confidence: in [0.5, 1], likewise.
        tasks: of the pairs.
    """
    gaps = (_in_bins(confidence) * (confidence - right)[..., None]).sum(1)
    prompts = np.full(len(right), right.shape[1])
    return tasks.of_sums(
        np.column_stack([gaps, prompts]),
        lambda sums: np.abs(sums[..., :-1]).sum(-1) / sums[..., -1],
    )


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
