"""Which goals a catalogue has, in a few arrays: where they come from and their order, no words.

Upstream lists goals by product, synthetic ones by every combination of option values, and shuffles
the list with seed 233. A product has 7 on average, and a full catalogue millions; so only their
places are kept, 16 bytes a goal, which processes can share.
"""

from __future__ import annotations

import hashlib
import math
import random
from array import array
from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Literal, NamedTuple

import numpy as np

from act_envs.errors import UnknownArgument, nearest
from act_envs.webshop.catalogue import Instruction, Product, Warnings

Kind = Literal["human", "synthetic"]
KINDS: tuple[Kind, ...] = ("human", "synthetic")

SPLITS = ("train", "dev", "test", "ood")
OOD_CATEGORY = "grocery"
"""The department that none but the out-of-distribution split has products of."""

MAX_CHOICES = 1_000_000
"""Combinations of options that one product may have; upstream would run out of memory."""


class Places(NamedTuple):
    """The goals of one kind. A *group* are the goals of one instruction.

    Attributes:
        products: position of each group's product, ascending, (groups,) int64.
        numbers: which of the product's instructions it is, (groups,) int64.
        starts: place of each group's first goal before the shuffle, and their number,
            (groups + 1,) int64.
        weights: of each goal of a group, (groups,) float64.
        order: the place before the shuffle of the goal at each position after it, (goals,) int64.
        by_split: positions after it by split, ascending in each, (goals,) int64.
        split_starts: where those of each split start, and the last end, (splits + 1,) int64.
    """

    products: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray
    weights: np.ndarray
    order: np.ndarray
    by_split: np.ndarray
    split_starts: np.ndarray

    @classmethod
    def of(
        cls, products: Iterable[Product], source: Kind, warnings: Warnings | None = None
    ) -> Places:
        """Those of the goals of a catalogue. Arguments and errors as :class:`Placing`."""
        placing = Placing(source, warnings)
        for position, product in enumerate(products):
            placing.add(position, product)
        return placing.places()


class Placing:
    """Makes the places of all goals of one kind, in one pass over the products.

    Args:
        source: whose instructions.
        warnings: counts products with more than ``MAX_CHOICES`` combinations, which get no goal.

    Raises:
        UnknownArgument: no such source.
    """

    def __init__(self, source: Kind, warnings: Warnings | None = None) -> None:
        if source not in KINDS:
            raise UnknownArgument(f"source={source!r}. {nearest(source, KINDS)}")
        self._source: Kind = source
        self._warnings = warnings
        self._products, self._numbers, self._starts = array("q"), array("q"), array("q", [0])
        self._splits = array("B")
        self._attributes: dict[str, int] = {}  # a number for each
        self._counts = array("q")  # goals that want it, by that number
        self._wanted, self._ends = array("q"), array("q", [0])  # numbers, by group

    def add(self, position: int, product: Product) -> None:
        """Take the next product."""
        split = None
        for number, instruction in enumerate(instructions_of(product, self._source)):
            choices = self._choices(product) if instruction.attributes else 0
            if not choices:
                continue
            if split is None:
                split = SPLITS.index(split_of(product.asin, product.category))
            self._products.append(position)
            self._numbers.append(number)
            self._starts.append(self._starts[-1] + choices)
            self._splits.append(split)
            if self._source == "synthetic":
                self._count(instruction, choices)

    def places(self) -> Places:
        """The places of the goals of all products so far."""
        starts = np.array(self._starts)
        order = array("q", range(self._starts[-1]))
        random.Random(233).shuffle(order)
        order = np.asarray(order)
        splits = np.repeat(np.asarray(self._splits), np.diff(starts))[order]
        sizes = np.bincount(splits, minlength=len(SPLITS))
        return Places(
            products=np.array(self._products),
            numbers=np.array(self._numbers),
            starts=starts,
            weights=np.array(self._weights(), np.float64),
            order=order,
            by_split=np.argsort(splits, kind="stable"),
            split_starts=np.concatenate(([0], np.cumsum(sizes))),
        )

    def _choices(self, product: Product) -> int:
        """How many goals an instruction makes."""
        if self._source == "human":
            return 1
        choices = math.prod(map(len, product.options.values()))
        if choices > MAX_CHOICES and self._warnings is not None:
            self._warnings.add("too many combinations of options", product.asin)
        return choices if choices <= MAX_CHOICES else 0

    def _count(self, instruction: Instruction, choices: int) -> None:
        for attribute in instruction.attributes:
            number = self._attributes.setdefault(attribute, len(self._attributes))
            if number == len(self._counts):
                self._counts.append(0)
            self._counts[number] += choices
            self._wanted.append(number)
        self._ends.append(len(self._wanted))

    def _weights(self) -> list[float]:
        if self._source == "human":
            return [1.0] * len(self._products)
        shares = array("d", [1.0 / count for count in self._counts])
        groups = zip(self._ends, self._ends[1:], strict=False)
        # One after the other: from Python 3.12 on, sum() rounds in another way than upstream's.
        return [
            reduce(add, (shares[number] for number in self._wanted[start:end])) / (end - start)
            for start, end in groups
        ]


def instructions_of(product: Product, source: Kind) -> tuple[Instruction, ...]:
    """What people wrote of a product, or what was made up of it."""
    if source == "human":
        return product.human
    return (product.instruction,) if product.instruction else ()


def split_of(asin: str, category: str) -> str:
    """The split that a product and all of its goals belong to, in any catalogue.

    Products of ``OOD_CATEGORY`` make up ``ood``; of the others 80 % go to ``train``, 10 % each to
    ``dev`` and ``test``, by a hash of the name.
    """
    if category == OOD_CATEGORY:
        return "ood"
    percent = hashed(f"split\0{asin}") % 100
    return "train" if percent < 80 else "dev" if percent < 90 else "test"


def hashed(text: str) -> int:
    """64 bits that are the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
