"""Goal, history and transcript wrappers."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import pytest

from act_envs.errors import EpisodeNotRunning, SnapshotMismatch, UnknownArgument, UnknownTask
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


def test_the_goal_follows_a_restore_of_another_task() -> None:
    env = GoalObservation(gym.make(TOY))
    _, info = env.reset(options={"task_id": "fetch/3"})
    inner = env.unwrapped
    snapshot = inner.snapshot()  # type: ignore[attr-defined]
    env.reset(options={"task_id": "feed/3"})
    inner.restore(snapshot)  # type: ignore[attr-defined]
    assert env.step("look")[0].startswith(info["goal"])


def test_a_refused_snapshot_leaves_the_window_alone() -> None:
    env = HistoryObservation(gym.make(TOY), turns=1)
    seen, _ = env.reset(options=TASK)
    with pytest.raises(SnapshotMismatch):
        env.restore((1, 2, 3))  # type: ignore[arg-type]
    assert env.step("look")[0].startswith(f"{seen}\n> look\n")


def test_a_transcript_holds_any_action_and_never_keeps_an_environment_open(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    env = TranscriptRecorder(gym.make(TOY), path)
    assert env.spec is not None
    assert env.spec.to_json()
    env.reset(options=TASK)
    env.step("\ud800")
    with pytest.raises(UnknownTask):
        env.reset(options={"task_id": "nonsense"})
    env.step("look")
    path.unlink(missing_ok=True)
    path.mkdir()  # now it cannot be written
    with pytest.raises(OSError, match="directory"):
        env.close()
    with pytest.raises(EpisodeNotRunning):
        env.unwrapped.reset()
    with pytest.raises(UnknownArgument, match="folder"):
        TranscriptRecorder(gym.make(TOY), tmp_path / "missing" / "t.jsonl")
