"""What somebody wants to see, and the address that says so: all of it is in the address."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from act_data.analysis.noise import READINGS
from act_envs.errors import UnknownArgument, nearest

_PLAIN = ("q", "sort", "page")
_OF_PAIRS = ("reading", "regret_min", "regret_max")


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of one kind, in which order, and which page of them.

    Attributes:
        chosen: names of facets with the value that rows must have.
        text: what must be in the goal, the task or an action, upper case or not.
        reading: whose regret is meant: ``"hindsight"`` or ``"informed"``.
        lowest: least regret, in actions; None for any, none at all included.
        highest: greatest regret, likewise.
        sort: what rows are sorted by, ``-`` before it for the largest first; "" for their order.
        page: from 1.
    """

    chosen: tuple[tuple[str, str], ...] = ()
    text: str = ""
    reading: str = "hindsight"
    lowest: float | None = None
    highest: float | None = None
    sort: str = ""
    page: int = 1

    def arguments(self, **changes: Any) -> dict[str, str]:
        """The arguments of the address that says this, with changes; what is usual is left out.

        Args:
            changes: fields; or names of facets, "" for any value.
        """
        own = {name: changes.pop(name) for name in [*changes] if name in self.__slots__}
        here = replace(self, **own)
        chosen = {**dict(here.chosen), **changes}
        said = {
            "q": here.text,
            **chosen,
            "reading": "" if here.reading == "hindsight" else here.reading,
            "regret_min": number_text(here.lowest),
            "regret_max": number_text(here.highest),
            "sort": here.sort,
            "page": "" if here.page == 1 else str(here.page),
        }
        return {name: value for name, value in said.items() if value}


def parse(given: Mapping[str, str], facets: Sequence[str], sorts: Sequence[str]) -> Query:
    """The query that the arguments of an address say; empty ones say nothing.

    Args:
        given: the arguments.
        facets: names that can be filtered by.
        sorts: names that can be sorted by.

    Raises:
        UnknownArgument: a name or a value that means nothing.
    """
    said = {name: value for name, value in given.items() if value.strip()}
    known_names = (*facets, *_PLAIN, *(_OF_PAIRS if "regret" in sorts else ()))
    for name in said:
        if name not in known_names:
            raise UnknownArgument(
                f"nothing can be filtered by {name!r}. {nearest(name, known_names)}"
            )
    reading, sort = said.get("reading", READINGS[0]), said.get("sort", "")
    for value, known in ((reading, READINGS), (sort, ("", *sorts))):
        if value not in known:
            raise UnknownArgument(f"{value!r} means nothing here. {nearest(value, known)}")
    page = said.get("page", "1")
    if not (page.isascii() and page.isdecimal() and 0 < len(page) < 10):
        raise UnknownArgument(f"page={page!r} is no number of a page. The first is 1.")
    return Query(
        tuple((name, said[name]) for name in facets if name in said),
        said.get("q", ""),
        reading,
        _parsed(said, "regret_min"),
        _parsed(said, "regret_max"),
        sort,
        max(1, int(page)),
    )


def _parsed(said: Mapping[str, str], name: str) -> float | None:
    if name not in said:
        return None
    try:
        value = float(said[name])
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise UnknownArgument(f"{name}={said[name]!r} is no number. Give actions, such as 2.5.")
    return value


def number_text(value: float | None) -> str:
    """A bound as an address and its form have it."""
    return "" if value is None else f"{value:g}"
