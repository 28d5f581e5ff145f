"""Judging actions by what the agent had observed, see :mod:`act_data.verification.readings`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from statistics import fmean

from act_data.continuations import Moment, Player
from act_data.policies.base import Policy, seed_of
from act_data.types import AgentState, Reading
from act_data.verification.readings import judge, take
from act_envs import TextEnv
from act_envs.types import Snapshot

_GIVE_UP = 100  # actions after which an informed expert is lost; its longest wins take 50
_FIRST = 8  # worlds; doubled until the verdict is clear
_CLEAR = 0.95  # a confidence that needs no further worlds


class Informed:
    """Judges actions in one state by what the agent has observed.

    It moves the environment and leaves it anywhere.

    Args:
        env: stands in the state.
        action: the expert's.
        seed: of the worlds.
        worlds: at most so many are drawn; fewer where the verdict is clear.
    """

    def __init__(self, env: TextEnv, action: str, *, seed: Sequence[int], worlds: int) -> None:
        self._env, self._action, self._seed, self._most = env, action, seed, worlds
        self._expert = next((e.name for e in env.experts if e.sees == "observed"), "")
        self._here = env.snapshot()
        self._drawn: list[tuple[Snapshot, float]] = []  # and what the expert's action costs there

    def read(self, alternative: str) -> Reading | None:
        """Compare the alternative with the expert's action; None where the environment cannot.

        Args:
            alternative: the action, as it would be given to ``step``.
        """
        if not self._expert:
            return None
        expert: list[float] = []
        costs: list[float] = []
        verdict, confidence = "unknown", 0.0
        for world, cost in self._worlds():
            expert.append(cost)
            costs.append(self._cost(world, alternative))
            number = len(costs)
            if number == self._most or (number >= _FIRST and number & (number - 1) == 0):
                verdict, confidence = judge([a - e for a, e in zip(costs, expert, strict=True)])
                if confidence >= _CLEAR:
                    break
        if not costs:
            return None
        mine, theirs = fmean(expert), fmean(costs)
        method = f"worlds:{len(costs)}:{self._expert}"
        return Reading(method, mine, theirs, theirs - mine, verdict, confidence)

    def _worlds(self) -> Iterator[tuple[Snapshot, float]]:
        """Worlds with the costs of the expert's action, drawn once for all alternatives."""
        for number in range(self._most):
            if number == len(self._drawn):
                self._env.restore(self._here)
                world = self._env.sample_world(seed_of(*self._seed, number)[0])
                if world is None:
                    return
                self._drawn.append((world, self._cost(world, self._action)))
            yield self._drawn[number]

    def _cost(self, world: Snapshot, action: str | None) -> float:
        env, taken = self._env, 0
        env.restore(world)
        while action is not None and taken < _GIVE_UP:
            taken += 1
            if take(env, action):
                return taken
            action = None if env.terminated else env.expert_action(self._expert)
        return _GIVE_UP


class Rollouts:
    """Judges actions in one state by how a policy goes on after them.

    It moves the environment and leaves it anywhere.

    Args:
        env: stands in the state.
        state: what the agent knows in it.
        action: the expert's.
        policy: who goes on; it sees what an agent sees.
        number: of rollouts after each action.
        steps: that each may take, the compared action included.
        seed: of the policy's samples; the same after both actions.
    """

    def __init__(
        self,
        env: TextEnv,
        state: AgentState,
        action: str,
        *,
        policy: Policy,
        number: int,
        steps: int,
        seed: Sequence[int],
    ) -> None:
        self._player, self._action = Player(env, policy), action
        self._here = Moment(state, env.snapshot(), (), over=False, won=False)
        self._number, self._steps, self._seed = number, steps, seed

    def read(self, alternative: str) -> Reading:
        """Compare the alternative with the expert's action.

        Args:
            alternative: the action, as it would be given to ``step``.
        """
        mine, theirs = self._expert, self._costs(alternative)
        method = f"rollouts:{self._number}:{self._player.policy.name}"
        if math.inf in (min(mine), min(theirs)) and min(mine) == min(theirs):
            return Reading(method, math.inf, math.inf, None, "unknown", None)
        mine, theirs = ([min(cost, self._steps) for cost in costs] for costs in (mine, theirs))
        verdict, confidence = judge([a - e for a, e in zip(theirs, mine, strict=True)])
        expert, cost = fmean(mine), fmean(theirs)
        return Reading(method, expert, cost, cost - expert, verdict, confidence)

    @cached_property
    def _expert(self) -> list[float]:
        return self._costs(self._action)

    def _costs(self, action: str) -> list[float]:
        """How many actions each rollout took to win, infinity where it did not."""
        begun = self._here.step

        def seed(number: int, step: int) -> tuple[int, ...]:
            return seed_of(*self._seed, number, step - begun)

        after = [self._player.after(self._here, action)] * self._number
        ends = self._player.finish(after, seed, until=begun + self._steps)
        return [end.step - begun if end.won else math.inf for end in ends]
