"""Rows in parquet files, written so that equal rows give equal bytes.

A file is a parquet file whose metadata name the kind of its rows and ``SCHEMA_VERSION``, and may
hold notes.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar, get_args

from act_data.errors import DataCorrupt, DataNotFound, SchemaMismatch, UnfinishedRun
from act_data.storage.files import replacing
from act_data.storage.schema import (
    DECODERS,
    SCHEMA_VERSION,
    VERSION_COLUMN,
    Kind,
    arrow,
    arrow_schema,
    encoded,
    parquet,
)
from act_data.types import ContrastPair, Trajectory

ROW_GROUP = 256  # rows; bounds a reader's memory, a row can weigh 100 kB

Row = TypeVar("Row", ContrastPair, Trajectory)

_VERSION_KEY, _KIND_KEY, _NOTES_KEY = b"act.schema_version", b"act.kind", b"act.notes"
_PART = re.compile(r"part-(\d{5,})-of-(\d{5,})\.parquet")


# -- writing -------------------------------------------------------------------------------------


def write_parquet(
    path: Path,
    rows: Iterable[ContrastPair] | Iterable[Trajectory],
    kind: Kind,
    *,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Write rows of one kind as one file, which appears under its name only when complete.

    The bytes follow from the rows, their order, the notes and the version of pyarrow.

    Args:
        path: the file; its folder exists.
        rows: all of the kind named.
        kind: ``"pairs"`` or ``"trajectories"``.
        notes: anything JSON can hold, stored in the file's metadata.
    """
    with replacing(path) as file:
        _write(file, rows, kind, notes)


def parquet_bytes(
    rows: Iterable[ContrastPair] | Iterable[Trajectory],
    kind: Kind,
    *,
    notes: Mapping[str, object] | None = None,
) -> bytes:
    """What :func:`write_parquet` would write."""
    file = io.BytesIO()
    _write(file, rows, kind, notes)
    return file.getvalue()


def _write(
    file: BinaryIO, rows: Iterable[Any], kind: Kind, notes: Mapping[str, object] | None
) -> None:
    pyarrow = arrow()
    schema = arrow_schema(kind).with_metadata(
        {
            _VERSION_KEY: str(SCHEMA_VERSION).encode(),
            _KIND_KEY: kind.encode(),
            _NOTES_KEY: json.dumps(notes or {}, sort_keys=True).encode(),
        }
    )
    rows = iter(rows)
    own = {VERSION_COLUMN: SCHEMA_VERSION}
    with parquet().ParquetWriter(
        file, schema, compression="zstd", compression_level=3, write_page_checksum=True
    ) as writer:
        while group := [{**encoded(row), **own} for row in itertools.islice(rows, ROW_GROUP)]:
            writer.write_table(pyarrow.Table.from_pylist(group, schema), row_group_size=ROW_GROUP)


def part_name(index: int, count: int) -> str:
    """Name of one part of a run: ``part-00000-of-00012.parquet``."""
    return f"part-{index:05d}-of-{count:05d}.parquet"


# -- reading -------------------------------------------------------------------------------------


def read_pairs(path: str | Path) -> Iterator[ContrastPair]:
    """Contrast pairs of a file, or of a folder in the order of its parts.

    Files are checked before this returns; rows are read one group at a time.

    Raises:
        DataNotFound: nothing is there.
        UnfinishedRun: parts of the folder are missing.
        DataCorrupt: a file cannot be read.
        SchemaMismatch: a file holds something else, or another version.
    """
    return _read(Path(path), "pairs")


def read_trajectories(path: str | Path) -> Iterator[Trajectory]:
    """Trajectories of a file, or of a folder in the order of its parts.

    Raises:
        DataNotFound: nothing is there.
        UnfinishedRun: parts of the folder are missing.
        DataCorrupt: a file cannot be read.
        SchemaMismatch: a file holds something else, or another version.
    """
    return _read(Path(path), "trajectories")


class Table(Generic[Row]):
    """Rows of a file, or of a folder in the order of its parts, wherever one wants to read.

    Raises:
        DataNotFound: nothing is there.
        UnfinishedRun: parts of the folder are missing.
        DataCorrupt: a file cannot be read.
        SchemaMismatch: a file holds something else, or another version.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self._kind: Kind = kind
        self._groups: list[tuple[Path, int, int]] = []  # file, row group, first row
        self.count = 0  # of all rows
        for file in data_files(path):
            with _reader(file, kind) as reader:
                for group in range(reader.num_row_groups):
                    self._groups.append((file, group, self.count))
                    self.count += reader.metadata.row_group(group).num_rows
        self._read = functools.lru_cache(2)(self._group)

    def columns(self, *names: str) -> list[list[Any]]:
        """Whole columns."""
        found: list[list[Any]] = [[] for _ in names]
        for file in dict.fromkeys(file for file, _, _ in self._groups):
            with _reader(file, self._kind) as reader, _reading(file):
                table = reader.read(columns=[*names])
                for column, name in zip(found, names, strict=True):
                    column += table.column(name).to_pylist()
        return found

    def rows(self, start: int, stop: int) -> list[Row]:
        """Rows by their numbers, the last not included."""
        found: list[Row] = []
        at = max(0, bisect.bisect(self._groups, start, key=lambda group: group[2]) - 1)
        for number, (_, _, first) in enumerate(self._groups[at:], at):
            if first >= stop:
                break
            found += self._read(number)[max(0, start - first) : stop - first]
        return found

    def _group(self, number: int) -> list[Row]:
        file, group, _ = self._groups[number]
        with _reader(file, self._kind) as reader, _reading(file):
            return [*map(DECODERS[self._kind], reader.read_row_group(group).to_pylist())]


def stream(path: Path, kind: Kind, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of a file or a folder with the fields that are named alone, a few at a time.

    Args:
        path: the file or the folder.
        kind: kind of its rows.
        names: of fields, those of a record within the row as ``"state.goal"``.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: as :class:`Table`.
    """
    Table(path, kind)  # refuses what cannot be read before anything is made of the rest
    for file in data_files(path):
        with _reader(file, kind) as reader, _reading(file):
            for batch in reader.iter_batches(batch_size=ROW_GROUP, columns=[*names]):
                yield from batch.to_pylist()


