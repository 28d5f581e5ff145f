"""Columns in memory: what rows are chosen and sorted by, and what a list of them shows.

A column of texts keeps each different text once, for a hundred thousand rows name a few thousand:
to compare or to search is done once a text, and the rows follow by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from act_data.storage.schema import arrow

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """A text for each row.

    Attributes:
        values: the different texts.
        codes: of each row the place of its text among them; shape (rows,).
    """

    values: tuple[str, ...]
    codes: NDArray[np.int32]
    _folded: list[Any] = field(default_factory=list)  # Arrow's array of them, once it is needed

    def __getitem__(self, row: int) -> str:
        return self.values[self.codes[row]]

    def equal(self, value: str) -> Bools:
        """Which rows have this text; shape (rows,)."""
        try:
            return self.codes == self.values.index(value)
        except ValueError:
            return np.zeros(len(self.codes), bool)

    def containing(self, text: str) -> Bools:
        """Which rows have this text in theirs, upper case or not; shape (rows,)."""
        import pyarrow.compute

        compute: Any = pyarrow.compute  # its functions are made at run time
        if not self._folded:
            folded = [value.casefold() for value in self.values]
            self._folded.append(pyarrow.array(folded, pyarrow.string()))
        hits = compute.match_substring(self._folded[0], text.casefold())
        return hits.to_numpy(zero_copy_only=False)[self.codes]

    def counts(self, rows: Bools) -> dict[str, int]:
        """How often each text is in these rows, by name; those that are not there left out."""
        numbers = np.bincount(self.codes[rows], minlength=len(self.values))
        found = {self.values[at]: int(numbers[at]) for at in np.flatnonzero(numbers)}
        return dict(sorted(found.items()))


def texts(values: Any) -> Texts:
    """A column from texts: a sequence, or something of Arrow's; null becomes ``""``."""
    pyarrow = arrow()
    if isinstance(values, Sequence):
        values = pyarrow.array(values, pyarrow.string())
    if isinstance(values, pyarrow.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pyarrow.ChunkedArray):  # it stays one where it has no chunk
        values = pyarrow.array([], pyarrow.string())
    encoded = values.fill_null("").dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Texts(tuple(encoded.dictionary.to_pylist()), codes)


def one_text(value: str, count: int) -> Texts:
    """A column of so many rows with the same text."""
    return Texts((value,), np.zeros(count, np.int32))


def joined(columns: Sequence[Texts]) -> Texts:
    """Columns one below the other."""
    places: dict[str, int] = {}
    codes = [
        np.array([places.setdefault(value, len(places)) for value in one.values], np.int32)[
            one.codes
        ]
        for one in columns
        if len(one.codes)
    ]
    return Texts((*places,), np.concatenate([np.zeros(0, np.int32), *codes]))


def flags(values: Any, yes: str, no: str, unknown: str = "") -> Texts:
    """A column from Arrow's booleans, named."""
    known = values.to_numpy()  # of objects where some are null
    codes = np.where(known == True, 0, np.where(known == False, 1, 2))  # noqa: E712
    return Texts((yes, no, unknown), codes.astype(np.int32))


def flat(table: Any) -> Any:
    """An Arrow table whose records are columns of their own: ``state.goal``."""
    structs = arrow().types.is_struct
    while any(structs(field.type) for field in table.schema):
        table = table.flatten()
    return table
