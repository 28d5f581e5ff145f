"""What the results say: ``python -m benchmarks.paper_table.report`` writes it beside them.

Tests and what counts as support are those of the plan (``README.md``): differences are paired by
task and seed; intervals hold 95 %, by a bootstrap that draws seeds and tasks, each with
replacement; p-values come from random sign flips of the tasks' differences (means over seeds), and
are corrected by Holm's method.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import tyro

from act_data.storage.files import write_text
from act_train.errors import ResultMismatch
from act_train.reporting.published import Number, Published, paper
from act_train.reporting.sections import Section, Table, Value, markdown
from act_train.statistics import mean_interval
from benchmarks.paper_table.paired import (
    Line,
    Measure,
    by_task,
    changes_of,
    check_same,
    crossed,
    holm,
    over_seeds,
    seeds_of,
    seeds_of_both,
    sign_flips,
)
from benchmarks.paper_table.results import RESULTS, read_json, read_lines
from benchmarks.paper_table.worlds import UNJUDGED, WORLDS

BASE = "prompt"  # the row of the model that all others start from
CLAIMS = (
    ("act+il", "il"), ("act+il", "il+il"), ("act+il+rl", "il+rl"), ("act+il+rl", "il+rl+rl"),
)  # fmt: skip
"""Question 2 of the plan: each first row is to win more than the second."""
OTHERS = (
    ("il", "prompt"), ("act+il", "il"), ("act+il+rl", "il+rl"), ("world-model+il", "il"),
    ("choice+il+rl", "act+il+rl"), ("dpo+il+rl", "act+il+rl"), ("no-reasoning+il+rl", "act+il+rl"),
    ("act+il", "assumed+il"), ("act+il", "flip-10+il"), ("act+il", "flip-20+il"),
    ("act+il", "flip-40+il"), ("act+il+env-rl", "il+env-rl"), ("il+env-rl", "il"),
)  # fmt: skip
EXPLORATION = (("format+act+il", "format+il"), ("format+act+il", "act+il"))
GAIN, SEEDS = 0.10, 4  # question 1: how much; and in how many of five seeds, in 2 as well
ALL_SEEDS = 5
LEVEL = 0.05  # of p-values
TITLES = {
    "prompt": "act-nano-base", "world-model+il": "world model → IL",
    "assumed": "ACT stage, assumed labels", "assumed+il": "ACT → IL, assumed labels",
    "flip-10": "ACT stage, 10 % flipped", "flip-10+il": "ACT → IL, 10 % flipped",
    "flip-20": "ACT stage, 20 % flipped", "flip-20+il": "ACT → IL, 20 % flipped",
    "flip-40": "ACT stage, 40 % flipped", "flip-40+il": "ACT → IL, 40 % flipped",
    "il+env-rl": "IL → multi-turn RL", "act+il+env-rl": "ACT → IL → multi-turn RL",
    "format": "format", "format+il": "format → IL", "format+act": "format → ACT stage",
    "format+act+il": "format → ACT → IL",
}  # fmt: skip
"""Of rows that the paper does not have under these names, in the order of the report."""
THEIRS = {"world-model+il": "early-experience"}  # its first half
LIMITS = (
    "What a model of this size cannot tell: whether reasoning about actions helps, for it writes "
    "none (the row without reasoning differs in the wording of its prompts alone); how a model "
    "acts that writes freely, for it chooses among the admissible actions; what ACT does for a "
    "model that has never seen such a world, for it was pre-trained on experts' play in worlds "
    "like these, which leaves imitation little to teach; and differences of a few points, which "
    "five seeds of a hundred tasks do not settle."
)
FLIPPED = ("flip-10", "flip-20", "flip-40")


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
            print(
                f"{self.results} holds no results. Run python -m benchmarks.paper_table first.",
                file=sys.stderr,
            )
            return 2
        try:
            text = report(found, read_json(self.results / "steps.json"))
        except ResultMismatch as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        write_text(self.results / "REPORT.md", text)
        print(f"report  {self.results / 'REPORT.md'}")
        return 0


def report(found: Mapping[str, Sequence[Line]], records: Mapping[str, Any]) -> str:
    """The report as Markdown, from the lines of each world and the records of all steps."""
    return markdown(
        "The paper's rows, on a model of 1.3 million parameters",
        "In percent with 95 % intervals; the base is act-nano-base. Made of the files beside it by "
        "python -m benchmarks.paper_table.report; the plan, and what came of it, are in "
        "benchmarks/paper_table/README.md. " + LIMITS,
        [section for name, lines in found.items() for section in _sections(name, lines, records)],
    )


def _sections(name: str, lines: Sequence[Line], records: Mapping[str, Any]) -> Iterator[Section]:
    played = [line for line in lines if "won" in line]
    judged = [line for line in lines if "judge" in line]
    has = {line["row"] for line in lines}
    rows = [row for row in dict.fromkeys((BASE, *paper().methods, *TITLES)) if row in has]
    shown = WORLDS[name].shown
    yield Section(f"{name}: to act", (), (_acting(rows, played, shown),))
    measure = shown[0][:2]
    beside = next(column for *_, column in shown if column)
    claimed = CLAIMS if all(seeds_of_both(played, *pair) for pair in CLAIMS) else ()
    if claimed:
        yield Section(
            f"{name}: does ACT before imitation make a better agent?",
            (
                "Differences, paired by task and seed. Shown is one whose interval lies above "
                f"zero, with a corrected p below {LEVEL}, and above zero in at least {SEEDS} of "
                f"{ALL_SEEDS} seeds; what is not shown is not for that reason none. Question 2 is "
                f"supported where all four are shown{_so_far(played)}.",
            ),
            (_claims(played, measure, beside),),
        )
    others = [pair for pair in OTHERS if seeds_of_both(played, *pair) and pair not in claimed]
    if others:
        yield Section(
            f"{name}: other differences",
            (
                "Told with intervals and without a verdict, as the plan has it. A difference whose "
                "interval holds zero is not shown to be one.",
            ),
            (_differences(others, played, measure, beside),),
        )
    told = [*dict.fromkeys((*claimed, *others))]
    if any(_published(*pair, beside) is not None for pair in told):
        same = next(one[:2] for one in shown if one[2] == beside)  # what the paper measured there
        yield Section(f"{name}: beside the paper", (_agreement(told, played, same, beside),), ())
    if BASE in (judges := {line["row"] for line in judged}):
        words = [_judging(judged)] if "act" in judges else []
        able = [row for row in rows if row not in UNJUDGED]
        yield Section(f"{name}: to judge", (*words, _offered(judged)), (_judges(able, judged),))
    if any(seeds_of_both(lines, *pair) for pair in EXPLORATION):
        yield _exploration(name, played, judged, measure, beside)
    if paid := list(_costs(rows, lines, records)):
        yield Section(
            f"{name}: what training a row took",
            (
                "The row's stages together; means over seeds. A prompt of critique and act-rl is "
                "counted in tokens once for each of its eight answers, though it is computed once "
                "for all. A prompt of multi-turn RL is a task, played eight times; its tokens are "
                "not told, for what the model reads within an episode is not counted. "
                "Core-minutes are of the whole processes, with start-up and measurements, in "
                "seeds in which they were noted of every stage." + _processors(lines, records),
            ),
            (
                Table(
                    "Of all stages of a row",
                    ("row", "updates", "prompts", "tokens, millions", "core-minutes", "in seeds"),
                    paid,
                ),
            ),
        )


def _acting(
    rows: Iterable[str], played: Sequence[Line], shown: Sequence[tuple[str, str, str]]
) -> Table:
    cells = []
    for row in rows:
        published = [str(_theirs(row, name) or "–") for *_, name in shown if name]
        ours = [_mean(played, row, (split, measure)) for split, measure, _ in shown]
        cells.append([_title(row), f"{len(seeds_of(played, row))}", *ours, *published])
    named = [paper().benchmarks[name].title for *_, name in shown if name]
    return Table(
        "Won, or the score, of each row",
        ("row", "seeds", *(f"{split}, {measure}" for split, measure, _ in shown), *named),
        cells,
        groups=(("", 2), ("ours:", len(shown)), ("paper, Qwen3-8B:", len(named))),
    )


def _mean(played: Sequence[Line], row: str, measure: Measure) -> Value | str:
    found = {seed: by_task(played, row, measure, seed) for seed in seeds_of(played, row)}
    if not any(found.values()):  # judged, and not played
        return "–"
    check_same(f"{row} was evaluated on other tasks", *found.values())
    mean, low, high = crossed(found, least=0.0)
    return Value(f"{100 * mean:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")


def _title(row: str) -> str:
    return TITLES.get(row) or paper().methods[row]


def _theirs(row: str, benchmark: str) -> Number | None:
    """What the paper has of a row."""
    table = _printed()
    numbers = table.rows.get(THEIRS.get(row, row))
    places = [column.benchmark for column in table.columns]
    return numbers[places.index(benchmark)] if numbers else None


def _printed() -> Published:
    """The paper's table of these rows: version 2, Qwen3-8B."""
    (table,) = [
        table for table in paper().of("Qwen3-8B")
        if table.title.startswith("v2") and "webshop" in {c.benchmark for c in table.columns}
    ]  # fmt: skip
    return table


