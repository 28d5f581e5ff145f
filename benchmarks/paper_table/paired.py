"""Differences of two rows, paired by task and seed, and the plan's tests of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as student

from act_data.analysis.bootstrap import agreeing
from act_train.errors import ResultMismatch
from act_train.statistics import mean_interval
from benchmarks.paper_table.worlds import unit

FLIPS, RESAMPLES = 20_000, 10_000

Line = Mapping[str, Any]  # of the results
Measure = tuple[str, str]  # split, and ``won`` or ``score``
Changes = Mapping[int | None, Mapping[Any, float]]  # by seed, and by task or pair


def changes_of(played: Sequence[Line], first: str, second: str, measure: Measure) -> Changes:
    """The first row less the second, by task, in each of the seeds that both have.

    Raises:
        ResultMismatch: they were evaluated on different tasks.
    """
    found = {}
    for seed in seeds_of_both(on(played, measure[0]), first, second):
        one, other = (by_task(played, row, measure, seed) for row in (first, second))
        check_same(f"{first} was evaluated on other tasks", one, other, *found.values())
        found[seed] = {task: one[task] - other[task] for task in one}
    return found


def over_seeds(changes: Changes) -> list[float]:
    """Of each task, or of all that are drawn with it, the sum of its means over seeds."""
    sums: dict[str, float] = defaultdict(float)
    for one in changes.values():
        for task, value in one.items():
            sums[unit(task)] += value / len(changes)
    return [*sums.values()]


def check_same(words: str, *found: Mapping[Any, float]) -> None:
    """Refuse what cannot be paired.

    Raises:
        ResultMismatch: not all tell of the same tasks or pairs.
    """
    if any(one.keys() != found[0].keys() for one in found):
        raise ResultMismatch(f"{words} than what it is compared with. Run both again.")


def by_task(
    played: Sequence[Line], row: str, measure: Measure, seed: int | None
) -> dict[str, float]:
    """Values of a row in one seed, in the order of the tasks' names."""
    split, what = measure
    found = {
        line["task_id"]: float(line[what])
        for line in played
        if line["row"] == row and line["split"] == split
        and line["seed"] in (seed, None)  # None: the base, which has no seed
    }  # fmt: skip
    return dict(sorted(found.items()))


def on(played: Sequence[Line], split: str) -> list[Line]:
    """Lines of a split: a seed that was stopped may have been played on another alone."""
    return [line for line in played if line["split"] == split]


def seeds_of(lines: Sequence[Line], row: str) -> list[int | None]:
    """The seeds in which a row was run; of the base ``[None]``."""
    return sorted({line["seed"] for line in lines if line["row"] == row}, key=str)


def seeds_of_both(lines: Sequence[Line], first: str, second: str) -> list[int | None]:
    """The seeds of the first row in which the second was run too; the base goes with any."""
    one, other = seeds_of(lines, first), seeds_of(lines, second)
    return [seed for seed in one if seed in other or None in other]


def crossed(
    changes: Changes, *, least: float = -1.0, drawn_by: Callable[[Any], Hashable] = unit
) -> tuple[float, float, float]:
    """Mean of values of the same tasks in several seeds, and its 95 % interval.

    A percentile bootstrap that draws seeds and tasks, each with replacement, so that it speaks of
    other trainings as well as of other tasks (Owen 2007, the pigeonhole bootstrap). Of one seed it
    speaks of other tasks alone.

    Args:
        changes: by seed and task, or by seed and what belongs to a task.
        least: what a value can be at least; at most it is 1.
        drawn_by: what a key of a seed's values is drawn with, see :func:`unit`.

    Raises:
        ResultMismatch: seeds tell of different tasks.
    """
    check_same("one seed tells of other tasks", *changes.values())
    keys = list(next(iter(changes.values())))
    values = np.array([[one[key] for key in keys] for one in changes.values()])
    names = [drawn_by(key) for key in keys]
    seeds = len(values)
    if seeds == 1:
        mean, (low, high) = mean_interval(list(values[0]), names, least=least)
        return mean, low, high
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    tasks = len(place)
    belongs = np.zeros((len(names), tasks))
    belongs[range(len(names)), [place[name] for name in names]] = 1
    drawn = np.random.default_rng(0)
    of_seeds, of_tasks = (
        drawn.multinomial(n, [1 / n] * n, size=RESAMPLES) / n for n in (seeds, tasks)
    )
    sums = np.einsum("rs,st,rt->r", of_seeds, values @ belongs, of_tasks, optimize=True)
    mean = float(values.mean())
    low, high = np.percentile(sums / (of_tasks @ belongs.sum(0)), [2.5, 97.5])
    if math.isclose(low, high, abs_tol=1e-9):  # as all do, so does every draw of them
        return mean, *agreeing(mean, tasks, least)
    return mean, float(low), float(high)


def by_seeds(changes: Changes) -> tuple[float, float]:
    """The 95 % interval of Student's t over the means of at least two seeds.

    It takes the tasks as they are, and differences of trainings for normal: wider than that of
    :func:`crossed` where few seeds differ widely, of which a bootstrap draws too little, and
    narrower where tasks matter more than seeds.
    """
    means = [fmean(one.values()) for one in changes.values()]
    reach = float(student.ppf(0.975, len(means) - 1)) * stdev(means) / math.sqrt(len(means))
    return fmean(means) - reach, fmean(means) + reach


def by_seeds_alone(changes: Changes) -> str:
    """What :func:`by_seeds` says, in points; of one seed nothing."""
    if len(changes) < 2:
        return "–"
    low, high = by_seeds(changes)
    return f"[{_signed(low)}, {_signed(high)}]"


def points(found: tuple[float, float, float]) -> str:
    """A difference and its interval, in percentage points."""
    mean, low, high = found
    return f"{_signed(mean)} [{_signed(low)}, {_signed(high)}]"


def percent(found: tuple[float, float, float]) -> str:
    """A share and its interval, in percent."""
    mean, low, high = found
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def each_seed(changes: Changes) -> str:
    """The mean difference of every seed, in points."""
    return ", ".join(_signed(fmean(one.values())) for one in changes.values())


def _signed(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # -0.0 is none


def sign_flips(changes: Sequence[float]) -> float:
    """Two-sided p-value that differences of tasks are symmetric about zero (Fisher 1935).

    Args:
        changes: one per task, which are independent.
    """
    values = np.asarray(changes)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(FLIPS, len(values)))
    as_far = np.abs(signs @ values) >= abs(values.sum()) - 1e-9
    return float((1 + as_far.sum()) / (1 + FLIPS))


def holm(values: Sequence[float]) -> list[float]:
    """P-values of several claims, corrected by Holm's method (1979)."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    corrected, so_far = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = so_far
    return corrected
