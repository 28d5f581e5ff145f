"""Opens a catalogue that was compiled into a folder, for processes to share. Writes nothing.

The folder holds a manifest and the folder of contents that it names, so that one can take the
place of another at once, while processes go on using what they have opened.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from act_envs.errors import CatalogueError
from act_envs.webshop.catalogue import Source, folders_of
from act_envs.webshop.places import KINDS, Kind, Places
from act_envs.webshop.search import Index
from act_envs.webshop.store import Shelves, Stored

NAME = "webshop.compiled"
"""What the folder is called where it lies beside upstream's files."""

VERSION = 1  # of the files
MANIFEST, RECORDS = "catalogue.json", "products.jsonl"
CONTENTS = re.compile("contents-[0-9a-f]{16}")
REMEDY = "Compile the catalogue again: act-envs compile webshop"

_TYPES = {"text": np.uint8, "weights": np.float64}  # of arrays by name; all others are int64
_Table = TypeVar("_Table", Places, Shelves)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a compiled folder holds.

    Attributes:
        version: of its files.
        digest: of its products, 32 hexadecimal digits.
        products: how many.
        goals: how many of each kind.
        warnings: how often something was wrong with the records, and where first, by kind.
        sources: names and sizes of the files that it was made from, in bytes.
        contents: the folder in it that the rest is in.
        files: size in bytes and BLAKE2b of everything there.
    """

    version: int
    digest: str
    products: int
    goals: dict[str, int]
    warnings: dict[str, tuple[int, str]]
    sources: dict[str, int]
    contents: str
    files: dict[str, tuple[int, str]]

    def is_of(self, source: Source, made: int) -> bool:
        """Whether it was made from these files, judged by names, sizes and times of change.

        Args:
            source: the files.
            made: when the manifest was written, in nanoseconds.
        """
        changed = max(path.stat().st_mtime_ns for path in source if path is not None)
        return self.sources == sizes(source) and changed <= made


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of a compiled catalogue, mapped read-only."""

    manifest: Manifest
    products: Stored
    index: Index
    categories: Shelves
    queries: Shelves
    placed: dict[Kind, Places]

    @property
    def digest(self) -> str:
        """What names its products."""
        return self.manifest.digest

    def places(self, source: Kind) -> Places:
        """Those of the goals of a kind."""
        return self.placed[source]


def find_compiled(place: Path) -> list[Path]:
    """The compiled catalogues in a folder, in the order of precedence; also the folder itself.

    Args:
        place: a folder, or one of upstream's files in it.

    Raises:
        CatalogueError: a folder cannot be read.
    """
    try:
        folder = place.parent if place.is_file() else place
        candidates = (folder, *(inner / NAME for inner in folders_of(folder)))
        return [found for found in candidates if (found / MANIFEST).is_file()]
    except OSError as error:
        raise CatalogueError(
            f"cannot read {place}: {error.strerror or error}. Make it readable."
        ) from error


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a compiled catalogue.

    Raises:
        CatalogueError: it cannot be read, is damaged, or is of another version.
    """
    path = folder / MANIFEST
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        if note["version"] != VERSION:
            raise CatalogueError(
                f"{path} has version {note['version']!r:.20} instead of {VERSION}. {REMEDY}"
            )
        manifest = Manifest(**note)
        if not CONTENTS.fullmatch(manifest.contents):
            raise ValueError(f"no folder of contents is called {manifest.contents!r:.40}")
        for size, digest in manifest.files.values():
            if not (isinstance(size, int) and isinstance(digest, str)):
                raise ValueError(f"{size!r:.20}, {digest!r:.20} are no size and digest")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CatalogueError(f"{path} is no manifest, or damaged: {error}. {REMEDY}") from error
    return manifest


def open_compiled(folder: Path) -> Opened:
    """Map a compiled catalogue. Sizes and types are compared; what is in the files is not.

    Raises:
        CatalogueError: a file is missing, cut short, of another version, or no such file.
    """
    manifest = read_manifest(folder)
    inside = folder / manifest.contents
    try:
        for name, (size, _) in manifest.files.items():
            if (found := (inside / name).stat().st_size) != size:
                raise ValueError(f"{name} has {found:,} bytes instead of {size:,}")
        index = Index.load(inside / "index")
        ends, by_asin = _array(inside, "ends"), _array(inside, "by_asin")
        if not len(ends) == len(by_asin) == len(index.ids) == manifest.products > 0:
            raise ValueError("its parts are of catalogues of different sizes")
        with (inside / RECORDS).open("rb") as file:
            records = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return Opened(
            manifest,
            Stored(records, ends, index.ids, by_asin, str(inside / RECORDS)),
            index,
            _table(inside, "categories", Shelves),
            _table(inside, "queries", Shelves),
            {kind: _table(inside, kind, Places) for kind in KINDS},
        )
    except (OSError, ValueError, EOFError, CatalogueError) as error:
        if read_manifest(folder).contents != manifest.contents:
            return open_compiled(folder)  # compiled anew meanwhile, and the old is gone
        raise CatalogueError(f"{inside} is damaged: {error}. {REMEDY}") from error


def check_compiled(folder: Path) -> Manifest:
    """Compare every byte of a compiled catalogue with what was written.

    Raises:
        CatalogueError: a file differs, is missing, or is of another version.
    """
    manifest = open_compiled(folder).manifest
    for name, (_, digest) in manifest.files.items():
        path = folder / manifest.contents / name
        if file_digest(path) != digest:
            raise CatalogueError(f"{path} is damaged: it has another digest. {REMEDY}")
    return manifest


def file_digest(path: Path, *, sync: bool = False) -> str:
    """The BLAKE2b of a file, in hexadecimal digits.

    Args:
        path: of the file.
        sync: see to it that the file is on the disk first.
    """
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, _blake2b).hexdigest()


def sizes(source: Source) -> dict[str, int]:
    """Names and sizes of the files of a catalogue, in bytes."""
    return {path.name: path.stat().st_size for path in source if path is not None}


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _table(folder: Path, name: str, kind: type[_Table]) -> _Table:
    return kind(*(_array(folder, f"{name}.{field}") for field in kind._fields))


def _array(folder: Path, name: str) -> np.ndarray:
    """An array of one dimension, mapped."""
    values = np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)
    expected = _TYPES.get(name.rpartition(".")[2], np.int64)
    if values.dtype != expected or values.ndim != 1:
        raise ValueError(f"{name}.npy holds {values.dtype} {values.shape}")
    return values
