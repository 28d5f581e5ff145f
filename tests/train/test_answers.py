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
    ],
)
def test_a_right_answer_in_a_wrong_format(text: str) -> None:
    assert parse_answer(text) is None
    assert read_leniently(text) == "go to hall"


@pytest.mark.parametrize(
    "text",
    ["", " \n ", "<action></action>", "<think>go to hall", "```\n```", "<think>so</think>", '"."'],
)
def test_where_nothing_is_said_nothing_is_read(text: str) -> None:
    assert read_leniently(text) is None


@pytest.mark.parametrize(
    "text", ["<action>click[< prev]</action>", "<action>'quoted'.</action>", "<action>-1</action>"]
)
def test_what_keeps_the_format_is_read_as_the_strict_reader_does(text: str) -> None:
    assert read_leniently(text) == parse_answer(text) is not None
