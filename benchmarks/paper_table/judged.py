"""What the rows are worth as judges: question 1, and differences of judges.

A judge is asked of two actions which is the better, in both orders; beside it stand the accuracy
of the same model without the state, and that of a classifier of the two texts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from act_train.reporting.sections import Section, Table
from act_train.statistics import mean_interval
from benchmarks.paper_table.naming import BASE, difference, title
from benchmarks.paper_table.paired import (
    Changes,
    Line,
    by_seeds_alone,
    check_same,
    crossed,
    each_seed,
    percent,
    points,
    seeds_of,
    seeds_of_both,
)
from benchmarks.paper_table.worlds import unit

GAIN, SEEDS, ALL_SEEDS = 0.10, 4, 5  # question 1: how much, and in how many seeds of how many
FLIPPED = ("flip-10", "flip-20", "flip-40")
JUDGED_LABELS = tuple(("act", other) for other in ("assumed", *FLIPPED))
UNPLANNED = (
    ("il", BASE), ("act", "il"), ("act+il", "il"), ("act+il+rl", "il+rl"),
    ("choice+il+rl", "il+rl"), ("choice+il+rl", "act+il+rl"), ("dpo+il+rl", "act+il+rl"),
    ("no-reasoning+il+rl", "act+il+rl"), ("act+il", "assumed+il"),
)  # fmt: skip
"""Differences of judges that the plan does not name."""

Pairs = dict[tuple[str, str], float]  # by task and pair


@dataclass(frozen=True)
class Verdict:
    """Of question 1.

    Attributes:
        word: whether it is answered yes.
        seeds: that were run.
        gained: of these, those with the gain that was asked for.
        above: those with a judge above both floors.
        good: those with both.
    """

    word: str
    seeds: int
    gained: int
    above: int
    good: int


def early(good: int, seeds: int) -> str:
    """``open`` while as many seeds as were asked for may still be had, else what came of it."""
    if good >= SEEDS:
        return "supported"
    return "not supported" if good + ALL_SEEDS - seeds < SEEDS else "open"


def question(judged: Sequence[Line], row: str = "act", start: str = BASE) -> Verdict:
    """Whether an ACT stage makes a better judge of the model it starts from, as the plan asks."""
    found = []
    for seed in seeds_of_both(judged, row, start):
        gain, low, _ = gain_of(judged, row, seed, (start, None if start == BASE else seed))
        found.append((gain >= GAIN and low > 0, above(judged, row, seed)))
    good = sum(gained and over for gained, over in found)
    return Verdict(
        early(good, len(found)), len(found), sum(gained for gained, _ in found),
        sum(over for _, over in found), good,
    )  # fmt: skip


def flips(judged: Sequence[Line]) -> str:
    """In how many seeds the judge stays above both floors, for each share of flipped labels."""
    told = []
    for row in FLIPPED:
        if seeds := seeds_of(judged, row):
            good = sum(above(judged, row, seed) for seed in seeds)
            share = row.removeprefix("flip-")
            told.append(f"{share} %: {good} of {len(seeds)} ({early(good, len(seeds))})")
    if told and (seeds := seeds_of(judged, "act")):
        good = sum(above(judged, "act", seed) for seed in seeds)
        told.append(f"with no label flipped: {good} of {len(seeds)}")
    return "; ".join(told)


def judges_in_words(judged: Sequence[Line], pairs: Iterable[tuple[str, str]]) -> str:
    """Differences of judges, those of which both rows were judged."""
    told = []
    for pair in pairs:
        if seeds_of_both(judged, *pair):
            found = changes_of(judged, *pair)
            told.append(
                f"{difference(*pair)} {points(of_pairs(found))}, by seeds alone "
                f"{by_seeds_alone(found)}"
            )
    return "; ".join(told)


def judges(name: str, rows: Sequence[str], judged: Sequence[Line]) -> Section:
    """What a world's judges came to."""
    tables = [_rows(rows, judged)]
    for pairs, caption in (
        ((("act", BASE), *JUDGED_LABELS), "Differences of judges, of questions 1 and 4"),
        (UNPLANNED, "Differences of judges that the plan does not name, for description"),
    ):
        if told := [pair for pair in pairs if seeds_of_both(judged, *pair)]:
            tables.append(_differences(caption, told, judged))
    return Section(f"{name}: to judge", (_offered(judged),), tuple(tables))


