"""Products by position and by name, in memory or in a file of records. Decides nothing about them.

A stored product is a line of JSON, its fields in the order of the class. Text that JSON cannot say
in UTF-8 (half a character) is kept all the same.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Self, overload

import numpy as np

from act_envs.errors import CatalogueError
from act_envs.webshop.catalogue import LONGEST_ASIN, Instruction, Product
from act_envs.webshop.search import Strings

_IN_MEMORY = 1 << 11  # decoded products that are kept; one takes some 6 kB
_KNOWN = 1 << 14  # asins whose positions are kept
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Products(Sequence[Product]):
    """The products of a catalogue in its order. Each is made when it is asked for, or before."""

    @abstractmethod
    def position(self, asin: str) -> int | None:
        """Where the product of that name is; None where there is none."""

    @abstractmethod
    def _at(self, position: int) -> Product:
        """The product at a position from 0 to the last."""

    @overload
    def __getitem__(self, index: int) -> Product: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Product]: ...
    def __getitem__(self, index: int | slice) -> Product | Sequence[Product]:
        if isinstance(index, slice):
            return [self._at(position) for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"there is no product {index}: the catalogue has {len(self):,}")
        return self._at(position)


class Listed(Products):
    """Products in memory."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products = tuple(products)

    def __len__(self) -> int:
        return len(self._products)

    def __iter__(self) -> Iterator[Product]:
        return iter(self._products)

    def position(self, asin: str) -> int | None:
        return self._positions.get(asin)

    def _at(self, position: int) -> Product:
        return self._products[position]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {product.asin: position for position, product in enumerate(self._products)}


class Stored(Products):
    """Products in records, one after the other. Some of those last asked for stay in memory.

    Args:
        records: their bytes (a mapped file), as ``encode`` makes them.
        ends: where each ends, (products,) int64.
        asins: the name of each, in the catalogue's order.
        by_asin: positions by ascending name, (products,) int64.
        name: of the file, for errors.
    """

    def __init__(
        self, records: Any, ends: np.ndarray, asins: Strings, by_asin: np.ndarray, name: str
    ) -> None:
        self._records, self._name = records, name
        self._ends, self._by_asin, self._asins = ends.data, by_asin.data, asins
        self._recent = lru_cache(_IN_MEMORY)(self._decoded)
        self._known = lru_cache(_KNOWN)(self._look_up)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Product]:
        return map(self._decoded, range(len(self)))  # without losing what was kept

    def position(self, asin: str) -> int | None:
        return self._known(asin) if len(asin) <= LONGEST_ASIN else None  # or misses fill memory

    def _at(self, position: int) -> Product:
        return self._recent(position)

    def _look_up(self, asin: str) -> int | None:
        at = bisect_left(self._by_asin, asin, key=self._asins.__getitem__)
        if at == len(self) or self._asins[self._by_asin[at]] != asin:
            return None
        return self._by_asin[at]

    def _decoded(self, position: int) -> Product:
        start = self._ends[position - 1] if position else 0
        try:
            return decode(self._records[start : self._ends[position]])
        except (ValueError, TypeError, AttributeError) as error:
            raise CatalogueError(
                f"{self._name}: record {position} is damaged ({error}). "
                "Compile the catalogue again."
            ) from error


def encode(product: Product) -> bytes:
    """A product as a line of JSON."""
    fields = (
        product.asin,
        product.title,
        product.category,
        product.query,
        product.product_category,
        product.description,
        product.bullet_points,
        product.pricing,
        product.price,
        dict(product.options),
        product.attributes,
        product.image,
        dict(product.option_images),
        product.instruction,
        product.human,
    )
    return _ENCODER.encode(fields).encode("utf-8", "surrogatepass") + b"\n"


def decode(record: bytes) -> Product:
    """The product of such a line.

    Raises:
        ValueError, TypeError, AttributeError: it is none.
    """
    asin, title, category, query, path, description, bullets, *rest = json.loads(
        str(record, "utf-8", "surrogatepass")
    )
    pricing, price, options, attributes, image, images, instruction, human = rest
    return Product(
        asin,
        title,
        category,
        query,
        path,
        description,
        tuple(bullets),
        tuple(pricing),
        price,
        {name: tuple(values) for name, values in options.items()},
        tuple(attributes),
        image,
        images,
        _instruction(*instruction) if instruction else None,
        tuple([_instruction(*one) for one in human]),
    )


def _instruction(text: str, attributes: list[str], options: list[str]) -> Instruction:
    return Instruction(text, tuple(attributes), tuple(options))


class Shelves(NamedTuple):
    """Positions of products by a text that they share, such as a department.

    Attributes:
        text: the texts in ascending order (``Strings``).
        ends: where each ends, (texts,) int64.
        starts: where the positions of each start, and the last end, (texts + 1,) int64.
        positions: of the products with each text, ascending, (products,) int64.
    """

    text: np.ndarray
    ends: np.ndarray
    starts: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Shelves of the products with these texts, in their order."""
        found: dict[str, array[int]] = {}
        for position, name in enumerate(texts):
            found.setdefault(name, array("q")).append(position)
        names = sorted(found)
        strings = Strings.of(names)
        starts = np.cumsum([0, *(len(found[name]) for name in names)], dtype=np.int64)
        positions = array("q")
        for name in names:
            positions.extend(found[name])
        return cls(strings.text, strings.ends, starts, np.asarray(positions, np.int64))

    def find(self, name: str) -> np.ndarray:
        """The positions of the products with that text."""
        at = Strings(self.text, self.ends).find(name)
        return (
            self.positions[:0] if at is None else self.positions[slice(*self.starts[at : at + 2])]
        )
