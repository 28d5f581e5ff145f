"""``act-data show``: one pair in the terminal, with what both actions gave side by side.

Texts come from models: what would move the cursor, ring a bell or turn the writing round is shown
as its code instead.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from act_data.analysis.table import printable
from act_data.errors import DataNotFound
from act_data.storage.episodes import EpisodeFile
from act_data.storage.holdings import Holding, find_rows
from act_data.storage.schema import DECODERS
from act_data.types import Consequence, ContrastPair, Reading
from act_envs.errors import UnknownArgument

LEAST_WIDTH = 60  # columns of the terminal
_TURNS = 2  # of the history
_GAP = "   "
_COLOURS = {"head": "1", "good": "32", "bad": "33", "warn": "31", "soft": "2"}
_VERDICTS = {"expert_better": "good", "alternative_better": "bad"}


@dataclass(frozen=True, kw_only=True)
class Show:
    """Read a pair in the terminal, with what both actions gave side by side.

    Attributes:
        pairs: what act-data mine, contrast, verify, filter or build wrote: a folder or a file.
        pair_id: id of the pair, or what it begins with; the first pair by default.
        number: the pair with this number instead, from 1, in the order of the files.
    """

    pairs: Annotated[Path, tyro.conf.Positional]
    pair_id: Annotated[str | None, tyro.conf.Positional] = None
    number: int | None = None


def show(config: Show) -> ContrastPair:
    """Find the pair.

    Raises:
        DataNotFound: it is not there.
        DataCorrupt, SchemaMismatch, UnfinishedRun: the pairs cannot be read.
        UnknownArgument: several pairs begin like that, or both id and number are given.
    """
    if config.pair_id is not None and config.number is not None:
        raise UnknownArgument(
            f"pair_id={config.pair_id!r} and number={config.number}: give one of them."
        )
    holdings = find_rows([config.pairs], "pairs")
    if config.pair_id is not None:
        return _named(holdings, config.pair_id, config.pairs)
    number = 1 if config.number is None else config.number
    total = sum(holding.rows.count for holding in holdings)
    if not 1 <= number <= total:
        raise DataNotFound(
            f"{config.pairs} holds {total} pairs, and none has number {number}. Count from 1."
        )
    return _numbered(holdings, number - 1)


def show_text(pair: ContrastPair, width: int | None = None, colour: bool | None = None) -> str:
    """The pair as lines of text.

    Args:
        pair: the pair.
        width: columns, at least 60; those of the terminal by default.
        colour: paint it; by default where it goes to a terminal and ``NO_COLOR`` is not set.
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    if colour is None:
        colour = bool(sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    lines = _Lines(max(LEAST_WIDTH, width), colour)
    state, found = pair.state, pair.verification
    lines.say(f"{pair.pair_id}  {pair.env_id}  {pair.kind}  step {pair.step}", "soft")
    lines.say(f"{pair.task_id} ({pair.split})", "soft")
    lines.section("Goal", state.goal)
    if state.history:
        last = state.history[-_TURNS:]
        lines.say(f"\nHistory, the last {len(last)} of {len(state.history)} turns", "head")
        for seen, done in last:
            lines.say(seen)
            lines.say(f"> {done}", "head")
    lines.section("Now", state.observation)
    lines.say("")
    lines.beside("Expert's action", "Alternative", "soft", "soft")
    lines.beside(pair.expert_action, pair.alternative_action, "good", "bad")
    if found is None:
        lines.say("\nNot executed. Run: act-data verify", "soft")
    else:
        marks = (_marks(found.expert, True), _marks(found.alternative, found.admissible))
        if any(marks):
            lines.beside(*marks, "warn", "warn")
        lines.beside(found.expert.observation, found.alternative.observation)
        lines.beside(_facts(found.expert), _facts(found.alternative), "soft", "soft")
        if found.same_state:
            lines.say("Both lead to the same state.", "soft")
        elif found.commute:
            lines.say("In either order both lead to the same state.", "soft")
        lines.say("")
        for name, reading in (("In hindsight", found.hindsight), ("Informed", found.informed)):
            style = _VERDICTS.get(reading.verdict, "") if reading else "soft"
            lines.say(f"{name}: {_reading(reading)}", style)
    policy = pair.policy + (f"@{pair.policy_revision}" if pair.policy_revision else "")
    lines.say(
        f"\nExpert {pair.expert}. Policy {policy}, {pair.alternative_count} of its samples, "
        f"{pair.sampling}, seed {pair.seed}. "
        f"Admissible actions: {len(pair.admissible_actions)}. Made by {pair.generator}"
        + (f", verified by {found.verifier}." if found else "."),
        "soft",
    )
    return "\n".join(lines.lines)


# -- finding -------------------------------------------------------------------------------------


def _named(holdings: Sequence[Holding], pair_id: str, path: Path) -> ContrastPair:
    places: dict[str, int] = {}
    for number, known in enumerate(_ids(holdings)):
        if known == pair_id:
            return _numbered(holdings, number)
        if pair_id and known.startswith(pair_id):
            places.setdefault(known, number)
    if not places:
        raise DataNotFound(
            f"{path} holds no pair whose id begins with {pair_id!r}. See them: act-data explore."
        )
    if len(places) > 1:
        raise UnknownArgument(
            f"{len(places)} pairs have ids that begin with {pair_id!r}, such as "
            f"{', '.join([*places][:3])}. Give more of it."
        )
    return _numbered(holdings, *places.values())


def _ids(holdings: Sequence[Holding]) -> Iterator[str]:
    for holding in holdings:
        assert not isinstance(holding.rows, EpisodeFile)
        for table in holding.rows.columns("pair_id"):
            yield from table["pair_id"].to_pylist()


def _numbered(holdings: Sequence[Holding], number: int) -> ContrastPair:
    """A pair by its number over all holdings, from 0."""
    for holding in holdings:
        assert not isinstance(holding.rows, EpisodeFile)
        if number < holding.rows.count:
            (table,) = holding.rows.take(np.array([number]))
            return DECODERS["pairs"](table.to_pylist()[0])
        number -= holding.rows.count
    raise AssertionError


# -- saying --------------------------------------------------------------------------------------


def _marks(outcome: Consequence, admissible: bool) -> str:
    marks = {
        "won": outcome.won,
        "failed": outcome.failed,
        "refused": not outcome.action_valid,
        "not admissible": not admissible,
    }
    return ", ".join(name for name, holds in marks.items() if holds)


def _facts(outcome: Consequence) -> str:
    return f"score {outcome.score:g}\nstate {outcome.state_hash}"


def _reading(reading: Reading | None) -> str:
    if reading is None:
        return "not judged"
    costs = f"{_cost(reading.expert_cost)} against {_cost(reading.alternative_cost)} actions"
    regret = "" if reading.regret is None else f", regret {reading.regret:+.4g}"
    sure = "" if reading.confidence is None else f", {reading.confidence:.0%} sure"
    return f"{reading.verdict.replace('_', ' ')} ({costs}{regret}{sure}; {reading.method})"


def _cost(cost: float) -> str:
    return "no win in any number of" if math.isinf(cost) else f"{cost:.4g}"


class _Lines:
    """Lines of a width."""

    def __init__(self, width: int, colour: bool) -> None:
        self.lines: list[str] = []
        self._width, self._colour = width, colour

    def say(self, text: str, style: str = "") -> None:
        self.lines += [self._painted(line, style) for line in wrapped(text, self._width)]

    def section(self, name: str, text: str) -> None:
        self.say(f"\n{name}", "head")
        self.say(text)

    def beside(self, left: str, right: str, left_style: str = "", right_style: str = "") -> None:
        half = (self._width - len(_GAP)) // 2
        columns = (wrapped(text, half) for text in (left, right))
        for one, other in zip_longest(*columns, fillvalue=""):
            padded = self._painted(one, left_style) + " " * (half - cells(one))
            self.lines.append(f"{padded}{_GAP}{self._painted(other, right_style)}".rstrip())

    def _painted(self, line: str, style: str) -> str:
        if not (self._colour and style and line):
            return line
        return f"\x1b[{_COLOURS[style]}m{line}\x1b[0m"


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many cells, each printable; broken between words where that can be."""
    lines: list[str] = []
    for line in text.replace("\t", "    ").split("\n"):
        found = ""
        for word in re.findall(r"\s*\S+", printable(line)) or [""]:
            if cells(found + word) <= width:
                found += word
                continue
            if found:
                lines.append(found)
                word = word.lstrip()
            while cells(word) > width:
                head = next(n for n in range(len(word), 0, -1) if cells(word[:n]) <= width)
                lines.append(word[:head])
                word = word[head:]
            found = word
        lines.append(found)
    return lines


def cells(text: str) -> int:
    """How many cells of a terminal a printable text takes."""
    return sum(
        0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF")
        for sign in text
    )
