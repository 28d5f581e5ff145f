"""Reads one long JSON array or object an entry at a time, in little memory. Knows no product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from act_envs.errors import CatalogueError

MAX_RECORD = 1 << 25
"""Characters that one entry may have at the most."""

_CHUNK = 1 << 20  # characters read at a time, at the least
_DECODER = json.JSONDecoder()
_ENDS = {"[": "]", "{": "}"}


def read_array(path: Path) -> Iterator[tuple[int, Any]]:
    """Number (from 0) and value of every element of the array that a file holds, in order.

    Raises:
        CatalogueError: the file cannot be read, ends early, or is no JSON array; also after some
            elements, where what follows them is damaged.
    """
    return enumerate(value for _, value in _read(path, "["))


def read_object(path: Path) -> Iterator[tuple[str, Any]]:
    """Name and value of every member of the object that a file holds, in order.

    Raises:
        CatalogueError: as ``read_array``.
    """
    return _read(path, "{")


def _read(path: Path, opening: str) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from _Window(file, path).entries(opening)
    except OSError as error:
        raise CatalogueError(
            f"cannot read {path}: {error.strerror or error}. Make it readable."
        ) from error


class _Window:
    """The part of a file that is being looked at."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0  # of the next character to look at
        self._passed = 0  # characters of the file before the window
        self._record = 0

    def entries(self, opening: str) -> Iterator[tuple[str, Any]]:
        self._take(opening)
        if self._next() == _ENDS[opening]:
            self._at += 1
        else:
            while True:
                name = ""
                if opening == "{":
                    if self._next() != '"':
                        raise self._error("expected a name in double quotes")
                    name = self._value()
                    self._take(":")
                yield name, self._value()
                self._record += 1
                if self._take(f",{_ENDS[opening]}") != ",":
                    break
        if self._next():
            raise self._error("expected the end of the file")

    def _more(self) -> bool:
        """Read as much again as is left and forget what was passed; at the end False, and as is."""
        try:
            chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise self._error(f"no UTF-8 in the text that follows ({error.reason})") from error
        if not chunk:
            return False
        self._text = self._text[self._at :] + chunk
        self._passed += self._at
        self._at = 0
        return True

    def _next(self) -> str:
        """The next character that is no white space, ``""`` at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in " \t\r\n":
                    return character
                self._at += 1
            if not self._more():
                return ""

    def _take(self, expected: str) -> str:
        """Pass one of some characters."""
        found = self._next()
        if not found or found not in expected:
            what = " or ".join(map(repr, expected))
            raise self._error(f"expected {what}, {f'found {found!r}' if found else 'it ends here'}")
        self._at += 1
        return found

    def _value(self) -> Any:
        """Pass one JSON value.

        One that goes on after the window does not parse, but for a number, which does up to there
        or up to its ``e+``.
        """
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at > MAX_RECORD:
                    raise self._error(
                        f"{error}, or longer than {MAX_RECORD:,} characters"
                    ) from None
                if not self._more():
                    self._at = getattr(error, "pos", self._at)
                    raise self._error(getattr(error, "msg", str(error))) from None
            else:
                if end + len("e+") < len(self._text) or not self._more():
                    self._at = end
                    return value

    def _error(self, what: str) -> CatalogueError:
        return CatalogueError(
            f"{self._path}: record {self._record}, character {self._passed + self._at:,}: {what}. "
            "The file is damaged or cut off: fetch it again."
        )
