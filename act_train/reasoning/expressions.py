"""Formulas in LaTeX as sympy's expressions: a small grammar, of which nothing runs as Python.

Read are sums, products, powers, fractions, roots, factorials, binomials, functions, logarithms to a
base, angles in degrees, roundings, absolute values and matrices, in the notation of
:func:`act_train.reasoning.notation.normal`. ``\\log`` without a base has base 10, and
``\\sin^{-1}`` is the inverse.
"""

from __future__ import annotations

import re
from typing import Any

import sympy as _sympy

sympy: Any = _sympy  # its types say little

_TOKEN = re.compile(
    r"[0-9]+\.?[0-9]*|\.[0-9]+|\\(?:begin|end)\{[a-zA-Z]+\}|\\\\|\\[a-zA-Z]+|[a-zA-Z]|!!"
    r"|[-+*/^_()\[\]{}|!&°]"
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}
_ENDS = {"", "+", "-", "&", "\\\\", *_CLOSING.values()}
_TRIGONOMETRY = ("sin", "cos", "tan", "cot", "sec", "csc")
_FUNCTIONS = {
    "ln": "log", "exp": "exp", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arccot": "acot", "arcsec": "asec", "arccsc": "acsc", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", **{name: name for name in _TRIGONOMETRY},
}  # fmt: skip
_LOGARITHMS = ("log", "lg")
_CONSTANTS = {"\\pi": "pi", "\\infty": "oo", "e": "E", "i": "I"}
_GREEK = {
    "\\alpha", "\\beta", "\\gamma", "\\delta", "\\epsilon", "\\varepsilon", "\\zeta", "\\eta",
    "\\theta", "\\kappa", "\\lambda", "\\mu", "\\nu", "\\xi", "\\rho", "\\sigma", "\\tau", "\\phi",
    "\\varphi", "\\chi", "\\psi", "\\omega", "\\Gamma", "\\Delta", "\\Theta", "\\Lambda", "\\Xi",
    "\\Phi", "\\Psi", "\\Omega", "\\ell",
}  # fmt: skip
_MATRIX = re.compile(r"\\begin\{([pb]?matrix)\}")
_MIXED = re.compile(r"\\frac\{(\d+)\}\{(\d+)\}")

_MOST_BITS = 10**6  # of an integer that is written out
_LARGEST_POWER = 10**5  # of anything else
_LARGEST_FACTORIAL = 10**4


class Unreadable(Exception):
    """No expression of the grammar."""


class TooLarge(Exception):
    """An expression whose value nobody writes out."""


def read(text: str) -> Any:
    """The expression, or matrix, that a text in normal notation is.

    Raises:
        Unreadable: it is none of the grammar.
        TooLarge: it holds a power or a factorial that is too large to compute.
    """
    try:
        return _Reader(text).all()
    except (TypeError, ValueError) as error:  # matrices that do not fit together
        raise Unreadable(text) from error


