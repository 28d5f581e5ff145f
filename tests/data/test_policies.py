"""Specifications of policies, seeds, and the policy that draws from what is offered."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from act_data.policies.base import Query, make_policy, seed_of
from act_data.prompts import parse_answer
from act_data.types import AgentState
from act_envs.errors import MissingExtra, UnknownArgument

STATE = AgentState("goal", "observation")
OFFERED = ("look", "wait", "go to hall")


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("random", "'random-admissible'"),
        ("random-admisible", "'random-admissible'"),
        ("transformers", "'transformers:<path or hub id>"),
        ("transformers:", "'transformers:<path or hub id>"),
        ("transformer:x/y", "'transformers:<path or hub id>"),
        ("vllm:", "'vllm:<path or hub id>"),
        ("openai", "'openai:<model>'"),
        ("hard", "'hard-negative'"),
        ("", "Known: 'random-admissible'"),
    ],
)
def test_an_unknown_policy_gets_a_hint(spec: str, hint: str) -> None:
    with pytest.raises(UnknownArgument, match="unknown policy") as error:
        make_policy(spec)
    assert hint in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [{"history": -1}, {"temperature": -0.1}, {"top_p": 0}, {"top_p": 1.1}, {"max_new_tokens": 0}],
)
def test_parameters_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UnknownArgument, match=next(iter(wrong))):
        make_policy("random-admissible", **wrong)  # type: ignore[arg-type]


def test_missing_torch_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r'pip install "agentic-critical-training\[train\]"'):
        make_policy("transformers:someone/something")


def test_random_draws_are_readable_uniform_and_seeded() -> None:
    policy = make_policy("random-admissible")
    query = Query(STATE, OFFERED, seed_of(1))
    [samples] = policy.sample([query], 3000)
    assert all(parse_answer(sample.text) == sample.action for sample in samples)
    counts = Counter(sample.action for sample in samples)
    assert set(counts) == set(OFFERED)
    assert all(850 < count < 1150 for count in counts.values())
    other = Query(STATE, OFFERED, seed_of(2))
    assert policy.sample([other, query], 3000)[1] == samples
    assert policy.sample([other], 3000)[0] != samples


def test_nothing_admissible_is_an_empty_answer() -> None:
    [samples] = make_policy("random-admissible").sample([Query(STATE, (), seed_of(0))], 2)
    assert [(sample.text, sample.action) for sample in samples] == [("", None)] * 2


def test_seeds_are_stable_and_keep_their_parts_apart() -> None:
    assert seed_of("act", 1) == (3286921874, 549812435, 3693728757, 4138547003)
    parts = [("a", "b"), ("ab",), ("a", "b", ""), ("a", 1), ("a", "1"), ("a1",), (), ("",)]
    assert len({seed_of(*some) for some in parts}) == len(parts)
    code = "from act_data.policies.base import seed_of; print(seed_of('act', 1))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == str(seed_of("act", 1))
