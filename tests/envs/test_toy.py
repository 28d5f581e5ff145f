"""Rules of the toy house that the contract does not know."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import pytest

from act_envs.base import TextEnv


@pytest.fixture
def toy() -> Iterator[TextEnv]:
    env = gym.make("ACT/Toy-v0", step_limit=None)
    assert isinstance(env.unwrapped, TextEnv)
    yield env.unwrapped
    env.close()


def play_expert(toy: TextEnv, task_id: str) -> list[float]:
    toy.reset(options={"task_id": task_id})
    rewards = []
    while (action := toy.expert_action()) is not None:
        rewards.append(toy.step(action)[1])
    return rewards


def test_expert_wins_every_task_within_the_limit(toy: TextEnv) -> None:
    for split in toy.splits:
        for task in toy.tasks(split):
            rewards = play_expert(toy, task.task_id)
            assert sum(rewards) == 1.0, task
            assert len(rewards) <= 20, task


def test_expert_recovers_from_carrying_the_wrong_thing(toy: TextEnv) -> None:
    for task in toy.tasks("train"):
        wanted = toy.reset(options={"task_id": task.task_id})[1]["goal"]
        wrong = [a for a in toy.admissible_actions() if a.startswith("take ")]
        wrong = [a for a in wrong if a.removeprefix("take ") not in wanted]
        if wrong:
            toy.step(wrong[0])
            assert toy.expert_action() == wrong[0].replace("take", "drop")
            return
    pytest.fail("no task offers a wrong thing at the start")


def test_eating_the_thing_fails_and_takes_the_credit_back(toy: TextEnv) -> None:
    toy.reset(options={"task_id": "fetch/0"})
    total = 0.0
    while "eat" not in (action := _eat_if_held(toy)):
        total += toy.step(action)[1]
    assert total == 0.5
    _, reward, terminated, truncated, info = toy.step(action)
    assert (reward, terminated, truncated) == (-0.5, True, False)
    assert (info["failed"], info["won"], info["score"]) == (True, False, 0.0)


def _eat_if_held(toy: TextEnv) -> str:
    action = toy.expert_action()
    assert action is not None
    return action.replace("drop", "eat") if action.startswith("drop") else action


def test_the_cat_moves_by_chance_and_the_chance_is_in_the_snapshot(toy: TextEnv) -> None:
    toy.reset(options={"task_id": "feed/1"})
    start = toy.snapshot()
    hashes = set()
    for _ in range(20):
        toy.step("wait")
        hashes.add(toy.state_hash())
    assert len(hashes) == 20  # the generator advances, so no two states have one future
    end = toy.state_hash()
    toy.restore(start)
    for _ in range(20):
        toy.step("wait")
    assert toy.state_hash() == end


def test_look_is_free_and_wait_is_not(toy: TextEnv) -> None:
    toy.reset(options={"task_id": "fetch/3"})
    before = toy.state_hash()
    toy.step("look")
    assert toy.state_hash() == before
    toy.step("wait")
    assert toy.state_hash() != before


def test_letter_case_and_blanks_do_not_matter(toy: TextEnv) -> None:
    toy.reset(options={"task_id": "fetch/3"})
    assert toy.canonical("  GO  to Hall ") == "go to hall"
    assert toy.step("  LOOK ")[4]["action_valid"]
