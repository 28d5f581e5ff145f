"""What the results say: ``python -m benchmarks.paper_table.report`` writes it beside them.

Tests and what counts as support are those of the plan (``README.md``): differences are paired by
task and seed; intervals hold 95 %, by a bootstrap that draws seeds and tasks, each with
replacement; p-values come from random sign flips of the tasks' differences (means over seeds), and
are corrected by Holm's method.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import yaml

from act_data.errors import DataNotFound
from act_data.storage.files import write_text
from act_train.reporting.sections import Section, Table, markdown
from benchmarks.paper_table.acting import (
    CLAIMS,
    EXPLORATION,
    LABELS,
    LEVEL,
    MULTI_TURN,
    OBJECTIVES,
    UNPLANNED,
    World,
    acting,
    agreements,
    agreements_counted,
    claims_table,
    described,
    differences,
    in_words,
    verdicts,
)
from benchmarks.paper_table.actions import Counted, habits
from benchmarks.paper_table.costs import Records, check_recorded, costs, hours, made_by
from benchmarks.paper_table.judged import (
    ALL_SEEDS,
    GAIN,
    JUDGED_LABELS,
    SEEDS,
    Verdict,
    above,
    by_seed,
    flips,
    floor,
    gain_of,
    judges,
    judges_in_words,
    of_pairs,
    question,
    rights,
    seeds_rights,
)
from benchmarks.paper_table.naming import (
    ARE,
    BASE,
    published,
    title,
)
from benchmarks.paper_table.paired import (
    Line,
    crossed,
    percent,
    points,
    seeds_of,
    seeds_of_both,
)
from benchmarks.paper_table.results import RESULTS, read_json, read_lines
from benchmarks.paper_table.spoken import matched, spoken
from benchmarks.paper_table.worlds import EXPLORED, UNJUDGED, WORLDS
from benchmarks.script import call

CAP = 30  # core-hours of all worlds
LIMITS = (
    "What this base cannot tell: whether reasoning about actions helps, for it writes "
    "none (the row without reasoning differs in the wording of its prompts alone); how a model "
    "acts that writes freely, for it chooses among the admissible actions; and what ACT does for a "
    "model that has never seen such a world, for it was pre-trained on experts' play in worlds "
    "like these."
)
WORDS = (
    "IL is imitation of an expert's episodes; RL is GRPO, on single steps where nothing else is "
    "said; the ACT stage is GRPO on prompts that show two actions, the expert's and one that the "
    "base itself proposed, and ask which is better. Before that both were executed, and pairs are "
    "trained on where the expert's was the better one, but where labels are said to be assumed. A "
    "judge is any of these models asked that question about tasks that were held out, by which "
    "answer it finds likelier."
)


@dataclass(frozen=True)
class Report:
    """Write what the results of the paper's table say."""

    results: Path = RESULTS
    """Folder with a file of each world."""

    def __call__(self) -> int:
        found = {
            name: list(read_lines(path))
            for name in WORLDS
            if (path := self.results / f"{name}.jsonl.gz").is_file()
        }
        if not found:
            raise DataNotFound(
                f"{self.results} holds no results. Run python -m benchmarks.paper_table first."
            )
        records = read_json(self.results / "steps.json")
        check_recorded(found, records)
        text = report(found, records, read_json(self.results / "actions.json"))
        write_text(self.results / "REPORT.md", text)
        print(f"report  {self.results / 'REPORT.md'}")
        return 0


