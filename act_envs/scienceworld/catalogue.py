"""The names of ScienceWorld's tasks, read from ``tasks.json`` without starting Java.

A task id is ``"<name>/<variation>"`` (``"boil/21"``), with upstream's task name and variation
number. The official split of a task is a range of its variations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from act_envs.errors import UnknownTask, nearest
from act_envs.types import Task

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the 30 tasks, with all of its variations.

    Attributes:
        topic: upstream's number of the task (``"1-1"``).
        name: upstream's name of the task (``"boil"``).
        variations: how many there are, numbered from 0.
        ranges: the variations of each split.
    """

    topic: str
    name: str
    variations: int
    ranges: dict[str, range]

    @property
    def electrical(self) -> bool:
        """Whether it cannot be solved without connecting wires."""
        return "power-component" in self.name or "conductivity" in self.name

    def split(self, variation: int) -> str:
        """The split that a variation belongs to."""
        return next(split for split in SPLITS if variation in self.ranges[split])


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of task by its name, in upstream's order."""
    rows = json.loads(Path(__file__).with_name("tasks.json").read_text(encoding="utf-8"))
    return {
        row["name"]: Kind(
            topic=row["topic"],
            name=row["name"],
            variations=row["variations"],
            ranges={split: range(row[split][0], row[split][1] + 1) for split in SPLITS},
        )
        for row in rows
    }


@cache
def tasks(split: str, without: Collection[str] = ()) -> tuple[Task, ...]:
    """Every task of a split, by kind in upstream's order, then by variation.

    Args:
        split: one of ``SPLITS``.
        without: names of kinds to leave out (hashable: a tuple or a frozenset).
    """
    return tuple(
        Task(task_id=f"{kind.name}/{variation}", split=split, kind=kind.name)
        for kind in kinds().values()
        if kind.name not in without
        for variation in kind.ranges[split]
    )


def parse(task_id: str) -> tuple[Kind, int]:
    """The kind and the variation that an id names; the inverse of ``f"{name}/{variation}"``.

    Raises:
        UnknownTask: no task has that id.
    """
    name, _, number = task_id.partition("/") if isinstance(task_id, str) else ("", "", "")
    kind = kinds().get(name)
    if kind is None:
        raise UnknownTask(
            f"unknown task {task_id!r}. A task id is 'name/variation', for example 'boil/21'. "
            f"{nearest(name, kinds())}"
        )
    if not re.fullmatch("0|[1-9][0-9]{0,5}", number) or int(number) >= kind.variations:
        raise UnknownTask(
            f"unknown task {task_id!r}. The variations of {name!r} are "
            f"'{name}/0' to '{name}/{kind.variations - 1}'."
        )
    return kind, int(number)


def task(task_id: str) -> Task:
    """The task of that id.

    Raises:
        UnknownTask: there is none.
    """
    kind, variation = parse(task_id)
    return Task(task_id=task_id, split=kind.split(variation), kind=kind.name)
