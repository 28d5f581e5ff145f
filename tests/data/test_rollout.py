"""Episodes written down as they were played."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import pytest

import act_envs  # noqa: F401
from act_data.errors import ReplayMismatch
from act_data.policies.base import make_policy
from act_data.rollout import make_env, play, play_expert, replay
from act_envs.errors import UnknownArgument, UnknownTask


@pytest.fixture
def env():
    env = make_env("ACT/Toy-v0", {"split": "train", "step_limit": 12})
    yield env
    env.close()


def test_the_expert_wins_and_is_written_down(env) -> None:
    played = play_expert(env, "fetch/3", 7, hashes=True)
    assert (played.won, played.truncated, played.score) == (True, False, 1.0)
    assert (played.env_id, played.env_kwargs) == (
        "ACT/Toy-v0", '{"split": "train", "step_limit": 12}',
    )  # fmt: skip
    assert (played.task_id, played.split, played.kind) == ("fetch/3", "train", "fetch")
    assert (played.policy, played.seed) == ("scripted", 7)
    assert sum(step.reward for step in played.transitions) == played.score
    assert len({step.state_hash for step in played.transitions}) == len(played.transitions)
    last = played.state(len(played.transitions) - 1)
    assert len(last.history) == len(played.transitions) - 1
    assert last.history[0] == (played.transitions[0].observation, played.transitions[0].action)


def test_the_same_actions_give_the_same_observations(env) -> None:
    played = play_expert(env, "feed/3", 0)
    observation, _ = env.reset(options={"task_id": "feed/3"})
    for step in played.transitions:
        assert step.observation == observation
        observation = env.step(step.action)[0]
    assert observation == played.final_observation


def test_replay_stands_still_before_every_action(env) -> None:
    played = play_expert(env, "feed/3", 0)
    seen = [(step, env.unwrapped.expert_action()) for step in replay(env, played)]
    assert seen == list(enumerate(step.action for step in played.transitions))
    assert env.unwrapped.terminated


@pytest.mark.parametrize("wrong", [{"won": False}, {"final_observation": "other"}])
def test_replay_checks_the_end(env, wrong) -> None:
    played = dataclasses.replace(play_expert(env, "feed/3", 0), **wrong)
    with pytest.raises(ReplayMismatch, match=f"step {len(played.transitions)}: "):
        list(replay(env, played))


def test_a_policy_is_seeded_by_run_task_and_step(env) -> None:
    policy = make_policy("random-admissible")
    played = play(env, policy, "fetch/3", seed=1)
    assert play(env, policy, "fetch/3", seed=1) == played
    actions = [
        tuple(step.action for step in play(env, policy, "fetch/3", seed=seed).transitions)
        for seed in range(5)
    ]
    assert len(set(actions)) == 5
    assert played.policy == "random-admissible"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n\n",
        "I would look around.",
        "<action>",
        "<action>\x00</action>",
        "🐈" * 5000,
        "\u2028",
    ],
)
def test_an_answer_without_an_action_is_played_as_it_is(env, scripted, answer: str) -> None:
    played = play(env, scripted(answer), "fetch/3", seed=0)
    assert played.truncated
    assert not played.won
    assert len(played.transitions) == 12
    assert not any(step.action_valid for step in played.transitions)


def test_a_policy_needs_a_step_limit(scripted) -> None:
    env = make_env("ACT/Toy-v0", {"step_limit": None})
    with pytest.raises(UnknownArgument, match="step_limit=N"):
        play(env, scripted("look"), "fetch/3", seed=0)


def test_an_expert_that_never_ends_is_stopped(monkeypatch) -> None:
    monkeypatch.setattr("act_data.rollout.MAX_EXPERT_STEPS", 30)
    env = make_env("ACT/Toy-v0", {"step_limit": None})
    monkeypatch.setattr(env.unwrapped, "expert_action", lambda _: "wait")
    played = play_expert(env, "fetch/3", 0)
    assert len(played.transitions) == 30
    assert not played.won
    assert not played.truncated


def test_only_text_environments_are_played(env) -> None:
    for env_id in ("CartPole-v1", "CartPole", "gymnasium:CartPole-v1"):
        with pytest.raises(UnknownArgument, match="no text environment"):
            make_env(env_id, {"split": "train"})
    with pytest.raises(UnknownArgument, match="cannot be imported"):
        make_env("no_such_module:CartPole-v1", {})
    make_env("act_envs:ACT/Toy-v0", {}).close()
    with pytest.raises(UnknownTask):
        play_expert(env, "fetch/9999", 0)
    with pytest.raises(UnknownArgument, match=r"made with gym\.make"):
        play_expert(gym.make("ACT/Toy-v0").unwrapped.__class__(), "fetch/3", 0)