def _published(first: str, second: str, benchmark: str) -> float | None:
    """How far the first row is above the second in the paper, in points."""
    one, other = _theirs(first, benchmark), _theirs(second, benchmark)
    return float(one.mean) - float(other.mean) if one and other else None


def _agreement(
    pairs: Iterable[tuple[str, str]], played: Sequence[Line], measure: Measure, beside: str
) -> str:
    """Which differences of the paper are found here, in words."""
    found: dict[str, list[str]] = defaultdict(list)
    for first, second in pairs:
        theirs = _published(first, second, beside)
        if theirs is None:
            continue
        mean, low, high = crossed(changes_of(played, first, second, measure))
        side = (low > 0) - (high < 0)
        kind = "not shown" if not side else "same" if side * theirs > 0 else "other"
        found[kind].append(
            f"{_title(first)} less {_title(second)} ({100 * mean:+.1f}, there {theirs:+.1f})"
        )
    said = [
        f"{words} {'; '.join(found[kind])}."
        for kind, words in (
            ("same", "As in the paper, with an interval that leaves out zero:"),
            ("other", "The other way round than in the paper, with such an interval:"),
            ("not shown", "Not shown here to be a difference:"),
        )
        if found[kind]
    ]
    return " ".join(said)


def _claims(played: Sequence[Line], measure: Measure, beside: str) -> Table:
    changes = [changes_of(played, first, second, measure) for first, second in CLAIMS]
    corrected = holm([sign_flips(over_seeds(one)) for one in changes])
    table = _differences(CLAIMS, played, measure, beside)
    cells = []
    for row, one, p in zip(table.rows, changes, corrected, strict=True):
        _, low, _ = crossed(one)
        alike = sum(fmean(by_task.values()) > 0 for by_task in one.values()) >= SEEDS
        shown = low > 0 and p < LEVEL and alike
        cells.append([*row, f"{p:.3f}", "shown" if shown else "not shown"])
    return Table(table.caption, (*table.header, "p (Holm)", "verdict"), cells)


