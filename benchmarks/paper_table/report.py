"""What the results say: ``python -m benchmarks.paper_table.report`` writes it beside them.

Tests and what counts as support are those of the plan (``README.md``): differences are paired by
task and seed, intervals hold 95 % by bootstrap over tasks with the mean over seeds within a task,
p-values come from random sign flips of the tasks' differences and are corrected by Holm's method.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import tyro

from act_data.storage.files import write_text
from act_train.reporting.published import paper
from act_train.reporting.sections import Section, Table, Value, markdown
from act_train.statistics import mean_interval

RESULTS = Path(__file__).parent.parent / "results/paper_table"
BASE = "prompt"  # the row of the model that all others start from
CLAIMS = (
    ("act+il", "il"), ("act+il", "il+il"), ("act+il+rl", "il+rl"), ("act+il+rl", "il+rl+rl"),
)  # fmt: skip
"""Question 2 of the plan: each first row is to win more than the second."""
FIRSTS = ("act+il+rl", "choice+il+rl", "dpo+il+rl", "no-reasoning+il+rl")
GAIN, SEEDS = 0.10, 4  # question 1: how much, and in how many of five seeds
FLIPS = 20_000

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """Write what the results of the paper's table say."""

    results: Path = RESULTS
    """Folder with ``houses.jsonl``."""

    def __call__(self) -> int:
        lines = [json.loads(line) for line in (self.results / "houses.jsonl").open()]
        write_text(self.results / "REPORT.md", report(lines))
        print(f"report  {self.results / 'REPORT.md'}")
        return 0


def report(lines: Sequence[Line]) -> str:
    """The report as Markdown, from the lines of ``houses.jsonl``."""
    played = [line for line in lines if "won" in line]
    judged = [line for line in lines if "judge" in line]
    rows = [row for row in paper().methods if any(line["row"] == row for line in lines)]
    rows += sorted({line["row"] for line in lines} - {*rows})
    return markdown(
        "The paper's rows, on generated houses",
        "Success in percent with 95 % intervals; act-nano-base, 1.3 million parameters. Made by "
        "`python -m benchmarks.paper_table.report` of houses.jsonl; the plan is in "
        "benchmarks/paper_table/README.md.",
        [
            Section("To act", (), (_acting(rows, played),)),
            Section(
                "Does ACT before imitation make a better agent?",
                (
                    "Differences in rooms never seen, paired by task and seed. Supported where all "
                    "four intervals lie above zero; a difference whose interval holds zero is not "
                    "shown, which is not the same as none.",
                ),
                (_claims(played),),
            ),
            Section(
                "Which objective first?",
                ("Without a verdict: nothing of this was asked before the runs.",),
                (_differences([(one, FIRSTS[0]) for one in FIRSTS[1:]], played),),
            ),
            Section("To judge", (_judging(judged),), (_judges(rows, judged),)),
        ],
    )


