"""Whether two expressions are equal, by sympy, in a process of its own and within a time limit.

A model can write what no machine finishes (``9^{9^{9^9}}``), so that sympy must be killed from
without: :class:`Algebra` keeps a process that reads pairs of expressions and answers, and starts a
new one after each that took too long or too much memory. A small grammar of LaTeX is read here and
nothing is evaluated as Python. Without sympy, which comes with torch, nothing is equal.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import resource
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Self

LIMIT = 5.0  # seconds for one pair
_START = 60.0  # seconds until sympy is imported
_MEMORY = 2 * 2**30  # bytes of address space
_LONGEST = 200  # characters; a longer answer is no final answer

_TOKEN = re.compile(r"\d+\.?\d*|\\[a-zA-Z]+|[a-zA-Z]|[-+*/^()\[\]{}|!=]")
_FUNCTIONS = ("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "ln", "log",
              "exp")  # fmt: skip


class Algebra:
    """A process that compares expressions; a context manager, for it must end.

    Args:
        limit: seconds for one comparison.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._known = importlib.util.find_spec("sympy") is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop()

    def equal(self, one: str, other: str) -> bool:
        """Whether two expressions in normal notation are equal; False where that is not decided."""
        if not self._known or max(len(one), len(other)) > _LONGEST:
            return False
        process = self._started()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{json.dumps([one, other])}\n".encode())
            process.stdin.flush()
        said = self._line(process, self._limit)
        if said not in (b"true\n", b"false\n"):  # too slow, or dead
            self._stop()
        return said == b"true\n"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "act_train.reasoning.algebra"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._line(self._process, _START)
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[bytes], limit: float) -> bytes:
        """A line that the process says in time, else b""."""
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], limit)
        return process.stdout.readline() if ready else b""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class _Unreadable(Exception):
    """No expression of the grammar."""


class _Reader:
    """Reads sums, products, powers, fractions, roots and functions into sympy."""

    def __init__(self, text: str) -> None:
        import sympy

        self._sympy: Any = sympy
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != text.replace(" ", ""):
            raise _Unreadable(text)
        self._at = 0

    def all(self) -> Any:
        """The expression that the whole text is."""
        found = self._sum()
        if self._peek():
            raise _Unreadable(self._peek())
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise _Unreadable(token)
        self._at += 1
        return token

    def _sum(self) -> Any:
        found = self._product()
        while self._peek() in ("+", "-"):
            sign = self._next()
            term = self._product()
            found = found + term if sign == "+" else found - term
        return found

    def _product(self) -> Any:
        found = self._signed()
        while self._peek() not in ("", "+", "-", ")", "]", "}", "|", "="):
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
        base = self._atom()
        while self._peek() == "!":
            self._next()
            base = self._sympy.factorial(base)
        if self._peek() == "^":
            self._next()
            base = base ** (self._signed() if self._peek() == "-" else self._atom())
        return base

    def _atom(self) -> Any:
        token = self._next()
        if token[0].isdigit():
            return self._number(token)
        if token in ("(", "[", "{", "|"):
            inside = self._sum()
            self._next({"(": ")", "[": "]", "{": "}", "|": "|"}[token])
            return self._sympy.Abs(inside) if token == "|" else inside
        if token == "\\frac":
            above = self._atom()
            return above / self._atom()
        if token == "\\sqrt":
            degree = self._atom() if self._peek() == "[" else 2
            return self._sympy.root(self._atom(), degree)
        if token in ("\\pi", "\\infty", "e", "i"):
            named = {"\\pi": "pi", "\\infty": "oo", "e": "E", "i": "I"}
            return getattr(self._sympy, named[token])
        if token[1:] in _FUNCTIONS:
            return self._function(token[1:])
        if len(token) == 1 and token.isalpha():
            return self._sympy.Symbol(token)
        raise _Unreadable(token)

    def _number(self, token: str) -> Any:
        """A number, exact; a mixed one where a fraction of integers follows an integer."""
        number = self._sympy.Rational(token)
        after = self._tokens[self._at : self._at + 7]
        shape = "".join("0" if part.isdigit() else part for part in after)
        mixed = token.isdigit() and shape == r"\frac{0}{0}"
        return number + self._atom() if mixed else number

    def _function(self, name: str) -> Any:
        names = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ln": "log"}
        power = None
        if self._peek() == "^":
            self._next()
            power = self._atom()
        value = getattr(self._sympy, names.get(name, name))(self._power())
        return value if power is None else value**power


def read(text: str) -> Any:
    """An expression, or the difference of the two sides of an equation, as sympy has it."""
    sides = [_Reader(side).all() for side in text.split("=")]
    if len(sides) > 2:
        raise _Unreadable(text)
    return sides[0] if len(sides) == 1 else sides[0] - sides[1]


def decided(one: str, other: str) -> bool:
    """Whether two expressions are equal, without any limit; equations also with sides exchanged."""
    import sympy

    equations = {"=" in text for text in (one, other)}
    if len(equations) > 1:
        return False
    try:
        a, b = read(one), read(other)
    except (_Unreadable, ArithmeticError, RecursionError, TypeError, ValueError):
        return False
    signs = (1, -1) if True in equations else (1,)
    return a == b or any(sympy.simplify(a - sign * b) == 0 for sign in signs)


def _answers(lines: Iterator[str]) -> None:
    import sympy  # noqa: F401 (before the clock runs)

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in lines:
        sys.stdout.write(f"{json.dumps(decided(*json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _answers(iter(sys.stdin.readline, ""))
