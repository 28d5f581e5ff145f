"""Playing one episode and writing it down. Who plays is somebody else's business."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import (
    find_highest_version,
    get_env_id,
    load_env_creator,
    parse_env_id,
)

import act_envs  # registers the ids that gym.make knows
from act_data.errors import ReplayMismatch
from act_data.policies.base import Policy, Query, played, seed_of
from act_data.types import AgentState, Trajectory, Transition
from act_envs.errors import UnknownArgument
from act_envs.registration import full_id

MAX_EXPERT_STEPS = 1000  # an expert without a step limit that walks in circles ends here


def make_env(env_id: str, env_kwargs: Mapping[str, Any]) -> gym.Env[str, str]:
    """``gym.make``, for the environments of ``act_envs`` only.

    Raises:
        UnknownArgument: the environment is not one of ours; with the id that a shorthand means.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        # Before it is made: another environment would refuse our arguments in words of its own.
        namespace, bare, version = parse_env_id(name)
        if version is None:
            name = get_env_id(namespace, bare, find_highest_version(namespace, bare))
        entry = gym.spec(name).entry_point
        entry = load_env_creator(entry) if isinstance(entry, str) else entry
    except gym.error.UnregisteredEnv as error:
        if "/" in name:  # Gymnasium suggests names of a namespace, but no namespace
            raise
        raise UnknownArgument(
            f"unknown environment {env_id!r}. Did you mean {full_id(name)!r}?"
        ) from error
    except ImportError as error:
        raise UnknownArgument(
            f"environment {env_id!r} cannot be imported ({error}). "
            "Take an id that begins with ACT/."
        ) from error
    if not (isinstance(entry, type) and issubclass(entry, act_envs.TextEnv)):
        raise UnknownArgument(
            f"{env_id!r} is no text environment. Take an id that begins with ACT/."
        )
    env = gym.make(env_id, **env_kwargs)
    text_env(env)
    return env


OpenEnvs = Callable[[str, str], gym.Env[str, str]]
"""Gives the environment of an id and arguments (JSON), the same one each time."""


@contextmanager
def open_envs() -> Iterator[OpenEnvs]:
    """Environments by id and arguments, each made when first asked for, closed in the end."""
    with ExitStack() as stack:

        @functools.cache
        def opened(env_id: str, env_kwargs: str) -> gym.Env[str, str]:
            return stack.enter_context(closing(make_env(env_id, json.loads(env_kwargs))))

        yield opened


def text_env(env: gym.Env[str, str]) -> act_envs.TextEnv:
    """What lies under the wrappers.

    Raises:
        UnknownArgument: it is not a text environment, or was not made with ``gym.make``.
    """
    inner = env.unwrapped
    if not isinstance(inner, act_envs.TextEnv) or env.spec is None:
        raise UnknownArgument(
            f"{env} is no text environment made with gym.make. Take an id that begins with ACT/."
        )
    return inner


def play(
    env: gym.Env[str, str], policy: Policy, task_id: str, *, seed: int, hashes: bool = False
) -> Trajectory:
    """Play one task to its end with a policy.

    An answer without a readable action is played as it is: the environment answers it like any
    text that it does not understand.

    Args:
        env: made with ``gym.make`` and a step limit.
        policy: who acts.
        task_id: the task, of any split.
        seed: seed of the run; each step's sampling is seeded with it, the task and the step.
        hashes: record the hash of every state, which can cost milliseconds each.

    Raises:
        UnknownArgument: the environment has no step limit.
        UnknownTask: there is no such task.
    """
    inner = text_env(env)
    if inner.step_limit is None:
        raise UnknownArgument("a policy may never finish. Make the environment with step_limit=N.")
    assert env.spec is not None
    env_id = env.spec.id

    def choose(state: AgentState) -> str:
        offered = tuple(inner.admissible_actions()) if policy.needs_admissible else ()
        query = Query(state, offered, seed_of(seed, env_id, task_id, len(state.history)))
        [[sample]] = policy.sample([query], 1)
        return played(sample)

    return _episode(env, choose, task_id, name=policy.name, seed=seed, hashes=hashes, generator="")


