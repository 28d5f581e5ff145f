"""What the two texts of a pair give away to a classifier that never sees a state."""

from __future__ import annotations

from collections.abc import Sequence

from act_data.analysis import floor
from act_train.judging.choices import Line, tasks_of
from act_train.judging.resampling import Array


def text_margins(lines: Sequence[Line], others: Sequence[tuple[str, str]] = ()) -> Array | None:
    """How far the classifier of :mod:`act_data.analysis.floor` prefers each expert's action.

    It is cross-validated over whole tasks, so no task is both trained and tested on, and learns
    from the others as well: a judge that was trained on them may know their words.

    Args:
        lines: of the pairs that are judged.
        others: expert's action and alternative of pairs of other tasks.

    Returns:
        Above 0 where it names the expert's action; shape (pairs,). None with fewer than two tasks.
    """
    tasks = tasks_of(lines)
    if tasks.count < 2:
        return None
    pairs = [(line["expert_action"], line["alternative_action"]) for line in lines]
    return floor.margins(pairs, tasks.numbers, others)
