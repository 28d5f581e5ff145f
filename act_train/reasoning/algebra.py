"""Whether two expressions, equations or inequalities mean the same, by computing them.

Expressions are equal when their values are, at fixed points and to a hundred digits; that refutes
and confirms nested roots, trigonometric identities and polynomials alike, where a simplification
gets stuck. Rational numbers are compared exactly. Symbols are real: a point counts where every root
and logarithm of symbols in both expressions is of a number that is not negative. Equations are the
same when one is a multiple of the other, inequalities when the factor is positive.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from act_train.reasoning.expressions import Unreadable, read, sympy

_RELATION = re.compile(r"(\\le|\\ge|[<>=])")
_TURNED = {">": "<", "\\ge": "\\le"}
_DIGITS = 120  # to which values are computed
_MOST_DIGITS = 1000  # with which they are computed where terms cancel
_SAME, _ZERO = "1e-100", "1e-800"  # of a value, and of one
_POINTS = 16
_SIZES = (1, 10, 1000)  # of the values at a point, about


class Undecided(Exception):
    """Two expressions have no value in common at any of the points."""


def equal(one: str, other: str) -> bool:
    """Whether two texts in normal notation mean the same; what cannot be read is different.

    Raises:
        Undecided: the points do not tell.
        TooLarge: a number is too large to compute.
    """
    try:
        (first, relation), (second, same) = _sides(one), _sides(other)
    except Unreadable:
        return False
    if relation != same:
        return False
    if relation:
        return _proportional(first, second, relation)
    return _equal(first, second)


def _sides(text: str) -> tuple[Any, str]:
    """An expression, or the difference of two sides, which is zero, or not above it."""
    parts = _RELATION.split(text)
    if len(parts) == 1:
        return read(text), ""
    if len(parts) > 3:
        raise Unreadable(text)
    left, relation, right = parts
    difference = read(left) - read(right)
    if difference.is_Matrix:
        raise Unreadable(text)
    return (-difference if relation in _TURNED else difference), _TURNED.get(relation, relation)


def _equal(one: Any, other: Any) -> bool:
    if one.is_Matrix or other.is_Matrix:
        return (
            bool(one.is_Matrix and other.is_Matrix)
            and one.shape == other.shape
            and all(_equal(a, b) for a, b in zip(one, other, strict=True))
        )
    if one == other:
        return not one.has(sympy.nan, sympy.zoo)
    if one.is_Rational and other.is_Rational:
        return False
    endless = (sympy.oo, -sympy.oo, sympy.zoo, sympy.nan)
    if one.has(*endless) or other.has(*endless):
        return False
    return all(_near(a, b) for a, b in _values(one, other))


def _proportional(one: Any, other: Any, relation: str) -> bool:
    """Whether one difference is a constant multiple of another, where both have symbols."""
    if not one.free_symbols or not other.free_symbols:
        return False
    first = None
    for a, b in _values(one, other):
        if (_near(a, 0), _near(b, 0)) == (True, True):
            continue
        if _near(b, 0) or _near(a, 0):
            return False
        factor = a / b
        if relation != "=" and not (factor.is_extended_real and factor > 0):
            return False
        first = factor if first is None else first
        if not _near(factor, first):
            return False
    return first is not None


def _values(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Values of both at the points that count."""
    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    limited = [part for whole in (one, other) for part in _not_negative(whole)]
    counted = 0
    for number in range(_POINTS if symbols else 1):
        point = {symbol: _value(str(symbol), number) for symbol in symbols}
        if all(_computed(part, point).is_extended_nonnegative for part in limited):
            a, b = _computed(one, point), _computed(other, point)
            if a.is_finite and b.is_finite:
                counted += 1
                yield a, b
    if not counted:
        raise Undecided(f"{one} and {other}")


def _not_negative(whole: Any) -> Iterator[Any]:
    """What must not be negative in an expression: what roots and logarithms of symbols are of."""
    for part in sympy.preorder_traversal(whole):
        power = part.is_Pow and part.exp.is_integer is not True
        if (power or isinstance(part, sympy.log)) and part.args[0].free_symbols:
            yield part.args[0]


def _value(symbol: str, number: int) -> Any:
    """The value of a symbol at a point: positive at every other one, of any sign at the rest."""
    drawn = random.Random(f"{symbol} {number}")
    sign = 1 if number % 2 == 0 else drawn.choice((-1, 1, -1))
    size = _SIZES[number // 2 % len(_SIZES)]
    return sympy.Rational(sign * size * drawn.randint(1, 996), 997)


def _computed(expression: Any, point: dict[Any, Any]) -> Any:
    return sympy.N(expression.subs(point), _DIGITS, maxn=_MOST_DIGITS)


def _near(a: Any, b: Any) -> bool:
    """Whether two numbers are equal, but for the error of their computation."""
    size = max(abs(a), abs(b))
    return bool(size < sympy.Float(_ZERO) or abs(a - b) < size * sympy.Float(_SAME))
