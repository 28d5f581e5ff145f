"""Goals: what to buy, how upstream words it, in upstream's order. Prices and limits without chance.

Upstream draws the price of a range and the limit named in an instruction from an unseeded global
generator, so that both differ from process to process. Here they follow from the product and the
instruction alone (``price_of``, ``limit_of``), with upstream's distribution. The draws of one of
its processes cannot be repeated; a goal and prices seen there can be given as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from act_envs.errors import UnknownArgument, UnknownSplit, nearest
from act_envs.webshop.catalogue import Instruction, Product, Warnings
from act_envs.webshop.places import (
    KINDS,
    MAX_CHOICES,
    OOD_CATEGORY,
    SPLITS,
    Kind,
    Places,
    hashed,
    instructions_of,
    split_of,
)
from act_envs.webshop.store import Listed, Products

__all__ = [
    "HUMAN_GOALS",
    "KINDS",
    "MAX_CHOICES",
    "NO_LIMIT",
    "OOD_CATEGORY",
    "SPLITS",
    "UPSTREAM_SPLITS",
    "Goal",
    "Goals",
    "Kind",
    "limit_of",
    "limits_above",
    "price_of",
    "split_of",
    "upstream_split",
]

NO_LIMIT = 1_000_000
"""Upstream's ``price_upper`` of a goal that names no limit."""

HUMAN_GOALS = 12_087
"""How many the full catalogue has."""

UPSTREAM_SPLITS = {
    "test": range(500),
    "eval": range(500, 1500),
    "train": range(1500, HUMAN_GOALS),
}
"""Positions, in upstream's order, of the human goals of the full catalogue."""

_LIMITS = [10.0 * tens for tens in range(1, 100)]


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

    Args:
        products: in the catalogue's order.
        source: whose instructions.
        warnings: counts products with more than ``MAX_CHOICES`` combinations, which get no goal.
        places: what these products have, where it is known already.

    Raises:
        UnknownArgument: no such source.
    """

    def __init__(
        self,
        products: Sequence[Product],
        source: Kind = "human",
        *,
        warnings: Warnings | None = None,
        places: Places | None = None,
    ) -> None:
        self.source: Kind = source
        self._products = products if isinstance(products, Products) else Listed(products)
        self._places = Places.of(products, source, warnings) if places is None else places
        # A goal is asked for more than once, and by its name at every reset.
        self._goal = lru_cache(maxsize=1 << 12)(self._made)
        self._named = lru_cache(maxsize=1 << 12)(self._find)

    def __len__(self) -> int:
        return len(self._places.order)

    def __iter__(self) -> Iterator[Goal]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Goal:
        """The goal at a position of upstream's order.

        Raises:
            IndexError: there is none.
        """
        place = int(self._places.order[index])
        group = int(self._places.starts.searchsorted(place, "right")) - 1
        return self._goal(group, place - int(self._places.starts[group]))

    @property
    def whole(self) -> bool:
        """Whether these are the human goals of the full catalogue, which upstream splits."""
        return self.source == "human" and len(self) == HUMAN_GOALS

    def find(self, goal_id: str) -> Goal | None:
        """The goal of that name, None where there is none."""
        return self._named(goal_id)

    def _find(self, goal_id: str) -> Goal | None:
        source, _, rest = goal_id.partition("/")
        asin, _, written = rest.rpartition("/")
        number = int(written) if written.isdecimal() and len(written) < 19 else -1
        position = self._products.position(asin)
        if source != self.source or position is None or str(number) != written:
            return None
        places = self._places
        first, end = map(int, places.products.searchsorted([position, position + 1]))
        if source == "human":
            groups = range(first, end)
            return next((self._goal(at, 0) for at in groups if places.numbers[at] == number), None)
        if first == end or number >= places.starts[end] - places.starts[first]:
            return None
        return self._goal(first, number)

    def in_split(self, split: str) -> np.ndarray:
        """The positions of the goals of a split (see ``split_of``), ascending, int64.

        Raises:
            UnknownSplit: there is no such split.
        """
        if split not in SPLITS:
            raise UnknownSplit(f"unknown split {split!r}. {nearest(split, SPLITS)}")
        at = SPLITS.index(split)
        return self._places.by_split[slice(*self._places.split_starts[at : at + 2])]

    def _made(self, group: int, choice: int) -> Goal:
        """One of the goals of an instruction."""
        product = self._products[int(self._places.products[group])]
        number = int(self._places.numbers[group])
        instruction = instructions_of(product, self.source)[number]
        text, options = instruction.text.strip("."), instruction.options
        if self.source == "synthetic":
            options = _combination(product.options, choice)
            text = instruction.text + _with(options)
            number = choice
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
            weight=float(self._places.weights[group]),
            source=self.source,
            number=number,
        )


def price_of(product: Product) -> float:
    """What a product costs, in dollars.

    A single price stands. Of a range it is the point at the fraction that the product's name
    hashes to, in whole cents: upstream's uniform draw, but the same for everybody for good.
    """
    if len(product.pricing) == 1:
        return product.pricing[0]
    low, high = product.pricing
    return round(low + (high - low) * hashed(product.asin) / 2**64, 2)


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
    return pairs[hashed(f"{product.asin}\0{instruction.text}") % len(pairs)][1]


def upstream_split(goals: Goals, split: str) -> range:
    """The positions in ``goals`` of one of upstream's splits. They share products.

    Raises:
        UnknownSplit: no such split, or not the human goals of the full catalogue.
    """
    if split not in UPSTREAM_SPLITS:
        raise UnknownSplit(f"unknown split {split!r}. {nearest(split, UPSTREAM_SPLITS)}")
    if not goals.whole:
        raise UnknownSplit(
            f"split {split!r} is of the {HUMAN_GOALS:,} human goals of the full catalogue; these "
            f"are {len(goals):,} {goals.source} ones. Use one of {', '.join(SPLITS)}."
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
