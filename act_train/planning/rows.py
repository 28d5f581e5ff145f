"""The rows that a stage would train on and measure on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainingArguments

from act_train import preparing
from act_train.arguments.training import (
    CritiqueArguments,
    EnvRlArguments,
    GateArguments,
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
    RewardArguments,
    ThoughtArguments,
    TrajectoryArguments,
)
from act_train.data import spread
from act_train.environment import open_places, tasks_of
from act_train.preparing import Prepared


def rows_of(stage: str, options: Sequence[Any]) -> Prepared:
    """Rows to train on, and rows to measure on.

    Args:
        stage: one of :data:`ROWS`.
        options: its dataclasses, in their order, and TRL's configuration.

    Raises:
        ActError: whatever the stage would raise about its data.
    """
    return ROWS[stage](*options)


def _critique(
    _: ModelArguments,
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    _reward: RewardArguments,
    gate: CritiqueArguments,
    training: TrainingArguments,
) -> Prepared:
    return preparing.critique(data, asked, label, gate, training.seed)


def _choice_sft(
    _: ModelArguments,
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    training: TrainingArguments,
) -> Prepared:
    return preparing.choice(data, asked, label, training.seed)


def _dpo(
    _: ModelArguments, data: PairArguments, label: LabelArguments, training: TrainingArguments
) -> Prepared:
    return preparing.preferences(data, label, training.seed)


def _warm_start(
    _: ModelArguments, data: PairArguments, asked: QuestionArguments, training: TrainingArguments
) -> Prepared:
    return preparing.formats(data, asked, training.seed)


def _world_model(_: ModelArguments, data: PairArguments, _training: TrainingArguments) -> Prepared:
    return preparing.outcomes(data)


def _reflect(
    _: ModelArguments, data: PairArguments, thought: ThoughtArguments, _training: TrainingArguments
) -> Prepared:
    return preparing.thoughts(data, thought)


def _imitate(
    _: ModelArguments, data: TrajectoryArguments, _training: TrainingArguments
) -> Prepared:
    return preparing.imitation(data)


def _act_rl(
    _: ModelArguments,
    data: PairArguments,
    _reward: RewardArguments,
    gate: GateArguments,
    _training: TrainingArguments,
) -> Prepared:
    return preparing.actions(data, gate)


def _env_rl(_: ModelArguments, data: EnvRlArguments, _training: TrainingArguments) -> Prepared:
    """A row for each task; what is asked is told by the environment when it is played."""
    options = tasks_of(data)
    with open_places(options, data.history) as opened:
        rows = [{"task_id": task.task_id} for task in options.chosen(opened().env)]
    return Prepared(rows, spread(rows, data.gate_prompts))


ROWS: dict[str, Callable[..., Prepared]] = {
    "critique": _critique,
    "choice-sft": _choice_sft,
    "dpo": _dpo,
    "warm-start": _warm_start,
    "reflect": _reflect,
    "world-model": _world_model,
    "imitate": _imitate,
    "act-rl": _act_rl,
    "env-rl": _env_rl,
}
