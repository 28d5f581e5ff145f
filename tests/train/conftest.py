"""Pairs and trajectories of the toy house, written as ``act-data`` writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

import act_envs
from act_data.rollout import play_expert
from act_data.storage.tables import write_parquet
from act_data.types import ContrastPair, Trajectory, Verification


def toy_trajectories(count: int, split: str = "train") -> list[Trajectory]:
    env = gym.make("ACT/Toy-v0", split=split, step_limit=30)
    inner = env.unwrapped
    assert isinstance(inner, act_envs.TextEnv)
    tasks = inner.tasks()
    chosen = [tasks[i * len(tasks) // count] for i in range(count)]
    return [play_expert(env, task.task_id, seed=0) for task in chosen]


def toy_pairs(trajectories: list[Trajectory]) -> list[ContrastPair]:
    """Every step against an action of the same house that is not the expert's."""
    return [pair for trajectory in trajectories for pair in _pairs(trajectory)]


def _pairs(trajectory: Trajectory) -> Iterator[ContrastPair]:
    for step, transition in enumerate(trajectory.transitions):
        offered = tuple(a for a in ("wait", "look", transition.action))
        other = next(a for a in offered if a != transition.action)
        name = f"{trajectory.task_id}/{step}"
        yield ContrastPair(
            pair_id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            env_id=trajectory.env_id,
            env_kwargs=trajectory.env_kwargs,
            task_id=trajectory.task_id,
            split=trajectory.split,
            kind=trajectory.kind,
            step=step,
            state=trajectory.state(step),
            admissible_actions=offered,
            state_hash="",
            expert_action=transition.action,
            alternative_action=other,
            alternative_count=1,
            expert="expert",
            policy="planted",
            policy_revision="",
            sampling="{}",
            seed=0,
            generator="test",
        )


def executed(pairs: list[ContrastPair]) -> list[ContrastPair]:
    """The pairs with what both actions gave."""
    env = gym.make("ACT/Toy-v0", step_limit=30).unwrapped
    assert isinstance(env, act_envs.TextEnv)
    found = []
    for pair in pairs:
        env.reset(options={"task_id": pair.task_id})
        for _, action in pair.state.history:
            env.step(action)
        gave = env.consequences([pair.expert_action, pair.alternative_action])
        found.append(pair.verified(Verification(True, *gave, None, None, None, "test")))
    return found


@pytest.fixture(scope="session")
def trajectories() -> list[Trajectory]:
    return toy_trajectories(24)


@pytest.fixture(scope="session")
def pairs(trajectories: list[Trajectory]) -> list[ContrastPair]:
    return toy_pairs(trajectories)


@pytest.fixture(scope="session")
def stored(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[ContrastPair],
    trajectories: list[Trajectory],
) -> Path:
    """A folder with ``pairs.parquet``, ``executed.parquet`` and ``trajectories.parquet``."""
    folder = tmp_path_factory.mktemp("stored")
    write_parquet(folder / "pairs.parquet", pairs, "pairs")
    write_parquet(folder / "executed.parquet", executed(pairs), "pairs")
    write_parquet(folder / "trajectories.parquet", trajectories, "trajectories")
    return folder
