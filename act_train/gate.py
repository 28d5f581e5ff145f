"""What a model answers before it is trained, and whether training it is worth anything.

A group whose answers all get one reward teaches nothing. A model that never writes the action tag
has only such groups: the loss is then exactly zero and nothing would say so. And a model whose
choices are no better than chance has hardly learnt more from critiques where that was measured:
what pays is to answer, not to judge. Both cost as many hours as a model that learns.

A choice is measured as it is trained: sampled, after whatever reasoning precedes it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from accelerate.utils import gather_object
from datasets import Dataset
from trl import GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_data.runs.run import digest
from act_train.arguments.training import GateArguments
from act_train.errors import NothingToLearn
from act_train.judging.resampling import Tasks
from act_train.rewards import REWARDS, Completions, expert_match, judged, names_one
from act_train.rows import Row

logger = logging.getLogger(__name__)

_FORMAT = "Teach the format first: act-train warm-start; or start from an instruct model."
_CHOICE = (
    "Teach what is better first: act-train choice-sft; or start from a larger model, or measure on "
    "more (gate_prompts, validation_share)."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a prompt.

    Attributes:
        prompt: name of the question, and of the prompt that asked it: there may be several.
        task_id: the task.
        right: it is the one that is labelled right.
        chance: how often a choice among the answers is right; None where the answer is no choice.
    """

    prompt: tuple[str, str]
    task_id: str
    right: bool
    chance: float | None


@dataclass(slots=True)
class Witness:
    """Sees all answers that the rewards see, and keeps them.

    Attributes:
        rewards: the functions to train with.
        places: where the right answer may stand in the prompts.
        begun: what prompts have of an answer already, see :func:`act_data.prompts.begun`.
        kept: the answers of this process since it was told to forget.
    """

    places: Sequence[int]
    begun: str = ""
    kept: list[Answer] = field(default_factory=list)

    @property
    def rewards(self) -> list[Callable[..., list[float]]]:
        """``REWARDS`` of whole answers, the first of them seen by this."""
        return [self._watched(expert_match), *map(self._whole, REWARDS[1:])]

    def _watched(self, reward: Callable[..., list[float]]) -> Callable[..., list[float]]:
        @functools.wraps(reward)
        def watched(completions: Completions, **columns: Any) -> list[float]:
            completions = self._spelled(completions)
            found = reward(completions, **columns, places=self.places)
            self.kept += _answers(found, completions, columns)
            return found

        return watched

    def _whole(self, reward: Callable[..., list[float]]) -> Callable[..., list[float]]:
        @functools.wraps(reward)
        def whole(completions: Completions, **columns: Any) -> list[float]:
            return reward(self._spelled(completions), **columns)

        return whole

    def _spelled(self, completions: Completions) -> Completions:
        return [
            [{**message, "content": f"{self.begun}{message['content']}"} for message in completion]
            for completion in completions
        ]


def measure(
    trainer: GRPOTrainer, witness: Witness, rows: Sequence[Row]
) -> tuple[dict[str, float], list[Answer]]:
    """Ask the model, sampled and rewarded as in training.

    Args:
        trainer: has the witness among its rewards.
        witness: sees the answers.
        rows: what is asked; a group of answers each.

    Returns:
        Rates under TRL's names (``rewards/expert_match/mean``, ``frac_reward_zero_std``) and those
        of :func:`act_train.rewards.judged`; and all answers, of all processes.
    """
    witness.kept.clear()
    asked: Any = Dataset.from_list(list(rows))
    metrics = trainer.evaluate(asked)
    wanted = ("rewards/", "judge/", "reward", "frac_reward_zero_std", "completions/clipped_ratio")
    rates = {name.removeprefix("eval_"): value for name, value in metrics.items()}
    found = {name: value for name, value in rates.items() if name.startswith(wanted)}
    answers: list[Answer] = gather_object(witness.kept)
    witness.kept = []
    return {**found, **judged(found)}, answers


def open_gate(rates: Mapping[str, float], prompts: int, gate: GateArguments) -> None:
    """Refuse a model that cannot learn for want of the format; warn where it hardly can.

    Raises:
        NothingToLearn: it keeps the format too rarely.
    """
    kept = 1 - rates["rewards/format_failure/mean"]
    constant = rates["frac_reward_zero_std"]
    finding = (
        f"on {prompts} prompts the model keeps the answer format in {kept:.1%} of its answers, "
        f"and {constant:.0%} of the groups have one reward for all answers"
    )
    if kept < gate.min_format_rate:
        raise NothingToLearn(
            f"{finding}: training would change nothing. {_FORMAT} "
            "(min_format_rate: 0 goes on regardless.)"
        )
    if kept < 0.5 or constant > 0.9:
        logger.warning("%s: expect little. %s", finding, _FORMAT)
    else:
        logger.info("%s", finding)


def open_choice_gate(answers: Sequence[Answer], *, above_chance: bool) -> dict[str, float]:
    """Refuse a model whose choices are not better than chance, as far as these answers show.

    Args:
        answers: to critique prompts.
        above_chance: False warns instead.

    Returns:
        ``judge/expert_share_of_named_low`` and ``_high``: its 95 % interval over tasks; and
        ``judge/chance``. Nothing where no answer names an action that was offered.

    Raises:
        NothingToLearn: chance lies within the interval, or above it, or there is no choice.
    """
    choices = [(answer, chance) for answer in answers if (chance := answer.chance) is not None]
    if not choices:
        found = f"none of {len(answers)} answers names an action that was offered"
        _refuse(found, _FORMAT, above_chance)
        return {}
    tasks = Tasks([answer.task_id for answer, _ in choices])
    share = tasks.ratio(np.array([float(answer.right) for answer, _ in choices]))
    chance = float(np.mean([chance for _, chance in choices]))
    finding = (
        f"of {len(choices)} choices on {tasks.count} tasks {share.value:.1%} are right "
        f"({share.low:.1%} to {share.high:.1%}), and {chance:.1%} would be by chance"
    )
    if share.low > chance:
        logger.info("%s", finding)
    else:
        _refuse(finding, _CHOICE, above_chance)
    return {
        "judge/expert_share_of_named_low": share.low,
        "judge/expert_share_of_named_high": share.high,
        "judge/chance": chance,
    }


def _refuse(finding: str, remedy: str, above_chance: bool) -> None:
    if above_chance:
        raise NothingToLearn(
            f"{finding}: a model that is not shown to judge has little to build on. {remedy} "
            "(above_chance: false goes on regardless.)"
        )
    logger.warning("%s: expect little. %s", finding, remedy)


def _answers(
    found: Sequence[float], completions: Completions, columns: Mapping[str, Any]
) -> list[Answer]:
    """One for each completion of a batch, which has the columns of :mod:`act_train.rows`."""
    nothing = [None] * len(found)
    return [
        Answer(
            prompt=(name, digest(asked)),
            task_id=task_id,
            right=bool(right),
            chance=_chance(bool(right), completion[-1]["content"], others),
        )
        for right, completion, name, task_id, others, asked in zip(
            found,
            completions,
            columns["pair_id"],
            columns["task_id"],
            columns.get("alternative_action", nothing),
            columns["prompts"],
            strict=True,
        )
    ]


def _chance(right: bool, text: str, others: str | None) -> float | None:
    if others is None or not (right or names_one(text, others)):
        return None
    return 1 / (2 + others.count("\n"))