def sign_flips(changes: Sequence[float]) -> float:
    """Two-sided p-value that differences are as often below zero as above (Fisher 1935).

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


def _acting(rows: Iterable[str], played: Sequence[Line]) -> Table:
    (theirs,) = [
        table for table in paper().of("Qwen3-8B")
        if table.title.startswith("v2") and "webshop" in {c.benchmark for c in table.columns}
    ]  # fmt: skip
    at = {column.benchmark: place for place, column in enumerate(theirs.columns)}
    cells = []
    for row in rows:
        printed = theirs.rows.get(row)
        published = [
            str(printed[at[name]]) if printed else "–" for name in ("alfworld-ood", "alfworld-id")
        ]
        ours = [_success(played, row, split) for split in ("unseen", "seen")]
        cells.append(
            [paper().methods.get(row, row), f"{len(_seeds(played, row))}", *ours, *published]
        )
    return Table(
        "Houses won, and what the paper prints of ALFWorld",
        ("row", "seeds", "unseen", "seen", "OOD", "ID"),
        cells,
        groups=(("", 2), ("ours, generated houses:", 2), ("paper, Qwen3-8B:", 2)),
    )


def _success(played: Sequence[Line], row: str, split: str) -> Value | str:
    found = _by_task(played, row, split, _seeds(played, row))
    if not found:
        return "–"
    mean, (low, high) = mean_interval(list(found.values()), list(found))
    return Value(f"{100 * mean:.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")


def _claims(played: Sequence[Line]) -> Table:
    changes = [_changes(played, first, second) for first, second in CLAIMS]
    corrected = holm([sign_flips(list(one.values())) if one else 1.0 for one in changes])
    table = _differences(CLAIMS, played)
    cells = []
    for row, one, p in zip(table.rows, changes, corrected, strict=True):
        shown = one and mean_interval(list(one.values()), list(one), least=-1)[1][0] > 0
        cells.append([*row, f"{p:.3f}", "yes" if shown else "not shown"])
    return Table(table.caption, (*table.header, "p (Holm)", "above zero"), cells)


def _differences(pairs: Iterable[tuple[str, str]], played: Sequence[Line]) -> Table:
    cells = []
    for first, second in pairs:
        found = _changes(played, first, second)
        name = f"{paper().methods.get(first, first)} less {paper().methods.get(second, second)}"
        if not found:
            cells.append([name, "–", "0"])
            continue
        mean, (low, high) = mean_interval(list(found.values()), list(found), least=-1)
        told = Value(f"{100 * mean:+.1f}", f"[{100 * low:+.1f}, {100 * high:+.1f}]")
        cells.append([name, told, f"{len(_both(played, first, second))}"])
    return Table("Percentage points, rooms never seen", ("rows", "difference", "seeds"), cells)


def _judging(judged: Sequence[Line]) -> str:
    good = 0
    seeds = _seeds(judged, "act")
    for seed in seeds:
        gain, low, _ = _gain(judged, "act", seed)
        good += gain >= GAIN and low > 0 and _above(judged, "act", seed)
    verdict = "supported" if good >= SEEDS else "not supported"
    return (
        f"The critique stage gains at least {GAIN:.2f} over the base, with its interval above zero "
        f"and the judge above both floors, in {good} of {len(seeds)} seeds: question 1 is "
        f"{verdict} (asked were {SEEDS} of 5). Gains are paired by pair, intervals resample tasks."
    )


def _judges(rows: Iterable[str], judged: Sequence[Line]) -> Table:
    cells = []
    for row in rows:
        for seed in _seeds(judged, row):
            right = _rights(judged, row, seed)
            gain, low, high = _gain(judged, row, seed)
            cells.append([
                paper().methods.get(row, row), "–" if seed is None else f"{seed}",
                f"{fmean(right['state'].values()):.3f}", f"{fmean(right['no_state'].values()):.3f}",
                f"{_texts(judged, row, seed)['right']:.3f}",
                "–" if row == BASE else Value(f"{gain:+.3f}", f"[{low:+.3f}, {high:+.3f}]"),
                "yes" if _above(judged, row, seed) else "no",
            ])  # fmt: skip
    return Table(
        "Accuracy on held-out pairs, both orders",
        ("row", "seed", "judge", "without the state", "texts alone", "gain over the base",
         "above both floors"),
        cells,
    )  # fmt: skip


def _gain(judged: Sequence[Line], row: str, seed: int | None) -> tuple[float, float, float]:
    """Of one seed over the base, with its interval."""
    (base,) = _seeds(judged, BASE)
    before = _rights(judged, BASE, base)["state"]
    after = _rights(judged, row, seed)["state"]
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


def _changes(played: Sequence[Line], first: str, second: str) -> dict[str, float]:
    """The first row less the second in rooms never seen, by task: the mean over seeds of both."""
    seeds = _both(played, first, second)
    one, other = (_by_task(played, row, "unseen", seeds) for row in (first, second))
    return {task: one[task] - other[task] for task in one}


def _by_task(
    played: Sequence[Line], row: str, split: str, seeds: Iterable[int | None]
) -> dict[str, float]:
    known = {*seeds}
    found: dict[str, list[bool]] = defaultdict(list)
    for line in played:
        if line["row"] == row and line["split"] == split and line["seed"] in known:
            found[line["task_id"]].append(line["won"])
    return {task: fmean(wins) for task, wins in found.items()}


def _seeds(lines: Sequence[Line], row: str) -> list[int | None]:
    return sorted({line["seed"] for line in lines if line["row"] == row}, key=str)


def _both(lines: Sequence[Line], first: str, second: str) -> list[int | None]:
    return [seed for seed in _seeds(lines, first) if seed in _seeds(lines, second)]


if __name__ == "__main__":
    sys.exit(tyro.cli(Report)())
