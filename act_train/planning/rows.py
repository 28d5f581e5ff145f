"""The rows that a stage would train on and measure on, made as the stage makes them.

A test holds each of these beside its stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainingArguments

from act_data.options import TaskOptions
from act_data.types import ContrastPair
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
from act_train.data import executed_parts, load_pairs, load_trajectories, split_by_task, spread
from act_train.environment import open_places
from act_train.questions import Question, ask, flip
from act_train.reflections import read_thoughts
from act_train.rows import (
    Row,
    action_rows,
    choice_rows,
    critique_rows,
    imitation_rows,
    outcome_rows,
    preference_rows,
    reflection_rows,
    warm_start_rows,
)

Rows = tuple[list[Row], list[Row]]


def rows_of(stage: str, options: Sequence[Any]) -> Rows:
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
) -> Rows:
    train, held = _asked(data, asked)
    shown = spread(held or train, -(-gate.gate_prompts // asked.candidates))
    train = flip(train, label.flip_labels, training.seed)[0]
    train, held = (
        critique_rows(part, history=data.history, reasoning=gate.reasoning)
        for part in (train, shown)
    )
    return train, held


def _choice_sft(
    _: ModelArguments,
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    training: TrainingArguments,
) -> Rows:
    train, held = _asked(data, asked)
    train = flip(train, label.flip_labels, training.seed)[0]
    return choice_rows(train, history=data.history), choice_rows(held, history=data.history)


def _dpo(
    _: ModelArguments, data: PairArguments, label: LabelArguments, training: TrainingArguments
) -> Rows:
    train, held = _asked(data, QuestionArguments())
    train = flip(train, label.flip_labels, training.seed)[0]
    return preference_rows(train, history=data.history), preference_rows(held, history=data.history)


def _warm_start(
    _: ModelArguments, data: PairArguments, asked: QuestionArguments, training: TrainingArguments
) -> Rows:
    train, held = (
        warm_start_rows(part, history=data.history, seed=training.seed)
        for part in _asked(data, asked)
    )
    return train, held


def _world_model(_: ModelArguments, data: PairArguments, _training: TrainingArguments) -> Rows:
    train, held = (outcome_rows(part, history=data.history) for part in executed_parts(data))
    return train, held


def _reflect(
    _: ModelArguments, data: PairArguments, thought: ThoughtArguments, _training: TrainingArguments
) -> Rows:
    thoughts = read_thoughts(thought.reflections)
    train, held = (
        reflection_rows(part, thoughts, history=data.history) for part in executed_parts(data)
    )
    return train, held


def _imitate(_: ModelArguments, data: TrajectoryArguments, _training: TrainingArguments) -> Rows:
    found = load_trajectories(
        data.trajectories, data.allow_split, split=data.split, subset=data.subset
    )
    train, held = split_by_task(found, data.validation_share)
    train = spread(train, data.max_trajectories)
    return imitation_rows(train, history=data.history), imitation_rows(held, history=data.history)


def _act_rl(
    _: ModelArguments,
    data: PairArguments,
    _reward: RewardArguments,
    gate: GateArguments,
    _training: TrainingArguments,
) -> Rows:
    train, held = split_by_task(_pairs(data), data.validation_share)
    rows = action_rows(spread(train, data.max_pairs), history=data.history)
    shown = action_rows(held, history=data.history) or rows
    return rows, spread(shown, gate.gate_prompts)


def _env_rl(_: ModelArguments, data: EnvRlArguments, _training: TrainingArguments) -> Rows:
    """A row for each task; what is asked is told by the environment when it is played."""
    options = TaskOptions(
        env=data.env, split=data.split, tasks=tuple(data.tasks), step_limit=data.step_limit,
        allow_split=tuple(data.allow_split), env_kwargs=data.env_kwargs,
    )  # fmt: skip
    with open_places(options, data.history) as opened:
        rows: list[Row] = [{"task_id": task.task_id} for task in options.chosen(opened().env)]
    return rows, spread(rows, data.gate_prompts)


def _asked(data: PairArguments, asked: QuestionArguments) -> tuple[list[Question], list[Question]]:
    train, held = (ask(part, asked) for part in split_by_task(_pairs(data), data.validation_share))
    return spread(train, data.max_pairs), held


def _pairs(data: PairArguments) -> list[ContrastPair]:
    return load_pairs(data.pairs, data.allow_split, split=data.split, subset=data.subset)


ROWS: dict[str, Callable[..., Rows]] = {
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
