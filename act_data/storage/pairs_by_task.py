"""Pairs taken task by task: what ``act-data verify`` and ``filter`` work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

from act_data.storage.tables import Table, stream
from act_data.types import ContrastPair

_TASK = ("env_id", "env_kwargs", "task_id", "kind")

Item = TypeVar("Item")


class PairsByTask(Sequence[Item], Generic[Item]):
    """Items, each made from the pairs of a task as they stand together, when it is asked for.

    Args:
        path: the pairs: a folder or a file.
        item: makes one of the pairs, in their order, and the number of the first among all.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: see
            :class:`act_data.storage.tables.Table`.
    """

    def __init__(self, path: Path, item: Callable[[list[ContrastPair], int], Item]) -> None:
        self._pairs: Table[ContrastPair] = Table(path, "pairs")
        self._item = item
        starts, last = [], None
        for at, row in enumerate(stream(path, "pairs", *_TASK)):
            if row != last:
                starts.append(at)
                last = row
        self._bounds = [*pairwise([*starts, self._pairs.count])]

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        start, stop = self._bounds[index]
        return self._item(self._pairs.rows(start, stop), start)
