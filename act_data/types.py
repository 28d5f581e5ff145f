"""The records that flow from environments to training. Frozen; one row each on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal

from act_envs.types import Consequence


@dataclass(frozen=True, slots=True)
class AgentState:
    """What an agent may know when it chooses an action, and all that a prompt is made from.

    Attributes:
        goal: the instruction.
        observation: the text that describes the present.
        history: past turns, oldest first, as (what was observed, what was done then).
    """

    goal: str
    observation: str
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a trajectory.

    Attributes:
        observation: what the agent read before it acted.
        action: what it did.
        reward: increment of the score.
        action_valid: the simulator took the action as one of its own.
        state_hash: hash of the state in which the action was taken.
    """

    observation: str
    action: str
    reward: float
    action_valid: bool
    state_hash: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One episode played to its end.

    Attributes:
        env_id: registered id, version included (``"ACT/ScienceWorld-v0"``).
        env_kwargs: arguments of ``gym.make``, as JSON with sorted keys.
        task_id: the task played.
        split: official split of the task.
        kind: family of the task.
        goal: the instruction.
        policy: who acted: an expert's name (``"explorer"``), or a policy's
            (``"random-admissible"``, a model's path).
        seed: seed of the run.
        generator: program, version and commit that made the row, ``""`` where it was not stored
            by a run.
        score: final score in [0, 1].
        won: full success.
        truncated: the step limit ended the episode.
        final_observation: what the last action gave.
        transitions: the steps, in order.
        origin: what the task was made from, where several are made from one thing (a product), see
            :class:`act_envs.types.Task`; "" where it stands for itself.
    """

    env_id: str
    env_kwargs: str
    task_id: str
    split: str
    kind: str
    goal: str
    policy: str
    seed: int
    generator: str
    score: float
    won: bool
    truncated: bool
    final_observation: str
    transitions: tuple[Transition, ...]
    origin: str = ""

    def state(self, step: int) -> AgentState:
        """What the agent knew before the action at index ``step``, full history included."""
        past = tuple((t.observation, t.action) for t in self.transitions[:step])
        return AgentState(self.goal, self.transitions[step].observation, past)


Verdict = Literal["expert_better", "equivalent", "alternative_better", "unknown"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which of two actions is better, by one way of knowing.

    Costs count actions until the win, the compared one included; infinity stands for no win.

    Attributes:
        method: how the costs were found, see :mod:`act_data.verification.readings`.
        expert_cost: of the best completion found after the expert's action.
        alternative_cost: likewise after the alternative.
        regret: the second minus the first, None where both are infinite.
        verdict: what follows.
        confidence: how likely the verdict is right, in [0, 1]; 1 where it is proven, None where
            nobody can tell.
    """

    method: str
    expert_cost: float
    alternative_cost: float
    regret: float | None
    verdict: Verdict
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of both actions of a pair, executed from the same state.

    Attributes:
        admissible: the simulator offers the alternative in this state.
        expert: what the expert's action gave.
        alternative: what the alternative gave.
        commute: whether the alternative and then the expert's action lead to the same state as the
            other way round; None where nothing hung on it, and it was not tried.
        hindsight: judged with everything known, what the agent could not see included; None where
            it was not, or could not be.
        informed: judged by what the agent had observed; likewise.
        verifier: program, version and commit that made this.
    """

    admissible: bool
    expert: Consequence
    alternative: Consequence
    commute: bool | None
    hindsight: Reading | None
    informed: Reading | None
    verifier: str

    @property
    def same_state(self) -> bool:
        """Whether both actions lead to the same state."""
        return self.expert.state_hash == self.alternative.state_hash


@dataclass(frozen=True, slots=True)
class ContrastPair:
    """An expert's action against an alternative, in one state, with where both came from.

    ``expert_action`` is labelled better *by assumption* (arXiv 2603.08706). Whether it is, says
    ``verification``, where both actions were executed.

    Attributes:
        pair_id: 16 hexadecimal digits, a hash of environment, task, state and both actions.
        env_id: registered id of the environment, version included.
        env_kwargs: arguments of ``gym.make``, as JSON with sorted keys.
        task_id: the task.
        split: official split of the task.
        kind: family of the task.
        step: index of the action in the trajectory, from 0.
        state: what the agent knew, full history included.
        admissible_actions: what the simulator offered in this state.
        state_hash: hash of the simulator's state.
        expert_action: what the expert did.
        alternative_action: what the policy proposed.
        alternative_count: how many of the K samples were this alternative.
        expert: name of the expert; ``"own"`` where the better action is the policy's own, too.
        policy: name of the policy that was sampled.
        policy_revision: which weights, ``""`` for a scripted policy.
        sampling: parameters of the sampling, as JSON with sorted keys (K among them).
        seed: seed of the mining run.
        generator: program, version and commit that made the row.
        origin: what the task was made from, where several are made from one thing (a product), see
            :class:`act_envs.types.Task`; "" where it stands for itself.
        verification: what became of both actions, None where they were not executed.
    """

    pair_id: str
    env_id: str
    env_kwargs: str
    task_id: str
    split: str
    kind: str
    step: int
    state: AgentState
    admissible_actions: tuple[str, ...]
    state_hash: str
    expert_action: str
    alternative_action: str
    alternative_count: int
    expert: str
    policy: str
    policy_revision: str
    sampling: str
    seed: int
    generator: str
    origin: str = ""
    verification: Verification | None = None

    def verified(self, verification: Verification) -> ContrastPair:
        """This pair with its verification. Four times as fast as ``dataclasses.replace``."""
        return ContrastPair(*_mined(self), verification=verification)


_mined: Callable[[ContrastPair], tuple[Any, ...]] = attrgetter(
    *(field.name for field in fields(ContrastPair) if field.name != "verification")
)
