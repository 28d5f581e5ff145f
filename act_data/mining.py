"""``act-data mine``: what a policy would have done where the expert acted (arXiv 2603.08706).

At each state of each expert trajectory the policy is sampled K times; proposals that the
simulator reads as the expert's action are dropped, and each of the rest makes a pair with it.
As in the paper nothing is executed to see which action is better, and proposals that are not
admissible make pairs like others: ``admissible_actions`` is in every row for those who want to
filter. Answers that hold no action are counted and dropped (see :mod:`act_data.alternatives`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from act_data.alternatives import Alternative, distinct, pair_id
from act_data.options import PolicyOptions, WorkOptions, positive
from act_data.policies.base import (
    Policy,
    Query,
    check_samples,
    check_seed,
    described,
    seed_of,
    versions_with,
)
from act_data.policies.hard_negative import REACH, foresee
from act_data.provenance import program
from act_data.rollout import OpenEnvs, open_envs, replay, text_env
from act_data.runs.run import Result, Run
from act_data.splits import check_split
from act_data.storage.tables import content, read_trajectories
from act_data.types import ContrastPair, Trajectory
from act_envs.errors import UnknownArgument


@dataclass(frozen=True, kw_only=True)
class Mine(PolicyOptions, WorkOptions):
    """Make contrast pairs: the expert's action against what a policy proposes in its place.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        trajectories: what act-data collect wrote: a folder or a file.
        out: folder for the pairs; new, or begun by the same command.
        k: samples per state.
        seed: seed of the sampling.
        limit: mine only so many states, drawn evenly from all; each gives up to K pairs.
        shard_size: trajectories per part; what an interruption can cost.
        allow_split: splits besides train whose tasks may enter the pairs; never a test split.
    """

    trajectories: Path
    k: int = 4
    seed: int = 0
    limit: int | None = None
    allow_split: tuple[str, ...] = ()


@dataclass(slots=True)
class _Item:
    """A trajectory and the steps of it that are mined."""

    trajectory: Trajectory
    steps: frozenset[int]


@dataclass(slots=True)
class _Scene:
    """What mining needs of one state."""

    step: int
    query: Query
    state_hash: str


@dataclass(frozen=True)
class _Miner:
    """The work on one trajectory: replay, sample, compare."""

    policy: Policy
    k: int
    seed: int
    generator: str

    @contextmanager
    def open(self) -> Iterator[Callable[[_Item], Result]]:
        with open_envs() as envs:
            yield partial(self._mine, envs)

    def _mine(self, envs: OpenEnvs, item: _Item) -> Result:
        trajectory = item.trajectory
        env = envs(trajectory.env_id, trajectory.env_kwargs)
        foreseen = max(REACH, self.k) if self.policy.needs_effects else 0
        scenes = _scenes(env, item, self.seed, foreseen)
        answers = self.policy.sample([scene.query for scene in scenes], self.k)
        counts: Counter[str] = Counter()
        rows: list[ContrastPair] = []
        for scene, samples in zip(scenes, answers, strict=True):
            expert = trajectory.transitions[scene.step].action
            offered = scene.query.admissible_actions
            alternatives, counted = distinct(text_env(env), expert, offered, samples)
            counts.update(counted)
            rows += [self._pair(trajectory, scene, expert, one) for one in alternatives]
        return Result(rows, trajectory.kind, counts)

    def _pair(
        self, trajectory: Trajectory, scene: _Scene, expert: str, alternative: Alternative
    ) -> ContrastPair:
        return ContrastPair(
            pair_id=pair_id(
                trajectory.env_id,
                trajectory.env_kwargs,
                trajectory.task_id,
                scene.query.state,
                scene.state_hash,
                expert,
                alternative.action,
            ),
            env_id=trajectory.env_id,
            env_kwargs=trajectory.env_kwargs,
            task_id=trajectory.task_id,
            split=trajectory.split,
            kind=trajectory.kind,
            step=scene.step,
            state=scene.query.state,
            admissible_actions=scene.query.admissible_actions,
            state_hash=scene.state_hash,
            expert_action=expert,
            alternative_action=alternative.action,
            alternative_count=alternative.count,
            expert=trajectory.policy,
            policy=self.policy.name,
            policy_revision=self.policy.revision,
            sampling=json.dumps({**self.policy.sampling, "k": self.k}, sort_keys=True),
            seed=self.seed,
            generator=self.generator,
            origin=trajectory.origin,
        )


def mine(config: Mine) -> dict[str, Any]:
    """Mine the trajectories and store the pairs in ``config.out``.

    Returns:
        The content of ``summary.json``: trajectories done, rows stored, and per kind of task
        the counts of :data:`act_data.alternatives.COUNTS`.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the trajectories cannot be read.
        ForbiddenSplit: a trajectory's task is kept for evaluation.
        ModelNotFound: the policy's model cannot be loaded.
        ReplayMismatch: a trajectory does not happen again.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    return mine_with(config.make_policy(), config)


