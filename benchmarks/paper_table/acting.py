"""What the rows are worth as agents: question 2, and differences of agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from act_train.reporting.published import paper
from act_train.reporting.sections import Table
from benchmarks.paper_table.judged import ALL_SEEDS, SEEDS
from benchmarks.paper_table.naming import (
    BASE,
    Gap,
    beside,
    column,
    difference,
    ordered,
    published,
    title,
)
from benchmarks.paper_table.paired import (
    Changes,
    Line,
    Measure,
    by_task,
    changes_of,
    check_same,
    crossed,
    each_seed,
    holm,
    on,
    over_seeds,
    percent,
    points,
    seeds_of,
    seeds_of_both,
    sign_flips,
)
from benchmarks.paper_table.worlds import WORLDS

CLAIMS = (
    ("act+il", "il"), ("act+il", "il+il"), ("act+il+rl", "il+rl"), ("act+il+rl", "il+rl+rl"),
)  # fmt: skip
"""Question 2 of the plan: each first row is to win more than the second."""
OBJECTIVES = (
    ("choice+il+rl", "act+il+rl"), ("dpo+il+rl", "act+il+rl"), ("no-reasoning+il+rl", "act+il+rl"),
    ("world-model+il", "act+il"),
)  # fmt: skip
LABELS = (
    ("act+il", "assumed+il"), ("act+il", "flip-10+il"), ("act+il", "flip-20+il"),
    ("act+il", "flip-40+il"),
)  # fmt: skip
MULTI_TURN = (("act+il+env-rl", "il+env-rl"),)
UNPLANNED = (
    ("il", BASE), ("act", BASE), ("il+rl", "il"), ("il+rl+rl", "il"), ("act+il+rl", "act+il"),
    ("act+il+rl", "il"), ("world-model+il", "il"), ("choice+il+rl", "il+rl"),
    ("dpo+il+rl", "il+rl"), ("no-reasoning+il+rl", "il+rl"), ("il+env-rl", "il"),
)  # fmt: skip
"""Differences that the plan does not name; they were chosen when three seeds had been seen."""
EXPLORATION = (("format+act+il", "format+il"), ("format+act+il", "act+il"))
LEVEL = 0.05  # of p-values


@dataclass(frozen=True)
class World:
    """The results of one world.

    Attributes:
        name: of the world.
        lines: all of them.
        played: those of tasks that were played.
        judged: those of pairs that were judged.
        rows: that are there, in order.
        measure: what differences are of.
        beside: the paper's benchmark that stands beside it.
    """

    name: str
    lines: Sequence[Line]
    played: Sequence[Line]
    judged: Sequence[Line]
    rows: Sequence[str]
    measure: Measure
    beside: str

    @classmethod
    def of(cls, name: str, lines: Sequence[Line]) -> World:
        """From its lines."""
        shown = WORLDS[name].shown
        return cls(
            name, lines, [line for line in lines if "won" in line],
            [line for line in lines if "judge" in line], ordered({line["row"] for line in lines}),
            shown[0][:2], next(benchmark for *_, benchmark in shown if benchmark),
        )  # fmt: skip

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of which both rows were played in some seed."""
        return [pair for pair in pairs if self.seeds(*pair)]

    def seeds(self, first: str, second: str) -> list[int | None]:
        """In which both were played on the split that differences are of."""
        return seeds_of_both(on(self.played, self.measure[0]), first, second)

    def changes(self, first: str, second: str) -> Changes:
        """What the first row is above the second."""
        return changes_of(self.played, first, second, self.measure)

    def like_paper(self) -> Measure:
        """What the paper measured there."""
        return next(one[:2] for one in WORLDS[self.name].shown if one[2] == self.beside)

    @property
    def has_judges(self) -> bool:
        """Whether judges can be compared with the base."""
        return any(line["row"] == BASE for line in self.judged)


def acting(world: World) -> Table:
    """What every row wins, beside the paper's numbers."""
    shown = WORLDS[world.name].shown
    cells = []
    for row in world.rows:
        there = [beside(row, name) for *_, name in shown if name]
        ours = [_mean(world.played, row, (split, measure)) for split, measure, _ in shown]
        cells.append([title(row), f"{len(seeds_of(world.played, row))}", *ours, *there])
    named = [paper().benchmarks[name].title for *_, name in shown if name]
    tasks = ", ".join(
        f"{len({line['task_id'] for line in world.played if line['split'] == split})} of {split}"
        for split in WORLDS[world.name].splits
    )
    return Table(
        f"Tasks won, or the score, of {tasks}",
        ("row", "seeds", *(f"{split}, {measure}" for split, measure, _ in shown), *named),
        cells,
        groups=(("", 2), ("ours:", len(shown)), ("paper, Qwen3-8B:", len(named))),
    )


