"""Whether two formulas are the same answer.

Both are brought into one form (:mod:`act_train.reasoning.notation`), taken apart into what they
list, and compared part by part: as text, and where that differs as algebra
(:mod:`act_train.reasoning.algebra`). The elements of tuples and intervals are in order, those of
sets and lists are not; brackets of intervals count, and an inequality is its interval. A name may
be missing on one side (``x=5`` and 5). What cannot be read is different.

Numbers are exact: 0.33 is no third. A number with the index of a base is not the number alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from act_train.reasoning.algebra import equal
from act_train.reasoning.notation import normal, plain, word
from act_train.reasoning.units import may_be_same, split_unit

_LONGEST = 1000  # characters; a longer answer is no final answer

_OPEN, _CLOSE = "([{", ")]}"
_LETTER = r"(?:[a-zA-Z]|\\(?!pi|infty|le|ge|in|cup|pm|mp|ne|ln|log|exp)[a-z]+ ?)"
_OF = rf"(?:{_LETTER}|-?\d+)"
_NAME = re.compile(
    rf"{_LETTER}+(?:_\{{\w+\}})?'*(?:\^\{{-1\}})?(?:\({_OF}(?:,{_OF})*\))?"
    r"|\\text\{\w+\}|\((?:[a-zA-Z],)+[a-zA-Z]\)|\|[A-Z]+\||\[[A-Z]+\]"
)
_RELATION = re.compile(r"(\\le |\\ge |\\le|\\ge|<|>)")
_BOTH = re.compile(r"\\(pm|mp)(?: |(?![a-z]))")
_EQUALS = re.compile(r"=|\\in(?![a-z])")
_VARIABLE = re.compile(rf"{_LETTER}(?:_\{{\w+\}})?")


def same_answer(answer: str, key: str) -> bool:
    """Whether an answer is the right one.

    Nothing bounds its time or its memory; :class:`act_train.reasoning.grader.Grader` does.

    Args:
        answer: as it was given, LaTeX.
        key: the right one, LaTeX.

    Raises:
        Undecided, TooLarge: nobody can tell.
    """
    if len(answer) > _LONGEST:
        return answer.strip() == key.strip()
    units = [split_unit(plain(text))[1] for text in (answer, key)]
    return may_be_same(*units) and _same(normal(answer), normal(key))


def _same(one: str, other: str) -> bool:
    if one == other:
        return bool(one)
    if not one or not other:
        return False
    words = [word(text) for text in (one, other)]
    if any(found is not None for found in words):
        return _letters(one, words[0]) == _letters(other, words[1])
    one, other = _value(one, other), _value(other, one)
    if one == other or not one or not other:
        return one == other != ""
    bounds = _bounds(one), _bounds(other)
    if bounds[0] and bounds[1]:
        return bounds[0][0] == bounds[1][0] and _same(bounds[0][1], bounds[1][1])
    one, other = _interval(one, other), _interval(other, one)
    first, second = _unions(one), _unions(other)
    if len(first) > 1 or len(second) > 1:
        return _any_order(first, second)
    if _is_set(one) or _is_set(other):
        return _same_members(_members(one), _members(other))
    first, second = _alternatives(one), _alternatives(other)
    if len(first) > 1 or len(second) > 1:
        return _any_order(first, second)
    if any(_is_tuple(text) for text in (one, other)):
        brackets = [(text[0], text[-1], _split(text[1:-1], ",")) for text in (one, other)]
        (*ends, inside), (*others, rest) = brackets
        return ends == others and _all(inside, rest)
    return equal(one, other)


def _letters(text: str, found: str | None) -> str:
    """Words as they are compared; a formula that is no letters is none."""
    return found if found is not None else text.casefold() if text.isalpha() else f"={text}"


def _value(text: str, other: str) -> str:
    """What an equation says that something is, where the other text says it without its name.

    ``x=5`` is 5 and ``x\\in[0,1]`` is the interval, beside a text without a name or with the same
    one; ``2*3=6`` is 6, for both sides are; ``\\sqrt{2}\\approx1.41`` is what it was rounded from.
    """
    exact, _, rounded = text.partition("\\approx")
    if rounded:
        text = rounded.strip() if _NAME.fullmatch(exact) else exact
    sides, others = _EQUALS.split(text), _EQUALS.split(other)
    head, last = sides[0], sides[-1].strip()
    if len(sides) < 2 or (len(others) > 1 and others[0] != head):
        return text
    if _NAME.fullmatch(head):
        # Beyond a comma stands another equation.
        return text if any("," in side for side in sides[1:-1]) else last
    return last if len(others) == 1 and "," not in text and _identity(sides) else text


def _identity(sides: Sequence[str]) -> bool:
    return all(equal(side, sides[-1]) for side in sides[:-1])


def _interval(text: str, other: str) -> str:
    """An inequality of one variable as its interval, where the other text is one in brackets."""
    if not re.search(r"\\infty|[\[(].*[\])]", other) or _RELATION.search(other):
        return text
    parts = [_bounds(part) for part in _split(text, ",")]
    return "\\cup".join(part[1] for part in parts if part) if all(parts) else text


def _bounds(text: str) -> tuple[str, str] | None:
    """The variable and the interval of ``a<x\\le b`` or ``x<b``; None for anything else."""
    pieces = [piece.strip() for piece in _RELATION.split(text)]
    if len(pieces) not in (3, 5):
        return None
    if ">" in pieces[1] or "ge" in pieces[1]:
        turned = {">": "<", "\\ge": "\\le", "<": ">", "\\le": "\\ge"}
        pieces = [turned.get(piece, piece) for piece in reversed(pieces)]
    if any(sign not in ("<", "\\le") for sign in pieces[1::2]):
        return None
    if len(pieces) == 3:
        first = _VARIABLE.fullmatch(pieces[0])
        pieces = ["-\\infty", "<", *pieces] if first else [*pieces, "<", "\\infty"]
    low, opened, variable, closed, high = pieces
    if not _VARIABLE.fullmatch(variable):
        return None
    return variable, f"{'(' if opened == '<' else '['}{low},{high}{')' if closed == '<' else ']'}"


def _all(one: Sequence[str], other: Sequence[str]) -> bool:
    return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))


def _any_order(one: Sequence[str], other: Sequence[str]) -> bool:
    rest = list(other)
    if len(one) != len(rest):
        return False
    for a in one:
        found = next((at for at, b in enumerate(rest) if _same(a, b)), None)
        if found is None:
            return False
        del rest[found]
    return True


def _same_members(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two sets hold the same; what is written twice is in them once."""
    pairs = ((one, other), (other, one))
    return all(any(_same(a, b) for b in some) for each, some in pairs for a in each)


def _is_set(text: str) -> bool:
    return text.startswith("\\{") and text.endswith("\\}") and len(_split(text, ",")) == 1


def _members(text: str) -> list[str]:
    """What a set holds, or a list without its braces."""
    return _alternatives(text[2:-2] if _is_set(text) else text)


def _is_tuple(text: str) -> bool:
    """Whether it is a pair of brackets with a list in it."""
    whole = text[0] in "([" and text[-1] in ")]" and len(_split(text, ",")) == 1
    return whole and len(_split(text[1:-1], ",")) > 1


def _unions(text: str) -> list[str]:
    return [part.strip() for part in text.split("\\cup")]


def _alternatives(text: str) -> list[str]:
    """What is listed outside of brackets, and both values of what holds a plus-minus."""
    found: list[str] = []
    for part in _split(text, ","):
        for upper, lower in ("+-", "-+") if _BOTH.search(part) else ("+-",):
            chosen = {"pm": upper, "mp": lower}
            found.append(_BOTH.sub(lambda sign, chosen=chosen: chosen[sign[1]], part))
    return found


def _split(text: str, sign: str) -> list[str]:
    """Parts between signs that no bracket encloses; half-open intervals close in their own way."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == sign and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
