"""Which splits may enter training data, and what keeps them apart.

Results on tasks that were trained on mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from act_data.errors import ForbiddenSplit

TRAIN = "train"
_EVALUATION = ("test", "valid", "seen", "unseen")  # how names of splits that are reported on begin


def check_split(split: str, allowed: Sequence[str]) -> None:
    """Refuse tasks that are kept for evaluation.

    Args:
        split: official split of the tasks.
        allowed: splits that the user named, besides ``train``.

    Raises:
        ForbiddenSplit: the split is neither ``train`` nor allowed, or is one that results are
            reported on (its name begins with test, valid, seen or unseen), which cannot be
            allowed.
    """
    if split.startswith(_EVALUATION):
        raise ForbiddenSplit(
            f"tasks of split {split!r} are for evaluation and never enter training data. "
            f"Take split {TRAIN!r}."
        )
    if split != TRAIN and split not in allowed:
        raise ForbiddenSplit(
            f"split {split!r} is not {TRAIN!r}: training on it spoils results measured on it. "
            f"Take split {TRAIN!r}, or accept that with --allow-split {split}."
        )


def made_from(task_id: str, origin: str) -> str:
    """What goes into one split as a whole: all tasks of an origin, or a task that has none.

    Args:
        task_id: the task.
        origin: what it was made from, see :class:`act_envs.types.Task`.
    """
    return origin or task_id
