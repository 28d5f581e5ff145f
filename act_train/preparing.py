"""What a stage trains on and measures on: rows of records, made before anything else is loaded.

``act-train plan`` counts the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from act_data.types import ContrastPair
from act_train.arguments.training import (
    CritiqueArguments,
    GateArguments,
    LabelArguments,
    PairArguments,
    QuestionArguments,
    ThoughtArguments,
    TrajectoryArguments,
)
from act_train.data import executed_parts, load_pairs, load_trajectories, split_by_task, spread
from act_train.errors import TrainingData
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


class Prepared(NamedTuple):
    """Rows of a stage. Those to measure on are of tasks that no row to train on is of, if any."""

    train: list[Row]
    held: list[Row]
    labels: Mapping[str, int] | None = None
    """What was done to the labels, see :func:`act_train.questions.flip`."""


def critique(
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    gate: CritiqueArguments,
    seed: int,
) -> Prepared:
    """Which action is better, for reasons; as many to measure on as the gate shows."""
    train, held = _asked(data, asked)
    # All orders of a question lie together: whole questions show each place as often.
    shown = spread(held or train, -(-gate.gate_prompts // asked.candidates))
    train, labels = flip(train, label.flip_labels, seed)
    rows, measured = (
        critique_rows(part, history=data.history, reasoning=gate.reasoning)
        for part in (train, shown)
    )
    return Prepared(rows, measured, labels)


def choice(
    data: PairArguments, asked: QuestionArguments, label: LabelArguments, seed: int
) -> Prepared:
    """Which action is better, and the answer."""
    train, held = _asked(data, asked)
    train, labels = flip(train, label.flip_labels, seed)
    rows, measured = (choice_rows(part, history=data.history) for part in (train, held))
    return Prepared(rows, measured, labels)


def preferences(data: PairArguments, label: LabelArguments, seed: int) -> Prepared:
    """The next action, and one of the two that is preferred."""
    train, held = _asked(data, QuestionArguments())
    train, labels = flip(train, label.flip_labels, seed)
    rows, measured = (preference_rows(part, history=data.history) for part in (train, held))
    return Prepared(rows, measured, labels)


def formats(data: PairArguments, asked: QuestionArguments, seed: int) -> Prepared:
    """Which action is better, and an answer of the right form by chance."""
    train, held = (
        warm_start_rows(part, history=data.history, seed=seed) for part in _asked(data, asked)
    )
    return Prepared(train, held)


def outcomes(data: PairArguments) -> Prepared:
    """What each of the executed actions gave."""
    train, held = (outcome_rows(part, history=data.history) for part in executed_parts(data))
    return Prepared(train, held)


def thoughts(data: PairArguments, thought: ThoughtArguments) -> Prepared:
    """The expert's action, and what a model wrote in its favour.

    Raises:
        TrainingData: about none of the pairs there is a thought.
    """
    written = read_thoughts(thought.reflections)
    train, held = (
        reflection_rows(part, written, history=data.history) for part in executed_parts(data)
    )
    if not train:
        raise TrainingData(
            f"{thought.reflections} holds no thoughts about these pairs. Write them with the same "
            "pairs: act-train reflections; or take another writer."
        )
    return Prepared(train, held)


def imitation(data: TrajectoryArguments) -> Prepared:
    """The expert's action at each step."""
    found = load_trajectories(
        data.trajectories, data.allow_split, split=data.split, subset=data.subset
    )
    train, held = split_by_task(found, data.validation_share)
    train = spread(train, data.max_trajectories)
    rows, measured = (imitation_rows(part, history=data.history) for part in (train, held))
    return Prepared(rows, measured)


def actions(data: PairArguments, gate: GateArguments) -> Prepared:
    """The next action at states of pairs; as many to measure on as the gate shows."""
    train, held = split_by_task(_pairs(data), data.validation_share)
    rows = action_rows(spread(train, data.max_pairs), history=data.history)
    shown = action_rows(held, history=data.history) or rows
    return Prepared(rows, spread(shown, gate.gate_prompts))


def _asked(data: PairArguments, asked: QuestionArguments) -> tuple[list[Question], list[Question]]:
    train, held = (ask(part, asked) for part in split_by_task(_pairs(data), data.validation_share))
    return spread(train, data.max_pairs), held


def _pairs(data: PairArguments) -> list[ContrastPair]:
    return load_pairs(data.pairs, data.allow_split, split=data.split, subset=data.subset)
