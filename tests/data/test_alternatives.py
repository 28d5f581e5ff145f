"""What becomes of answers: read as the environment reads them, or counted by what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from act_data.alternatives import COUNTS, FAULTS, distinct
from act_data.policies.base import Sample
from act_data.prompts import parse_answer, render_answer
from act_data.rollout import make_env, text_env
from act_envs import TextEnv
from act_envs.base import MAX_ACTION

TOY = text_env(make_env("ACT/Toy-v0", {}))


def _samples(*texts: str) -> list[Sample]:
    return [Sample(text, parse_answer(text)) for text in texts]


def _actions(*actions: str) -> list[Sample]:
    return _samples(*map(render_answer, actions))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no_tag"),
        ("I look around.", "no_tag"),
        ("<think>I could <action>look</action>", "no_tag"),
        ("<action>look", "malformed"),
        ("</action>look<action>", "malformed"),
        ("<action>a</action> or <action>b</action>", "malformed"),
        ("<action>a\nb</action>", "malformed"),
        ("<action></action>", "empty"),
        ("<think>so</think><action> \u2028 </action>", "empty"),
        ("<action>a\x00b</action>", "unprintable"),
        ("<action>a\ud800b</action>", "unprintable"),
        (f"<action>{'x' * (MAX_ACTION + 1)}</action>", "overlong"),
    ],
)
def test_every_fault_has_its_name(text: str, fault: str) -> None:
    found, counts = distinct(TOY, "look", ["look"], _samples(text))
    assert found == []
    assert {name: count for name, count in counts.items() if count} == {
        "states": 1, "samples": 1, fault: 1,
    }  # fmt: skip


def test_expert_duplicates_and_inadmissible() -> None:
    samples = _actions("LOOK", "wait", "Wait ", "fly", "go  to hall", "FLY", "look")
    found, counts = distinct(TOY, "look", ["look", "wait", "go to hall"], samples)
    assert [(one.action, one.count) for one in found] == [
        ("wait", 2), ("fly", 2), ("go to hall", 1),
    ]  # fmt: skip
    assert counts["as_expert"] == 2
    assert counts["duplicates"] == 2
    assert counts["pairs"] == 3
    assert counts["inadmissible"] == 1


PUT, MOVE = "put egg 1 in/on fridge 1", "move egg 1 to fridge 1"


@pytest.mark.parametrize(
    ("kwargs", "offered", "expected"),
    [
        ({}, MOVE, ([(PUT, 1)], 1)),
        ({"dialect": "classic"}, PUT, ([(MOVE, 1)], 1)),
        ({"either_dialect": True}, MOVE, ([], 2)),
        ({"dialect": "classic", "either_dialect": True}, PUT, ([], 2)),
    ],
)
def test_both_wordings_of_alfworld(kwargs, offered: str, expected) -> None:
    env = text_env(make_env("ACT/ALFWorldGen-v0", kwargs))
    other = "go to fridge 1"
    samples = _actions(PUT, MOVE, other, f" {other} ")
    found, counts = distinct(env, offered, [offered, other], samples)
    pairs, as_expert = expected
    assert sorted((one.action, one.count) for one in found) == sorted([*pairs, (other, 2)])
    assert counts["as_expert"] == as_expert
    assert counts["inadmissible"] == len(pairs)


def test_what_counts_as_one_action_has_one_effect() -> None:
    """Against the environment itself: both wordings do the same where they are taken as one."""
    env = text_env(make_env("ACT/ALFWorldGen-v0", {"either_dialect": True}))
    env.reset(seed=0)
    while not (moves := [a for a in env.admissible_actions() if a.startswith("move ")]):
        env.step(env.expert_action() or "look")
    thing, place = moves[0].removeprefix("move ").split(" to ")
    here, after = env.snapshot(), []
    for action in (moves[0], f"put {thing} in/on {place}", f" {moves[0]} "):
        observation, *_, info = env.step(action)
        after.append((observation, info["action_valid"], env.state_hash()))
        env.restore(here)
    assert after[0][1]
    assert after[0] == after[1] == after[2]


PIECES = ["<action>", "</action>", "<think>", "</think>", "look", "\n", "\ud800"]
ANSWERS = st.lists(
    st.one_of(
        st.text(),
        st.text(st.characters()).map(render_answer),
        st.lists(
            st.sampled_from(
                ["<action>", "</action>", "<think>", "</think>", "look", "\n", "\ud800"]
            )
        ).map("".join),
    )
)


@given(ANSWERS)
def test_garbage_is_counted_to_the_last(texts: list[str]) -> None:
    found, counts = distinct(TOY, "look", ["look", "wait"], _samples(*texts))
    assert set(counts) == set(COUNTS)
    parts = (*FAULTS, "as_expert", "duplicates", "pairs")
    assert counts["samples"] == len(texts) == sum(counts[part] for part in parts)
    assert sum(one.count for one in found) == counts["pairs"] + counts["duplicates"]
    assert all(one.action.isprintable() and one.action.strip() for one in found)


@pytest.mark.parametrize("env", [TOY])
def test_it_does_not_touch_the_episode(env: TextEnv) -> None:
    env.reset(seed=0)
    before = env.state_hash()
    distinct(env, "look", env.admissible_actions(), _actions("wait", "take fish"))
    assert env.state_hash() == before
