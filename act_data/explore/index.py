"""Which rows a filter leaves, in which order: all rows of one kind, by numbers from 0.

Only what can be filtered by, and what a list shows, is read, once and at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from act_data.errors import DataCorrupt
from act_data.explore.columns import Bools, Texts, joined
from act_data.explore.query import Query
from act_data.explore.reading import (
    episodes_columns,
    pairs_columns,
    place_columns,
    trajectories_columns,
)
from act_data.storage.episodes import Episode, EpisodeFile, from_trajectory
from act_data.storage.holdings import Holding, HoldingKind
from act_data.storage.schema import DECODERS
from act_data.types import ContrastPair

FACETS: Mapping[HoldingKind, Mapping[str, str]] = {
    "pairs": {
        "env": "Environment",
        "kind": "Kind of task",
        "hindsight": "In hindsight",
        "informed": "Informed",
        "admissible": "Alternative",
        "policy": "Policy",
        "expert": "Expert",
        "config": "Config",
        "dataset_split": "Dataset split",
        "split": "Official split",
        "source": "Source",
    },
    "trajectories": {
        "env": "Environment",
        "kind": "Kind of task",
        "outcome": "Outcome",
        "policy": "Who acted",
        "refusals": "Refused actions",
        "config": "Config",
        "dataset_split": "Dataset split",
        "split": "Official split",
        "source": "Source",
    },
    "episodes": {
        "env": "Environment",
        "kind": "Kind of task",
        "outcome": "Outcome",
        "policy": "Who acted",
        "refusals": "Refused actions",
        "split": "Official split",
        "source": "Source",
    },
}
"""What rows of a kind can be filtered by, and what that is called."""

SORTS: Mapping[HoldingKind, Sequence[str]] = {
    "pairs": ("regret", "-regret", "step", "-step"),
    "trajectories": ("steps", "-steps", "score", "-score"),
    "episodes": ("steps", "-steps", "score", "-score"),
}
"""What rows of a kind can be sorted by, ``-`` for the largest first; else they are in order."""

NONE = "(none)"
_NAMED: Mapping[HoldingKind, Sequence[str]] = {
    "pairs": ("pair_id",),
    "trajectories": ("env", "task"),
    "episodes": ("env", "task"),
}
_READ: Mapping[HoldingKind, Callable[[Holding], dict[str, Any]]] = {
    "pairs": pairs_columns,
    "trajectories": trajectories_columns,
    "episodes": episodes_columns,
}
_SEARCHED: Mapping[HoldingKind, Sequence[str]] = {
    "pairs": ("goal", "task", "expert_action", "alternative_action"),
    "trajectories": ("goal", "task", "actions"),
    "episodes": ("goal", "task", "actions"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a query leaves.

    Attributes:
        rows: numbers of the rows in the order asked for.
        counts: for each facet that tells rows apart how many rows there would be with each of its
            values, were the facet itself not filtered by.
    """

    rows: NDArray[np.intp]
    counts: Mapping[str, Mapping[str, int]]