def play_expert(
    env: gym.Env[str, str],
    task_id: str,
    seed: int,
    *,
    expert: str | None = None,
    hashes: bool = False,
    generator: str = "",
) -> Trajectory:
    """Play one task with an expert of the environment, until the end or until it gives up.

    A trajectory that is neither won nor truncated, nor ended by its last action, is one that the
    expert gave up (or walked in circles for ``MAX_EXPERT_STEPS``).

    Args:
        env: made with ``gym.make``.
        task_id: the task, of any split.
        seed: recorded with the trajectory; experts do not draw.
        expert: the name of one of ``TextEnv.experts``, recorded too; the usual one by default.
        hashes: record the hash of every state.
        generator: program that stores it, recorded too.

    Raises:
        UnknownArgument: the environment has no such expert.
        UnknownTask: there is no such task.
    """
    inner = text_env(env)
    name = inner.expert(expert).name

    def choose(state: AgentState) -> str | None:
        return inner.expert_action(name) if len(state.history) < MAX_EXPERT_STEPS else None

    return _episode(env, choose, task_id, name=name, seed=seed, hashes=hashes, generator=generator)


def replay(env: gym.Env[str, str], trajectory: Trajectory) -> Iterator[int]:
    """Play a trajectory again, standing still before each of its actions and checking all.

    Args:
        env: made with ``gym.make(trajectory.env_id, **json.loads(trajectory.env_kwargs))``.
        trajectory: what to play.

    Yields:
        The index of the action to come. The environment is in the state in which it was taken:
        look at it, do not step it. Whoever stops iterating leaves the rest unplayed.

    Raises:
        ReplayMismatch: an observation, a recorded state hash or the end differs.
        UnknownTask: the environment no longer has the task.
    """
    inner = text_env(env)

    def same(step: int, what: str, now: object, then: object) -> None:
        if now != then:
            raise ReplayMismatch(
                f"{trajectory.env_id} {trajectory.task_id} does not replay at step {step}: {what} "
                f"is {now!r:.120}, was {then!r:.120}. "
                "Collect the trajectories again with this version of the environment."
            )

    observation, info = env.reset(options={"task_id": trajectory.task_id})
    for step, transition in enumerate(trajectory.transitions):
        same(step, "observation", observation, transition.observation)
        same(step, "end of the episode", inner.terminated or inner.truncated, False)
        if transition.state_hash:
            same(step, "state hash", inner.state_hash(), transition.state_hash)
        yield step
        observation, *_, info = env.step(transition.action)
    end = len(trajectory.transitions)
    same(end, "observation", observation, trajectory.final_observation)
    same(end, "won", info["won"], trajectory.won)


def as_trajectory(
    env: gym.Env[str, str],
    info: Mapping[str, Any],
    transitions: Sequence[Transition],
    *,
    goal: str,
    policy: str,
    seed: int,
    generator: str,
    truncated: bool,
    final_observation: str,
) -> Trajectory:
    """The episode that was played, as a row.

    Args:
        env: made with ``gym.make``; stands where the episode ended. It knows the task.
        info: what it said last.
        transitions: the steps, in order.
        goal: the instruction.
        policy: who acted.
        seed: seed of the run.
        generator: program that stores it, ``""`` where none does.
        truncated: a step limit has ended the episode.
        final_observation: what the last action gave.
    """
    assert env.spec is not None
    return Trajectory(
        env_id=env.spec.id,
        env_kwargs=json.dumps(env.spec.kwargs, sort_keys=True),
        task_id=info["task_id"],
        split=info["split"],
        kind=info["kind"],
        goal=goal,
        policy=policy,
        seed=seed,
        generator=generator,
        score=info["score"],
        won=info["won"],
        truncated=truncated,
        final_observation=final_observation,
        transitions=tuple(transitions),
        origin=text_env(env).snapshot().task.origin,
    )


def _episode(
    env: gym.Env[str, str],
    choose: Callable[[AgentState], str | None],
    task_id: str,
    *,
    name: str,
    seed: int,
    hashes: bool,
    generator: str,
) -> Trajectory:
    inner = text_env(env)
    observation, info = env.reset(options={"task_id": task_id})
    goal = info["goal"]
    history: list[tuple[str, str]] = []
    transitions: list[Transition] = []
    over = truncated = False
    while not over:
        action = choose(AgentState(goal, observation, tuple(history)))
        if action is None:
            break
        state_hash = inner.state_hash() if hashes else ""
        after, reward, terminated, truncated, info = env.step(action)
        transitions.append(
            Transition(observation, action, float(reward), info["action_valid"], state_hash)
        )
        history.append((observation, action))
        observation, over = after, terminated or truncated
    return as_trajectory(
        env,
        info,
        transitions,
        goal=goal,
        policy=name,
        seed=seed,
        generator=generator,
        truncated=truncated,
        final_observation=observation,
    )
