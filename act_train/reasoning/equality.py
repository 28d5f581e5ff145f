"""Whether two formulas are the same answer.

Both are brought into one form (:mod:`act_train.reasoning.notation`), taken apart into what they
list, and compared part by part: as text, and where that differs as algebra. The elements of tuples
and intervals are in order, those of sets and lists are not; brackets of intervals count. What the
algebra cannot read is different.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from act_train.reasoning.notation import normal, unnamed

_MATRIX = re.compile(r"\\begin\{[pbv]?matrix\}(.*)\\end\{[pbv]?matrix\}")
_OPEN, _CLOSE = "([{", ")]}"

Equal = Callable[[str, str], bool]
"""Whether two expressions without commas and brackets around them are equal."""


def same_answer(answer: str, key: str, equal: Equal) -> bool:
    """Whether an answer is the right one.

    Args:
        answer: as it was given, LaTeX.
        key: the right one, LaTeX.
        equal: decides where texts differ.
    """
    return _same(normal(answer), normal(key), equal)


def _same(one: str, other: str, equal: Equal) -> bool:
    if one == other:
        return True
    if not one or not other:
        return False
    bare = unnamed(one), unnamed(other)
    if bare != (one, other) and not ("=" in one and "=" in other):  # two equations stay equations
        return _same(*bare, equal)
    matrices = [_MATRIX.fullmatch(text) for text in (one, other)]
    if any(matrices):
        rows = [re.split(r"\\\\", match[1]) if match else [] for match in matrices]
        cells = [[cell for row in matrix for cell in row.split("&")] for matrix in rows]
        return len(rows[0]) == len(rows[1]) and _all(cells[0], cells[1], equal)
    for split in (_unions, _alternatives):
        first, second = split(one), split(other)
        if len(first) > 1 or len(second) > 1:
            return _any_order(first, second, equal)
    if _is_set(one) and _is_set(other):
        return _any_order(_listed(one[2:-2]), _listed(other[2:-2]), equal)
    brackets = [(text[0], text[-1], _listed(text[1:-1])) for text in (one, other)]
    if any(_is_tuple(text) for text in (one, other)):
        (*ends, first), (*others, second) = brackets
        return ends == others and _all(first, second, equal)
    return equal(one, other)


def _all(one: Sequence[str], other: Sequence[str], equal: Equal) -> bool:
    return len(one) == len(other) and all(
        _same(a, b, equal) for a, b in zip(one, other, strict=True)
    )


def _any_order(one: Sequence[str], other: Sequence[str], equal: Equal) -> bool:
    rest = list(other)
    for a in one:
        found = next((at for at, b in enumerate(rest) if _same(a, b, equal)), None)
        if found is None:
            return False
        del rest[found]
    return not rest


def _is_set(text: str) -> bool:
    return text.startswith("\\{") and text.endswith("\\}")


def _is_tuple(text: str) -> bool:
    """Whether it is a pair of brackets with a list in it."""
    whole = text[0] in "([" and text[-1] in ")]" and len(_split(text, ",")) == 1
    return whole and len(_listed(text[1:-1])) > 1


def _unions(text: str) -> list[str]:
    return text.split("\\cup")


def _listed(text: str) -> list[str]:
    return _split(text, ",")


def _alternatives(text: str) -> list[str]:
    """What is listed outside of brackets, and both values of what holds a plus-minus."""
    return [
        normal(part.replace("\\pm", sign))
        for part in _listed(text)
        for sign in ("+-" if "\\pm" in part else "+")
    ]


def _split(text: str, sign: str) -> list[str]:
    """Parts between signs that no bracket encloses; half-open intervals close in their own way."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == sign and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
