"""What the report calls the rows, what they are, and what the paper has of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from act_train.reporting.published import Column, Number, Published, paper

THEIR_RUNS = 3  # of each row, in the paper's second version
BASE = "prompt"  # the row of the model that all others start from
TITLES = {
    "prompt": "act-nano-base", "world-model+il": "world model → IL",
    "assumed": "ACT stage (assumed labels)", "assumed+il": "ACT → IL (assumed labels)",
    "flip-10": "ACT stage (10 % flipped)", "flip-10+il": "ACT → IL (10 % flipped)",
    "flip-20": "ACT stage (20 % flipped)", "flip-20+il": "ACT → IL (20 % flipped)",
    "flip-40": "ACT stage (40 % flipped)", "flip-40+il": "ACT → IL (40 % flipped)",
    "il+env-rl": "IL → multi-turn RL", "act+il+env-rl": "ACT → IL → multi-turn RL",
    "format": "format", "format+il": "format → IL", "format+il+il": "format → IL → IL",
    "format+act": "format → ACT stage", "format+act+il": "format → ACT → IL",
}  # fmt: skip
"""Of rows that the paper does not have under these names, in the order of the report."""
THEIRS = {"world-model+il": "early-experience"}
"""Rows that are a part of a method of the paper, and so not compared with it."""
ARE = {
    "prompt": "the model that all rows start from, as it is",
    "act": "GRPO on which of two actions is better, the expert's or the base's own (critique)",
    "il": "imitation of the experts' episodes",
    "act+il": "the ACT stage, then imitation",
    "il+il": "imitation twice, of the same prompts: as many as ACT → IL",
    "il+rl": "imitation, then GRPO on single steps, rewarded for the expert's action (act-rl)",
    "il+rl+rl": "the same with a second RL stage: as many prompts as full ACT",
    "act+il+rl": "the ACT stage, imitation, RL",
    "choice+il+rl": "full ACT, its first stage supervised training on which action is better",
    "dpo+il+rl": "full ACT, its first stage DPO on the pairs",
    "no-reasoning+il+rl": "full ACT, with no reasoning asked for; this model never writes any",
    "world-model+il": "Early Experience without reflections: what the base's own actions led to",
    "assumed": "the ACT stage where the expert's action is taken for the better one, unexecuted",
    "flip-10": "the ACT stage with a tenth of the labels turned round; 20 and 40 % alike",
    "il+env-rl": "imitation, then GRPO on whole episodes (env-rl); after ACT → IL alike",
    "format": "the answer's format is taught, a die being the label; others go on from it",
}
"""What is trained, of rows whose name does not tell it."""


def title(row: str) -> str:
    """The name of a row in tables."""
    return TITLES.get(row) or paper().methods[row]


def difference(first: str, second: str) -> str:
    """The name of a comparison: how far the first row is above the second."""
    return f"{title(first)} vs. {title(second)}"


def ordered(rows: set[str]) -> list[str]:
    """Rows as the paper has them, then the others."""
    return [row for row in dict.fromkeys((BASE, *paper().methods, *TITLES)) if row in rows]


def theirs(row: str, benchmark: str) -> Number | None:
    """What the paper has of a row."""
    numbers = _table().rows.get(row)
    return numbers[_table().columns.index(column(benchmark))] if numbers else None


def beside(row: str, benchmark: str) -> str:
    """What a table shows of the paper in a row: of another method with its name."""
    if row in THEIRS:
        return f"{theirs(THEIRS[row], benchmark)} ({paper().methods[THEIRS[row]]})"
    return str(theirs(row, benchmark) or "–")


@dataclass(frozen=True)
class Gap:
    """How far a row is above another in the paper.

    Attributes:
        points: percentage points.
        error: standard error of that, from the deviations that the paper gives of three runs each.
    """

    points: float
    error: float

    def __str__(self) -> str:
        return f"{self.points:+.1f} ± {self.error:.1f}"


def published(first: str, second: str, benchmark: str) -> Gap | None:
    """How far the first row is above the second in the paper, if it has both."""
    one, other = theirs(first, benchmark), theirs(second, benchmark)
    if not (one and other):
        return None
    deviations = (float(one.deviation), float(other.deviation))
    return Gap(float(one.mean) - float(other.mean), math.hypot(*deviations) / math.sqrt(THEIR_RUNS))


def column(benchmark: str) -> Column:
    """The column of the paper's table about a benchmark."""
    (found,) = [one for one in _table().columns if one.benchmark == benchmark]
    return found


def _table() -> Published:
    """The paper's table of these rows: version 2, Qwen3-8B."""
    (table,) = [
        table for table in paper().of("Qwen3-8B")
        if table.title.startswith("v2") and "webshop" in {c.benchmark for c in table.columns}
    ]  # fmt: skip
    return table
