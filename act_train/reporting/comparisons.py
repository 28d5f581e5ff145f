"""Two experiments on the same tasks: paired differences, and episodes side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from act_data.analysis.bootstrap import ENOUGH
from act_train.evaluation.measures import EPISODES, Line
from act_train.evaluation.pairing import difference, differing
from act_train.reporting.experiments import Experiment, measures
from act_train.reporting.sections import Moment, SideBySide, Step, Table, Value

SHOWN = 280  # characters of an observation


def pairs(found: Iterable[Experiment]) -> list[tuple[Experiment, Experiment]]:
    """Any two finished experiments at the same tasks and states, in their order."""
    return [(a, b) for a, b in combinations(found, 2) if not a.apart(b)]


def differences(found: Sequence[tuple[Experiment, Experiment]]) -> Table | None:
    """Second minus first, task by task; None where nothing can be paired."""
    rows = [_row(a, b, measure) for a, b in found for measure in measures([a, b])]
    if not rows:
        return None
    header = ("first run", "second run", "measure", "tasks", "second − first [95 %]",
              "won by first alone", "by second alone", "McNemar p", "differ also in")  # fmt: skip
    return Table("Paired by task: differences in points with bootstrap intervals", header, rows)


def unpaired(found: Iterable[Experiment]) -> Table | None:
    """Which two have one list of tasks and yet cannot be paired, and why; None where all can."""
    rows = [
        (a.label, b.label, reason)
        for a, b in combinations(found, 2)
        if _list(a) == _list(b) and (reason := a.apart(b))
    ]
    return Table("Not paired", ("first run", "second run", "why"), rows) if rows else None


def _split(one: Experiment) -> str:
    """What tells its tasks from others of the environment; questions have no splits."""
    return one.first.request.get("split", "")


def _list(one: Experiment) -> tuple[str, str]:
    return one.first.kind, one.first.request["task_list"]


def _row(a: Experiment, b: Experiment, measure: str) -> list[str | Value]:
    first, second = ([result.lines for result in one.results] for one in (a, b))
    found = difference(first, second, measure)
    states = "" if found.observations == found.tasks else f"{found.observations} states"
    few = "" if found.tasks >= ENOUGH else "too few to tell"
    other = [key for key in differing(first, second) if key not in ("policy", "revision")]
    wins = ("–", "–", "–")
    if found.wins is not None:
        only_a, only_b, chance = found.wins
        wins = (str(only_a), str(only_b), f"{chance:.2g}")
    return [
        a.label,
        b.label,
        measure,
        Value(str(found.tasks), ", ".join(filter(None, (_split(a), states, few)))),
        Value(f"{100 * found.change:+.1f}", f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}]"),
        *wins,
        ", ".join(other) or "–",
    ]


def wins_and_losses(found: Iterable[Experiment], examples: int) -> list[SideBySide]:
    """Tasks on which a run did better than the first one that it can be paired with, or worse.

    Args:
        found: experiments, in their order.
        examples: so many gains and so many losses of each, the largest.
    """
    shown = []
    firsts: list[Experiment] = []
    for b in found:
        if b.first.kind != EPISODES or not b.whole:
            continue
        a = next((one for one in firsts if not one.apart(b)), None)
        if a is None:
            firsts.append(b)
            continue
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
    both = min(map(len, moments))
    apart = next((at for at, step in enumerate(steps[:both]) if step.differs), both)
    first, second = (f"{name}: {_end(line)}" for name, line in (left, right))
    _, line = left
    return SideBySide(
        title=title,
        goal=line["goal"],
        start=_cut(line["turns"][0]["observation"]),
        names=(first, second),
        same=tuple(steps[:apart]),
        steps=tuple(steps[apart:both]),
        alone=tuple(steps[both:]),
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
