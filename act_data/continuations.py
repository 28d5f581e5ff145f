"""A policy plays on: an episode with all its moments, and many continuations side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from act_data.policies.base import Policy, Query, played
from act_data.types import AgentState
from act_envs import TextEnv
from act_envs.types import Snapshot

Seed = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where an episode, or a continuation of it, stands.

    Attributes:
        state: what the agent knows.
        snapshot: the environment's state.
        offered: admissible actions; () for policies that do not ask for them.
        over: nothing more can be done.
        won: full success.
    """

    state: AgentState
    snapshot: Snapshot
    offered: tuple[str, ...]
    over: bool
    won: bool

    @property
    def step(self) -> int:
        """How many actions were taken before."""
        return len(self.state.history)


@dataclass(frozen=True)
class Player:
    """A policy in an environment."""

    env: TextEnv
    policy: Policy

    def episode(self, task_id: str, seed: Callable[[int], Seed]) -> list[Moment]:
        """All moments of an episode, the one after the last action included.

        It ends by a step limit of the environment at the latest.

        Args:
            task_id: the task.
            seed: of the sampling at a step.
        """
        observation, info = self.env.reset(options={"task_id": task_id})
        moments = [self._moment(AgentState(info["goal"], observation), over=False, won=False)]
        while not (here := moments[-1]).over:
            [[sample]] = self.policy.sample([Query(here.state, here.offered, seed(here.step))], 1)
            moments.append(self.after(here, played(sample)))
        return moments

    def after(self, moment: Moment, action: str) -> Moment:
        """The moment after an action, which leaves the one before as it is."""
        self.env.restore(moment.snapshot)
        observation, _, terminated, truncated, info = self.env.step(action)
        before = moment.state
        past = (*before.history, (before.observation, action))
        state = AgentState(before.goal, observation, past)
        return self._moment(state, over=terminated or truncated, won=info["won"])

    def finish(
        self,
        moments: Sequence[Moment],
        seed: Callable[[int, int], Seed],
        *,
        until: int | None = None,
    ) -> list[Moment]:
        """Play on from each of some moments to the end.

        All go on side by side, one action each in turn, so that a policy that answers many queries
        at once is asked many at once.

        Args:
            moments: where to begin.
            seed: of the sampling for the moment of a number (from 0) at a step.
            until: play no further than this step; needed where the environment has no step limit.

        Returns:
            Where each of them ended.
        """
        now = list(moments)

        def goes_on(here: Moment) -> bool:
            return not here.over and (until is None or here.step < until)

        while live := [at for at, here in enumerate(now) if goes_on(here)]:
            here = [now[at] for at in live]
            seeds = [seed(at, now[at].step) for at in live]
            queries = [Query(m.state, m.offered, s) for m, s in zip(here, seeds, strict=True)]
            answers = self.policy.sample(queries, 1)
            for at, [sample] in zip(live, answers, strict=True):
                now[at] = self.after(now[at], played(sample))
        return now

    def _moment(self, state: AgentState, *, over: bool, won: bool) -> Moment:
        env = self.env
        offered = tuple(env.admissible_actions()) if self.policy.needs_admissible else ()
        return Moment(state, env.snapshot(), offered, over, won)
