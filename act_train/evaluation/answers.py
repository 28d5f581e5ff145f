"""What an answer says to do, read leniently: a right answer in a wrong format is seen as such.

The strict reading is :func:`act_data.prompts.parse_answer`, the format that prompts ask for. What
it refuses is read here as other harnesses would read it. Nothing is compared with what is
admissible: a reader that knew it would help the policy.
"""

from __future__ import annotations

import re

from act_data.prompts import CLOSE_TAG, OPEN_TAG, parse_answer

_TAGGED = re.compile(f"{re.escape(OPEN_TAG)}(.*?){re.escape(CLOSE_TAG)}", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(f"{re.escape(OPEN_TAG)}|{re.escape(CLOSE_TAG)}", re.IGNORECASE)
_MARKED = re.compile(r"^\W*(?:(?:next|my)\s+)?action\W*:\W*(?P<action>\S.*)$", re.IGNORECASE)
_AROUND = " \t\"'`*"  # quotes and markdown
_FENCE = "```"


def read_leniently(text: str) -> str | None:
    """The action in an answer, whatever its format; None where nothing is said.

    Where :func:`act_data.prompts.parse_answer` reads an action, that one. Else the first of: what
    stands in the first pair of tags, of several lines the first; what follows an opening tag
    without another, or precedes a closing one; a line ``Action: ...``; the last line. A bullet,
    a prompt sign, quotes and a full stop around it are no part of it.
    """
    strict = parse_answer(text)
    if strict is not None:
        return strict
    answer = text.rpartition("</think>")[2]
    if "<think>" in answer:  # the reasoning has not ended
        return None
    for found in _TAGGED.findall(answer):
        if lines := _lines(found):
            return lines[0]
    opened = re.search(re.escape(OPEN_TAG), answer, re.IGNORECASE)
    if opened and (lines := _lines(answer[opened.end() :])):
        return lines[0]
    closed = re.search(re.escape(CLOSE_TAG), answer, re.IGNORECASE)
    if closed and (lines := _lines(answer[: closed.start()])):
        return lines[-1]
    lines = _lines(answer)
    for line in lines:
        if marked := _MARKED.match(line):
            return _bare(marked["action"])
    return lines[-1] if lines else None


def _lines(text: str) -> list[str]:
    """Its lines that say something, each without what stands around it."""
    lines = _TAG.sub("\n", text).splitlines()
    return [bare for line in lines if _FENCE not in line and (bare := _bare(line))]


def _bare(line: str) -> str:
    line = line.strip(_AROUND)
    for sign in ("- ", "> "):
        line = line.removeprefix(sign)
    return line.strip(_AROUND).removesuffix(".").strip(_AROUND)
