"""What a run does with its items, and with a part of them: the same here and in any process.

A part becomes the bytes of its file, and these follow from the job and the items alone. Who works
on which part, and when, is decided elsewhere: :mod:`act_data.runs.workers`,
:mod:`act_data.runs.cluster`.
"""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from act_data.storage.schema import Kind
from act_data.storage.tables import parquet_bytes
from act_data.types import ContrastPair, Trajectory
from act_envs.errors import UnknownArgument

Advance = Callable[[int], object]
"""Told how many more items are done."""

_Item = TypeVar("_Item", contravariant=True)


@dataclass(slots=True)
class Result:
    """What the work on one item gives.

    Attributes:
        rows: rows to store, in order.
        group: under which name the counts are summed up (the kind of the task).
        counts: what happened, by name.
        remarks: what is to be said of this item alone, as JSON can hold it.
    """

    rows: Sequence[ContrastPair] | Sequence[Trajectory]
    group: str
    counts: Counter[str] = field(default_factory=Counter)
    remarks: Sequence[Mapping[str, Any]] = ()


class Job(Protocol[_Item]):
    """What is done with each item, here or in other processes: it can be pickled."""

    def open(self) -> AbstractContextManager[Callable[[_Item], Result]]:
        """Make ready what the work needs.

        Returns:
            A context with the work, a pure function of the request and an item.
        """
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the items of a run, which make one file.

    Attributes:
        index: which part it is, from 0.
        kind: kind of the rows.
        items: what is worked on, in order.
    """

    index: int
    kind: Kind
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A part that was worked on.

    Attributes:
        index: which part it is.
        data: the bytes of its file.
        notes: what that file says of itself: how many items and rows, and the counts by group,
            and the remarks.
    """

    index: int
    data: bytes
    notes: dict[str, Any]


def done(work: Callable[[Any], Result], part: Part, advance: Advance) -> Done:
    """Do the items of a part, one after the other."""
    rows: list[Any] = []
    groups: dict[str, Counter[str]] = {}
    remarks: list[Mapping[str, Any]] = []
    for item in part.items:
        result = work(item)
        rows += result.rows
        groups.setdefault(result.group, Counter()).update(result.counts)
        remarks += result.remarks
        advance(1)
    notes = {"items": len(part.items), "rows": len(rows), "groups": groups, "remarks": remarks}
    return Done(part.index, parquet_bytes(rows, part.kind, notes=notes), notes)


def done_here(
    job: Job[Any], parts: Iterable[Part], advance: Advance
) -> Generator[Done, None, None]:
    """Do parts in this process, one after the other."""
    parts = iter(parts)
    if (first := next(parts, None)) is None:
        return  # what is not needed, such as a model, is not opened
    with job.open() as work:
        for part in itertools.chain((first,), parts):
            yield done(work, part, advance)


def packed(job: Job[Any]) -> bytes:
    """A job as it can be sent.

    Raises:
        UnknownArgument: it cannot.
    """
    try:
        return pickle.dumps(job)
    except Exception as error:
        raise UnknownArgument(
            f"the work cannot be sent to other processes ({error}). Do it in this one: workers=1 "
            "and no ray."
        ) from error