def report(
    found: Mapping[str, Sequence[Line]], records: Records, actions: Counted | None = None
) -> str:
    """The report as Markdown, from lines of each world, records of steps, and counted actions."""
    actions = actions or {}
    worlds = [World.of(name, lines) for name, lines in found.items()]
    return markdown(
        "The paper's rows, on a model of 1.3 million parameters",
        "The comparison of arXiv 2603.08706 (version 2, Qwen3-8B), by the plan that was committed "
        "before the first run and is in benchmarks/paper_table/README.md, with what was changed "
        "since and what came of it. The base of all rows is act-nano-base. Everything here is made "
        "from the files beside it by the report module of that folder. In percent; brackets hold "
        "95 % intervals that draw seeds and tasks, of one seed tasks alone; ± of the paper is the "
        "standard deviation of its three runs, beside differences the standard error that follows.",
        [
            Section("In short", (*_short(worlds), LIMITS), ()),
            _run(worlds, records),
            _rows(worlds),
            *(section for world in worlds for section in _sections(world, records, actions)),
            *(
                by_seed(world.name, _able(world), world.judged)
                for world in worlds
                if world.has_judges
            ),
            *(
                section
                for world in worlds
                for section in costs(world.name, world.rows, world.lines, records)
            ),
        ],
    )


def _short(worlds: Sequence[World]) -> Iterator[str]:
    """A paragraph for each question, of the world that asks it; and one of each other world."""
    for world in worlds:
        if world.name == "houses":
            yield from _answers(world)
        elif told := world.pairs(CLAIMS):
            seeds = _seeds(world, told)
            if seeds.startswith("1 of"):
                seeds += ", so that brackets draw tasks alone and say nothing of other trainings"
            caution = WORLDS[world.name].caution
            yield (
                f"In {world.name}, without a verdict ({seeds}; {' '.join(world.measure)}): "
                f"{in_words(world, told)}.{f' {caution}' if caution else ''}"
            )
    if counted := agreements_counted(worlds):
        yield counted


def _answers(world: World) -> Iterator[str]:
    if world.has_judges and seeds_of(world.judged, "act"):
        found = question(world.judged)
        means = ", ".join(
            f"{title(row)} {percent(of_pairs(seeds_rights(world.judged, row), least=0.0))}"
            for row in ("act", BASE, "il")
            if seeds_of(world.judged, row)
        )
        yield (
            f"Question 1, does the ACT stage make a better judge: {found.word}. {_gained(found)}; "
            f"asked were {SEEDS} of {ALL_SEEDS}. Right in: {means}, the texts alone "
            f"{floor(world.judged) or '–'}."
        )
    if told := world.pairs(CLAIMS):
        found = verdicts(world, told)
        word = "supported" if found == ["shown"] * len(CLAIMS) else "open"
        if "not shown" in found:  # of all four
            word = "not supported"
        more = "".join(
            f" On {split}, which the question is not asked of: "
            f"{in_words(world, told, (split, what))}."
            for (split, what), _ in world.shown[1:]
            if all(world.seeds(*pair, split) for pair in told)
        )
        yield (
            "Question 2, does ACT before imitation make a better agent than imitation alone, or of "
            f"as many prompts, and the same before RL: {word} ({_seeds(world, told)}). "
            f"{in_words(world, told)}.{more} The first row of each has no fewer updates, and more "
            f"tokens. {_reach(world, told)}"
        )
    for words, pairs, of_judges in (
        ("Question 3, does the first stage's objective matter, without a verdict", OBJECTIVES, ()),
        ("Question 4, do better labels matter, without a verdict", LABELS, JUDGED_LABELS),
        ("Question 4, does ACT help before multi-turn RL, without a verdict", MULTI_TURN, ()),
    ):
        if told := world.pairs(pairs):
            also = judges_in_words(world.judged, of_judges)
            yield f"{words}: {in_words(world, told)}{f'; as judges, {also}' if also else ''}."
    if said := flips(world.judged):
        yield (
            "Question 4, does the judge survive flipped labels: seeds above both floors, of which "
            f"{SEEDS} of {ALL_SEEDS} were asked for: {said}."
        )
    if seeds_of_both(world.judged, "format", "format+act"):
        yield _explained(world)


def _gained(found: Verdict) -> str:
    return (
        f"Of {found.seeds} seeds it gains {100 * GAIN:.0f} points over the model that it starts "
        f"from, with an interval above zero, in {found.gained}, is above both floors in "
        f"{found.above}, and does both in {found.good}"
    )


