"""Two experiments on the same tasks: paired differences, and episodes side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from act_train.reporting.experiments import MEASURES, Experiment
from act_train.reporting.runs import Line
from act_train.reporting.sections import Moment, SideBySide, Step, Table, Value
from act_train.statistics import mcnemar, mean_interval

SHOWN = 280  # characters of an observation


def pairs(found: Iterable[Experiment]) -> list[tuple[Experiment, Experiment]]:
    """Any two finished experiments with one task list, in their order."""
    lists: dict[tuple[str, str], list[Experiment]] = {}
    for one in found:
        if one.whole:
            key = (one.first.kind, one.first.request["task_list"])
            lists.setdefault(key, []).append(one)
    return [pair for group in lists.values() for pair in combinations(group, 2)]


def differences(found: Sequence[tuple[Experiment, Experiment]]) -> Table | None:
    """Second minus first, task by task; None where nothing can be paired."""
    rows = [_row(a, b, measure) for a, b in found for measure in MEASURES[a.first.kind]]
    if not rows:
        return None
    header = ("first run", "second run", "measure", "tasks", "second − first [95 %]",
              "won by first alone", "by second alone", "McNemar p")  # fmt: skip
    return Table("Paired by task: differences in points with bootstrap intervals", header, rows)


def _row(a: Experiment, b: Experiment, measure: str) -> list[str | Value]:
    first, second = a.by_task(measure), b.by_task(measure)
    change, (low, high) = mean_interval([second[task] - first[task] for task in first])
    row: list[str | Value] = [
        a.label,
        b.label,
        measure,
        str(len(first)),
        Value(f"{100 * change:+.1f}", f"[{100 * low:+.1f}, {100 * high:+.1f}]"),
    ]
    # The test is about single yes-or-no outcomes: neither scores nor means over runs are.
    if measure not in ("success", "accuracy") or len(a.results) + len(b.results) > 2:
        return [*row, "–", "–", "–"]
    only_a = sum(first[task] > second[task] for task in first)
    only_b = sum(first[task] < second[task] for task in first)
    return [*row, str(only_a), str(only_b), f"{mcnemar(only_a, only_b):.2g}"]


def wins_and_losses(found: Iterable[Experiment], examples: int) -> list[SideBySide]:
    """Tasks on which a run did better than the first one on its task list, or worse.

    Args:
        found: experiments, in their order.
        examples: so many gains and so many losses of each, the largest.
    """
    shown = []
    first: dict[str, Experiment] = {}
    for b in found:
        if b.first.kind != "episodes" or not b.whole:
            continue
        a = first.setdefault(b.first.request["task_list"], b)
        known = {line["task_id"]: line for line in a.first.lines}
        tasks = [(known[line["task_id"]], line) for line in b.first.lines]
        for sign in (1, -1):
            better = [both for both in tasks if sign * _gain(*both) > 0]
            better.sort(key=lambda both: -sign * _gain(*both))  # stable: ties in the tasks' order
            for one, other in better[:examples]:
                title = f"{other['task_id']}: {_verdict(one, other)} ({b.label} against {a.label})"
                shown.append(side_by_side(title, (a.label, one), (b.label, other)))
    return shown


def side_by_side(title: str, left: tuple[str, Line], right: tuple[str, Line]) -> SideBySide:
    """Two episodes of one task, aligned by step.

    Args:
        title: what is shown.
        left: name and line of the first.
        right: of the second.
    """
    moments = [_moments(line) for _, line in (left, right)]
    steps = [
        Step(at + 1, *(played[at] if at < len(played) else None for played in moments))
        for at in range(max(map(len, moments)))
    ]
    apart = next((at for at, step in enumerate(steps) if step.differs), len(steps))
    first, second = (f"{name}: {_end(line)}" for name, line in (left, right))
    _, line = left
    return SideBySide(
        title=title,
        goal=line["goal"],
        start=_cut(line["turns"][0]["observation"]),
        names=(first, second),
        same=tuple(steps[:apart]),
        steps=tuple(steps[apart:]),
    )


def _gain(first: Line, second: Line) -> float:
    """How much better the second ended; a win beats any score without one."""
    return second["won"] - first["won"] + second["score"] - first["score"]


def _verdict(first: Line, second: Line) -> str:
    if second["won"] != first["won"]:
        return "a win" if second["won"] else "a loss"
    return f"score {second['score'] - first['score']:+.2f}"


def _moments(line: Line) -> list[Moment]:
    return [
        Moment(turn["action"], turn["valid"], _cut(turn["observation"]))
        for turn in line["turns"][1:]
    ]


def _end(line: Line) -> str:
    steps = len(line["turns"]) - 1
    outcome = "won" if line["won"] else "not won"
    return f"{outcome}, score {line['score']:.2f} after {steps} steps"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN].rstrip()} …"
