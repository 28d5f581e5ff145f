"""Two players of the same tasks: whether they can be paired, what else differs, and by how much.

Both met the same tasks, so that what makes a task hard is in both, and differences task by task
tell more than two intervals side by side. A player may be several runs, such as those of three
seeds: what is compared then is the mean over them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from act_train.evaluation.measures import NEXT_ACTION, Line, values
from act_train.statistics import mcnemar, mean_interval

SAME = (
    "metric", "env", "env_kwargs", "configuration", "split", "task_list", "tasks", "trajectories",
)  # fmt: skip
"""What must be the same of two results, or they are not about the same tasks and states."""

SET_UP = (
    "benchmark", "policy", "revision", "engine", "sampling", "history", "prompt_version",
    "step_limit", "seed", "versions",
)  # fmt: skip
"""What may differ, and then has to be said."""

_YES_OR_NO = ("success", "accuracy")

Lines = Sequence[Line]
"""The lines of one finished result."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second player less the first, in one measure.

    Attributes:
        a: mean of the first.
        b: mean of the second.
        change: mean of the differences.
        low: lower end of its 95 % interval, by bootstrap over tasks.
        high: upper end.
        tasks: how many were paired.
        observations: of these tasks: as many, or the states at which both were asked.
        wins: how many tasks either alone has won, and the p-value that this is chance (McNemar);
            None where outcomes are other than a single yes or no.
    """

    a: float
    b: float
    change: float
    low: float
    high: float
    tasks: int
    observations: int
    wins: tuple[int, int, float] | None


def apart(a: Lines, b: Lines) -> str:
    """Why two finished results cannot be paired; "" where they can."""
    for key in SAME:
        if a[0].get(key) != b[0].get(key):
            return f"{key} is {a[0].get(key)!r} in the first and {b[0].get(key)!r} in the second"
    for one, other in zip(a, b, strict=True):
        if one["task_id"] != other["task_id"]:
            return f"{one['task_id']!r} is in the first where {other['task_id']!r} is in the second"
        if _states(one) != _states(other):
            return f"the expert's episode of {one['task_id']} is another one in the second"
    return ""


def differing(a: Sequence[Lines], b: Sequence[Lines]) -> list[str]:
    """Names of what differs in the set-up of two players, each of at least one result."""
    found = [key for key in SET_UP if _told(a, key) != _told(b, key)]
    if "step_limit" in found and _caps(a) == _caps(b):
        found.remove("step_limit")  # one said what the other left to the environment
    return found


def difference(a: Sequence[Lines], b: Sequence[Lines], measure: str) -> Difference:
    """The difference in one measure, whose interval resamples tasks: states of one are alike.

    Args:
        a: the results of the first player, at least one; all of them can be paired.
        b: of the second.
        measure: one of :data:`act_train.evaluation.measures.MEASURES`, perhaps with one of the
            :data:`act_train.evaluation.measures.READINGS` before it.
    """
    first, second = _observed(a, measure), _observed(b, measure)
    tasks = [task for task, _ in first]
    changes = [second[at] - first[at] for at in first]
    change, (low, high) = mean_interval(changes, tasks, least=-1)
    single = len(a) == len(b) == 1 and measure.removeprefix("lenient ") in _YES_OR_NO
    return Difference(
        a=fmean(first.values()),
        b=fmean(second.values()),
        change=change,
        low=low,
        high=high,
        tasks=len({*tasks}),
        observations=len(tasks),
        wins=_wins(changes) if single else None,
    )


def _states(line: Line) -> list[str]:
    """What tells the states apart at which a player was asked: the goal, the expert's actions."""
    if line["metric"] != NEXT_ACTION:
        return []
    return [line["goal"], *(answer["expert"] for answer in line["answers"])]


def _wins(changes: Sequence[float]) -> tuple[int, int, float]:
    only_a, only_b = sum(x < 0 for x in changes), sum(x > 0 for x in changes)
    return only_a, only_b, mcnemar(only_a, only_b)


def _observed(runs: Sequence[Lines], measure: str) -> dict[tuple[str, int], float]:
    """The mean over runs by task and observation of it, in the order of the first run."""
    found: dict[tuple[str, int], list[float]] = {}
    for task, at, value in _each(runs, measure):
        found.setdefault((task, at), []).append(value)
    return {place: fmean(of) for place, of in found.items()}


def _each(runs: Sequence[Lines], measure: str) -> Iterator[tuple[str, int, float]]:
    for lines in runs:
        for line in lines:
            for at, value in enumerate(values(line, measure)):
                yield line["task_id"], at, value


def _told(runs: Sequence[Lines], key: str) -> set[str]:
    return {json.dumps(lines[0].get(key), sort_keys=True) for lines in runs}


def _caps(runs: Sequence[Lines]) -> set[tuple[int, ...]]:
    return {tuple(line.get("cap", 0) for line in lines) for lines in runs}