def _mean(played: Sequence[Line], row: str, measure: Measure) -> str:
    seeds = seeds_of(on(played, measure[0]), row)
    found = {seed: by_task(played, row, measure, seed) for seed in seeds}
    if not found:  # judged, and not played
        return "–"
    check_same(f"{row} was evaluated on other tasks", *found.values())
    return percent(crossed(found, least=0.0))


@dataclass(frozen=True)
class Beside:
    """A difference that we and the paper have.

    Attributes:
        pair: the two rows.
        ours: mean and interval, as shares.
        there: the paper's.
    """

    pair: tuple[str, str]
    ours: tuple[float, float, float]
    there: Gap

    @property
    def kind(self) -> str:
        """Whether our interval holds the paper's and zero: agrees, differs or unsettled."""
        _, low, high = self.ours
        if not low <= self.there.points / 100 <= high:
            return "differs"
        return "unsettled" if low <= 0 <= high else "agrees"


def besides(world: World) -> list[Beside]:
    """Differences that the paper has as well; none where no row has won anything.

    With one training of each, an interval would speak of these two models alone.
    """
    if not any(line[world.like_paper()[1]] for line in world.played):
        return []
    return [
        Beside(pair, crossed(changes_of(world.played, *pair, world.like_paper())), there)
        for pair in world.pairs((*CLAIMS, *OBJECTIVES, *UNPLANNED))
        if (there := published(*pair, world.beside)) is not None and len(world.seeds(*pair)) > 1
    ]


def agreements(known: Sequence[Beside]) -> str:
    """What our intervals say of the paper's differences, in words."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in known:
        found[one.kind].append(
            f"{difference(*one.pair)} ({100 * one.ours[0]:+.1f}, there {one.there})"
        )
    said = [
        f"{words} {'; '.join(found[kind])}."
        for kind, words in (
            ("agrees", "The interval holds the paper's difference and not zero:"),
            ("differs", "It does not hold the paper's difference:"),
            ("unsettled", "It holds both, which settles nothing:"),
        )
        if found[kind]
    ]
    return " ".join(said)


def verdicts(world: World, claims: Sequence[tuple[str, str]]) -> list[str]:
    """``shown``, ``not shown`` or ``open``, of each claim."""
    changes = [world.changes(*claim) for claim in claims]
    found = []
    for one, p in zip(changes, _corrected(changes), strict=True):
        _, low, _ = crossed(one)
        positive = sum(fmean(by_task.values()) > 0 for by_task in one.values())
        whole = len(one) >= ALL_SEEDS
        shown = whole and low > 0 and p < LEVEL and positive >= SEEDS
        possible = not whole and positive + ALL_SEEDS - len(one) >= SEEDS
        found.append("shown" if shown else "open" if possible else "not shown")
    return found


def _corrected(changes: Sequence[Changes]) -> list[float]:
    return holm([sign_flips(over_seeds(one)) for one in changes])


def claims_table(world: World, claims: Sequence[tuple[str, str]]) -> Table:
    """The differences of question 2, in the houses with their verdicts."""
    table = differences(world, claims)
    if world.name != "houses":  # where the plan has a verdict
        return table
    corrected = _corrected([world.changes(*claim) for claim in claims])
    cells = [
        [*row, f"{p:.3f}", verdict]
        for row, p, verdict in zip(table.rows, corrected, verdicts(world, claims), strict=True)
    ]
    return Table(table.caption, (*table.header, "p (Holm)", "verdict"), cells)


def differences(world: World, pairs: Iterable[tuple[str, str]]) -> Table:
    """Differences of rows, of all seeds and of each; the paper's where it measured the same."""
    split, what = world.measure
    alike = world.like_paper()[1] == what
    cells = []
    for first, second in pairs:
        found = world.changes(first, second)
        there = published(first, second, world.beside) if alike else None
        cells.append([
            difference(first, second), points(crossed(found)), each_seed(found),
            str(there or "–"),
        ])  # fmt: skip
    told = paper().benchmarks[world.beside].title, column(world.beside).measure
    return Table(
        f"Points: {what}, split {split}, paired by task and seed",
        ("rows", "difference", "in each seed", f"paper: {', '.join(told)}"),
        cells,
    )


def in_words(world: World, pairs: Iterable[tuple[str, str]]) -> str:
    """Differences with their intervals."""
    return "; ".join(
        f"{difference(*pair)} {points(crossed(world.changes(*pair)))}" for pair in pairs
    )