def by_seed(name: str, rows: Iterable[str], judged: Sequence[Line]) -> Section:
    """Every judge of every seed, for the end of the report."""
    cells: list[list[str]] = []
    for row in rows:
        for seed in seeds_of(judged, row):
            cells.append([
                title(row), "–" if seed is None else f"{seed}",
                *(_mean(rights(judged, row, seed, what)) for what in ("state", "no_state")),
                *(_mean(rights(judged, row, seed, what, True)) for what in ("state", "no_state")),
                "–" if row == BASE else points(gain_of(judged, row, seed)),
                "yes" if above(judged, row, seed) else "no",
            ])  # fmt: skip
    return Section(
        f"{name}: every judge",
        (
            "In percent of held-out pairs, both orders"
            + (f"; the texts alone: {alone}" if (alone := floor(judged)) else "")
            + ". Gains are paired by pair, and their "
            "intervals draw tasks. Above both floors is a judge of which the intervals of both "
            "differences, to itself without the state and to the texts alone, lie above zero.",
        ),
        (
            Table(
                "One training each",
                ("row", "seed", "judge", "without the state", "judge", "without the state",
                 "gain over the base", "above both floors"),
                cells,
                groups=(("", 2), ("all:", 2), ("admissible alternatives:", 2), ("", 2)),
            ),
        ),
    )  # fmt: skip


def gain_of(
    judged: Sequence[Line],
    row: str,
    seed: int | None,
    over: tuple[str, int | None] = (BASE, None),
) -> tuple[float, float, float]:
    """Of a row in one seed over another, with its interval over tasks."""
    before, after = rights(judged, *over), rights(judged, row, seed)
    check_same(f"{row}, seed {seed}, was judged on other pairs", after, before)
    changes = [after[pair] - before[pair] for pair in before]
    mean, (low, high) = mean_interval(changes, [unit(task) for task, _ in before], least=-1)
    return mean, low, high


def above(judged: Sequence[Line], row: str, seed: int | None) -> bool:
    """Whether a judge is above both floors, as ``act-train judge`` has found."""
    found = next(
        line for line in judged
        if (line["row"], line["seed"], line["judge"]) == (row, seed, "texts")
    )  # fmt: skip
    return bool(found["above_floors"])


def rights(
    judged: Sequence[Line],
    row: str,
    seed: int | None,
    reading: str = "state",
    admissible: bool = False,
) -> Pairs:
    """How right a judge was of each pair, or of each whose alternative is admissible."""
    found = {
        (line["task_id"], line["pair"]): line["right"] for line in judged
        if line["row"] == row and line["seed"] in (seed, None) and line["judge"] == reading
        and (line["admissible"] or not admissible)
    }  # fmt: skip
    return dict(sorted(found.items()))


def changes_of(judged: Sequence[Line], first: str, second: str) -> Changes:
    """The first row less the second, by pair, in each of the seeds that both have."""
    found = {}
    for seed in seeds_of_both(judged, first, second):
        one, other = (rights(judged, row, seed) for row in (first, second))
        check_same(f"{first}, seed {seed}, was judged on other pairs", one, other)
        found[seed] = {pair: one[pair] - other[pair] for pair in one}
    return found


def of_pairs(changes: Changes, *, least: float = -1.0) -> tuple[float, float, float]:
    """Mean and interval of values of pairs, of which those of a task belong together."""
    return crossed(changes, least=least, drawn_by=lambda pair: unit(pair[0]))


