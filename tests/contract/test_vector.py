"""Every registered id in a vector: each environment does what it would do alone.

The vector environment's own behaviour is tested in ``tests/envs/test_vector.py``.
"""

from __future__ import annotations

import random
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import load_env_creator

from act_envs.base import TextEnv
from act_envs.registration import env_ids
from act_envs.vector import TextVectorEnv
from tests.contract.test_contract import unavailable


def slow(env_id: str) -> bool:
    entry = gym.spec(env_id).entry_point
    assert isinstance(entry, str)
    kind: Any = load_env_creator(entry)
    return kind.slow


def chosen(env: TextEnv, rng: random.Random) -> str:
    """What the expert says where it is quick, or anything that is offered, or nonsense."""
    roll = rng.random()
    if roll < 0.4 and not env.slow and (action := env.expert_action()) is not None:
        return action
    offered = env.admissible_actions()
    return rng.choice(offered) if roll < 0.9 and offered else "xyzzy plugh"


def single(env_id: str, **kwargs: Any) -> TextEnv:
    env = gym.make(env_id, **kwargs).unwrapped
    assert isinstance(env, TextEnv)
    return env


CASES = [
    pytest.param(env_id, workers, id=f"{env_id}-{workers}")
    for env_id in env_ids()
    # Where it takes seconds to start a process or a task, one process and few tasks are enough.
    for workers in ((1,) if slow(env_id) else (0, 2))
]


@pytest.mark.parametrize(("env_id", "workers"), CASES)
def test_vector_is_single_environment_by_environment(env_id: str, workers: int) -> None:
    """Also through the episodes that follow the first, whose tasks are drawn."""
    if reason := unavailable(env_id):
        pytest.skip(reason)
    size, steps, limit = (2, 5, 2) if slow(env_id) else (3, 25, 8)
    kwargs: dict[str, Any] = {"admissible": True, "step_limit": limit}
    vector = gym.make_vec(env_id, num_envs=size, workers=workers, **kwargs)
    assert isinstance(vector, TextVectorEnv)
    singles = [single(env_id, **kwargs) for _ in range(size)]
    rng = random.Random(env_id)
    observations, infos = vector.reset(seed=5)
    for place, env in enumerate(singles):
        same(place, (observations, infos), env.reset(seed=5 + place))
    over, episodes = [False] * size, 0
    for _ in range(steps):
        actions = ["" if over[n] else chosen(env, rng) for n, env in enumerate(singles)]
        *told, infos = vector.step(actions)
        for place, env in enumerate(singles):
            if over[place]:
                observation, info = env.reset()
                alone = (observation, 0.0, False, False, info)
                episodes += 1
            else:
                alone = env.step(actions[place])
            over[place] = alone[2] or alone[3]
            same(place, (*told, infos), alone)
    assert episodes >= size
    assert vector.call("state_hash") == tuple(env.state_hash() for env in singles)
    vector.close()
    for env in singles:
        env.close()


def same(place: int, told: tuple[Any, ...], alone: tuple[Any, ...]) -> None:
    """Compare what a vector says of one environment with what that says alone."""
    *columns, infos = told
    *values, info = alone
    assert [column[place] for column in columns] == values
    keys = [key for key in infos if not key.startswith("_")]
    assert {key for key in keys if infos[f"_{key}"][place]} == info.keys()
    assert {key: infos[key][place] for key in info} == info
