"""Panels of ScienceWorld: the lists of tasks that papers train and report on, with their caps.

A panel is a list of tasks under a name, other than the official splits. Its tasks keep their ids
and their official split, so a list that mixes the splits shows that it does
(``act-envs tasks scienceworld --check-leaks``). The lists and their sources are in
``panels.json``: numbers of variations, as ranges.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from act_envs.scienceworld import catalogue
from act_envs.types import Task

STEP_LIMIT = 100
"""Steps of an episode of a task that no panel caps: upstream's number, which counts moves."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A list of tasks that results are reported on.

    Attributes:
        name: name of the panel (``"eto-test"``).
        tasks: its tasks, each once, by kind in upstream's order, then by variation.
        step_limits: steps after which an episode is truncated, for each of its kinds of task.
        source: the paper and the files that the list is from.
        notes: how the paper used it (simplifications, metric), and what is wrong with it.
    """

    name: str
    tasks: tuple[Task, ...]
    step_limits: Mapping[str, int]
    source: str
    notes: str


@cache
def panels() -> Mapping[str, Panel]:
    """Every panel by its name, in the documented order."""
    text = Path(__file__).with_name("panels.json").read_text(encoding="utf-8")
    known = {task.task_id: task for split in catalogue.SPLITS for task in catalogue.tasks(split)}
    found = {}
    for protocol in json.loads(text):
        for name, variations in protocol["panels"].items():
            limits = protocol["step_limits"]
            found[name] = Panel(
                name=name,
                tasks=tuple(
                    known[f"{kind}/{variation}"]
                    for kind, ranges in variations.items()
                    for variation in _numbers(ranges)
                ),
                step_limits={
                    kind: limits if isinstance(limits, int) else limits[kind] for kind in variations
                },
                source=protocol["source"],
                notes=protocol["notes"],
            )
    return found


def tasks(name: str, without: Collection[str] = ()) -> Sequence[Task]:
    """Every task of an official split or of a panel, in a fixed order.

    Args:
        name: one of ``catalogue.SPLITS`` or of ``panels()``.
        without: names of kinds to leave out (hashable: a tuple or a frozenset).
    """
    if name in catalogue.SPLITS:
        return catalogue.tasks(name, without)
    return [task for task in panels()[name].tasks if task.kind not in without]


def step_limits(name: str) -> int | Mapping[str, int]:
    """The documented steps of an episode: those of the panel, else ``STEP_LIMIT``.

    Returns:
        One number, or with a panel one for every kind of task there is, since any task can be
        pinned.
    """
    if not isinstance(name, str) or name not in panels():  # what it is, is said elsewhere
        return STEP_LIMIT
    return {**dict.fromkeys(catalogue.kinds(), STEP_LIMIT), **panels()[name].step_limits}


def _numbers(ranges: str) -> list[int]:
    """The numbers of ``"0-3 7"``: 0, 1, 2, 3, 7."""
    numbers = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
