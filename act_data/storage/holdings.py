"""What a folder holds that can be looked at, and what it holds besides.

Found by what files say of themselves: parquet files by their metadata, JSON lines by their keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from act_data.errors import DataCorrupt, DataNotFound, SchemaMismatch, UnfinishedRun
from act_data.storage.episodes import EpisodeFile
from act_data.storage.schema import Kind, arrow
from act_data.storage.sources import Source
from act_data.storage.tables import kind_of

HoldingKind = Literal["pairs", "trajectories", "episodes"]


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows of one kind in one place.

    Attributes:
        name: the place, relative to the folder that was searched.
        kind: what the rows are.
        path: of the file, or of the folder of parts.
        rows: the way to the rows: ``EpisodeFile`` for episodes, else ``Source``.
        config: config of the dataset that it belongs to, "" outside of one.
        dataset_split: split of the dataset, likewise.
    """

    name: str
    kind: HoldingKind
    path: Path
    rows: Source | EpisodeFile
    config: str = ""
    dataset_split: str = ""


def find_holdings(root: Path) -> tuple[list[Holding], list[str]]:
    """Search a folder and the folders in it; hidden ones are nobody's business.

    Args:
        root: the folder, or a file.

    Returns:
        What can be shown, and for everything else of its kinds of files why it cannot.

    Raises:
        DataNotFound: there is no such path.
        MissingExtra: pyarrow is not installed.
    """
    found: list[Holding] = []
    left_out: list[str] = []
    for path, name in _units(root):
        try:
            if path.suffix == ".jsonl":
                (file,) = _files(path)
                episodes = EpisodeFile(file)
                found.append(Holding(name, "episodes", path, episodes))
                left_out += episodes.left_out
            elif kind := kind_of(_files(path)[0]):
                found.append(_table(path, name, kind))
            else:
                left_out.append(f"{path} holds neither pairs nor trajectories.")
        except (DataCorrupt, SchemaMismatch, UnfinishedRun, OSError) as error:
            left_out.append(str(error))
    return found, left_out


def find_rows(paths: Iterable[Path], *kinds: Kind) -> list[Holding]:
    """All rows of these kinds in some places, for who goes over all of them.

    Raises:
        DataNotFound: a path is not there, or holds none.
        DataCorrupt, SchemaMismatch, UnfinishedRun: some of it cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    every: list[Holding] = []
    for root in paths:
        units = [(path, name) for path, name in _units(root) if path.suffix != ".jsonl"]
        typed = [(path, name, kind_of(_files(path)[0])) for path, name in units]
        here = [_table(path, name, kind) for path, name, kind in typed if kind in kinds and kind]
        if not here:
            raise DataNotFound(
                f"{root} holds no {' and no '.join(kinds)}. "
                "Make some with: act-data collect, act-data mine."
            )
        every += here
    return every


def _units(root: Path) -> Iterator[tuple[Path, str]]:
    """Files and folders of parts with their names; those of a folder before those inside it."""
    arrow()
    if root.is_file():
        yield root, root.name
        return
    if not root.is_dir():
        raise DataNotFound(
            f"{root} does not exist. Make data with: act-data collect, act-data mine."
        )
    met: set[Path] = set()  # a link may lead back
    for place, folders, files in os.walk(root, followlinks=True):
        if (real := Path(place).resolve()) in met:
            folders.clear()
            continue
        met.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder, seen = Path(place), sorted(name for name in files if not name.startswith("."))
        if any(fnmatch(name, "part-*.parquet") for name in seen):
            inner = folder.relative_to(root).as_posix()
            yield folder, folder.resolve().name if folder == root else inner
            seen = [name for name in seen if not name.endswith(".parquet")]
        for name in seen:
            if name.endswith((".parquet", ".jsonl")):
                yield folder / name, (folder / name).relative_to(root).as_posix()


def _files(path: Path) -> list[Path]:
    """The file, or the parquet files of a folder, once it is known that they can be opened.

    Raises:
        DataCorrupt: one of them is no file, or has a name that no page could say.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    for one in (path, *files):
        try:
            f"{one}{os.path.realpath(one)}".encode()  # what a link leads to names configs
        except UnicodeEncodeError:
            raise DataCorrupt(
                f"{str(one)!a} has a name that is no UTF-8, or leads to one. Rename it."
            ) from None
    for file in files or [path]:
        if not file.is_file():
            raise DataCorrupt(
                f"{file} is no file, or a link that leads nowhere. Delete or mend it."
            )
    return files


def _table(path: Path, name: str, kind: Kind) -> Holding:
    parts = path.resolve().parts
    place = parts[-2:] if parts[-3:-2] == ("data",) else ()
    return Holding(name, kind, path, Source([path], kind), *place)
