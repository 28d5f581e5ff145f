"""Rows of several inputs as Arrow tables: what is only copied is never made into objects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from act_data.errors import DataCorrupt
from act_data.storage.schema import Kind, arrow, parquet
from act_data.storage.tables import ROW_GROUP, Table, data_files


class Source:
    """Rows of files and folders, one after the other, numbered from 0.

    A file is open while rows of it are read; a few row groups are in memory at a time.

    Args:
        paths: what act-data wrote.
        kind: kind of the rows.

    Raises:
        DataNotFound: nothing is there.
        UnfinishedRun: parts of a folder are missing.
        DataCorrupt: a file cannot be read.
        SchemaMismatch: a file holds something else, or another version.
    """

    def __init__(self, paths: Sequence[Path], kind: Kind) -> None:
        self._files: list[Path] = []
        starts = [0]  # of each file, and where the last ends
        for path in paths:
            Table(path, kind)  # refuses what cannot be read before anything is written
            for file in data_files(path):
                self._files.append(file)
                starts.append(starts[-1] + parquet().read_metadata(file).num_rows)
        self._starts = np.array(starts)
        self.count = starts[-1]

    def columns(self, *names: str) -> Iterator[Any]:
        """Tables of these columns, which together hold all rows, in order."""
        for file in self._files:
            with _opened(file) as reader:
                for group in range(reader.num_row_groups):
                    yield reader.read_row_group(group, columns=[*names])

    def take(self, rows: np.ndarray) -> Iterator[Any]:
        """Tables of up to ``ROW_GROUP`` rows, which together hold the rows asked for.

        Args:
            rows: their numbers, ascending, as an array of integers.
        """
        waiting: list[Any] = []
        count = 0
        for piece in self._pieces(rows):
            waiting.append(piece)
            count += len(piece)
            if count >= ROW_GROUP:
                table = arrow().concat_tables(waiting)
                while len(table) >= ROW_GROUP:
                    yield table.slice(0, ROW_GROUP).combine_chunks()
                    table = table.slice(ROW_GROUP)
                waiting, count = [table], len(table)
        if count:
            yield arrow().concat_tables(waiting).combine_chunks()

    def _pieces(self, rows: np.ndarray) -> Iterator[Any]:
        bounds = np.searchsorted(rows, self._starts)
        for number, file in enumerate(self._files):
            inside = rows[bounds[number] : bounds[number + 1]] - self._starts[number]
            if not len(inside):
                continue
            with _opened(file) as reader:
                first = 0
                for group in range(reader.num_row_groups):
                    end = first + reader.metadata.row_group(group).num_rows
                    begun, ended = np.searchsorted(inside, (first, end))
                    if begun < ended:
                        yield reader.read_row_group(group).take(inside[begun:ended] - first)
                    first = end


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with parquet().ParquetFile(file, page_checksum_verification=True) as reader:
            yield reader
    except (arrow().ArrowException, OSError) as error:
        raise DataCorrupt(
            f"{file} is truncated or damaged ({error}). "
            "Copy it again, or delete it and repeat the command that made it."
        ) from error