def _explained(world: World) -> str:
    """What the exploration says of question 1."""
    judged = world.judged
    means = ", ".join(
        f"{title(row)} {percent(of_pairs(seeds_rights(judged, row), least=0.0))}"
        for row in ("format", "format+act", "format+il", "format+il+il", "format+act+il")
        if seeds_of(judged, row)
    )
    return (
        "An exploration, not in the plan: the same ACT stage where the format of the answers, and "
        "no label, has been taught before it, so that some of them name one of the two actions "
        f"from the start. {_gained(question(judged, 'format+act', 'format'))}. Right in: "
        f"{means}, the texts alone {floor(judged) or '–'}. Differences, as judges: "
        f"{judges_in_words(judged, (('format+act', 'format'), *EXPLORATION))}; as agents: "
        f"{in_words(world, world.pairs(EXPLORATION)) or '–'}."
    )


def _reach(world: World, claims: Sequence[tuple[str, str]]) -> str:
    """How far intervals reach, beside the paper's differences."""
    bounds = [crossed(world.changes(*pair))[1:] for pair in claims]
    halves = [50 * (high - low) for low, high in bounds]
    (benchmark,) = [name for measure, name in world.shown if measure == world.measure]
    there = [gap for pair in claims if (gap := published(*pair, benchmark))]  # it has all four
    small = sum(abs(gap.points) < half for gap, half in zip(there, halves, strict=True))
    sure = sum(abs(gap.points) > 2 * gap.error for gap in there)
    return (
        f"These intervals reach {min(halves):.1f} to {max(halves):.1f} points to either side; the "
        f"paper's differences are {', '.join(map(str, there))} (± a standard error, from the "
        f"deviations of its three runs; {sure} of {len(there)} are more than two of these from "
        f"zero), and {small} of {len(there)} are smaller than the interval reaches: had they been "
        "true here, this would hardly have shown them."
    )


def _seeds(world: World, pairs: Iterable[tuple[str, str]]) -> str:
    run = min(len(world.seeds(*pair)) for pair in pairs)
    return f"{run} of {WORLDS[world.name].seeds} seeds"


def _run(worlds: Sequence[World], records: Records) -> Section:
    """What was run of what was planned, and what it cost."""
    every = yaml.safe_load(Path(__file__).with_name("rows.yaml").read_text(encoding="utf-8"))
    cells, total, by_clock, besides_it = [], 0.0, 0.0, 0.0
    for name, planned in WORLDS.items():
        wanted = planned.rows or [row for row in every["rows"] if row not in (*EXPLORED, BASE)]
        (world,) = [one for one in worlds if one.name == name] or [World.of(name, ())]
        done = [_whole(world, row) for row in wanted]
        plan = [line for line in world.lines if line["row"] not in EXPLORED]
        spent = hours(plan, records)
        total += spent
        by_clock += hours(plan, records, by_clock=True)
        besides_it += hours(_explored(world), records)
        cells.append([
            name, f"{sum(done)} of {len(wanted) * planned.seeds}", f"{spent:.1f}",
            made_by(plan, records) or "–",
        ])  # fmt: skip
    return Section(
        "What was run of the plan",
        (
            f"{total:.1f} core-hours of the {CAP} that were allowed: CPU time of whole processes, "
            + (
                f"and for {by_clock:.1f} of them, where it was not noted, time by the clock; "
                if by_clock
                else ""
            )
            + "without making the data"
            + (f", and without {besides_it:.1f} for the exploration" if besides_it else "")
            + ". Houses are generated ones, not the paper's ALFWorld, which is the second.",
        ),
        (Table("Rows times seeds", ("world", "done", "core-hours", "processors"), cells),),
    )


def _explored(world: World) -> list[Line]:
    return [line for line in world.lines if line["row"] in EXPLORED]


