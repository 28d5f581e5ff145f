"""``act-data mine``: what becomes a pair, and that nothing but the request decides it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from act_data.alternatives import FAULTS
from act_data.collect import Collect, collect
from act_data.errors import ForbiddenSplit, ReplayMismatch, RunConflict
from act_data.mining import Mine, mine, mine_with
from act_data.policies.too_long import unanswered
from act_data.rollout import make_env
from act_data.splits import check_split
from act_data.storage.tables import read_pairs, read_trajectories, write_parquet
from act_data.types import ContrastPair, Trajectory, Transition
from act_envs.errors import UnknownArgument


def _mine(trajectories: Path, out: Path, **options: Any) -> list[ContrastPair]:
    mine(Mine(trajectories=trajectories, out=out, **options))
    return list(read_pairs(out))


@pytest.fixture
def rows(trajectories: Path) -> list[Trajectory]:
    return list(read_trajectories(trajectories))


def test_a_pair_tells_where_it_comes_from(
    trajectories: Path, tmp_path: Path, rows: list[Trajectory]
) -> None:
    pairs = _mine(trajectories, tmp_path, k=4, seed=5)
    played = {row.task_id: row for row in rows}
    env = make_env("ACT/Toy-v0", json.loads(rows[0].env_kwargs))
    for pair in pairs:
        source = played[pair.task_id]
        transition = source.transitions[pair.step]
        assert pair.state == source.state(pair.step)
        assert pair.expert_action == transition.action
        assert pair.state_hash == transition.state_hash
        assert pair.alternative_action != pair.expert_action
        assert {pair.alternative_action, pair.expert_action} <= set(pair.admissible_actions)
        assert (pair.split, pair.expert, pair.seed) == ("train", "scripted", 5)
        assert (pair.policy, pair.policy_revision) == ("random-admissible", "")
        assert json.loads(pair.sampling) == {"k": 4}
        env.reset(options={"task_id": pair.task_id})
        for action in [t.action for t in source.transitions[: pair.step]]:
            env.step(action)
        assert env.unwrapped.state_hash() == pair.state_hash  # type: ignore[attr-defined]
    assert len({pair.pair_id for pair in pairs}) == len(pairs)
    assert all(len(pair.pair_id) == 16 for pair in pairs)


def test_the_counts_add_up(trajectories: Path, tmp_path: Path, rows: list[Trajectory]) -> None:
    summary = mine(Mine(trajectories=trajectories, out=tmp_path, k=6))
    counts, pairs = summary["counts"], list(read_pairs(tmp_path))
    assert counts["states"] == sum(len(row.transitions) for row in rows)
    assert counts["samples"] == 6 * counts["states"]
    parts = (*FAULTS, "as_expert", "duplicates", "pairs")
    assert counts["samples"] == sum(counts[part] for part in parts)
    assert counts["pairs"] == summary["rows"] == len(pairs)
    drawn = sum(pair.alternative_count for pair in pairs)
    assert drawn == counts["pairs"] + counts["duplicates"]
    assert set(summary["by_kind"]) == {"fetch", "feed"}


def too_long_at_last(sample: Any) -> Any:
    """The same answers but the last, for which there was no room."""
    return lambda queries, k: [[*some[:-1], *unanswered("x", 1)] for some in sample(queries, k)]


def test_garbage_is_counted_not_stored(
    trajectories: Path, tmp_path: Path, scripted, monkeypatch
) -> None:
    garbage = scripted(
        "", "no tag", "<action>", "<action>a</action><action>b</action>", "<action> </action>",
        "<think><action>a</action>",
        "<action>\x00</action>", "<action>a\u2028b</action>", f"<action>{'x' * 5000}</action>",
        "the last",
    )  # fmt: skip
    config = Mine(trajectories=trajectories, out=tmp_path, k=len(garbage.texts))
    monkeypatch.setattr(garbage, "sample", too_long_at_last(garbage.sample))
    counts = mine_with(garbage, config)["counts"]
    assert sum(counts[fault] for fault in FAULTS) == counts["samples"] > 0
    assert all(counts[fault] for fault in FAULTS)
    assert counts["too_long"] == counts["states"]
    assert list(read_pairs(tmp_path)) == []


def test_spelling_makes_no_difference(
    trajectories: Path, tmp_path: Path, rows: list[Trajectory], scripted
) -> None:
    first = rows[0].transitions[0].action
    policy = scripted(
        f"<action>{first}</action>",
        f"<action>  {first.upper()} </action>",
        "<action>LOOK</action>",
        "<action>look</action>",
        "Hm. <action>Fly  to the moon</action>",
        "<action>fly to the Moon</action>",
    )
    config = Mine(trajectories=trajectories, out=tmp_path, k=6)
    counts = mine_with(policy, config)["counts"]
    pairs = [p for p in read_pairs(tmp_path) if (p.task_id, p.step) == (rows[0].task_id, 0)]
    assert [(pair.alternative_action, pair.alternative_count) for pair in pairs] == [
        ("look", 2), ("Fly  to the moon", 2),
    ]  # fmt: skip
    assert "Fly  to the moon" not in pairs[1].admissible_actions
    assert counts["inadmissible"] >= counts["states"]


def test_one_name_for_one_pair(trajectories: Path, tmp_path: Path) -> None:
    """Also where a task was played twice, by different ways."""
    first = next(read_trajectories(trajectories))
    with_detour = replay_with(first, "look")
    write_parquet(tmp_path / "both.parquet", [first, with_detour], "trajectories")
    pairs = _mine(tmp_path / "both.parquet", tmp_path / "m", k=8)
    assert len({p.pair_id for p in pairs}) == len(pairs)
    known = {(p.state, p.expert_action, p.alternative_action) for p in pairs}
    assert len(known) == len(pairs)


def replay_with(trajectory: Trajectory, action: str) -> Trajectory:
    """The same episode with one more action before all others, which changes nothing."""
    with make_env(trajectory.env_id, json.loads(trajectory.env_kwargs)) as env:
        observation, _ = env.reset(options={"task_id": trajectory.task_id})
        steps = []
        for taken in (action, *(t.action for t in trajectory.transitions)):
            after, reward, _, _, info = env.step(taken)
            steps.append(Transition(observation, taken, float(reward), info["action_valid"], ""))
            observation = after
    return dataclasses.replace(trajectory, transitions=tuple(steps), final_observation=observation)


def test_the_seed_decides(trajectories: Path, tmp_path: Path, digests) -> None:
    first = _mine(trajectories, tmp_path / "a", seed=1)
    _mine(trajectories, tmp_path / "b", seed=1)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    other = _mine(trajectories, tmp_path / "c", seed=2)
    assert {p.pair_id for p in first} != {p.pair_id for p in other}


def test_every_state_is_sampled_with_a_seed_of_its_own(
    trajectories: Path, tmp_path: Path, scripted, monkeypatch
) -> None:
    policy, seeds = scripted("<action>look</action>"), []
    sample = policy.sample

    def recording(queries, k):
        seeds.extend(query.seed for query in queries)
        return sample(queries, k)

    monkeypatch.setattr(policy, "sample", recording)
    counts = mine_with(policy, Mine(trajectories=trajectories, out=tmp_path))["counts"]
    assert len(set(seeds)) == len(seeds) == counts["states"]


def test_and_every_environment(
    tmp_path: Path, rows: list[Trajectory], scripted, monkeypatch
) -> None:
    """Two can have tasks of the same name."""
    policy, seeds = scripted("<action>look</action>"), []
    sample = policy.sample

    def recording(queries, k):
        seeds.append([query.seed for query in queries])
        return sample(queries, k)

    monkeypatch.setattr(policy, "sample", recording)
    other = dataclasses.replace(rows[0], env_id="act_envs:ACT/Toy-v0")
    write_parquet(tmp_path / "t.parquet", [rows[0], other], "trajectories")
    mine_with(policy, Mine(trajectories=tmp_path / "t.parquet", out=tmp_path / "out"))
    assert len(seeds[0]) == len(seeds[1]) > 0
    assert {*seeds[0]}.isdisjoint(seeds[1])


def test_the_size_of_the_parts_does_not(trajectories: Path, tmp_path: Path) -> None:
    found = [_mine(trajectories, tmp_path / str(n), shard_size=n) for n in (1, 5, 100)]
    assert found[0] == found[1] == found[2]


def test_other_trajectories_do_not(trajectories: Path, tmp_path: Path, rows) -> None:
    all_pairs = _mine(trajectories, tmp_path / "all")
    write_parquet(tmp_path / "one.parquet", rows[4:5], "trajectories")
    pairs = _mine(tmp_path / "one.parquet", tmp_path / "one")
    assert pairs == [pair for pair in all_pairs if pair.task_id == rows[4].task_id]


def test_a_limit_draws_states_from_everywhere(trajectories: Path, tmp_path: Path) -> None:
    everything = _mine(trajectories, tmp_path / "all")
    small = _mine(trajectories, tmp_path / "8", limit=8)
    large = _mine(trajectories, tmp_path / "20", limit=20)
    states = [{(pair.task_id, pair.step) for pair in pairs} for pairs in (small, large)]
    assert len(states[0]) <= 8
    assert states[0] < states[1]
    assert len({pair.kind for pair in small}) == 2
    assert len({pair.task_id for pair in large}) > 6
    assert large == [p for p in everything if (p.task_id, p.step) in states[1]]


@pytest.mark.parametrize("change", ["observation", "state_hash", "action"])
def test_a_trajectory_that_does_not_replay(
    tmp_path: Path, rows: list[Trajectory], change: str
) -> None:
    steps = list(rows[2].transitions)
    steps[1] = dataclasses.replace(steps[1], **{change: "wait" if change == "action" else "other"})
    broken = dataclasses.replace(rows[2], transitions=tuple(steps))
    write_parquet(tmp_path / "t.parquet", [rows[0], broken], "trajectories")
    step = 2 if change == "action" else 1
    with pytest.raises(ReplayMismatch, match=f"{broken.task_id} does not replay at step {step}"):
        _mine(tmp_path / "t.parquet", tmp_path / "out")


@pytest.mark.parametrize("change", [{"final_observation": "other"}, {"transitions": -1}])
def test_an_end_that_is_reached_is_checked(
    tmp_path: Path, rows: list[Trajectory], change: dict[str, Any]
) -> None:
    if "transitions" in change:  # cut short: what it says of its end is not so
        change = {"transitions": rows[2].transitions[:-1]}
        change["final_observation"] = rows[2].transitions[-1].observation
    broken = dataclasses.replace(rows[2], **change)
    write_parquet(tmp_path / "t.parquet", [broken], "trajectories")
    end = len(broken.transitions)
    with pytest.raises(ReplayMismatch, match=f"does not replay at step {end}"):
        _mine(tmp_path / "t.parquet", tmp_path / "out")


def test_a_trajectory_longer_than_its_episode(tmp_path: Path, rows: list[Trajectory]) -> None:
    extra = dataclasses.replace(
        rows[0].transitions[0], observation=rows[0].final_observation, state_hash=""
    )
    longer = dataclasses.replace(rows[0], transitions=(*rows[0].transitions, extra))
    write_parquet(tmp_path / "t.parquet", [longer], "trajectories")
    with pytest.raises(ReplayMismatch, match="end of the episode"):
        _mine(tmp_path / "t.parquet", tmp_path / "out")


@pytest.mark.parametrize("split", ["test", "valid_seen", "valid_unseen", "seen", "unseen"])
def test_splits_that_are_reported_on_cannot_be_allowed(split: str) -> None:
    with pytest.raises(ForbiddenSplit, match="never enter training data"):
        check_split(split, [split])
    check_split("train", [])
    check_split("dev", ["dev"])


def test_test_tasks_are_never_mined(tmp_path: Path, rows: list[Trajectory]) -> None:
    for split in ("test", "dev"):
        foreign = dataclasses.replace(rows[0], split=split)
        write_parquet(tmp_path / f"{split}.parquet", [rows[1], foreign], "trajectories")
    with pytest.raises(ForbiddenSplit, match="never enter training data"):
        _mine(tmp_path / "test.parquet", tmp_path / "a", allow_split=("test",))
    with pytest.raises(ForbiddenSplit, match="--allow-split dev"):
        _mine(tmp_path / "dev.parquet", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_lost_trajectories_are_refused(tmp_path: Path, rows: list[Trajectory]) -> None:
    lost = dataclasses.replace(rows[0], won=False)
    write_parquet(tmp_path / "t.parquet", [lost], "trajectories")
    with pytest.raises(UnknownArgument, match="was not won"):
        _mine(tmp_path / "t.parquet", tmp_path / "out")


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 100_001}, {"limit": 0}, {"seed": -1}])
def test_options_out_of_range(trajectories: Path, tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UnknownArgument, match=next(iter(wrong))):
        _mine(trajectories, tmp_path / "out", **wrong)


def test_other_options_are_another_run(trajectories: Path, tmp_path: Path) -> None:
    _mine(trajectories, tmp_path)
    with pytest.raises(RunConflict, match="k is 4 there, 5 now; seed is 0 there, 1 now"):
        _mine(trajectories, tmp_path, k=5, seed=1)


def test_mining_with_a_language_model(
    trajectories: Path, tmp_path: Path, model_folder: Path, digests
) -> None:
    options = {"policy": f"transformers:{model_folder}", "k": 3, "limit": 6, "max_new_tokens": 6}
    _mine(trajectories, tmp_path / "a", **options)
    _mine(trajectories, tmp_path / "b", **options)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    request = json.loads((tmp_path / "a" / "run.json").read_text())
    assert request["policy"]["revision"].startswith("sha256:")
    assert request["policy"]["temperature"] == 1.0
    assert "torch" in request["versions"]


def test_scienceworld(tmp_path: Path, digests) -> None:
    pytest.importorskip("scienceworld")
    pytest.importorskip("act_envs.scienceworld.env")
    tasks = ("lifespan-longest-lived:1", "lifespan-shortest-lived:1")
    summary = collect(Collect(env="ACT/ScienceWorld-v0", out=tmp_path / "t", tasks=tasks))
    assert summary["counts"]["won"] == 2
    pairs = _mine(tmp_path / "t", tmp_path / "a", limit=3)
    assert len(pairs) > 3
    assert all(pair.alternative_action in pair.admissible_actions for pair in pairs)
    _mine(tmp_path / "t", tmp_path / "b", limit=3)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
