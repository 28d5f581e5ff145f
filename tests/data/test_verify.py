"""``act-data verify``: what it says happened did happen, and verdicts follow from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from act_data.collect import Collect, collect
from act_data.errors import DataNotFound, ReplayMismatch, SchemaMismatch
from act_data.mining import Mine, mine, mine_with
from act_data.storage.tables import read_pairs, write_parquet
from act_data.types import ContrastPair, Reading, Verification
from act_data.verify import Verify, verify
from act_envs import TextEnv
from act_envs.errors import UnknownArgument


def verified(pairs: Path, out: Path, **options: Any) -> list[ContrastPair]:
    verify(Verify(pairs=pairs, out=out, **options))
    return list(read_pairs(out))


def facts(pair: ContrastPair) -> Verification:
    assert pair.verification is not None
    return pair.verification


def hindsight(pair: ContrastPair) -> Reading:
    reading = facts(pair).hindsight
    assert reading is not None
    return reading


@pytest.fixture(scope="session")
def toy_pairs(tmp_path_factory: pytest.TempPathFactory, trajectories: Path, scripted: Any) -> Path:
    """Pairs of Toy whose alternatives are good, wasteful, fatal, and no actions at all."""
    out = tmp_path_factory.mktemp("data") / "pairs"
    texts = ("look", " LOOK ", "eat apple", "go to hall", "fly", "wait")
    policy = scripted(*(f"<action>{text}</action>" for text in texts))
    mine_with(policy, Mine(trajectories=trajectories, out=out, k=6))
    return out


@pytest.fixture(scope="session")
def house_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of generated ALFWorld games with random admissible alternatives."""
    folder = tmp_path_factory.mktemp("alfworld")
    collect(Collect(env="ACT/ALFWorldGen-v0", out=folder / "c", limit=6))
    mine(Mine(trajectories=folder / "c", out=folder / "m", k=3))
    return folder / "m"


