"""A shop: the products of a catalogue, the search among them, and the goals. No pages, no episodes.

``open_shop`` gives the one that belongs to a folder: a compiled one, else upstream's files read
into memory. All environments of a process share it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Self

from act_envs.assets import data_home, given_path
from act_envs.errors import AssetsNotFound, CatalogueError, UnknownArgument, nearest
from act_envs.webshop.catalogue import (
    Product,
    Source,
    Warnings,
    contents,
    find_source,
    read_products,
)
from act_envs.webshop.compiled import (
    MANIFEST,
    Opened,
    find_compiled,
    open_compiled,
    read_manifest,
)
from act_envs.webshop.compiling import compile_shop
from act_envs.webshop.goals import HUMAN_GOALS, KINDS, Goals, Kind
from act_envs.webshop.places import Places
from act_envs.webshop.search import Index
from act_envs.webshop.store import Listed, Products, Shelves, encode

__all__ = ["Shop", "compile_shop", "open_shop"]

_log = logging.getLogger(__name__)
_opening = threading.Lock()

_RESULTS = 50  # of a search, as upstream
_QUERIES = 1 << 12  # whose results are kept
_LONG = 1000  # characters of a query; the results of longer ones are not
_LISTS = 4  # of departments and queries that are kept; a department may have 300,000 products
_LARGE = 100_000_000  # bytes of upstream's file; more had better be compiled


class _Listing:
    """A catalogue in memory. What not everybody needs is made when it is asked for."""

    def __init__(self, products: Iterable[Product]) -> None:
        self.products: Products = Listed(products)
        self.index = Index.build((product.asin, contents(product)) for product in self.products)

    @cached_property
    def digest(self) -> str:
        hashed = hashlib.blake2b(digest_size=16)
        for product in self.products:
            hashed.update(encode(product))
        return hashed.hexdigest()

    @cached_property
    def categories(self) -> Shelves:
        return Shelves.of(product.category for product in self.products)

    @cached_property
    def queries(self) -> Shelves:
        return Shelves.of(product.query for product in self.products)

    def places(self, source: Kind) -> Places:
        warnings = Warnings()
        places = Places.of(self.products, source, warnings)
        if warnings.counts:
            _log.warning("products without goals: %s", warnings)
        return places


class Shop:
    """Products, the search among them, and goals. Made by :meth:`of` and :meth:`load`.

    Attributes:
        products: in the catalogue's order; those of a compiled one are decoded when asked for.
    """

    def __init__(self, parts: _Listing | Opened) -> None:
        self.products: Sequence[Product] = parts.products
        self._parts = parts
        self._found = lru_cache(_QUERIES)(self._find)
        self._listed = lru_cache(_LISTS)(self._list)
        self._goals = lru_cache(len(KINDS))(self._made)

    @classmethod
    def of(cls, products: Iterable[Product]) -> Self:
        """A shop in memory.

        Raises:
            CatalogueError: two products have the same asin.
        """
        return cls(_Listing(products))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A shop that :func:`compile_shop` has written, mapped read-only.

        Raises:
            CatalogueError: it is damaged, cut short, or of another version.
        """
        return cls(open_compiled(folder))

    @property
    def index(self) -> Index:
        """What ``search`` asks when it does not remember the answer."""
        return self._parts.index

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that name the products, the same in memory and compiled."""
        return self._parts.digest

    def find(self, asin: str) -> Product | None:
        """The product of that name, None where there is none."""
        position = self._parts.products.position(asin)
        return None if position is None else self.products[position]

    def search(self, query: str) -> tuple[str, ...]:
        """The asins of the best 50 products for a query, the best first."""
        return self._found(query) if len(query) <= _LONG else self._find(query)

    def in_category(self, category: str) -> tuple[str, ...]:
        """The asins of all products of a department, in the catalogue's order."""
        return self._listed("categories", category)

    def of_query(self, query: str) -> tuple[str, ...]:
        """The asins of all products that come from a query, in the catalogue's order."""
        return self._listed("queries", query)

    @cached_property
    def usual_goals(self) -> Kind:
        """Whose goals are played where nobody says: people's where all of upstream's are there."""
        human = self.goals("human")
        if not human.whole and len(human) > HUMAN_GOALS * 0.9:
            _log.warning(
                "%d human goals instead of upstream's %d, so synthetic ones are played and there "
                "are no panels of upstream's splits. Which records were left out: "
                "act-envs compile webshop. To play the human ones all the same: goals='human'.",
                *(len(human), HUMAN_GOALS),
            )
        return "human" if human.whole else "synthetic"

    def goals(self, source: Kind) -> Goals:
        """All goals of a kind.

        Raises:
            UnknownArgument: there is no such kind.
        """
        if source not in KINDS:
            raise UnknownArgument(f"source={source!r}. {nearest(source, KINDS)}")
        return self._goals(source)

    def _find(self, query: str) -> tuple[str, ...]:
        return tuple([asin for asin, _ in self.index.search(query, _RESULTS)])

    def _list(self, shelves: str, name: str) -> tuple[str, ...]:
        found: Shelves = getattr(self._parts, shelves)
        ids = self.index.ids
        return tuple([ids[position] for position in found.find(name).tolist()])

    def _made(self, source: Kind) -> Goals:
        return Goals(self.products, source, places=self._parts.places(source))


def open_shop(data_dir: str | Path | None = None) -> Shop:
    """The shop of a folder; the same one whenever a process asks, unless files have changed.

    Looks where :func:`act_envs.webshop.catalogue.find_source` does. A compiled catalogue
    (``webshop.compiled``) goes before upstream's files where it was made from files of their names
    and sizes, or where there are none. ``data_dir`` may also be one itself.

    Raises:
        AssetsNotFound: there is neither.
        UnknownArgument: ``data_dir`` is no path.
        CatalogueError: it is damaged, cut short, or of another version, or has no products.
    """
    place = data_home() if data_dir is None else given_path(data_dir, "data_dir")
    compiled = find_compiled(place)
    try:
        source = None if compiled[:1] == [place] else find_source(place)
    except AssetsNotFound:
        if not compiled:
            raise
        source = None
    with _opening:
        for folder in compiled:
            manifest = read_manifest(folder)
            if source is None or manifest.is_of(source, (folder / MANIFEST).stat().st_mtime_ns):
                return _load(folder.resolve(), manifest.contents)
        assert source is not None
        files = [path.stat() for path in source if path is not None]
        state = tuple((file.st_size, file.st_mtime_ns) for file in files)
        return _read(source, state, compiled[0] if compiled else None)


@lru_cache(2)
def _load(folder: Path, contents: str) -> Shop:
    """The shop of a compiled catalogue. ``contents`` is another whenever it is compiled."""
    return Shop.load(folder)


@lru_cache(2)
def _read(source: Source, state: tuple[tuple[int, int], ...], stale: Path | None) -> Shop:
    """The shop of upstream's files. ``state`` is another when they have changed."""
    size = state[0][0]
    if stale is not None:
        _log.warning(
            "%s was not made from %s as it is now, which is read instead. "
            "Run: act-envs compile webshop --data-dir %s",
            *(stale, source.products, source.products),
        )
    elif size > _LARGE:
        _log.warning(
            "reading %s (%d MB) into memory. It opens in seconds, and processes share it, after: "
            "act-envs compile webshop --data-dir %s",
            *(source.products, size / 1e6, source.products),
        )
    shop = Shop.of(read_products(source))
    if not shop.products:
        raise CatalogueError(f"{source.products} has no product that can be used. Fetch it again.")
    return shop
