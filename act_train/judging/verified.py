"""A judge against what verifications found: each reading by itself, never mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from act_data.analysis.bootstrap import Estimate
from act_train.judging.choices import Line, tasks_of, with_interval
from act_train.judging.resampling import Array, Tasks

_VERDICTS = ("expert_better", "equivalent", "alternative_better")


def against(
    lines: Sequence[Line],
    reading: str,
    accuracies: Mapping[str, Array],
    scores: Mapping[str, Array],
) -> dict[str, Any] | None:
    """How a judge fares against one reading; None where no pair has a verdict of it."""
    verdicts = np.array([line["verdicts"][reading] or "unknown" for line in lines])
    known = verdicts != "unknown"
    if not known.any():
        return None
    result: dict[str, Any] = {
        "reading": reading,
        "pairs": int(known.sum()),
        **{name: int((verdicts == name).sum()) for name in _VERDICTS},
    }
    better, decided = verdicts == "expert_better", known & (verdicts != "equivalent")
    for prefix, score in scores.items():
        found = area(score[known], better[known], tasks_of(_where(lines, known)))
        result |= with_interval(f"{prefix}auroc", found)
    for prefix, accuracy in accuracies.items():
        label = np.where(better, accuracy, 1 - accuracy)[decided]
        found = tasks_of(_where(lines, decided)).ratio(label) if decided.any() else None
        result |= with_interval(f"{prefix}decided_accuracy", found)
    return result


def area(scores: Array, positive: NDArray[np.bool_], tasks: Tasks) -> Estimate | None:
    """The area under the ROC curve: how often a positive scores above a negative, ties half.

    Args:
        scores: shape (pairs,).
        positive: likewise.
        tasks: of the pairs.

    Returns:
        The area with its interval; None where there are no positives, or no negatives.
    """
    if positive.all() or not positive.any():
        return None
    ranked = np.sort(scores[~positive])
    order = np.argsort(scores[~positive], kind="stable")
    below, upto = (np.searchsorted(ranked, scores[positive], side) for side in ("left", "right"))

    def drawn(weights: Array) -> Array:
        negatives = weights[:, ~positive][:, order]
        sums = np.cumsum(np.pad(negatives, ((0, 0), (1, 0))), 1)
        positives = weights[:, positive]
        higher = (positives * (sums[:, below] + sums[:, upto]) / 2).sum(1)
        return higher / (positives.sum(1) * sums[:, -1])

    return tasks.of_weights(drawn)


def _where(lines: Sequence[Line], which: NDArray[np.bool_]) -> list[Line]:
    return [line for line, one in zip(lines, which, strict=True) if one]
