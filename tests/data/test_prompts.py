"""The text that models read, letter by letter, and what is read out of their answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from act_data.prompts import (
    PROMPT_VERSION,
    action_prompt,
    critique_prompt,
    outcome_prompt,
    parse_answer,
    read_answer,
    reflection_prompt,
    render_answer,
    render_state,
)
from act_data.types import AgentState

GOLDEN = Path(__file__).parents[1] / "golden"


def _golden(name: str) -> str:
    """A change of these texts is a new ``PROMPT_VERSION``, in the name of the file."""
    return (GOLDEN / f"{name}_v{PROMPT_VERSION}.txt").read_text(encoding="utf-8")


def test_action_prompt(state: AgentState) -> None:
    [message] = action_prompt(state, history=2)
    assert message["role"] == "user"
    assert message["content"] + "\n" == _golden("act")


def test_action_prompt_at_the_start(state: AgentState) -> None:
    start = dataclasses.replace(state, history=())
    [message] = action_prompt(start, history=2)
    assert message["content"] + "\n" == _golden("act_start")
    assert action_prompt(state, history=0) == [message]


def test_critique_prompt(state: AgentState) -> None:
    [message] = critique_prompt(state, ["go to cellar", "eat fish"], history=2)
    assert message["role"] == "user"
    assert message["content"] + "\n" == _golden("critique")


@pytest.mark.parametrize(
    ("name", "more", "options"),
    [
        ("critique_of_three", ["wait"], {}),
        ("critique_equivalent", [], {"equivalent": True}),
        ("critique_at_once", [], {"reasoning": False}),
    ],
)
def test_variants_of_the_critique_prompt(
    state: AgentState, name: str, more: list[str], options: dict[str, bool]
) -> None:
    [message] = critique_prompt(state, ["go to cellar", "eat fish", *more], history=2, **options)
    assert message["content"] + "\n" == _golden(name)


def test_prompts_about_what_actions_give(state: AgentState) -> None:
    [message] = outcome_prompt(state, "eat fish", history=2)
    assert message["content"] + "\n" == _golden("outcome")
    better, other = ("go to cellar", "You are in the cellar."), ("eat fish", "There is none.")
    [message] = reflection_prompt(state, better, other, history=2)
    assert message["role"] == "user"
    assert message["content"] + "\n" == _golden("reflection")


@pytest.mark.parametrize("history", range(6))
def test_the_last_turns_are_shown(state: AgentState, history: int) -> None:
    shown = [action for _, action in state.history if f"> {action}" in render_state(
        state, history=history)]  # fmt: skip
    assert shown == [action for _, action in state.history][max(0, 3 - history) :]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("<action>look</action>", "look"),
        ("  I will. <action> look around </action> So.", "look around"),
        ("<action>\nlook\n</action>", "look"),
        ("<action>öffne Tür №5 “jetzt” 🐈</action>", "öffne Tür №5 “jetzt” 🐈"),
        ("<action>a < b > c</action>", "a < b > c"),
        ("<think>maybe <action>eat</action></think><action>look</action>", "look"),
        ("no opening, as templates write it</think>\n\n<action>look</action>", "look"),
        ("<think>a</think><think>b</think><action>look</action>", "look"),
        ("", None),
        ("look", None),
        ("<action></action>", None),
        ("<action> \n </action>", None),
        ("<action>look", None),
        ("look</action>", None),
        ("<Action>look</Action>", None),
        ("<action>look\nwait</action>", None),
        ("<action>look\rwait</action>", None),
        ("<action>look\u2028wait</action>", None),
        ("<action>look</action><action>wait</action>", None),
        ("<action>look</action> or <action>", None),
        ("<action><action>look</action></action>", None),
        ("<action><action>look</action>", None),
        ("<think>I could <action>look</action>", None),
        ("<think>a</think><think>b <action>look</action>", None),
        ("<action>look</action></think>", None),
        ("<think><action>look</action></think>", None),
    ],
)
def test_parse_answer(text: str, action: str | None) -> None:
    assert parse_answer(text) == action


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<action>look</action>", None),
        ("look", "no_tag"),
        ("<Action>look</Action>", "no_tag"),
        ("<action>look</action></think>", "no_tag"),
        ("<think>I could <action>look</action>", "no_tag"),
        ("<action>look", "malformed"),
        ("</action>look<action>", "malformed"),
        ("</action><action></action>", "malformed"),
        ("<action>look</action><action></action>", "malformed"),
        ("<action>look\nwait</action>", "malformed"),
        ("<action>\u2028\t</action>", "empty"),
    ],
)
def test_what_is_wrong_with_an_answer(text: str, fault: str | None) -> None:
    assert read_answer(text)[1] == fault


_ACTIONS = st.text(st.characters(categories=("L", "N", "P", "Zs", "S")), min_size=1).map(str.strip)


@given(
    _ACTIONS.filter(lambda a: a and not any(t in a for t in ("<action>", "</action>", "think>")))
)
def test_what_is_rendered_is_read_back(action: str) -> None:
    assert parse_answer(f"<think>so</think>{render_answer(action)}") == action


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    action, fault = read_answer(text)
    assert (action is None) == (fault is not None)
    assert action is None or action == action.strip() != ""