def _whole(world: World, row: str) -> int:
    """In how many seeds a row was evaluated in all ways that the plan has for it."""
    plan = WORLDS[world.name]
    wanted = {*plan.splits} | ({"judge"} if plan.judging() and row not in UNJUDGED else set())
    found: dict[int | None, set[str]] = defaultdict(set)
    for line in world.lines:
        if line["row"] == row:
            found[line["seed"]].add(line.get("split", "judge"))
    return sum(wanted <= evaluations for evaluations in found.values())


def _rows(worlds: Sequence[World]) -> Section:
    found = {row for world in worlds for row in world.rows}
    cells = [[title(row), words] for row, words in ARE.items() if row in found]
    return Section("What the rows are", (WORDS,), (Table("Rows", ("row", "is"), cells),))


def _able(world: World) -> list[str]:
    return [row for row in world.rows if row not in UNJUDGED]


def _sections(world: World, records: Records, actions: Counted) -> Iterator[Section]:
    caution = WORLDS[world.name].caution
    yield Section(f"{world.name}: to act", (caution,) if caution else (), (acting(world),))
    claimed = world.pairs(CLAIMS)
    if claimed:
        still = ""
        if world.name == "houses" and "open" in verdicts(world, claimed):
            still = "Open is one that may still be, when all seeds are run. "
        yield Section(
            f"{world.name}: does ACT before imitation make a better agent?",
            (
                "Shown is a difference whose interval lies above zero, with a corrected p below "
                f"{LEVEL}, and above zero in at least {SEEDS} of {ALL_SEEDS} seeds; question 2 is "
                f"supported where all four are shown. {still}What is not shown is not for that "
                "reason none.",
            )
            if world.name == "houses"
            else (),
            (claims_table(world, claimed),),
        )
    if told := world.pairs((*OBJECTIVES, *LABELS, *MULTI_TURN)):
        words = "other differences of the plan"
        yield Section(f"{world.name}: {words}", (), (differences(world, told),))
    if told := world.pairs(UNPLANNED):
        yield Section(
            f"{world.name}: differences that the plan does not name, for description",
            (
                "P-values are of sign flips of the tasks' differences, as in question 2, each "
                "column corrected for its own; they take these trainings as they are, and speak "
                "of other tasks alone.",
            ),
            (described(world, told),),
        )
    yield from matched(world.name, world.rows, world.lines, records)
    yield from habits(world.name, world.rows, actions)
    if told := agreements(world):
        yield Section(f"{world.name}: beside the paper", tuple(told), ())
    if world.has_judges:
        yield judges(world.name, _able(world), world.judged)
    yield from spoken(world.name, world.lines, records)
    if world.pairs(EXPLORATION):
        yield _exploration(world, records)


def _exploration(world: World, records: Records) -> Section:
    """What comes of it where the format of the answers is taught before the critique stage."""
    judged, found = world.judged, question(world.judged, "format+act", "format")
    cells = []
    for seed in seeds_of_both(judged, "format", "format+act"):
        before, after = (
            fmean(rights(judged, row, seed).values()) for row in ("format", "format+act")
        )
        cells.append([
            f"{seed}", f"{100 * before:.1f}", f"{100 * after:.1f}",
            points(gain_of(judged, "format+act", seed, ("format", seed))),
            "yes" if above(judged, "format+act", seed) else "no",
        ])  # fmt: skip
    return Section(
        f"{world.name}: an exploration",
        (
            "Not in the plan, and begun when it had shown that the base names neither candidate: "
            "the format of the answers is taught before the critique stage, and no label. "
            f"{_gained(found)} ({found.word}, if it were question 1). Run on: "
            f"{made_by(_explored(world), records) or '–'}.",
        ),
        (
            Table(
                "Held-out pairs, both orders",
                ("seed", "format", "format → ACT stage", "gain", "above both floors"),
                cells,
            ),
            differences(world, world.pairs(EXPLORATION)),
        ),
    )


if __name__ == "__main__":
    sys.exit(call(Report))
