"""The answer in what a model says, read strictly and leniently.

Strictly: in the format that was asked for, after the reasoning. Leniently: wherever a reader would
find it, so that a right answer in a wrong format is seen as such. Of several the last one counts,
and one that names two is no answer. Letters are read by :mod:`act_train.reasoning.letters`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from act_data.prompts import spoken

_BRACE = re.compile(r"(\\(?:boxed|fbox)\s*\{)|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed\s*([^\s${}\\]+)")
# Between boxes that hold one answer together: "\boxed{1} and \boxed{2}".
_BETWEEN = re.compile(
    r"(?:[ \n$]|\\[,;: ()\[\]]|\\q?quad)*"
    r"(?:(?:,|\\text\{\s*(?:and|or)\s*\}|\band\b|\bor\b)(?:[ \n$]|\\[,;: ()\[\]]|\\q?quad)*)+|"
)
ADVERB = (
    r"(?:(?:therefore|thus|hence|then|so|now|clearly|definitely|certainly|surely|simply|just|indeed"
    r"|exactly|actually)\b,?)"
)
SAID = re.compile(
    rf"\b(?:answer|result)\b(?:\s+is|\s*[:=])+(?:\s+{ADVERB})?[ \t*]*(?P<rest>\S.*)", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.;](?=\s|$)")
_FORMULA = re.compile(r"\$\$?(.{1,400}?)\$\$?|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]", re.DOTALL)
_NUMBER = re.compile(r"(?:(?<![\w)])[-−])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?")


@dataclass(frozen=True, slots=True)
class Box:
    """A ``\\boxed{...}``: what it holds, None where it is cut, and where it begins and ends."""

    content: str | None
    start: int
    end: int


def read_formula(text: str) -> tuple[str | None, str | None]:
    """The formula that answers a problem, read strictly and leniently.

    Strictly it is the content of the last ``\\boxed{...}``, or a list where several are joined by
    "and", "or" or a comma; a last box whose braces do not close was cut, and is no answer.
    Leniently it may stand in reasoning that has ended, before a cut box, in a box without braces,
    after "the answer is", in the last formula or in the last number.
    """
    answer = spoken(text)
    if answer is None:
        return None, None
    strict = _boxed(answer, cut=False)
    return strict, strict or _boxed(answer, cut=True) or _said(answer) or _boxed(text, cut=True)


def boxes(text: str) -> list[Box]:
    """The boxes that are not empty, in the order in which they begin."""
    return sorted((box for box in _scanned(text) if box.content != ""), key=lambda box: box.start)


def _scanned(text: str) -> Iterator[Box]:
    """All boxes, in one pass; ``\\{`` and ``\\}`` are signs, and no braces."""
    opened: list[tuple[bool, re.Match[str]]] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "}" and opened:
            is_box, begin = opened.pop()
            if is_box:
                inside = text[begin.end() : brace.start()].strip()
                yield Box(inside, begin.start(), brace.end())
        elif brace[1] or brace[0] == "{":
            opened.append((brace[1] is not None, brace))
    for is_box, begin in opened:
        if is_box:
            yield Box(None, begin.start(), len(text))


def _boxed(text: str, *, cut: bool) -> str | None:
    """What the last box holds, with those that are joined to it.

    Args:
        text: what was said.
        cut: whether a cut box may follow.
    """
    found = boxes(text)
    if not cut and found and found[-1].content is None:
        return None
    joined: list[str] = []
    after = 0
    for box in reversed(found):
        if box.content is None:
            continue
        if joined and (box.end > after or not _BETWEEN.fullmatch(text, box.end, after)):
            break
        joined.append(box.content)
        after = box.start
    return ", ".join(dict.fromkeys(reversed(joined))) or None


def _said(text: str) -> str | None:
    if bare := _BARE_BOX.findall(text):
        return bare[-1].rstrip(".,;")
    if said := list(SAID.finditer(text)):
        rest = _SENTENCE_END.split(said[-1]["rest"], maxsplit=1)[0].strip(" *")
        formula = _FORMULA.search(rest)
        return (next(filter(None, formula.groups())) if formula else rest).strip() or None
    if formulas := _FORMULA.findall(text):
        return next(filter(None, formulas[-1])).strip() or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None