def content(path: Path) -> str:
    """A name of the data by their bytes, wherever they lie."""
    total = hashlib.sha256()
    for file in data_files(path):
        with file.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return f"sha256:{total.hexdigest()[:40]}"


def read_notes(path: Path, kind: Kind) -> dict[str, Any]:
    """The notes that :func:`write_parquet` stored with a file, checked like its rows."""
    with _reader(path, kind) as reader:
        try:
            return json.loads(reader.schema_arrow.metadata[_NOTES_KEY])
        except ValueError as error:
            raise _corrupt(path, error) from error


def kind_of(file: Path) -> Kind | None:
    """The kind of rows that a parquet file says it holds, None where it says none of ours.

    Raises:
        DataCorrupt: it cannot be read.
    """
    try:
        metadata: Any = parquet().read_schema(file).metadata or {}
    except (arrow().ArrowException, OSError) as error:
        raise _corrupt(file, error) from error
    return next((kind for kind in get_args(Kind) if metadata.get(_KIND_KEY) == kind.encode()), None)


def data_files(path: Path) -> list[Path]:
    """The file itself, or the parquet files of a folder; complete, in order.

    Raises:
        DataNotFound: nothing is there.
        UnfinishedRun: parts of the folder are missing.
        DataCorrupt: parts of two runs are mixed.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataNotFound(
            f"{path} does not exist. Make data with: act-data collect, act-data mine."
        )
    files = sorted(path.glob("*.parquet"), key=lambda file: (len(file.name), file.name))
    if not files:
        raise DataNotFound(
            f"{path} holds no parquet files. Make data with: act-data collect, act-data mine."
        )
    matches = [match for file in files if (match := _PART.fullmatch(file.name))]
    counts = {int(match[2]) for match in matches}
    if len(counts) > 1 or (matches and len(matches) < len(files)):
        raise DataCorrupt(f"{path} mixes the files of several runs. Keep one run per folder.")
    if matches and len(files) < (count := counts.pop()):
        raise UnfinishedRun(
            f"{path} holds {len(files)} of {count} parts. "
            "Finish it with the command that began it: finished parts are not done again."
        )
    return files


def _read(path: Path, kind: Kind) -> Iterator[Any]:
    files = data_files(path)
    for file in files:
        _reader(file, kind).close()
    return itertools.chain.from_iterable(_rows(file, kind) for file in files)


def _rows(path: Path, kind: Kind) -> Iterator[Any]:
    with _reader(path, kind) as reader:
        for index in range(reader.num_row_groups):
            with _reading(path):
                group = reader.read_row_group(index).to_pylist()
            yield from map(DECODERS[kind], group)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (arrow().ArrowException, OSError) as error:
        raise _corrupt(path, error) from error


def _reader(path: Path, kind: Kind) -> Any:
    """An open ``pyarrow.parquet.ParquetFile`` whose kind, version and columns are right."""
    try:
        reader = parquet().ParquetFile(path, page_checksum_verification=True)
    except (arrow().ArrowException, OSError) as error:
        raise _corrupt(path, error) from error
    found = reader.schema_arrow
    metadata = found.metadata or {}
    version, holds = (
        metadata.get(key, b"").decode(errors="replace") for key in (_VERSION_KEY, _KIND_KEY)
    )
    wrong = ""
    if not version or not holds:
        wrong = "was not written by act-data"
    elif holds != kind:
        wrong = f"holds {holds}, not {kind}"
    elif version != str(SCHEMA_VERSION):
        wrong = f"has schema version {version}, this program reads {SCHEMA_VERSION}"
    elif not found.equals(arrow_schema(kind)):
        wrong = f"has other columns than version {SCHEMA_VERSION} of {kind}"
    if wrong:
        reader.close()
        raise SchemaMismatch(
            f"{path} {wrong}. Give a file of the right kind, or make it again with act-data."
        )
    return reader


def _corrupt(path: Path, error: Exception) -> DataCorrupt:
    return DataCorrupt(
        f"{path} is truncated, damaged or no parquet file ({error}). "
        "Copy it again, or delete it and repeat the command that made it."
    )
