"""``act-envs download webshop`` and its like. ``act_envs.cli`` finds the commands here by name."""
# ruff: noqa: T201

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from act_envs.assets import data_home, given_path
from act_envs.download import install
from act_envs.errors import AssetsNotFound, CatalogueError, UnknownArgument
from act_envs.progress import Progress
from act_envs.webshop.catalogue import Warnings, find_source, read_products
from act_envs.webshop.records import read_array, read_object
from act_envs.webshop.serve import Serve

if TYPE_CHECKING:
    from act_envs.webshop.compiled import Manifest

__all__ = ["CheckData", "Compile", "Download", "Generate", "Serve"]

_FULL = ("items_ins_v2.json", "items_human_ins.json", "items_shuffle.json")
_SMALL = ("items_ins_v2_1000.json", "items_human_ins.json", "items_shuffle_1000.json")
_MAX_SIZE = 2 * 10**10  # bytes of a file to fetch; the full catalogue has 5.5e9
_SAMPLE = 1 << 23  # bytes at the beginning of a file, to tell how many records it has
_PATH = tyro.conf.arg(metavar="PATH")
_WHERE = (
    "upstream keeps WebShop's files on Google Drive, where quotas make downloads fail; "
    "setup.sh of https://github.com/princeton-nlp/WebShop (-d small or -d all) fetches them from "
    f"there. Get {', '.join(_FULL)} (or {_SMALL[2]}, {_SMALL[0]}, {_SMALL[1]}), or a mirror of "
    "them, and run: act-envs download webshop --from FOLDER-OR-URL"
)


@dataclass(frozen=True)
class Download:
    """Fetch upstream's files of products and instructions, and read every one to its end.

    A download that was cut off goes on where it stopped; a file that is there and whole is not
    fetched again.
    """

    data_dir: Annotated[str | Path | None, _PATH] = None
    """Folder for the data of environments; $ACT_DATA_DIR, else ~/.cache/act."""

    origin: Annotated[str | None, tyro.conf.arg(name="from", metavar="URL|DIR")] = None
    """A folder on this machine or on a server that holds the files under upstream's names."""

    small: bool = False
    """From a server: the 1,000 products of upstream's small set-up instead of all."""

    def __call__(self) -> int:
        if self.origin is None:
            raise AssetsNotFound(_WHERE[0].upper() + _WHERE[1:])
        home = data_home() if self.data_dir is None else given_path(self.data_dir, "--data-dir")
        folder = home / "webshop"
        for url in self._urls(self.origin):
            name = url.rpartition("/")[2]
            install(url, folder / name, partial(_is_whole, name=name), max_size=_MAX_SIZE)
        print(f"WebShop's files are in {folder}.")
        if (found := find_source(self.data_dir).products).parent != folder:
            print(f"But {found} goes before them.")
        if home != data_home():
            print(f"Next: export ACT_DATA_DIR={shlex.quote(str(home.absolute()))}")
        print("Next: act-envs compile webshop")
        return 0

    def _urls(self, origin: str) -> list[str]:
        """Where the files are, that of the products last: where there is one, all are there."""
        if "://" in origin:
            names = _SMALL if self.small else _FULL
            return [f"{origin.rstrip('/')}/{name}" for name in names]
        place = given_path(origin, "--from").absolute()
        if not place.exists():
            raise AssetsNotFound(f"there is no folder {place}. Give a URL or folder with --from.")
        source = find_source(place)
        paths = [source.attributes, source.human, source.products]
        for path in paths:
            if path is not None and not os.access(path, os.R_OK):
                raise AssetsNotFound(f"{path} may not be read. Make it readable, or give a URL.")
        return [path.as_uri() for path in paths if path is not None]