class Index:
    """All rows of one kind.

    Args:
        kind: the kind.
        holdings: where they are; those of other kinds are passed over.

    Attributes:
        holdings: those of the kind that have rows and can be read.
        damaged: those that cannot, each with the reason.
        count: number of rows.
        texts: columns of texts, by name.
        numbers: columns of numbers, NaN where there is none; each of shape (rows,).
        alike: of each row how many have the same name, which is the id of a pair, else
            environment and task; shape (rows,).
        ordinals: of each row the how manyth it is of these, from 1; shape (rows,).
    """

    def __init__(self, kind: HoldingKind, holdings: Iterable[Holding]) -> None:
        self.kind: HoldingKind = kind
        self.holdings: list[Holding] = []
        self.damaged: list[tuple[Holding, str]] = []
        columns: list[dict[str, Any]] = []
        for holding in holdings:
            if holding.kind == kind and holding.rows.count:
                try:
                    columns.append({**_READ[kind](holding), **place_columns(holding)})
                    self.holdings.append(holding)
                except DataCorrupt as error:
                    self.damaged.append((holding, str(error)))
        self._starts = [0, *accumulate(holding.rows.count for holding in self.holdings)]
        self.count = self._starts[-1]
        self.texts: dict[str, Texts] = {}
        self.numbers: dict[str, NDArray[np.float64]] = {}
        for name in columns[0] if columns else ():
            parts: list[Any] = [some[name] for some in columns]
            if isinstance(parts[0], Texts):
                column = joined(parts)
                if name in FACETS[kind]:  # an address cannot ask for nothing
                    column = replace(column, values=tuple(v or NONE for v in column.values))
                self.texts[name] = column
            else:
                self.numbers[name] = np.concatenate(parts)
        named = [self.texts[name].codes for name in _NAMED[kind] if columns]
        self.alike, self.ordinals = _alike(named)

    def select(self, query: Query) -> Selection:
        """The rows that a query leaves.

        Args:
            query: of this kind.
        """
        if not self.count:
            return Selection(np.zeros(0, np.intp), {})
        wrong: dict[str, Bools] = {
            name: ~self.texts[name].equal(value) for name, value in query.chosen
        }
        fails = sum(wrong.values(), np.zeros(self.count, np.uint8))
        fails += self._unwanted(query)
        rows = np.flatnonzero(fails == 0)
        if query.sort:
            key = self.numbers[_number(query.sort.removeprefix("-"), query)][rows]
            # NaN is sorted last either way.
            rows = rows[np.argsort(-key if query.sort.startswith("-") else key, kind="stable")]
        counts = {
            name: self.texts[name].counts(fails == wrong.get(name, np.uint8(0)))
            for name in FACETS[self.kind]
            if name in wrong or len(self.texts[name].values) > 1
        }
        return Selection(rows, counts)

    def _unwanted(self, query: Query) -> Bools:
        """Where the text or the regret is not as asked for; shape (rows,)."""
        unwanted = np.zeros(self.count, bool)
        if query.text:
            found = [self.texts[name].containing(query.text) for name in _SEARCHED[self.kind]]
            if self.kind == "pairs":
                found.append(self.texts["pair_id"].equal(query.text.strip()))
            unwanted |= ~np.logical_or.reduce(found)
        if query.lowest is not None or query.highest is not None:
            regret = self.numbers[_number("regret", query)]
            low = -np.inf if query.lowest is None else query.lowest
            high = np.inf if query.highest is None else query.highest
            unwanted |= ~((regret >= low) & (regret <= high))
        return unwanted

    def shown(self, row: int) -> dict[str, Any]:
        """What a list shows of a row: its texts and numbers by name."""
        numbers = {name: float(column[row]) for name, column in self.numbers.items()}
        return {"row": row, **{name: column[row] for name, column in self.texts.items()}, **numbers}

    def find(self, **wanted: str) -> list[int]:
        """Numbers of the rows with these texts, by name of their columns."""
        if not self.count:
            return []
        equal = [self.texts[name].equal(value) for name, value in wanted.items()]
        return np.flatnonzero(np.logical_and.reduce(equal)).tolist()

    def place(self, row: int) -> tuple[Holding, int]:
        """Where a row is: the holding, and its number there, from 0."""
        at = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.holdings[at], row - self._starts[at]

    def pair(self, row: int) -> ContrastPair:
        """A pair, read from where it is.

        Raises:
            DataCorrupt: it cannot be read.
        """
        return self._decoded(row)

    def episode(self, row: int) -> Episode:
        """An episode, or a trajectory as one; likewise."""
        holding, number = self.place(row)
        if isinstance(holding.rows, EpisodeFile):
            return holding.rows.row(number)
        return from_trajectory(self._decoded(row))

    def _decoded(self, row: int) -> Any:
        holding, number = self.place(row)
        assert holding.kind != "episodes"
        assert not isinstance(holding.rows, EpisodeFile)
        (table,) = holding.rows.take(np.array([number]))
        return DECODERS[holding.kind](table.to_pylist()[0])


def _alike(names: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of each row in how many all of these are as in it, and the how manyth of them it is."""
    if not names:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    order = np.lexsort(names)
    begins = np.ones(len(order), bool)
    begins[1:] = np.logical_or.reduce([np.diff(codes[order]) != 0 for codes in names])
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, len(order)))
    alike, ordinals = np.empty(len(order), np.intp), np.empty(len(order), np.intp)
    alike[order] = np.repeat(sizes, sizes)
    ordinals[order] = np.arange(len(order)) - np.repeat(starts, sizes) + 1
    return alike, ordinals


def _number(name: str, query: Query) -> str:
    """The column of numbers that is meant: there is a regret for each reading."""
    return f"{query.reading}_regret" if name == "regret" else name