@pytest.mark.parametrize("pairs", ["toy_pairs", "house_pairs"])
def test_both_actions_were_executed(
    pairs: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Against environments made anew, and played from the start for every action."""
    path = request.getfixturevalue(pairs)
    options = {"hindsight": False, "informed": False}
    rows = verified(path, tmp_path / "v", **options)
    assert [dataclasses.replace(row, verification=None) for row in rows] == [*read_pairs(path)]
    for row in rows[:: max(1, len(rows) // 40)]:
        found = facts(row)
        for action, consequence in (
            (row.expert_action, found.expert),
            (row.alternative_action, found.alternative),
        ):
            with gym.make(row.env_id, **json.loads(row.env_kwargs)) as env:
                inner = env.unwrapped
                assert isinstance(inner, TextEnv)
                env.reset(options={"task_id": row.task_id})
                for _, done in row.state.history:
                    env.step(done)
                offered = inner.admissible_actions()
                observation, _, _, _, info = env.step(action)
                told = [info[key] for key in ("score", "won", "failed", "action_valid")]
                assert consequence == (observation, inner.state_hash(), *told)
        assert found.admissible == (inner.canonical(row.alternative_action) in offered)
        assert (found.hindsight, found.informed, found.commute) == (None, None, None)


def test_regrets_of_a_house(house_pairs: Path, tmp_path: Path) -> None:
    rows = verified(house_pairs, tmp_path, informed=False)
    for row in rows:
        reading = hindsight(row)
        assert reading.regret == reading.alternative_cost - reading.expert_cost
        assert (reading.method, reading.confidence) == ("planner", 1)
        if facts(row).same_state:
            assert reading.verdict == "equivalent"
        if facts(row).alternative.won:
            assert reading.alternative_cost == 1
        assert (facts(row).commute is None) == (
            reading.verdict != "equivalent" or facts(row).same_state
        )
    assert {hindsight(row).verdict for row in rows} >= {"expert_better", "equivalent"}


def test_a_wasted_step_has_a_regret_of_one(tmp_path: Path, scripted: Any) -> None:
    """Along a shortest way; the explorer's own ways waste steps, too."""
    collect(Collect(env="ACT/ALFWorldGen-v0", out=tmp_path / "c", limit=4, expert="clairvoyant"))
    policy = scripted("<action>look</action>", "<action>dance</action>")
    mine_with(policy, Mine(trajectories=tmp_path / "c", out=tmp_path / "m", k=2))
    for row in verified(tmp_path / "m", tmp_path / "v"):
        assert hindsight(row).regret == 1
        assert hindsight(row).verdict == "expert_better"
        informed = facts(row).informed
        assert informed is not None
        assert informed.method.endswith(":explorer")
        assert informed.verdict != "alternative_better"
        assert facts(row).admissible == (row.alternative_action == "look")


def test_regrets_of_the_toy(toy_pairs: Path, tmp_path: Path) -> None:
    rows = verified(toy_pairs, tmp_path)
    fetch = [row for row in rows if row.kind == "fetch"]
    eaten = [r for r in fetch if facts(r).alternative.failed]
    assert eaten
    for row in eaten:
        assert (hindsight(row).regret, hindsight(row).verdict) == (float("inf"), "expert_better")
        assert hindsight(row).confidence == 1
    for row in fetch:
        assert facts(row).informed is None
        if row.alternative_action in ("look", "wait", "fly"):
            assert hindsight(row).regret == 1
            assert hindsight(row).method == "continuation:scripted"


def test_parts_and_company_do_not_matter(house_pairs: Path, tmp_path: Path) -> None:
    whole = verified(house_pairs, tmp_path / "whole", worlds=8)
    assert whole == verified(house_pairs, tmp_path / "parts", worlds=8, shard_size=1)
    some = [pair for number, pair in enumerate(read_pairs(house_pairs)) if number % 3 == 1]
    write_parquet(tmp_path / "some.parquet", some, "pairs")
    alone = verified(tmp_path / "some.parquet", tmp_path / "alone", worlds=8)
    assert alone == [row for row in whole if row.pair_id in {pair.pair_id for pair in some}]


def test_no_pairs_make_no_rows(tmp_path: Path) -> None:
    write_parquet(tmp_path / "none.parquet", [], "pairs")
    assert verified(tmp_path / "none.parquet", tmp_path / "v") == []


def test_two_experts_in_one_state(house_pairs: Path, tmp_path: Path) -> None:
    pair = next(read_pairs(house_pairs))
    other = dataclasses.replace(
        pair,
        pair_id="f" * 16,
        expert_action=pair.alternative_action,
        alternative_action=pair.expert_action,
    )
    write_parquet(tmp_path / "both.parquet", [pair, other], "pairs")
    one, two = verified(tmp_path / "both.parquet", tmp_path / "v", informed=False)
    assert (facts(one).expert, facts(one).alternative) == (
        facts(two).alternative,
        facts(two).expert,
    )
    assert facts(one).expert != facts(one).alternative
    assert hindsight(one).regret == -(hindsight(two).regret or 0)


def test_other_seeds_draw_other_worlds(house_pairs: Path, tmp_path: Path) -> None:
    one, other = (
        [facts(row).informed for row in verified(house_pairs, tmp_path / str(seed), seed=seed)]
        for seed in (1, 2)
    )
    assert one != other
    same = sum(a.verdict == b.verdict for a, b in zip(one, other, strict=True) if a and b)
    assert same > 0.8 * len(one)


def test_a_sample_is_judged_and_all_are_executed(house_pairs: Path, tmp_path: Path) -> None:
    rows = verified(house_pairs, tmp_path / "v", sample=20, informed=False)
    judged = [row for row in rows if facts(row).hindsight]
    kinds = {row.kind for row in rows}
    assert {row.kind for row in judged} == kinds
    assert abs(len(judged) - 20) <= len(kinds)
    everything = verified(house_pairs, tmp_path / "all", informed=False)
    known = {row.pair_id: row for row in everything}
    assert all(known[row.pair_id] == row for row in judged)
    assert all(facts(row).alternative == facts(known[row.pair_id]).alternative for row in rows)


def test_the_summary_counts_by_kind(house_pairs: Path, tmp_path: Path) -> None:
    summary = verify(Verify(pairs=house_pairs, out=tmp_path, informed=False))
    rows = list(read_pairs(tmp_path))
    counts = summary["counts"]
    assert counts["pairs"] == summary["rows"] == len(rows)
    assert counts["same_state"] == sum(facts(row).same_state for row in rows)
    for verdict in ("expert_better", "equivalent", "alternative_better", "unknown"):
        found = sum(hindsight(row).verdict == verdict for row in rows)
        assert counts[f"hindsight_{verdict}"] == found
        assert counts[f"informed_{verdict}"] == 0


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda p: {"state_hash": "0" * 32}, "state hash"),
        (lambda p: {"state": dataclasses.replace(p.state, observation="A palace.")}, "observation"),
    ],
)
def test_a_state_that_is_not_reached_again(
    house_pairs: Path, tmp_path: Path, spoil: Callable[[ContrastPair], dict[str, Any]], what: str
) -> None:
    pairs = list(read_pairs(house_pairs))
    pairs[5] = dataclasses.replace(pairs[5], **spoil(pairs[5]))
    write_parquet(tmp_path / "pairs.parquet", pairs, "pairs")
    with pytest.raises(ReplayMismatch, match=f"{what} is .* was"):
        verified(tmp_path / "pairs.parquet", tmp_path / "v")


def test_bad_requests(house_pairs: Path, tmp_path: Path, trajectories: Path) -> None:
    for options in ({"worlds": 1}, {"sample": 0}, {"seed": -1}):
        with pytest.raises(UnknownArgument, match=next(iter(options))):
            verified(house_pairs, tmp_path / "v", **options)
    with pytest.raises(DataNotFound):
        verified(tmp_path / "nowhere", tmp_path / "v")
    with pytest.raises(SchemaMismatch, match="holds trajectories, not pairs"):
        verified(trajectories, tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_who_continues_is_chosen_as_for_mining(toy_pairs: Path, tmp_path: Path) -> None:
    """Its options reach it."""
    with pytest.raises(UnknownArgument, match="base_url='http://a/v1' is of no use"):
        verified(toy_pairs, tmp_path / "a", rollouts=2, base_url="http://a/v1")
    with pytest.raises(UnknownArgument, match=r"temperature=-1\.0"):
        verified(toy_pairs, tmp_path / "b", rollouts=2, temperature=-1.0)
    verified(toy_pairs, tmp_path / "c", rollouts=2, hindsight=False, sample=4)
    request = json.loads((tmp_path / "c" / "run.json").read_text())
    assert request["rollouts"]["policy"] == {
        "name": "random-admissible", "revision": "", "engine": {},
    }  # fmt: skip
    with pytest.raises(UnknownArgument, match="temperature is of no use without rollouts"):
        verified(toy_pairs, tmp_path / "d", temperature=0.5)
    with pytest.raises(UnknownArgument, match="informed is off"):
        verified(toy_pairs, tmp_path / "d", rollouts=2, informed=False)
    with pytest.raises(UnknownArgument, match="hard-negative proposes beside an expert's action"):
        verified(toy_pairs, tmp_path / "d", rollouts=2, policy="hard-negative")
    assert not (tmp_path / "d").exists()
