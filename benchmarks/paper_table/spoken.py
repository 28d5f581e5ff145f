"""What a critique stage says when it is asked and writes freely, before it is trained and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from act_train.reporting.sections import Section, Table
from benchmarks.paper_table.costs import Records, stages_of
from benchmarks.paper_table.naming import title
from benchmarks.paper_table.paired import Line

TITLES = {"no-reasoning": "ACT stage, no reasoning", "format-act": "format → ACT stage"}
"""Of stages that are not called as a row is."""


def spoken(name: str, lines: Sequence[Line], records: Records) -> Iterator[Section]:
    """A table of all critique stages of a world, if there are any."""
    found = {
        (one["title"], one["options"]["seed"]): one["metrics"]
        for model in {line["model"] for line in lines}
        for one in stages_of(model, records).values()
        if one["stage"] == "critique" and "after_judge/names_candidate" in one["metrics"]
    }
    if cells := [_cells(*stage, told) for stage, told in sorted(found.items())]:
        yield Section(
            f"{name}: what critique stages say",
            (
                "In percent of the answers to prompts of held-out tasks, eight to each, of the "
                "model that the stage starts from and of the one that it ends with: those that "
                "keep the format; those that name one of the two actions, and among these, those "
                "that name the expert's (for assumed labels, of pairs of their own). Of a group "
                "whose eight answers all have one reward nothing is learnt. What a model says and "
                "what it finds likelier, which is what a judge goes by, need not agree.",
            ),
            (
                Table(
                    "Before the first step → after the last",
                    ("stage", "seed", "keep the format", "groups with one reward", "name one",
                     "of these, the expert's"),
                    cells,
                ),
            ),
        )  # fmt: skip


def _cells(stage: str, seed: int, told: dict[str, Any]) -> list[str]:
    def both(name: str, kept: bool = False) -> str:
        values = (told.get(f"{when}_{name}") for when in ("before", "after"))
        return " → ".join(
            "–"
            if value is None
            else f"{100 * (1 - value if kept else value):.1f}".removesuffix(".0")
            for value in values
        )

    return [
        TITLES.get(stage) or title(stage), f"{seed}",
        both("rewards/format_failure/mean", kept=True), both("frac_reward_zero_std"),
        both("judge/names_candidate"), both("judge/expert_share_of_named"),
    ]  # fmt: skip