def seeds_rights(judged: Sequence[Line], row: str) -> Changes:
    """How right the judges of a row were, in all seeds."""
    return {seed: rights(judged, row, seed) for seed in seeds_of(judged, row)}


def floor(judged: Sequence[Line]) -> str:
    """How often the texts alone are right, with its interval; empty where that was not kept."""
    alone = texts(judged)
    return percent(of_pairs({None: alone}, least=0.0)) if alone else ""


def texts(judged: Sequence[Line], admissible: bool = False) -> Pairs:
    """What the texts alone give away of each pair; empty where that was not kept."""
    return {
        (line["task_id"], line["pair"]): line["texts"] for line in judged
        if line["row"] == BASE and "texts" in line and (line["admissible"] or not admissible)
    }  # fmt: skip


def _offered(judged: Sequence[Line]) -> str:
    """How far one gets who knows nothing but the texts, or what the simulator admits."""
    offered = [line["admissible"] for line in judged if line["judge"] == "state"
               and line["row"] == BASE]  # fmt: skip
    share = fmean(offered)
    whole = next(
        line["right"] for line in judged if line["judge"] == "texts" and line["row"] == BASE
    )
    said = "–"
    if alone := floor(judged):
        said = alone
        if some := texts(judged, admissible=True):
            among = percent(of_pairs({None: some}, least=0.0))
            said += f", and {among} of those with an admissible alternative"
    elif whole is not None:
        said = f"{100 * whole:.1f}"
    return (
        f"In percent of the {len(offered)} held-out pairs, of new tasks, each asked in both "
        "orders; intervals draw seeds and tasks. The floors: the same judge without the state, "
        f"and a classifier of the two texts alone, which is right in {said}. Of the alternatives "
        f"{100 * share:.0f} % are admissible: whoever knew which, and tossed a coin for these, "
        f"would be right in {100 - 50 * share:.1f}."
        + (
            " So the accuracy on pairs with an admissible alternative stands beside."
            if share
            else ""
        )
        + " Of differences whose seeds are far apart, the intervals that draw seeds are too narrow "
        "(see the plan): beside them stand those of Student's t over the means of the seeds, which "
        "take the pairs as they are. Read the wider of the two."
    )


def _rows(rows: Iterable[str], judged: Sequence[Line]) -> Table:
    alone = texts(judged)
    cells: list[list[str]] = []
    for row in rows:
        if not (found := seeds_rights(judged, row)):
            continue
        less = {
            seed: {pair: right - alone[pair] for pair, right in one.items()}
            for seed, one in found.items()
            if alone
        }
        among = {seed: rights(judged, row, seed, "state", True) for seed in found}
        blank = {seed: rights(judged, row, seed, "no_state") for seed in found}
        cells.append([
            title(row), percent(of_pairs(found, least=0.0)), ", ".join(map(_mean, found.values())),
            percent(of_pairs(blank, least=0.0)),
            points(of_pairs(less)) if less else "–",
            percent(of_pairs(among, least=0.0)) if all(among.values()) else "–",
        ])  # fmt: skip
    return Table(
        "Judges",
        ("row", "right", "in each seed", "without the state", "right less the texts alone",
         "right, admissible alternatives"),
        cells,
    )  # fmt: skip


def _differences(words: str, pairs: Iterable[tuple[str, str]], judged: Sequence[Line]) -> Table:
    cells = []
    for first, second in pairs:
        found = changes_of(judged, first, second)
        cells.append([
            difference(first, second), points(of_pairs(found)), by_seeds_alone(found),
            each_seed(found),
        ])  # fmt: skip
    return Table(words, ("rows", "points", "by seeds alone", "in each seed"), cells)


def _mean(found: Mapping[Any, float]) -> str:
    return f"{100 * fmean(found.values()):.1f}" if found else "–"
