"""Compiles a catalogue into a folder that processes share. Reads none: see ``compiled``.

What is compiled anew is written beside what is there, and counts from the moment the manifest is
replaced. Whatever happens before, the old contents go on working.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import sys
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from act_envs.assets import alone
from act_envs.errors import CatalogueError, DownloadError, UnknownArgument
from act_envs.progress import Progress
from act_envs.webshop.catalogue import Product, Source, Warnings, contents
from act_envs.webshop.compiled import (
    CONTENTS,
    MANIFEST,
    RECORDS,
    VERSION,
    Manifest,
    file_digest,
    sizes,
)
from act_envs.webshop.places import KINDS, Places, Placing
from act_envs.webshop.search import Index
from act_envs.webshop.store import Shelves, encode

_LOCK = "lock"
_LABEL = "products compiled"


def compile_shop(
    products: Iterable[Product],
    folder: Path,
    *,
    source: Source | None = None,
    total: int | None = None,
    warnings: Warnings | None = None,
) -> Manifest:
    """Compile a catalogue into a folder, which is made; replace what is there when it is done.

    Shows its progress. Takes 2 GB of memory for a full catalogue, besides what the reader of
    ``products`` needs.

    Args:
        products: in the catalogue's order; read once, one at a time.
        folder: where it goes. Nothing else may be in it.
        source: the files that they come from.
        total: how many they are, about.
        warnings: what was met, also by the reader of ``products``, until it has ended.

    Raises:
        CatalogueError: two products have the same asin, there is none, or one cannot be read.
        UnknownArgument: the folder cannot be written, or holds other things.
    """
    noted = Warnings() if warnings is None else warnings
    with _on_disk(folder):
        _refuse_others(folder)
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with _alone(folder):
                _clear(folder)  # what processes that were killed have left
                try:
                    return _compile(products, folder, source, total, noted)
                finally:
                    _clear(folder)
        finally:
            if new and not any(folder.iterdir()):
                folder.rmdir()


def _compile(
    products: Iterable[Product],
    folder: Path,
    source: Source | None,
    total: int | None,
    warnings: Warnings,
) -> Manifest:
    """Write new contents, then the manifest that names them."""
    sources = {} if source is None else sizes(source)
    inside = folder / f"contents-{secrets.token_hex(8)}"
    inside.mkdir()
    writer = _Writer(inside, warnings)
    Index.build(writer.documents(products, total)).save(inside / "index")
    if not writer.count:
        raise CatalogueError(f"there is no product to compile into {folder}. Check the source.")
    goals = writer.finish()
    files = sorted(path for path in inside.rglob("*") if path.is_file())
    manifest = Manifest(
        version=VERSION,
        digest=writer.digest,
        products=writer.count,
        goals=goals,
        warnings={kind: (count, warnings.first[kind]) for kind, count in warnings.counts.items()},
        sources=sources,
        contents=inside.name,
        files={
            path.relative_to(inside).as_posix(): (
                path.stat().st_size,
                file_digest(path, sync=True),
            )
            for path in files
        },
    )
    new = inside / MANIFEST
    new.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    file_digest(new, sync=True)
    new.replace(folder / MANIFEST)
    return manifest


class _Writer:
    """Writes all of a folder of contents but the index, in one pass over the products."""

    def __init__(self, folder: Path, warnings: Warnings) -> None:
        self._folder = folder
        self._asins: list[str] = []
        self._ends = array("q")
        self._categories: list[str] = []
        self._queries: list[str] = []
        self._placing = {kind: Placing(kind, warnings) for kind in KINDS}
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def count(self) -> int:
        """How many products there were."""
        return len(self._asins)

    @property
    def digest(self) -> str:
        """What names them."""
        return self._hash.hexdigest()

    def documents(
        self, products: Iterable[Product], total: int | None
    ) -> Iterator[tuple[str, str]]:
        """Name and indexed text of each product, which is written as it passes."""
        end = 0
        with (self._folder / RECORDS).open("wb", buffering=1 << 20) as file:
            for position, product in enumerate(_followed(products, total)):
                record = encode(product)
                file.write(record)
                self._hash.update(record)
                end += len(record)
                self._ends.append(end)
                self._asins.append(product.asin)
                self._categories.append(product.category)
                self._queries.append(product.query)
                for placing in self._placing.values():
                    placing.add(position, product)
                yield product.asin, contents(product)

    def finish(self) -> dict[str, int]:
        """Write the arrays; how many goals there are of each kind."""
        order = sorted(range(self.count), key=self._asins.__getitem__)
        arrays = {"ends": np.asarray(self._ends), "by_asin": np.array(order, np.int64)}
        for name, texts in (("categories", self._categories), ("queries", self._queries)):
            arrays |= _named(name, Shelves.of(texts))
        goals = {}
        for kind in KINDS:
            places = self._placing.pop(kind).places()
            goals[kind] = len(places.order)
            arrays |= _named(kind, places)
        for name, values in arrays.items():
            np.save(self._folder / f"{name}.npy", values)
        return goals


def _named(name: str, table: Places | Shelves) -> dict[str, np.ndarray]:
    return {f"{name}.{field}": values for field, values in table._asdict().items()}


def _followed(products: Iterable[Product], total: int | None) -> Iterator[Product]:
    """Products as they are, with a line that says how many and how long it will take."""
    in_terminal = sys.stderr is not None and sys.stderr.isatty()
    every = 50 if in_terminal else 50_000  # elsewhere a few lines will do
    done, start = 0, time.monotonic()
    with Progress(_LABEL, total) as bar:
        for done, product in enumerate(products, 1):
            if done == 1:
                start = time.monotonic()  # before that, other files were read
            yield product
            if done % every == 0:
                if total:
                    left = (time.monotonic() - start) / done * max(total - done, 0)
                    bar.label = f"{_LABEL}, {left / 60:.0f} min left"
                bar.advance(every)
        bar.label, bar.total = f"{_LABEL}, now they are sorted", None
        bar.advance(done % every)


def _refuse_others(folder: Path) -> None:
    """Raise where a folder holds other things than a compiled catalogue, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise UnknownArgument(f"{folder} is no folder. Choose another with --out.")
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in (MANIFEST, _LOCK) and not CONTENTS.fullmatch(path.name):
            raise UnknownArgument(
                f"{folder} holds other things ({path.name}). Choose a new folder with --out."
            )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from compiling into a folder at the same time."""
    lock = folder / _LOCK
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(lock))
        except DownloadError as error:
            raise UnknownArgument(
                f"another process is compiling into {folder}; it holds {lock}. Wait for it."
            ) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove all contents but those that the manifest names, whatever its version."""
    manifest = folder / MANIFEST
    named = manifest.read_text(encoding="utf-8", errors="replace") if manifest.exists() else ""
    for path in folder.iterdir():
        if CONTENTS.fullmatch(path.name) and path.name not in named:
            shutil.rmtree(path)


@contextlib.contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    """Errors of the disk, with a remedy."""
    try:
        yield
    except BrokenPipeError:  # of what is printed meanwhile
        raise
    except OSError as error:
        raise UnknownArgument(
            f"cannot write {folder}: {error.strerror or error}. Free some space there, make it "
            "writable, or choose another folder with --out."
        ) from error