def mine_with(policy: Policy, config: Mine) -> dict[str, Any]:
    """:func:`mine` with a policy object of one's own; the options that describe one are unused.

    The run is known by the policy's name, revision and sampling: these must tell two policies
    apart.
    """
    check_samples(config.k)
    positive(config.limit)
    check_seed(config.seed)
    items = _items(list(read_trajectories(config.trajectories)), config)
    request = {
        "command": "mine",
        "k": config.k,
        "limit": config.limit,
        "policy": described(policy),
        "seed": config.seed,
        "trajectories": content(config.trajectories),
        "versions": versions_with(policy),
    }
    run = Run(config.out, request, items, "pairs", config.shard_size)
    job = _Miner(policy, config.k, config.seed, program())
    return config.execute(run, job)


def _items(trajectories: Sequence[Trajectory], config: Mine) -> list[_Item]:
    """The trajectories with the steps to mine: all, or ``limit`` of them drawn evenly."""
    for trajectory in trajectories:
        check_split(trajectory.split, config.allow_split)
        if not trajectory.won:
            raise UnknownArgument(
                f"the trajectory of {trajectory.task_id} was not won: its actions cannot stand "
                "for the better ones. Give trajectories that act-data collect kept."
            )
    states = [
        (index, step)
        for index, trajectory in enumerate(trajectories)
        for step in range(len(trajectory.transitions))
    ]
    if config.limit is not None:
        # By a hash of their names, so that a larger limit keeps the states of a smaller one.
        states.sort(
            key=lambda s: (seed_of("limit", config.seed, trajectories[s[0]].task_id, s[1]), s)
        )
        states = states[: config.limit]
    steps: dict[int, set[int]] = {}
    for index, step in states:
        steps.setdefault(index, set()).add(step)
    return [_Item(trajectories[index], frozenset(steps[index])) for index in sorted(steps)]


def _scenes(env: Any, item: _Item, seed: int, foreseen: int) -> list[_Scene]:
    """Play a trajectory again as far as it is mined, and look around at the steps to mine.

    The expert's action, and what becomes of it and of ``foreseen`` others, is in the queries only
    where it is asked for: no model gets to see it.
    """
    inner, trajectory = text_env(env), item.trajectory
    scenes: list[_Scene] = []
    for step in replay(env, trajectory):
        if step in item.steps:
            offered = tuple(inner.admissible_actions())
            query = Query(
                trajectory.state(step),
                offered,
                seed_of(seed, trajectory.env_id, trajectory.task_id, step),
            )
            if foreseen:
                expert = trajectory.transitions[step].action
                effects = foresee(inner, expert, offered, foreseen)
                query = replace(query, expert_action=expert, effects=effects)
            known = trajectory.transitions[step].state_hash  # replay has checked it
            scenes.append(_Scene(step, query, known or inner.state_hash()))
        if len(scenes) == len(item.steps) and step + 1 < len(trajectory.transitions):
            break  # the rest is not mined; an end that was reached is checked, too
    return scenes
