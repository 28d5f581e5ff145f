"""Goal, history and transcript wrappers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from act_envs.errors import (
    EpisodeNotRunning,
    SimulatorError,
    SnapshotMismatch,
    UnknownArgument,
    UnknownTask,
)
from act_envs.toy import ToySimulator
from act_envs.types import Outcome
from act_envs.wrappers import (
    GoalObservation,
    HistoryObservation,
    TranscriptRecorder,
    VectorTranscriptRecorder,
)

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


def test_an_episode_that_is_played_on_after_its_end_gives_a_further_record(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.jsonl"
    with pytest.raises(UnknownArgument, match="is a folder"):
        TranscriptRecorder(gym.make(TOY), tmp_path)
    env = TranscriptRecorder(gym.make(TOY), path)
    _, info = env.reset(options=TASK)
    inner: Any = env.unwrapped
    before = inner.snapshot()
    lengths = []
    for _ in range(2):
        while not info["won"]:
            if info["score"] == 0:
                before = inner.snapshot()
            *_, info = env.step(inner.expert_action())
        lengths.append(len(env.turns))
        _, info = inner.restore(before)
    env.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["won"], one["score"]) for one in records] == [(True, 1.0)] * 2
    assert [len(one["turns"]) for one in records] == lengths
    assert lengths[0] < lengths[1]


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


SEEDS = [0, 1, 2]
LIMITS = {"fetch": 4, "feed": 7}  # so that episodes end at different moments
MOMENTS = 23
NEST: list[Callable[[VectorEnv, Path], VectorEnv]] = [
    VectorTranscriptRecorder,
    lambda env, path: RecordEpisodeStatistics(VectorTranscriptRecorder(env, path)),
    lambda env, path: VectorTranscriptRecorder(RecordEpisodeStatistics(env), path),
]


def chosen(place: int, moment: int, expert: str | None) -> str:
    """What an environment is given at a moment: the first plays well, the others do not."""
    poor = ("nonsense", "go to hall", "look", "wait", "go to garden")
    return poor[(moment + place) % len(poor)] if place or expert is None else expert


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def played_alone(place: int, mode: AutoresetMode, path: Path) -> list[dict[str, Any]]:
    """What ``TranscriptRecorder`` writes of one environment."""
    env, ended = TranscriptRecorder(gym.make(TOY, step_limit=LIMITS), path), False
    env.reset(seed=SEEDS[place])
    for moment in range(MOMENTS):
        if ended:  # NEXT_STEP: this step resets
            env.reset()
            ended = False
            continue
        expert = env.unwrapped.expert_action()  # type: ignore[attr-defined]
        _, _, terminated, truncated, _ = env.step(chosen(place, moment, expert))
        ended = terminated or truncated
        if ended and mode != AutoresetMode.NEXT_STEP:
            env.reset()
            ended = False
    env.close()
    return read(path)


@pytest.mark.parametrize(("workers", "nest"), [(0, 0), (0, 1), (0, 2), (2, 2)])
@pytest.mark.parametrize("mode", AutoresetMode)
def test_transcripts_of_a_vector_are_those_of_its_environments(
    mode: AutoresetMode, workers: int, nest: int, tmp_path: Path
) -> None:
    vector = gym.make_vec(TOY, len(SEEDS), workers=workers, autoreset_mode=mode, step_limit=LIMITS)
    env, path = NEST[nest](vector, tmp_path / "vector.jsonl"), tmp_path / "vector.jsonl"
    env.reset(seed=SEEDS)  # type: ignore[arg-type]
    for moment in range(MOMENTS):
        experts = vector.call("expert_action")  # type: ignore[attr-defined]
        actions = [chosen(place, moment, expert) for place, expert in enumerate(experts)]
        _, _, terminated, truncated, _ = env.step(actions)
        if mode == AutoresetMode.DISABLED and (ended := terminated | truncated).any():
            env.reset(options={"reset_mask": ended})
    env.close()
    alone = [played_alone(at, mode, tmp_path / f"{at}.jsonl") for at in range(len(SEEDS))]
    every = [record for records in alone for record in records]
    assert {(record["finished"], record["won"]) for record in every} == {
        (True, True), (True, False), (False, False)
    }  # fmt: skip
    written = path.read_text().splitlines()
    assert sorted(written) == sorted(json.dumps(record) for record in every)
    for records in alone:  # those of an environment in their order
        assert [record for record in read(path) if record in records] == records


def test_a_vector_knows_the_turns_and_reads_actions_once(tmp_path: Path) -> None:
    env = VectorTranscriptRecorder(gym.make_vec(TOY, 2), tmp_path / "t.jsonl")
    env.reset(options={"task_id": ["fetch/3", "feed/3"]})
    seen, *_ = env.step(iter(["look", "wait"]))
    env.step(np.array(["wait", "nonsense"]))
    assert [[turn.action for turn in turns] for turns in env.turns] == [
        ["look", "wait"],
        ["wait", "nonsense"],
    ]
    assert [turns[0].observation for turns in env.turns] == list(seen)
    assert [[turn.action_valid for turn in turns] for turns in env.turns] == [
        [True, True],
        [True, False],
    ]
    with pytest.raises(UnknownTask):
        env.reset(options={"task_id": "nonsense"})
    assert [len(turns) for turns in env.turns] == [2, 2]
    env.reset(options={"task_id": "feed/9", "reset_mask": np.array([False, True])})
    assert [len(turns) for turns in env.turns] == [2, 0]
    (cut_short,) = read(tmp_path / "t.jsonl")
    assert (cut_short["task_id"], cut_short["finished"]) == ("feed/3", False)
    env.close()
    env.close()
    assert [record["task_id"] for record in read(tmp_path / "t.jsonl")] == [
        "feed/3",
        "fetch/3",
        "feed/9",
    ]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_fault_is_written_with_its_cause_and_not_as_a_turn(
    mode: AutoresetMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = ToySimulator.act

    def act_or_fail(self: ToySimulator, action: str) -> Outcome:
        if action == "fail":
            raise SimulatorError("the house fell down")
        return act(self, action)

    monkeypatch.setattr(ToySimulator, "act", act_or_fail)
    env = VectorTranscriptRecorder(gym.make_vec(TOY, 3, autoreset_mode=mode), tmp_path / "t.jsonl")
    env.reset(seed=0)
    env.step(["fail", "wait", "wait"])  # on the first step, so that info["step"] is 0
    (first,) = read(tmp_path / "t.jsonl")
    assert (first["fault"], first["turns"]) == ("SimulatorError: the house fell down", [])
    assert (first["finished"], first["won"], first["score"]) == (False, False, 0)
    if mode == AutoresetMode.DISABLED:
        env.reset(options={"reset_mask": np.array([True, False, False])})
    for _ in range(2):
        env.step(["wait", "wait", "wait"])
    env.step(["wait", "fail", "wait"])
    assert [turn.action for turn in env.turns[2]] == ["wait"] * 4
    env.close()
    _, second, *others = read(tmp_path / "t.jsonl")
    assert [turn["action"] for turn in second["turns"]] == ["wait"] * 3
    assert second["fault"] == first["fault"]
    assert not any("fault" in record for record in others)


def test_a_vector_that_is_not_ours_has_no_transcripts(tmp_path: Path) -> None:
    alien = gym.vector.SyncVectorEnv([lambda: gym.make(TOY)])
    for env in (alien, RecordEpisodeStatistics(alien), gym.make(TOY)):
        with pytest.raises(UnknownArgument, match="needs a TextVectorEnv, not"):
            VectorTranscriptRecorder(env)  # type: ignore[arg-type]
    with pytest.raises(UnknownArgument, match="folder"):
        VectorTranscriptRecorder(gym.make_vec(TOY), tmp_path / "missing" / "t.jsonl")
