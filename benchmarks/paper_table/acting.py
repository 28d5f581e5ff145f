"""What the rows are worth as agents: question 2, and differences of agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from act_train.reporting.published import paper
from act_train.reporting.sections import Table
from benchmarks.paper_table.judged import ALL_SEEDS, SEEDS
from benchmarks.paper_table.naming import (
    BASE,
    Gap,
    beside,
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
    ("act+il+rl", BASE),
)  # fmt: skip
"""Differences that the plan does not name; they were chosen when three seeds had been seen, the
last when all had."""
EXPLORATION = (
    ("format+act+il", "format+il"), ("format+act+il", "format+il+il"), ("format+act+il", "act+il"),
)  # fmt: skip
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
        measure: what differences are of, where nothing else is said.
    """

    name: str
    lines: Sequence[Line]
    played: Sequence[Line]
    judged: Sequence[Line]
    rows: Sequence[str]
    measure: Measure

    @classmethod
    def of(cls, name: str, lines: Sequence[Line]) -> World:
        """From its lines."""
        return cls(
            name, lines, [line for line in lines if "won" in line],
            [line for line in lines if "judge" in line], ordered({line["row"] for line in lines}),
            WORLDS[name].shown[0][:2],
        )  # fmt: skip

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of which both rows were played in some seed."""
        return [pair for pair in pairs if self.seeds(*pair)]

    def seeds(self, first: str, second: str, split: str = "") -> list[int | None]:
        """In which both were played on a split, that of differences if no other is named."""
        return seeds_of_both(on(self.played, split or self.measure[0]), first, second)

    def changes(self, first: str, second: str, measure: Measure | None = None) -> Changes:
        """What the first row is above the second, in the measure of differences or in another."""
        return changes_of(self.played, first, second, measure or self.measure)

    @property
    def shown(self) -> tuple[tuple[Measure, str], ...]:
        """What is measured, and the paper's benchmark that stands beside it, if one does."""
        return tuple((one[:2], one[2]) for one in WORLDS[self.name].shown)

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

    def __str__(self) -> str:
        return f"{difference(*self.pair)} {points(self.ours)}, there {self.there}"


def besides(world: World) -> dict[str, list[Beside]]:
    """Differences that the paper has as well, by its benchmarks.

    None of a measure in which no row has anything; nor of one seed, where an interval would speak
    of these two models alone.
    """
    found = {}
    for measure, benchmark in world.shown:
        split, what = measure
        if benchmark and any(line[what] for line in on(world.played, split)):
            found[benchmark] = [
                Beside(pair, crossed(world.changes(*pair, measure)), there)
                for pair in world.pairs((*CLAIMS, *OBJECTIVES, *UNPLANNED))
                if (there := published(*pair, benchmark)) and len(world.seeds(*pair, split)) > 1
            ]
    return {benchmark: known for benchmark, known in found.items() if known}


def agreements(world: World) -> list[str]:
    """What our intervals say of the paper's differences, in words, by the paper's benchmarks."""
    told = []
    for benchmark, known in besides(world).items():
        said = [
            f"{words} {'; '.join(map(str, found))}."
            for kind, words in (
                ("agrees", "The interval holds the paper's difference and not zero:"),
                ("differs", "It does not hold the paper's difference:"),
                ("unsettled", "It holds both, which settles nothing:"),
            )
            if (found := [one for one in known if one.kind == kind])
        ]
        told.append(f"{paper().benchmarks[benchmark].title}. {' '.join(said)}")
    return told + _nothing_won(world)


def agreements_counted(worlds: Sequence[World]) -> str:
    """Of how many differences our intervals say what, in a sentence; empty if of none."""
    told, wordless = [], []
    for world in worlds:
        for benchmark, known in besides(world).items():
            kinds = [one.kind for one in known]
            told.append(
                f"{world.name} beside {paper().benchmarks[benchmark].title}: of {len(known)}, "
                f"{kinds.count('agrees')} hold the paper's and not zero, "
                f"{kinds.count('unsettled')} hold both, {kinds.count('differs')} leave out the "
                "paper's"
            )
        wordless += _nothing_won(world)
    if not told:
        return " ".join(wordless)
    return f"Our intervals beside the paper's differences: {'; '.join(told)}. " + " ".join(wordless)


def _nothing_won(world: World) -> list[str]:
    if any(line["won"] for line in world.played):
        return []
    return [f"No row has won a task of {world.name}, so that nothing is said of wins there."]


def verdicts(world: World, claims: Sequence[tuple[str, str]]) -> list[str]:
    """``shown``, ``not shown`` or ``open``, of each claim."""
    found = []
    changes = [world.changes(*claim) for claim in claims]
    for one, p in zip(changes, _p_values(changes), strict=True):
        _, low, _ = crossed(one)
        positive = sum(fmean(by_task.values()) > 0 for by_task in one.values())
        whole = len(one) >= ALL_SEEDS
        shown = whole and low > 0 and p < LEVEL and positive >= SEEDS
        possible = not whole and positive + ALL_SEEDS - len(one) >= SEEDS
        found.append("shown" if shown else "open" if possible else "not shown")
    return found


def _corrected(world: World, pairs: Sequence[tuple[str, str]], measure: Measure) -> list[str]:
    found = _p_values([world.changes(*pair, measure) for pair in pairs])
    return ["< 0.001" if p < 0.0005 else f"{p:.3f}" for p in found]


def _p_values(changes: Sequence[Changes]) -> list[float]:
    return holm([sign_flips(over_seeds(one)) for one in changes])


def claims_table(world: World, claims: Sequence[tuple[str, str]]) -> Table:
    """The differences of question 2, in the houses with their verdicts."""
    table = differences(world, claims)
    if world.name != "houses":  # where the plan has a verdict
        return table
    return _with(
        table,
        {
            f"p (Holm), {', '.join(world.measure)}": _corrected(world, claims, world.measure),
            "verdict": verdicts(world, claims),
        },
    )


def described(world: World, pairs: Sequence[tuple[str, str]]) -> Table:
    """Differences that the plan does not name, with p-values corrected for their number."""
    table = differences(world, pairs)
    for measure, _ in world.shown:
        if all(world.seeds(*pair, measure[0]) for pair in pairs):
            name = f"p (Holm), {', '.join(measure)}"
            table = _with(table, {name: _corrected(world, pairs, measure)})
    return table


def _with(table: Table, columns: Mapping[str, Sequence[str]]) -> Table:
    rows = [[*row, *more] for row, *more in zip(table.rows, *columns.values(), strict=True)]
    return replace(table, header=(*table.header, *columns), rows=rows)


def differences(world: World, pairs: Iterable[tuple[str, str]]) -> Table:
    """Differences of rows in all measures, of all seeds and of each; the paper's beside them."""
    pairs = list(pairs)
    header, cells = ["rows"], [[difference(*pair)] for pair in pairs]
    for (split, what), benchmark in world.shown:
        header += [f"{split}, {what}", "in each seed"]
        if benchmark:
            header.append(f"paper: {paper().benchmarks[benchmark].title}")
        for row, pair in zip(cells, pairs, strict=True):
            found = world.changes(*pair, (split, what))
            row += [points(crossed(found)), each_seed(found)] if found else ["–", "–"]
            if benchmark:
                row.append(str(published(*pair, benchmark) or "–"))
    return Table("In points, paired by task and seed", tuple(header), cells)


def in_words(world: World, pairs: Iterable[tuple[str, str]], measure: Measure | None = None) -> str:
    """Differences with their intervals."""
    return "; ".join(
        f"{difference(*pair)} {points(crossed(world.changes(*pair, measure)))}" for pair in pairs
    )
