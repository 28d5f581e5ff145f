"""Goal, history and transcript wrappers."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import pytest

from act_envs.errors import SnapshotMismatch, UnknownArgument
from act_envs.wrappers import GoalObservation, HistoryObservation, TranscriptRecorder

TOY = "ACT/Toy-v0"
TASK = {"task_id": "fetch/3"}


def test_goal_stands_before_every_observation() -> None:
    env = GoalObservation(gym.make(TOY))
    observation, info = env.reset(options=TASK)
    assert observation.startswith(info["goal"] + "\n\nYou are in")
    assert env.step("look")[0].startswith(info["goal"] + "\n\n")


def test_history_shows_the_last_turns_oldest_first() -> None:
    env, bare = HistoryObservation(gym.make(TOY), turns=2), gym.make(TOY)
    seen = [bare.reset(options=TASK)[0]]
    assert env.reset(options=TASK)[0] == seen[0]
    for action in ("wait", "look", "wait"):
        seen.append(bare.step(action)[0])
        shown = env.step(action)[0]
    assert shown == f"{seen[1]}\n> look\n{seen[2]}\n> wait\n{seen[3]}"
    assert env.reset(options=TASK)[0] == seen[0]


def test_history_goes_back_with_its_own_snapshot() -> None:
    env = HistoryObservation(gym.make(TOY), turns=2)
    env.reset(options=TASK)
    env.step("wait")
    snapshot = env.snapshot()
    first = env.step("look")[0]
    env.step("wait")
    env.restore(snapshot)
    assert env.step("look")[0] == first
    with pytest.raises(SnapshotMismatch, match="of its own"):
        env.restore(env.unwrapped.snapshot())  # type: ignore[attr-defined]


def test_history_of_nothing_and_of_a_negative_length() -> None:
    env = HistoryObservation(gym.make(TOY), turns=0)
    env.reset(options=TASK)
    assert "\n" not in env.step("wait")[0]
    with pytest.raises(UnknownArgument, match="-1"):
        HistoryObservation(gym.make(TOY), turns=-1)


def test_wrappers_refuse_other_environments() -> None:
    with pytest.raises(UnknownArgument, match="TextEnv"):
        GoalObservation(gym.make("CartPole-v1"))  # type: ignore[arg-type]


def test_transcripts_of_finished_and_abandoned_episodes(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.jsonl"
    env = TranscriptRecorder(gym.make(TOY, step_limit=2), path)
    env.reset(options=TASK)
    env.step("wait")
    env.step("nonsense")
    env.reset(options=TASK)
    env.step("look")
    env.close()
    env.close()
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["finished"], second["finished"]) == (True, False)
    assert first["env_id"] == TOY
    assert first["task_id"] == "fetch/3"
    assert [turn["action"] for turn in first["turns"]] == ["wait", "nonsense"]
    assert [turn["action_valid"] for turn in first["turns"]] == [True, False]
    assert len(second["turns"]) == 1


def test_wrapped_spec_can_be_made_again() -> None:
    spec = HistoryObservation(gym.make(TOY), turns=3).spec
    assert spec is not None
    again = gym.make(spec)
    assert isinstance(again, HistoryObservation)
