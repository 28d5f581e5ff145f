"""What an answer says to do, read leniently: a right answer in a wrong format is seen as such.

The strict reading is :func:`act_data.prompts.parse_answer`, the format that prompts ask for. What
it refuses is read here as other harnesses, and people, would read it. Nothing is compared with what
is admissible: a reader that knew it would help the policy. And nothing is made up: a sentence about
an action is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from act_data.prompts import CLOSE_TAG, OPEN_TAG, parse_answer, spoken

_TAGGED = re.compile(f"{re.escape(OPEN_TAG)}(.*?){re.escape(CLOSE_TAG)}", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(f"{re.escape(OPEN_TAG)}|{re.escape(CLOSE_TAG)}", re.IGNORECASE)
# "Action:", "**Next action:**", "... in the hall. So, my next action: "; where a line or a clause
# begins, and with no other word before it: "an invalid action: ..." and "the last action: ..." are
# not what is to be done.
_LABEL = re.compile(
    r"(?:^|[.!?;,:]\s)[\s*#>\"'`-]*(?:(?:so|thus|hence|therefore|then|and|now)\b[\s,]*)*"
    r"(?:(?:the\s+)?(?:(?:my|next|best|final|chosen)\s+)+)?action[\s*]*:[\s*]*",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?P<sign>[\"`])(?P<said>[^\"`]+)(?P=sign)")
_SENTENCE = re.compile(r"(?:\[[^\]]*\]|[^.!?\[]|\[|[.!?](?!\s+[A-Z]|$))*")  # brackets are whole
_LISTED = re.compile(r"(?:[-*•>]|\(?\d{1,2}[.)])\s+(?=\S)")
# How sentences begin, or lines of other labels; actions begin with what is to be done.
_PROSE = re.compile(
    r"(?:i|we|you|he|she|it|they|this|that|these|those|there|here|the|an?|my|your|our|its|"
    r"since|because|if|but|although|however|perhaps|maybe|unfortunately|sorry)(?:['’]\w+)?(?![\w\[])"
    r"|let(?:['’]s| me| us)\b|[\w ]{1,20}:\s|.*[:?]$",
    re.IGNORECASE,
)
_AROUND = " \t\"'`*"  # quotes and markdown
_FENCE = "```"


def read_leniently(text: str) -> str | None:
    """The action in an answer, whatever its format; None where nothing is said.

    Where :func:`act_data.prompts.parse_answer` reads an action, that one. Else the first of: what
    stands in the first pair of tags, of several lines the first; what follows an opening tag
    without another, or precedes a closing one; what follows ``Action:``, where a line or a sentence
    begins, up to the end of the sentence; of a list in the end, the first item; the last line.
    The last three are no action where they begin as sentences do. A bullet, a number, a prompt
    sign, quotes and a full stop around it are no part of it.
    """
    strict = parse_answer(text)
    if strict is not None:
        return strict
    answer = spoken(text)
    if answer is None:
        return None
    for found in _TAGGED.findall(answer):
        if lines := _lines(found):
            return _bare(lines[0])
    opened = re.search(re.escape(OPEN_TAG), answer, re.IGNORECASE)
    if opened and (lines := _lines(answer[opened.end() :])):
        return _bare(lines[0])
    closed = re.search(re.escape(CLOSE_TAG), answer, re.IGNORECASE)
    if closed and (lines := _lines(answer[: closed.start()])):
        return _bare(lines[-1])
    lines = _lines(answer)
    labelled = list(_labelled(lines))
    return next(filter(_is_action, labelled or _at_the_end(lines)), None)


def _labelled(lines: Sequence[str]) -> Iterator[str]:
    """What follows each label, on its line or on the next one."""
    for line, after in zip_longest(lines, lines[1:], fillvalue=""):
        if found := _LABEL.search(line):
            rest = line[found.end() :].strip()
            yield _first_sentence(rest) if rest.strip(_AROUND) else _bare(after)


def _first_sentence(text: str) -> str:
    """What is quoted in the beginning, else the first sentence."""
    quoted, sentence = _QUOTED.match(text), _SENTENCE.match(text)
    assert sentence is not None  # it may be empty
    return _bare(quoted["said"] if quoted else sentence[0])


def _at_the_end(lines: Sequence[str]) -> list[str]:
    """The items of a list, or the line, that comes last."""
    start = len(lines)
    while start and _LISTED.match(lines[start - 1].strip()):
        start -= 1
    return [_bare(line) for line in (lines[start:] or lines[-1:])]


def _is_action(text: str) -> bool:
    return any(map(str.isalnum, text)) and not _PROSE.match(text)


def _lines(text: str) -> list[str]:
    """Its lines that say something, without tags."""
    lines = _TAG.sub("\n", text).splitlines()
    return [line for line in lines if _FENCE not in line and _bare(line)]


def _bare(line: str) -> str:
    """A line without what stands around it."""
    line = line.strip(_AROUND)
    if sign := _LISTED.match(line):
        line = line[sign.end() :]
    return line.strip(_AROUND).removesuffix(".").strip(_AROUND)
