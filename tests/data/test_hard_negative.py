"""Hard negatives: closest in text and effect, and no trace of the executions behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from act_data.mining import Mine, mine, mine_with
from act_data.policies.base import Query, RandomAdmissible, make_policy, seed_of
from act_data.policies.hard_negative import _in_order, _nearest, foresee
from act_data.rollout import make_env, text_env
from act_data.storage.tables import read_pairs
from act_data.types import AgentState
from act_envs.errors import UnknownArgument
from act_envs.types import Consequence

STATE = AgentState("goal", "observation")


def gave(observation: str, state_hash: str) -> Consequence:
    return Consequence(observation, state_hash, 0.0, False, False, True)


EFFECTS = {
    "take cup 1": gave("You take the cup 1.", "a"),
    "take cup 2": gave("You take the cup 2.", "b"),
    "take mug 1": gave("Nothing happens.", "c"),
    "look": gave("You take the cup 1.", "d"),
    "grab cup 1": gave("You take the cup 1.", "a"),
    "eat fish": gave("Yum!", "e"),
}


def _ranked(effects: dict[str, Consequence], k: int = 9) -> list[str | None]:
    query = Query(STATE, tuple(effects), seed_of(0), "take cup 1", effects)
    [samples] = make_policy("hard-negative").sample([query], k)
    return [sample.action for sample in samples]


def test_text_and_effect_both_count() -> None:
    # By text alone "take mug 1" would come before "look", by effect alone "look" before all.
    assert _ranked(EFFECTS) == ["take cup 2", "look", "take mug 1", "eat fish"]
    assert _ranked(EFFECTS, 2) == ["take cup 2", "look"]


def test_the_same_in_other_words_is_no_negative() -> None:
    assert "grab cup 1" not in _ranked(EFFECTS)


def test_the_order_of_the_offer_makes_no_difference() -> None:
    backwards = dict(reversed(EFFECTS.items()))
    assert _ranked(backwards) == _ranked(EFFECTS)
    tied = [f"take plate {number}" for number in range(30)]
    assert _nearest("take cup", tied, 5) == _nearest("take cup", tied[::-1], 5)


def test_ties_are_not_broken_by_the_alphabet() -> None:
    things = [f"take {letter}" for letter in "abcdefghijklmnop"]
    first = {_nearest(f"take {other}", things, 1)[0][1] for other in "qrstuvwxyz"}
    assert len(first) > 3


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("go to hall", "go to hall", 1.0),
        ("go to hall", "go to cellar", 2 / 3),
        ("put a in b", "put b in a", 1 / 2),
        ("a b c", "c b a", 1 / 3),
        ("a a b", "a b b", 2 / 3),
        ("look", "", 0.0),
        ("", "", 1.0),
    ],
)
def test_words_in_common_in_order(first: str, second: str, share: float) -> None:
    assert _in_order(first.split(), second.split()) == pytest.approx(share)
    assert _in_order(second.split(), first.split()) == pytest.approx(share)


WORDS = st.lists(st.sampled_from("abcd"), max_size=6)


@given(WORDS, WORDS)
def test_similarity_is_symmetric_and_one_for_equals_alone(first, second) -> None:
    assert _in_order(first, second) == _in_order(second, first)
    assert (_in_order(first, second) == 1.0) == (first == second)


def test_only_the_nearest_are_executed_and_the_state_is_as_before() -> None:
    inner = text_env(make_env("ACT/Toy-v0", {}))
    inner.reset(seed=1)
    inner.step("go to hall")  # from where one can go anywhere
    before, step = inner.state_hash(), inner.snapshot().step
    offered = inner.admissible_actions()
    effects = foresee(inner, "go to kitchen", offered, 2)
    assert next(iter(effects)) == "go to kitchen"
    assert len(effects) == 3
    assert all(action.startswith("go to") for action in effects)
    assert (inner.state_hash(), inner.snapshot().step) == (before, step)
    for action, effect in effects.items():
        fork = inner.fork()
        observation, *_ = fork.step(action)
        assert (effect.observation, effect.state_hash) == (observation, fork.state_hash())


def test_without_an_expert_there_is_no_negative() -> None:
    with pytest.raises(UnknownArgument, match="Use it with act-data mine"):
        make_policy("hard-negative").sample([Query(STATE, ("look",), seed_of(0))], 1)


def test_nobody_else_is_told_what_the_expert_does(
    trajectories: Path, tmp_path: Path, monkeypatch
) -> None:
    policy, seen = RandomAdmissible(), []
    sample = policy.sample
    monkeypatch.setattr(policy, "sample", lambda asked, k: seen.extend(asked) or sample(asked, k))
    mine_with(policy, Mine(trajectories=trajectories, out=tmp_path))
    assert seen
    assert {(query.expert_action, *query.effects) for query in seen} == {(None,)}


def test_mining(trajectories: Path, tmp_path: Path) -> None:
    for seed in (0, 1):  # replay checks every hash, so that nothing may have moved
        out = tmp_path / str(seed)
        config = Mine(trajectories=trajectories, out=out, policy="hard-negative", k=2, seed=seed)
        counts = mine(config)["counts"]
        assert counts["as_expert"] == counts["duplicates"] == counts["inadmissible"] == 0
        assert counts["pairs"] == 2 * counts["states"]
    pairs, others = (list(read_pairs(tmp_path / name)) for name in ("0", "1"))
    assert [pair.pair_id for pair in pairs] == [pair.pair_id for pair in others]
    rooms = [p.alternative_action for p in pairs if p.expert_action.startswith("go to")]
    assert sum(action.startswith("go to") for action in rooms) > len(rooms) / 3
    assert json.loads(pairs[0].sampling) == {"k": 2, "reach": 16}
    assert all(pair.alternative_count == 1 for pair in pairs)
