"""The answer in what a model says, read strictly and leniently.

Strictly: in the format that was asked for, after the reasoning. Leniently: wherever a reader would
find it, so that a right answer in a wrong format is seen as such. Of several the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BARE_BOX = re.compile(r"\\boxed\s+([^\s${}\\]+)")
_SAID = re.compile(r"\b(?:answer|result)\b(?:\s+is|\s*[:=])+[ \t*]*(?P<rest>\S.*)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;](?=\s|$)")
_FORMULA = re.compile(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?")

_LETTER_LINE = re.compile(r"^\s*Answer:\s*([A-D])\s*$", re.MULTILINE)
# "The answer is **(B)**", "Answer: B)", "\boxed{\text{B}}", "option B is correct": any of these.
_LETTER = re.compile(
    r"\b(?:answer|choice|option)\b(?:\s+(?:is|must be|would be))?\W*(?:option\W+)?(?P<said>[A-D])\b"
    r"(?!['’]|\s+(?:is|are|was)\s+(?:not|wrong|incorrect))"
    r"|\\boxed\s*\{\W*(?:text\W+|mathrm\W+)?(?P<boxed>[A-D])\W*\}"
    r"|^\W*(?P<alone>[A-D])\W*$",
    re.MULTILINE,
)
_ANY_CASE = re.compile(r"\b(answer|choice|option)\b", re.IGNORECASE)


def spoken(text: str) -> str | None:
    """What follows the reasoning; None where that never ends."""
    answer = text.rpartition("</think>")[2]
    return None if "<think>" in answer else answer


def read_formula(text: str) -> tuple[str | None, str | None]:
    """The formula that answers a problem, read strictly and leniently.

    Strictly it is the content of the last ``\\boxed{...}`` whose braces close, nested ones
    included. Leniently it may stand in the reasoning, in a box without braces, after "the answer
    is", in the last formula or in the last number.
    """
    answer = spoken(text)
    if answer is None:
        return None, _last_box(text) or _said(text)
    strict = _last_box(answer)
    return strict, strict or _said(answer) or _last_box(text)


def read_letter(text: str) -> tuple[str | None, str | None]:
    """The letter that answers a question with options, read strictly and leniently.

    Strictly it is the last line ``Answer: LETTER``. Leniently it may be boxed, in words, in
    brackets, or alone on a line.
    """
    answer = spoken(text)
    found = _LETTER_LINE.findall(answer) if answer is not None else []
    if found:
        return found[-1], found[-1]
    plain = _ANY_CASE.sub(lambda word: word[0].lower(), text if answer is None else answer)
    named = [match[match.lastgroup or 0] for match in _LETTER.finditer(plain)]
    return None, named[-1] if named else None


def _last_box(text: str) -> str | None:
    boxes = [content for content in map(str.strip, _boxes(text)) if content]
    return boxes[-1] if boxes else None


def _boxes(text: str) -> Iterator[str]:
    """Contents of the boxes that are closed, in order."""
    for opened in _BOX.finditer(text):
        end = _closing(text, opened.end())
        if end is not None:
            yield text[opened.end() : end]


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened before ``start`` is closed; ``\\{`` and ``\\}`` are signs."""
    depth = 1
    at = start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return None


def _said(text: str) -> str | None:
    if bare := _BARE_BOX.findall(text):
        return bare[-1].rstrip(".,;")
    if said := list(_SAID.finditer(text)):
        rest = _SENTENCE_END.split(said[-1]["rest"], maxsplit=1)[0].strip(" *")
        formula = _FORMULA.search(rest)
        return (next(filter(None, formula.groups())) if formula else rest).strip() or None
    if formulas := _FORMULA.findall(text):
        return next(filter(None, formulas[-1])).strip() or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None