@dataclass(frozen=True)
class Compile:
    """Turn upstream's files into a folder that opens at once and that processes share.

    Takes many minutes for the full catalogue. Interrupted, it leaves what was there before.
    """

    data_dir: Annotated[str | Path | None, _PATH] = None
    """Where the files are (or one of several items_shuffle*.json); $ACT_DATA_DIR by default."""

    out: Annotated[str | Path | None, _PATH] = None
    """Folder to compile into; webshop.compiled beside the files by default."""

    def __call__(self) -> int:
        from act_envs.webshop import compiled, compiling  # these need more than Python's own

        source, warnings, start = find_source(self.data_dir), Warnings(), time.monotonic()
        beside = source.products.parent / compiled.NAME
        folder = beside if self.out is None else given_path(self.out, "--out")
        print(f"compiling {source.products}", flush=True)
        manifest = compiling.compile_shop(
            read_products(source, warnings=warnings),
            folder,
            source=source,
            total=_records(source.products),
            warnings=warnings,
        )
        _tell_warnings(manifest)
        goals = ", ".join(f"{count:,} {kind}" for kind, count in manifest.goals.items())
        print(f"{manifest.products:,} products with {goals} goals, ", end="")
        print(f"compiled in {time.monotonic() - start:.0f} s into {folder}")
        if folder.absolute() not in [at.absolute() for at in compiled.find_compiled(data_home())]:
            print(f"Next: give data_dir={str(folder.absolute())!r}")
        return 0


@dataclass(frozen=True)
class Generate:
    """Write generated products in upstream's files, for upstream's code too.

    The files get their names when all are whole; interrupted, it begins again. The same numbers
    give the same bytes. ACT/WebShop-v0 reads them as it reads the real ones.
    """

    out: Annotated[str | Path, _PATH]
    """Folder to write into, made where it is missing."""

    products: int = 1000
    """How many. The real catalogue has about 1,180,000."""

    seed: int = 0
    """Decides which."""

    def __call__(self) -> int:
        from act_envs.webshop.generator import write

        folder = given_path(self.out, "--out")
        if self.products < 1:
            raise UnknownArgument(f"--products {self.products} must be at least 1.")
        with Progress("products written", self.products) as progress:
            write(self.seed, self.products, folder, progress.advance)
        print(f"{self.products:,} products are in {folder}.")
        if self.products > 10_000:
            print(f"Next: act-envs compile webshop --data-dir {shlex.quote(str(folder))}")
        print(f"Next: gym.make('ACT/WebShop-v0', data_dir={str(folder.absolute())!r})")
        return 0


@dataclass(frozen=True)
class CheckData:
    """Read WebShop's compiled catalogue, else upstream's files, to the end. Status 2: damaged."""

    data_dir: Annotated[str | Path | None, _PATH] = None
    """Where it is; $ACT_DATA_DIR, else ~/.cache/act."""

    def __call__(self) -> int:
        from act_envs.webshop import compiled

        place = data_home() if self.data_dir is None else given_path(self.data_dir, "--data-dir")
        found = compiled.find_compiled(place)
        for folder in found:
            print(f"checking {folder}", flush=True)
            manifest = compiled.check_compiled(folder)
            print(f"{manifest.products:,} products, every byte as it was written")
            _tell_warnings(manifest)
        for path in () if found else find_source(place):
            if path is not None:
                print(f"{path}: {_count(path):,} records")
        return 0


def _tell_warnings(manifest: Manifest) -> None:
    for kind, (count, first) in manifest.warnings.items():
        print(f"{count:,} x {kind} (first: {first})")


def _is_whole(path: Path, name: str) -> bool:
    """Whether a file, of that name in the end, can be read and holds anything; says what it has.

    Instructions that people wrote may be none: generated catalogues have an empty file.
    """
    print(f"checking {path}", flush=True)
    try:
        count = _count(path, name)
    except CatalogueError as error:
        print(error)
        return False
    print(f"{count:,} records")
    return count > 0 or name.startswith("items_human_ins")


def _count(path: Path, name: str = "") -> int:
    """How many records one of upstream's files has. Reads all of it."""
    products = (name or path.name).startswith("items_shuffle")
    records: Iterator[object] = read_array(path) if products else read_object(path)
    return sum(1 for _ in records)


def _records(path: Path) -> int | None:
    """How many products a file has, about, judged by its beginning; None where nobody knows."""
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
    except OSError:  # the reader of the records will say what is wrong
        return None
    found = sample.count(b'"small_description"')
    return found * path.stat().st_size // len(sample) if found else None
