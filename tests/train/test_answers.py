"""The lenient reader: a right answer in a wrong format is read, and nothing else is made up."""

from __future__ import annotations

import pytest

from act_data.prompts import parse_answer
from act_train.evaluation.answers import read_leniently


@pytest.mark.parametrize(
    "text",
    [
        "<action>go to hall",
        "go to hall</action>",
        "<Action>go to hall</Action>",
        "<action>go to hall</action>\n<action>take apple</action>",
        "<action>go to hall\ntake apple</action>",
        "<action></action><action>go to hall</action>",
        "I am in the kitchen.\nAction: go to hall\nObservation: You are in the hall.",
        "**Next action:** go to hall",
        "go to hall",
        "`go to hall`",
        '> "go to hall".',
        "- go to hall.",
        "```\ngo to hall\n```",
        "<think>The hall has <action>doors</action>.</think>\ngo to hall",
        "It is in the hall, I think.\n\ngo to hall\n",
        "1. go to hall",
        "1. go to hall\n2. take apple\n3. go to kitchen",
        "The plan:\n1) go to hall\n2) take apple",
        "- go to hall\n- take apple",
        "1. The apple is in the hall.\n2. go to hall",
        "1. The hall is near.\n2. I like it.\n\ngo to hall",
        "The apple is in the hall. Action: go to hall",
        "The apple is in the hall. Action: go to hall. There I will take it.",
        "I see no apple, so my next action: go to hall.",
        "Thought: no apple here. Therefore, the best action: `go to hall` to find it.",
        'Action: "go to hall" because the apple is there',
        "**Action:** go to hall",
        "Action:\ngo to hall\nThat is where the apple is.",
        "Action: go to hall\nObservation: A hall.\nAction: take apple",
        "My last action: look was in vain. Action: go to hall",
        "Action: go to hall\n\nI hope that this helps.",
    ],
)
def test_a_right_answer_in_a_wrong_format(text: str) -> None:
    assert parse_answer(text) is None
    assert read_leniently(text) == "go to hall"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "<action></action>",
        "<think>go to hall",
        "```\n```",
        "<think>so</think>",
        '"."',
        "...",
        "Action:",
        "Action: ...",
        "I should go to hall.",
        "I'll go to hall",
        "The action go to hall comes to mind.",
        "It is an invalid action: go to hall",
        "The previous action: go to hall",
        "You could go to hall, or take apple.",
        "There are two ways:\n- the door\n- the window",
        "Action: I do not know.",
        "Should I go to hall?",
        "Thought: go to hall, perhaps",
        "Let me think about it",
        "<think>Action: go to hall",
    ],
)
def test_where_nothing_is_said_nothing_is_read(text: str) -> None:
    assert read_leniently(text) is None


@pytest.mark.parametrize(
    "action",
    [
        "search[dr. Martens, size: 8 ... new]",
        "click[the north face]",
        "click[item - no. 2. Blue]",
        "0",
        "put mug 1 in/on desk 1",
        "look",
        "a[b]",
        "pour cup (red) in sink",
    ],
)
def test_actions_of_all_kinds_survive(action: str) -> None:
    for text in (f"Well.\nAction: {action}", f"So. Action: {action}.", f"1. {action}\n2. look"):
        assert read_leniently(text) == action


@pytest.mark.parametrize(
    "text", ["<action>click[< prev]</action>", "<action>'quoted'.</action>", "<action>-1</action>"]
)
def test_what_keeps_the_format_is_read_as_the_strict_reader_does(text: str) -> None:
    assert read_leniently(text) == parse_answer(text) is not None
