"""What stages of GRPO write when they are asked about held-out tasks, before training and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any

from act_train.reporting.sections import Section, Table
from benchmarks.paper_table.costs import Records, stages_of
from benchmarks.paper_table.judged import floor
from benchmarks.paper_table.naming import title
from benchmarks.paper_table.paired import Line

_EXPERT = "rewards/expert_match/mean"
TITLES = {"no-reasoning": "ACT stage, no reasoning", "format-act": "format → ACT stage"}
"""Of stages that are not called as a row is."""


def matched(
    name: str, rows: Iterable[str], lines: Sequence[Line], records: Records
) -> Iterator[Section]:
    """A table of what RL on single steps came to in the steps that it was not trained on."""
    stages = {row: found for row in rows if (found := [*_rl_of(row, lines, records)])}
    if stages:
        rewards = next(iter(stages.values()))[0][0]["options"]
        yield Section(
            f"{name}: what RL on single steps teaches",
            (
                f"In percent of the answers, eight to each of {rewards['gate_prompts']} states of "
                "held-out tasks, the same in all seeds, at which the base had proposed a worse "
                "action than the expert's; of the model that a row's first RL stage starts from, "
                "and of the one that its last one ends with. Counted are those that are the "
                f"expert's action (rewarded by {rewards['reward_accuracy']:g}), those that are "
                "another one that the simulator admits "
                f"({rewards['reward_admissible']:g}), and groups of "
                "eight that have one reward, of which nothing is learnt; means over seeds. Answers "
                "are sampled at temperature 1, so that a single seed's change of two or three "
                "points is within their noise; in play the likeliest action is taken.",
            ),
            (
                Table(
                    "Before the first step → after the last",
                    ("row", "seeds", "the expert's action", "change in each seed",
                     "another admissible one", "groups with one reward"),
                    [_means(row, found) for row, found in stages.items()],
                ),
            ),
        )  # fmt: skip


def _rl_of(row: str, lines: Sequence[Line], records: Records) -> Iterator[tuple[Any, Any]]:
    """The first and the last RL stage of each seed."""
    models = {(line["seed"], line["model"]) for line in lines if line["row"] == row}
    for _, model in sorted(models, key=str):
        last, *others = [*stages_of(model, records).values()] or [{"stage": ""}]
        if last["stage"] == "act-rl":
            (first, *_) = [one for one in reversed([last, *others]) if one["stage"] == "act-rl"]
            yield first, last


def _means(row: str, found: Sequence[tuple[Any, Any]]) -> list[str]:
    def of(name: str) -> tuple[list[float], list[float]]:
        before = [100 * first["metrics"][f"before_{name}"] for first, _ in found]
        return before, [100 * last["metrics"][f"after_{name}"] for _, last in found]

    def both(name: str) -> str:
        return " → ".join(f"{fmean(values):.1f}" for values in of(name))

    changes = [after - before for before, after in zip(*of(_EXPERT), strict=True)]
    return [
        title(row), f"{len(found)}", both(_EXPERT), ", ".join(f"{one:+.1f}" for one in changes),
        both("rewards/admissible_other/mean"), both("frac_reward_zero_std"),
    ]  # fmt: skip


def spoken(name: str, lines: Sequence[Line], records: Records) -> Iterator[Section]:
    """A table of all critique stages of a world, if there are any."""
    found = {
        (one["title"], one["options"]["seed"]): one
        for model in sorted({line["model"] for line in lines})
        for one in stages_of(model, records).values()
        if one["stage"] == "critique" and "after_judge/names_candidate" in one["metrics"]
    }
    if cells := [_cells(*stage, one["metrics"]) for stage, one in sorted(found.items())]:
        prompts = next(iter(found.values()))["options"]["gate_prompts"]
        alone = floor([line for line in lines if "judge" in line])
        yield Section(
            f"{name}: what critique stages say",
            (
                f"In percent of the answers, eight to each of {prompts} prompts about held-out "
                "tasks (half as many pairs in both orders, the same in all seeds; for assumed "
                "labels others, so that those rows cannot be compared with the rest), of the model "
                "that the stage starts from and of the one that it ends with, as it samples in "
                "training: those that keep the format; those that name one of the two actions, the "
                "others naming none or some other; and among them, those that name the expert's, "
                "told after training alone, for before it there are hardly any. Of a group whose "
                "eight answers all have one reward nothing is learnt. What a model says and what "
                "it finds likelier, which is what a judge goes by, need not agree."
                + (f" The texts alone are right in {alone} of the pairs." if alone else ""),
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
            _percent(1 - value if kept and value is not None else value) for value in values
        )

    return [
        TITLES.get(stage) or title(stage), f"{seed}",
        both("rewards/format_failure/mean", kept=True), both("frac_reward_zero_std"),
        both("judge/names_candidate"), _percent(told.get("after_judge/expert_share_of_named")),
    ]  # fmt: skip


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
