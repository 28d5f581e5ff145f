"""The contract, over every registered id and under hostile input."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from act_envs import testing
from act_envs.base import TextEnv
from act_envs.errors import AssetsNotFound, MissingExtra, UnknownTask
from act_envs.registration import env_ids

Make = testing.Make


@functools.cache
def unavailable(env_id: str) -> str:
    """Why the environment cannot run here, "" when it can."""
    try:
        env = gym.make(env_id)
        env.reset(seed=0)
        env.close()
    except (AssetsNotFound, MissingExtra) as error:  # what is broken, not missing, must fail
        return f"{env_id}: {error}"
    return ""


@pytest.fixture(params=env_ids())
def env_id(request: pytest.FixtureRequest) -> str:
    if reason := unavailable(request.param):
        pytest.skip(reason)
    return request.param


class Shared(dict[str, TextEnv]):
    """One long-lived environment an id, made when it is first asked for."""

    def __missing__(self, env_id: str) -> TextEnv:
        env = gym.make(env_id, step_limit=None).unwrapped
        assert isinstance(env, TextEnv)
        env.reset(seed=0)
        return self.setdefault(env_id, env)

    def release(self) -> None:
        while self:
            self.popitem()[1].close()


@pytest.fixture(scope="module")
def shared_env() -> Iterator[Shared]:
    """For the tests that step thousands of times."""
    shared = Shared()
    yield shared
    shared.release()


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_check(env_id: str, check: Callable[[Make], None], shared_env: Shared) -> None:
    # What environments of a process share is then started once, except where its end is checked.
    if check is testing.check_close:
        shared_env.release()
    else:
        assert shared_env[env_id]
    testing.run_check(check, functools.partial(gym.make, env_id))


def test_gymnasium_check_env_is_silent(env_id: str) -> None:
    env = gym.make(env_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_make_with_module_prefix_needs_no_import(env_id: str) -> None:
    code = f"import gymnasium as gym; gym.make('act_envs:{env_id}').close()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_spec_survives_json(env_id: str) -> None:
    spec = gym.make(env_id, split="train").spec
    assert spec is not None
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json())
    assert again.kwargs == {"split": "train"}
    gym.make(again).close()


def test_outer_time_limit_works(env_id: str) -> None:
    env = gym.make(env_id, max_episode_steps=2)
    env.reset(seed=0)
    env.step("xyzzy plugh")
    assert env.step("xyzzy plugh")[2:4] == (False, True)
    env.close()


TRANSCRIPT = """
import json, sys, gymnasium as gym, act_envs
env = gym.make(sys.argv[1], admissible=True)
u = env.unwrapped
out = [env.reset(seed=int(sys.argv[2]))]
for n in range(12):
    offered = u.admissible_actions()
    out += [env.step(offered[(7 * n) % len(offered)]), u.state_hash()]
    if out[-2][2] or out[-2][3]:
        break
env.close()
print(json.dumps(out))
"""


def transcript(env_id: str, seed: int, hash_seed: int) -> object:
    done = subprocess.run(
        [sys.executable, "-c", TRANSCRIPT, env_id, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_same_seed_same_transcript_in_two_processes(env_id: str) -> None:
    assert transcript(env_id, 11, 1) == transcript(env_id, 11, 2)


def test_different_seeds_play_different_tasks(env_id: str) -> None:
    env = gym.make(env_id)
    drawn = {env.reset(seed=seed)[1]["task_id"] for seed in range(5)}
    env.close()
    assert len(drawn) >= 3


def test_vector_equals_single(env_id: str) -> None:
    """``make_vec`` without further arguments gives each environment's own text and info."""
    vector = gym.make_vec(env_id, num_envs=2)
    singles = [gym.make(env_id) for _ in range(2)]
    observations, infos = vector.reset(seed=3)
    for n, env in enumerate(singles):
        observation, info = env.reset(seed=3 + n)
        assert observations[n] == observation
        assert {key: infos[key][n] for key in info} == info
    actions = ["look", "xyzzy plugh"]
    observations, rewards, terminated, truncated, infos = vector.step(actions)
    for n, env in enumerate(singles):
        observation, reward, *flags, info = env.step(actions[n])
        assert observations[n] == observation
        assert (rewards[n], terminated[n], truncated[n]) == (reward, *flags)
        assert {key: infos[key][n] for key in info} == info
        env.close()
    vector.close()


def test_shared_memory_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="shared_memory=False"):
        gym.make_vec("ACT/Toy-v0", num_envs=2, vectorization_mode="async")


def test_async_without_shared_memory_is_right() -> None:
    vector = gym.make_vec(
        "ACT/Toy-v0",
        num_envs=2,
        vectorization_mode="async",
        vector_kwargs={"shared_memory": False},
    )
    observations, _ = vector.reset(seed=0)
    single = gym.make("ACT/Toy-v0")
    assert list(observations) == [single.reset(seed=n)[0] for n in range(2)]
    vector.close()


NEAR_MISSES = st.sampled_from(["look", "go to ", "open door", "take", "0", "wait1", "inventory"])
ACTIONS = st.one_of(st.text(max_size=200), st.tuples(NEAR_MISSES, st.text(max_size=8)).map("".join))


@pytest.mark.parametrize(
    ("name", "examples"), [("Toy", 2000), ("ALFWorldGen", 2000), ("ScienceWorld", 1000)]
)
def test_any_string_is_data(shared_env: Shared, name: str, examples: int) -> None:
    """No string raises; each counts as a step; the info keeps its meaning."""
    env_id = f"ACT/{name}-v0"
    if reason := unavailable(env_id):
        pytest.skip(reason)
    env = shared_env[env_id]
    env.reset(seed=0)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(ACTIONS, min_size=1, max_size=3))
    def play(actions: list[str]) -> None:
        for action in actions:
            if env.terminated:
                env.reset(seed=0)
            step = env._step
            observation, reward, _, truncated, info = env.step(action)
            assert observation
            assert info["step"] == step + 1
            assert not truncated
            assert info["last_action"] == action
            assert 0.0 <= info["score"] <= 1.0
            assert np.isfinite(reward)

    play()


def test_a_mistyped_first_task_does_not_spoil_the_environment(env_id: str) -> None:
    env = gym.make(env_id)
    with pytest.raises(UnknownTask):
        env.reset(options={"task_id": "no such task"})
    env.reset(seed=0)
    env.step("look")
    env.close()


def test_a_snapshot_restores_into_an_environment_that_was_never_reset(env_id: str) -> None:
    env, other = gym.make(env_id), gym.make(env_id)
    env.reset(seed=0)
    other.unwrapped.restore(env.unwrapped.snapshot())  # type: ignore[attr-defined]
    assert env.step("look")[0] == other.step("look")[0]
    env.close()
    other.close()
