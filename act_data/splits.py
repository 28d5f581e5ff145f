"""Which splits may enter training data, and what keeps them apart.

Results on tasks that were trained on mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from act_data.errors import ForbiddenSplit
from act_envs import TextEnv
from act_envs.protocol import part_of
from act_envs.types import Task

TRAIN = "train"
_EVALUATION = ("test", "valid", "seen", "unseen", "ood")
"""How names of splits that are reported on begin."""
WITHHELD = (
    "in a list that results are reported on, or made from what one of these is (those of dev may "
    "be allowed: --allow-split dev)"
)
"""Why tasks are, in words."""


def check_split(split: str, allowed: Sequence[str]) -> None:
    """Refuse tasks that are kept for evaluation.

    Args:
        split: official split of the tasks.
        allowed: splits that the user named, besides ``train``.

    Raises:
        ForbiddenSplit: the split is neither ``train`` nor allowed, or is one that results are
            reported on (its name begins with test, valid, seen, unseen or ood), which cannot be
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


def withheld(env: TextEnv, allowed: Sequence[str]) -> Callable[[Task], bool]:
    """Whether a task is withheld from training though its official split may be trained on.

    Papers report on lists of their own, which cut across official splits: of WebShop's ``train``
    some goals are in the panel ``upstream-test``, and more are for products of such goals.

    Args:
        env: whose panels are looked at.
        allowed: splits that the user named; panels that stand for them are not looked at.

    A panel that stands for no split (ScienceWorld's ``agentgym``) withholds nothing.
    """
    ids: set[str] = set()
    origins: set[str] = set()
    for name in env.panels:
        part, _ = part_of(name, env.splits)
        reported = part is not None and part.startswith(_EVALUATION)
        if reported or part not in (None, TRAIN, *allowed):
            tasks = env.tasks(name)
            ids.update(task.task_id for task in tasks)
            origins.update(task.origin for task in tasks if task.origin)
    return lambda task: task.task_id in ids or task.origin in origins


def made_from(task_id: str, origin: str) -> str:
    """What goes into one split as a whole: all tasks of an origin, or a task that has none.

    Args:
        task_id: the task.
        origin: what it was made from, see :class:`act_envs.types.Task`.
    """
    return origin or task_id