class _Reader:
    """Reads from left to right, each rule by a method of its own."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        if "".join(self._tokens) != text.replace(" ", ""):
            raise Unreadable(text)
        self._at = 0
        self._bars = 0  # absolute values that are open in the innermost bracket

    def all(self) -> Any:
        found = self._sum()
        if self._peek():
            raise Unreadable(self._peek())
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise Unreadable(token)
        self._at += 1
        return token

    def _sum(self) -> Any:
        found = self._product()
        while self._peek() in ("+", "-"):
            sign = self._next()
            term = self._product()
            found = found + term if sign == "+" else found - term
        return found

    def _ended(self) -> bool:
        token = self._peek()
        return token in _ENDS or token.startswith("\\end") or (token == "|" and self._bars > 0)

    def _product(self) -> Any:
        found = self._signed()
        while not self._ended():
            token = self._peek()
            if token in ("*", "/"):
                self._next()
            factor = self._signed() if token in ("*", "/") else self._power()
            found = found / factor if token == "/" else found * factor
        return found

    def _signed(self) -> Any:
        if self._peek() in ("+", "-"):
            return self._signed() if self._next() == "+" else -self._signed()
        return self._power()

    def _power(self) -> Any:
        return self._raised(self._atom())

    def _raised(self, base: Any) -> Any:
        """What stands behind an atom: ``!``, ``!!``, a degree sign, a power."""
        while (sign := self._peek()) in ("!", "!!", "°"):
            self._next()
            _number(base)
            base = base * sympy.pi / 180 if sign == "°" else _factorial(base, sign == "!!")
        if self._peek() == "^":
            self._next()
            base = _powered(_number(base), self._exponent())
        return base

    def _exponent(self) -> Any:
        if self._peek() == "-":
            self._next()
            return -self._scalar()
        return self._scalar()

    def _scalar(self) -> Any:
        return _number(self._atom())

    def _atom(self) -> Any:
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            return self._digits(token)
        if token in _CLOSING or token == "|":
            return self._bracket(token)
        if matrix := _MATRIX.fullmatch(token):
            return self._matrix(matrix[1])
        if token in _CONSTANTS:
            return getattr(sympy, _CONSTANTS[token])
        if token in _GREEK or token.isalpha():
            return sympy.Symbol(token + self._subscript())
        return self._command(token.removeprefix("\\"))

    def _command(self, name: str) -> Any:
        if name == "frac":
            above = self._one()
            return above / self._one()
        if name == "binom":
            return _binomial(self._one(), self._one())
        if name == "sqrt":
            degree = self._scalar() if self._peek() == "[" else sympy.Integer(2)
            return _root(self._scalar(), degree)
        if name in _FUNCTIONS or name in _LOGARITHMS:
            return self._function(name)
        raise Unreadable(name)

    def _one(self) -> Any:
        """What a fraction is of: where no brace opens, one digit alone."""
        digits = self._peek()
        if digits.isdigit() and len(digits) > 1:
            self._tokens[self._at : self._at + 1] = [digits[0], digits[1:]]
        return self._scalar()

    def _bracket(self, opening: str) -> Any:
        outer, self._bars = self._bars, self._bars + 1 if opening == "|" else 0
        inside = self._sum()
        self._next(_CLOSING.get(opening, "|"))
        self._bars = outer
        rounding = {"|": "Abs", "\\lfloor": "floor", "\\lceil": "ceiling"}.get(opening)
        return getattr(sympy, rounding)(_number(inside)) if rounding else inside

    def _matrix(self, name: str) -> Any:
        rows: list[list[Any]] = [[]]
        while True:
            rows[-1].append(self._sum())
            token = self._next()
            if token == "\\\\":
                rows.append([])
            elif token != "&":
                break
        if token != f"\\end{{{name}}}" or len({len(row) for row in rows}) > 1:
            raise Unreadable(token)
        return sympy.ImmutableMatrix(rows)

    def _digits(self, token: str) -> Any:
        """A number, exact; a mixed one where a fraction of integers follows an integer."""
        number = sympy.Rational(token)
        fraction = _MIXED.fullmatch("".join(self._tokens[self._at : self._at + 7]))
        if not fraction or not token.isdigit():
            return number
        if int(fraction[1]) >= int(fraction[2]):  # no mixed number, and a strange product
            raise Unreadable(token)
        return number + self._atom()

    def _subscript(self) -> str:
        if self._peek() != "_":
            return ""
        self._next()
        return f"_{self._atom()}"

    def _function(self, name: str) -> Any:
        base, power = sympy.Integer(10), None
        while (sign := self._peek()) in ("_", "^"):
            self._next()
            if sign == "^":
                power = self._exponent()
            elif name in _LOGARITHMS:
                base = self._scalar()
            else:
                raise Unreadable(name)
        if name in _TRIGONOMETRY and power == -1:
            name, power = f"arc{name}", None
        argument = _number(self._argument())
        if name in _LOGARITHMS:
            value = sympy.log(argument) / sympy.log(base)
        else:
            value = getattr(sympy, _FUNCTIONS[name])(argument)
        return self._raised(value if power is None else _powered(value, power))

    def _argument(self) -> Any:
        """What a function is of: a bracket, or factors up to what begins something new."""
        if self._peek() in ("(", "{", "[", "|"):
            found = self._atom()
            if self._peek() != "°":
                return found
            self._next()
            return found * sympy.pi / 180
        found = self._signed()
        while not self._ended() and not self._begins():
            found = found * self._power()
        return found

    def _begins(self) -> bool:
        token = self._peek()
        name = token.removeprefix("\\")
        return token in ("*", "/", "(", "[", "|", "\\sqrt") or name in {*_FUNCTIONS, *_LOGARITHMS}


def _number(value: Any) -> Any:
    """What is no matrix."""
    if value.is_Matrix:
        raise Unreadable("matrix")
    return value


def _powered(base: Any, exponent: Any) -> Any:
    """A power, unless it is a number that nobody writes out."""
    if exponent.is_Rational and base not in (0, 1, -1, sympy.I):
        bits = max(int(base.p).bit_length(), int(base.q).bit_length()) if base.is_Rational else 0
        if bits * abs(exponent) > _MOST_BITS or abs(exponent) > _LARGEST_POWER:
            raise TooLarge(f"power {exponent}")
    elif exponent.is_Rational and abs(exponent) > 10**100:
        raise TooLarge("power")
    return base**exponent


def _root(value: Any, degree: Any) -> Any:
    """A root; of an odd degree it is real where its argument is."""
    if degree.is_Integer and degree % 2 and value.is_extended_real is not False:
        return sympy.sign(value) * sympy.root(sympy.Abs(value), degree)
    return sympy.root(value, degree)


def _factorial(value: Any, double: bool) -> Any:
    if value.is_Rational and value > _LARGEST_FACTORIAL:
        raise TooLarge("factorial")
    return sympy.factorial2(value) if double else sympy.factorial(value)


def _binomial(above: Any, below: Any) -> Any:
    if any(part.is_Rational and abs(part) > _LARGEST_FACTORIAL for part in (above, below)):
        raise TooLarge("binomial")
    return sympy.binomial(above, below)