def _differences(
    pairs: Iterable[tuple[str, str]], played: Sequence[Line], measure: Measure, beside: str
) -> Table:
    cells = []
    for first, second in pairs:
        found = changes_of(played, first, second, measure)
        name = f"{_title(first)} less {_title(second)}"
        mean, low, high = crossed(found)
        told = Value(f"{100 * mean:+.1f}", f"[{100 * low:+.1f}, {100 * high:+.1f}]")
        each = ", ".join(f"{100 * fmean(one.values()):+.0f}" for one in found.values())
        points = _published(first, second, beside)
        cells.append([name, told, each, "–" if points is None else f"{points:+.1f}"])
    caption = f"Percentage points: {measure[1]}, split {measure[0]}"
    (theirs,) = [column for column in _printed().columns if column.benchmark == beside]
    paper_s = f"paper: {paper().benchmarks[beside].title}, {theirs.measure}"
    return Table(caption, ("rows", "difference", "of each seed", paper_s), cells)


def _costs(
    rows: Iterable[str], lines: Sequence[Line], records: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Updates, prompts, tokens and processor time of the trainings that made a row's model."""
    for row in rows:
        models = sorted({line["model"] for line in lines if line["row"] == row})
        of_seeds = [stages for model in models if (stages := list(_made(model, records)))]
        if not of_seeds:  # a model that no stage made
            continue
        first = [one["options"] for one in of_seeds[0]]  # the same in all seeds
        tokens = _sums(of_seeds, _tokens)
        seconds = _sums(of_seeds, lambda one: one.get("cpu_seconds"))
        yield [
            _title(row), f"{sum(told['max_steps'] for told in first)}",
            f"{sum(map(_prompts, first)):,}", f"{fmean(tokens) / 1e6:.2f}" if tokens else "–",
            f"{fmean(seconds) / 60:.0f}" if seconds else "–", f"{len(seconds)}",
        ]  # fmt: skip


def _made(model: str, records: Mapping[str, Any]) -> Iterator[Any]:
    """The stages that made a model, the last one first."""
    while model in records:
        yield records[model]
        model = records[model]["inputs"]["model"]


def _processors(lines: Sequence[Line], records: Mapping[str, Any]) -> str:
    """Which processor computed which seeds, as far as that was noted."""
    found: dict[str, set[int]] = defaultdict(set)
    for seed, step, model in {(line["seed"], line["step"], line["model"]) for line in lines}:
        for record in (records.get(step, {}), *_made(model, records)):
            processor = record.get("hardware", {}).get("processor")
            if processor and seed is not None:
                found[processor].add(seed)
    told = (
        f"{processor} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))})"
        for processor, seeds in sorted(found.items())
    )
    return f" Processors: {'; '.join(told)}." if found else ""


def _sums(of_seeds: Iterable[Sequence[Any]], value: Callable[[Any], float | None]) -> list[float]:
    """Of the stages of each seed, without seeds in which it is not known of all of them."""
    found = ([value(one) for one in stages] for stages in of_seeds)
    return [sum(filter(None, values)) for values in found if None not in values]


def _tokens(record: Mapping[str, Any]) -> float | None:
    """TRL counts of an episode the first prompt and what the model writes."""
    return None if record["stage"] == "env-rl" else record["metrics"].get("num_tokens")


def _prompts(options: Mapping[str, Any]) -> int:
    answers = options["per_device_train_batch_size"] * options.get("gradient_accumulation_steps", 1)
    return options["max_steps"] * answers // options.get("num_generations", 1)


def _judging(judged: Sequence[Line]) -> str:
    good = 0
    seeds = seeds_of(judged, "act")
    for seed in seeds:
        gain, low, _ = _gain(judged, "act", seed)
        good += gain >= GAIN and low > 0 and _above(judged, "act", seed)
    if good >= SEEDS:
        verdict = "supported"
    else:
        verdict = "not supported" if len(seeds) - good > ALL_SEEDS - SEEDS else "undecided"
    flipped = [
        f"{sum(_above(judged, row, seed) for seed in seeds_of(judged, row))} of "
        f"{len(seeds_of(judged, row))} with {row.removeprefix('flip-')} % of the labels flipped"
        for row in FLIPPED
        if seeds_of(judged, row)
    ]
    survived = f" Seeds in which the judge stays above both floors: {', '.join(flipped)}."
    return (
        f"The critique stage gains at least {GAIN:.2f} over the base, with its interval above zero "
        f"and the judge above both floors, in {good} of {len(seeds)} seeds: question 1 is "
        f"{verdict} (asked were {SEEDS} of {ALL_SEEDS}). Gains are paired by pair, intervals "
        f"resample tasks.{survived if flipped else ''}"
    )


def _exploration(
    name: str, played: Sequence[Line], judged: Sequence[Line], measure: Measure, beside: str
) -> Section:
    """What comes of it where the format of the answers is taught before the critique stage."""
    cells, good = [], 0
    for seed in (seeds := seeds_of_both(judged, "format", "format+act")):
        before, after = (
            fmean(_rights(judged, row, seed)["state"].values()) for row in ("format", "format+act")
        )
        gain, low, high = _gain(judged, "format+act", seed, ("format", seed))
        above = _above(judged, "format+act", seed)
        good += gain >= GAIN and low > 0 and above
        cells.append([
            f"{seed}", f"{before:.3f}", f"{after:.3f}",
            Value(f"{gain:+.3f}", f"[{low:+.3f}, {high:+.3f}]"), "yes" if above else "no",
        ])  # fmt: skip
    pairs = [pair for pair in EXPLORATION if seeds_of_both(played, *pair)]
    return Section(
        f"{name}: an exploration",
        (
            "Not in the plan, and begun when it had shown that the base names neither candidate: "
            "the format of the answers is taught before the critique stage, and no label. The "
            f"critique stage then gains at least {GAIN:.2f} over the model that it starts from, "
            f"with its interval above zero and the judge above both floors, in {good} of "
            f"{len(seeds)} seeds.",
        ),
        (
            Table(
                "Accuracy on held-out pairs, both orders",
                ("seed", "format", "format → ACT stage", "gain", "above both floors"),
                cells,
            ),
            _differences(pairs, played, measure, beside),
        ),
    )


def _offered(judged: Sequence[Line]) -> str:
    """How far one gets who knows nothing but what the simulator admits."""
    offered = [line["admissible"] for line in judged if line.get("judge") == "state"
               and line["row"] == BASE]  # fmt: skip
    share = fmean(offered)
    return (
        f"Of the alternatives {100 * share:.0f} % are admissible. Whoever could tell that, and "
        f"tossed a coin for these pairs, would be right in {1 - share / 2:.3f}: what a judge "
        "knows beyond that, its accuracy on these pairs says. Named freely: of the answers to "
        "held-out prompts at the end of a critique stage, those that can be read, the share that "
        "names the expert's action. Held-out tasks are new, most of their goals and rooms are not."
    )


def _so_far(played: Sequence[Line]) -> str:
    seeds = min(len(seeds_of_both(played, *pair)) for pair in CLAIMS)
    return "" if seeds >= ALL_SEEDS else f"; {seeds} of {ALL_SEEDS} seeds have been run so far"


def _judges(rows: Iterable[str], judged: Sequence[Line]) -> Table:
    cells = []
    for row in rows:
        for seed in seeds_of(judged, row):
            right = _rights(judged, row, seed)
            among = _rights([line for line in judged if line.get("admissible")], row, seed)
            gain, low, high = _gain(judged, row, seed)
            cells.append([
                _title(row), "–" if seed is None else f"{seed}",
                f"{fmean(right['state'].values()):.3f}", f"{fmean(right['no_state'].values()):.3f}",
                _share(_texts(judged, row, seed)["right"]),
                _share(_texts(judged, row, seed)["named"]),
                _share(fmean(among["state"].values()) if among["state"] else None),
                "–" if row == BASE else Value(f"{gain:+.3f}", f"[{low:+.3f}, {high:+.3f}]"),
                "yes" if _above(judged, row, seed) else "no",
            ])  # fmt: skip
    return Table(
        "Accuracy on held-out pairs, both orders",
        ("row", "seed", "judge", "without the state", "texts alone", "named freely",
         "judge, admissible alternatives", "gain over the base", "above both floors"),
        cells,
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _gain(
    judged: Sequence[Line],
    row: str,
    seed: int | None,
    over: tuple[str, int | None] = (BASE, None),
) -> tuple[float, float, float]:
    """Of a row in one seed over another, with its interval."""
    before = _rights(judged, *over)["state"]
    after = _rights(judged, row, seed)["state"]
    check_same(f"{row}, seed {seed}, was judged on other pairs", after, before)
    changes = [after[pair] - before[pair] for pair in before]
    mean, (low, high) = mean_interval(changes, [task for task, _ in before], least=-1)
    return mean, low, high


def _rights(
    judged: Sequence[Line], row: str, seed: int | None
) -> dict[str, dict[tuple[str, str], float]]:
    """How right the judge was of each pair, by what it read."""
    found: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for line in judged:
        if line["row"] == row and line["seed"] == seed and "pair" in line:
            found[line["judge"]][line["task_id"], line["pair"]] = line["right"]
    return found


def _texts(judged: Sequence[Line], row: str, seed: int | None) -> Line:
    return next(
        line for line in judged
        if (line["row"], line["seed"], line["judge"]) == (row, seed, "texts")
    )  # fmt: skip


def _above(judged: Sequence[Line], row: str, seed: int | None) -> bool:
    return bool(_texts(judged, row, seed)["above_floors"])


if __name__ == "__main__":
    sys.exit(tyro.cli(Report)())
