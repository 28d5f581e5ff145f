"""The data that cross the border of an environment. Frozen, picklable, free of behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict


@dataclass(frozen=True, slots=True)
class Task:
    """One episode that can be played, named for good.

    A task fixes its episode completely: the same id and the same actions give the same
    transcript, whatever the seed of the environment.

    Attributes:
        task_id: durable name, unique within the environment over all splits (``"boil/21"``).
        split: the official split that the task belongs to (``"test"``).
        kind: the family of tasks it belongs to (``"boil"``).
        origin: what it was made from, where several tasks are made from one thing (a product):
            splits that are kept apart do not share it. "" where each task stands for itself.
    """

    task_id: str
    split: str
    kind: str
    origin: str = ""


class Expert(NamedTuple):
    """One of those who know what to do.

    Attributes:
        name: of it, unique within the environment (``"explorer"``).
        sees: what it chooses by: ``"observed"`` for what the agent has read in the episode,
            ``"all"`` for everything, what nobody has seen included.
    """

    name: str
    sees: Literal["observed", "all"]


class Outcome(NamedTuple):
    """What a simulator reports after a start, an action or a restore.

    A named tuple, like a snapshot, since one is made at every step.

    Attributes:
        observation: the text the agent reads.
        raw_score: the simulator's own number, in its own units.
        score: progress in [0, 1].
        won: full success.
        failed: the episode ended without it.
        action_valid: the simulator took the action as one of its own in that state.
        extra: what else goes into ``info``: the optional keys of :class:`StepInfo` that this
            simulator fills, the same ones at every step.
    """

    observation: str
    raw_score: float
    score: float
    won: bool = False
    failed: bool = False
    action_valid: bool = True
    extra: Mapping[str, Any] | None = None


class Consequence(NamedTuple):
    """What one action gives, executed from some state.

    Attributes:
        observation: what the agent reads.
        state_hash: hash of the next state.
        score: after the action, in [0, 1].
        won: full success.
        failed: the episode ended without it.
        action_valid: the simulator took the action as one of its own.
    """

    observation: str
    state_hash: str
    score: float
    won: bool
    failed: bool
    action_valid: bool


class Snapshot(NamedTuple):
    """The exact state of an episode. Opaque; restore it with ``TextEnv.restore``.

    A named tuple, since snapshots are taken by the million and a frozen dataclass costs a
    microsecond more.

    Attributes:
        origin: the kind and configuration of the environment that took it.
        task: the task being played.
        step: actions taken so far.
        max_score: the highest score of the episode so far.
        outcome: what the last action (or the start) gave.
        last_action: the last action, ``""`` at the start.
        state: the simulator's own part, picklable.
    """

    origin: str
    task: Task
    step: int
    max_score: float
    outcome: Outcome
    last_action: str
    state: object


@dataclass(frozen=True, slots=True)
class Turn:
    """One action and what came back.

    Attributes:
        action: the agent's text.
        observation: the text that answered it.
        reward: increment of the score.
        action_valid: whether the simulator took the action as one of its own.
    """

    action: str
    observation: str
    reward: float
    action_valid: bool


class StepInfo(TypedDict):
    """Keys of ``info``, the same for every environment at ``reset`` and at every ``step``.

    Attributes:
        task_id: name of the task being played.
        split: official split of that task.
        kind: family of that task.
        goal: the instruction given to the agent.
        step: actions taken so far, invalid ones included.
        score: progress in [0, 1]; the sum of the rewards so far, 0 at ``reset``.
        max_score: the highest ``score`` of the episode so far. Some of the literature reports it
            in place of the final score.
        raw_score: the simulator's own number, in its own units.
        won: full success (``score`` is 1).
        failed: the episode ended without it.
        action_valid: the simulator took the last action as one of its own; True at ``reset``.
        last_action: the last action, ``""`` at ``reset``.
        admissible_actions: only with ``admissible=True``.
        goal_conditions: share of the goal's conditions that hold, in [0, 1]; only where the
            environment counts them and was asked to.
        look: what can be seen from here, without acting; only where looking costs nothing.
        inventory: what the agent carries; likewise.
        question: the choices that the simulator asks to choose from, () when it asks nothing;
            only where the simulator asks back.
        moves: the simulator's own count of moves, where it differs from ``step``.
        purchase: what the reward of a purchase is made of, None before; only where things are
            bought.
        nouns: how the nouns were found that this reward compares; likewise.
    """

    task_id: str
    split: str
    kind: str
    goal: str
    step: int
    score: float
    max_score: float
    raw_score: float
    won: bool
    failed: bool
    action_valid: bool
    last_action: str
    admissible_actions: NotRequired[list[str]]
    goal_conditions: NotRequired[float]
    look: NotRequired[str]
    inventory: NotRequired[str]
    question: NotRequired[tuple[str, ...]]
    moves: NotRequired[int]
    purchase: NotRequired[dict[str, Any] | None]
    nouns: NotRequired[str]
