"""Goals: what to buy, how upstream words it, in upstream's order. Prices and limits without chance.

Upstream draws the price of a range and the limit named in an instruction from an unseeded global
generator, so that both differ from process to process. Here they follow from the product and the
instruction alone (``price_of``, ``limit_of``), with upstream's distribution. The draws of one of
its processes cannot be repeated; a goal and prices seen there can be given as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from act_envs.errors import UnknownArgument, UnknownSplit, nearest
from act_envs.webshop.catalogue import Instruction, Product, Warnings

NO_LIMIT = 1_000_000
"""Upstream's ``price_upper`` of a goal that names no limit."""

SPLITS = ("train", "dev", "test", "ood")
OOD_CATEGORY = "grocery"
"""The department that none but the out-of-distribution split has products of."""

UPSTREAM_SPLITS = {"test": range(500), "eval": range(500, 1500), "train": range(1500, 12_087)}
"""Positions, in upstream's order, of the human goals of the full catalogue."""

MAX_CHOICES = 1_000_000
"""Combinations of options that one product may have; upstream would run out of memory."""

_LIMITS = [10.0 * tens for tens in range(1, 100)]

Kind = Literal["human", "synthetic"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One task: an instruction, and what is compared with a purchase.

    Attributes:
        asin: the product that it was made from.
        category: its department.
        query: its query.
        name: its title.
        product_category: its path in the shop.
        instruction: what the agent is told, the limit included.
        attributes: what the product must be.
        options: what must be chosen: values (human), or names with values (synthetic).
        price_upper: dollars that it may cost at the most.
        weight: how often upstream draws it, relative to others.
        source: who wrote the instruction.
        number: which goal of that product and source it is, from 0.

    Raises:
        UnknownArgument: no attributes or no positive limit; upstream crashes at the reward.
    """

    asin: str
    category: str
    query: str
    name: str
    product_category: str
    instruction: str
    attributes: tuple[str, ...]
    options: tuple[str, ...] | tuple[tuple[str, str], ...]
    price_upper: float
    weight: float = 1.0
    source: Kind = "human"
    number: int = 0

    def __post_init__(self) -> None:
        if not self.attributes:
            raise UnknownArgument(
                f"the goal for {self.asin!r} has no attributes. Give one at the least."
            )
        if not isinstance(self.price_upper, int | float) or not self.price_upper > 0:
            raise UnknownArgument(
                f"the goal for {self.asin!r} has price_upper={self.price_upper!r}. "
                f"Give dollars above 0; {NO_LIMIT} means that any price will do."
            )

    @property
    def goal_id(self) -> str:
        """A name that does not depend on the other products: ``"synthetic/B00EXAMPLE/3"``."""
        return f"{self.source}/{self.asin}/{self.number}"


class Goals:
    """All goals of one kind, in upstream's order. A goal is made when it is asked for.

    Upstream lists goals by product, synthetic ones by every combination of option values (names
    sorted), and shuffles the list with seed 233. A product has 7 on average, and a full catalogue
    millions; so only their places are kept, 16 bytes a goal.

    Args:
        products: in the catalogue's order.
        source: whose instructions.
        warnings: counts products with more than ``MAX_CHOICES`` combinations, which get no goal.

    Raises:
        UnknownArgument: no such source.
    """

    def __init__(
        self,
        products: Sequence[Product],
        source: Kind = "human",
        *,
        warnings: Warnings | None = None,
    ) -> None:
        if source not in ("human", "synthetic"):
            raise UnknownArgument(f"source={source!r}. {nearest(source, ('human', 'synthetic'))}")
        self.source: Kind = source
        self._products = products
        self._groups: list[tuple[int, int]] = []  # product and instruction
        self._starts = array("q")  # place of each group's first goal, before the shuffle
        self._counts: Counter[str] = Counter()  # goals by attribute
        size = 0
        for place, product in enumerate(products):
            for number, instruction in enumerate(self._instructions(product)):
                if not instruction.attributes:
                    continue
                choices = 1
                if source == "synthetic":
                    choices = math.prod(map(len, product.options.values()))
                if choices > MAX_CHOICES and warnings is not None:
                    warnings.add("too many combinations of options", product.asin)
                if not 0 < choices <= MAX_CHOICES:
                    continue
                self._groups.append((place, number))
                self._starts.append(size)
                size += choices
                for attribute in instruction.attributes:
                    self._counts[attribute] += choices
        order = list(range(size))
        random.Random(233).shuffle(order)
        self._order = array("q", order)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Goal]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Goal:
        """The goal at a position of upstream's order.

        Raises:
            IndexError: there is none.
        """
        place = self._order[index]
        group = bisect_right(self._starts, place) - 1
        choice = place - self._starts[group]
        position, number = self._groups[group]
        product = self._products[position]
        instruction = self._instructions(product)[number]
        text, options, weight = instruction.text.strip("."), instruction.options, 1.0
        if self.source == "synthetic":
            options = _combination(product.options, choice)
            text = instruction.text + _with(options)
            shares = [1.0 / self._counts[attribute] for attribute in instruction.attributes]
            weight, number = sum(shares) / len(shares), choice
        limit = limit_of(product, instruction)
        if limit is not None:
            text += f", and price lower than {limit:.2f} dollars"
        return Goal(
            asin=product.asin,
            category=product.category,
            query=product.query,
            name=product.title,
            product_category=product.product_category,
            instruction=text,
            attributes=instruction.attributes,
            options=options,
            price_upper=NO_LIMIT if limit is None else limit,
            weight=weight,
            source=self.source,
            number=number,
        )

    def _instructions(self, product: Product) -> tuple[Instruction, ...]:
        if self.source == "human":
            return product.human
        return (product.instruction,) if product.instruction else ()


def price_of(product: Product) -> float:
    """What a product costs, in dollars.

    A single price stands. Of a range it is the point at the fraction that the product's name
    hashes to, in whole cents: upstream's uniform draw, but the same for everybody for good.
    """
    if len(product.pricing) == 1:
        return product.pricing[0]
    low, high = product.pricing
    return round(low + (high - low) * _hash(product.asin) / 2**64, 2)


def limits_above(price: float) -> list[float]:
    """The next four multiples of ten dollars above a price, none of them above 990."""
    return [limit for limit in _LIMITS if limit > price][:4]


def limit_of(product: Product, instruction: Instruction) -> float | None:
    """The price limit that a goal names, in dollars; None where there is no room for one.

    Upstream takes the larger of two of the next four multiples of ten; which pair it is, product
    and words of the instruction decide by their hash. All goals of a synthetic instruction share
    it.
    """
    pairs = list(itertools.combinations(limits_above(price_of(product)), 2))
    if not pairs:
        return None
    return pairs[_hash(f"{product.asin}\0{instruction.text}") % len(pairs)][1]


def split_of(asin: str, category: str) -> str:
    """The split that a product and all of its goals belong to, in any catalogue.

    Products of ``OOD_CATEGORY`` make up ``ood``; of the others 80 % go to ``train``, 10 % each to
    ``dev`` and ``test``, by a hash of the name.
    """
    if category == OOD_CATEGORY:
        return "ood"
    percent = _hash(f"split\0{asin}") % 100
    return "train" if percent < 80 else "dev" if percent < 90 else "test"


def upstream_split(goals: Goals, split: str) -> range:
    """The positions in ``goals`` of one of upstream's splits. They share products.

    Raises:
        UnknownSplit: no such split, or not the human goals of the full catalogue.
    """
    if split not in UPSTREAM_SPLITS:
        raise UnknownSplit(f"unknown split {split!r}. {nearest(split, UPSTREAM_SPLITS)}")
    whole = UPSTREAM_SPLITS["train"].stop
    if goals.source != "human" or len(goals) != whole:
        raise UnknownSplit(
            f"split {split!r} is of the {whole:,} human goals of the full catalogue; these are "
            f"{len(goals):,} {goals.source} ones. Use one of {', '.join(SPLITS)}."
        )
    return UPSTREAM_SPLITS[split]


def _combination(options: Mapping[str, Sequence[str]], choice: int) -> tuple[tuple[str, str], ...]:
    """One of the combinations that ``itertools.product`` gives, names sorted, by its number."""
    chosen = []
    for name in sorted(options, reverse=True):
        choice, value = divmod(choice, len(options[name]))
        chosen.append((name, options[name][value]))
    return tuple(reversed(chosen))


def _with(options: Sequence[tuple[str, str]]) -> str:
    listed = ", and ".join(f"{name}: {value}" for name, value in options)
    return f" with {listed}" if listed else ""


def _hash(text: str) -> int:
    """64 bits that are the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
