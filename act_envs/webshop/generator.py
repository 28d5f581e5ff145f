"""Generated catalogues in upstream's schema: product ``i`` is a pure function of ``(seed, i)``.

A catalogue of any size is made product by product in constant memory, with the same bytes on every
machine. Its counts (words, options, prices, how hard a goal is) are near those of the real 1,000
products (``python -m benchmarks.parity webshop`` prints both); its words are this project's, and
rare ones are invented. There are synthetic instructions and no human ones, which only people can
write.
"""

from __future__ import annotations

import contextlib
import functools
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from act_envs.assets import alone, on_disk
from act_envs.errors import UnknownArgument
from act_envs.webshop.catalogue import Instruction
from act_envs.webshop.chance import Chance, power
from act_envs.webshop.listing import PICTURES, Listing
from act_envs.webshop.shop import Shop
from act_envs.webshop.speech import Speech, titled
from act_envs.webshop.wares import SLOTS, SORTS, Attribute, Choice, Family, Ware, load

IN_MEMORY = 100_000
"""More products than this are better written, compiled and shared."""

LARGEST = 2**40
"""Products that a seed has names for."""

# Twenty numbers, as likely as each other: how it is with the real products.
_WANTED = (2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6, 7)  # attributes
_KNOWN = (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 5)  # without instruction
_MORE = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 6, 8)  # with one
_CENTS = (99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 95, 95, 95, 0, 0, 98, 49)
# Shares of products with a description, without a price, with a picture for each colour, and with
# numbers after their colours.
_DESCRIBED, _UNPRICED, _PICTURED, _CODED = 0.7, 0.089, 0.8, 0.25

_FILES = ("items_human_ins.json", "items_ins_v2.json", "items_shuffle.json")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOTIF = SLOTS.index("motif")


def generate(seed: int, count: int) -> Iterator[Listing]:
    """The first products of a seed's catalogue, made as they are asked for.

    Args:
        seed: 0 or more; other seeds give other products.
        count: how many.

    Raises:
        UnknownArgument: one of them is no such number.
    """
    for name, value, limit in (("seed", seed, 10**18), ("count", count, LARGEST)):
        if type(value) is not int or not 0 <= value <= limit:
            raise UnknownArgument(f"{name}={value!r:.80}. Give a whole number from 0 to {limit:,}.")
    return (_Seller(seed, number).listing() for number in range(count))


def generated_shop(count: int, seed: int = 0) -> Shop:
    """A shop of generated products in memory, the same one whenever a process asks.

    Raises:
        UnknownArgument: there cannot be so many, or the seed is none.
    """
    if type(count) is not int or not 1 <= count <= IN_MEMORY:
        raise UnknownArgument(
            f"products={count!r:.80}: between 1 and {IN_MEMORY:,} are made in memory. For more, "
            "run act-envs generate webshop, and give its folder as data_dir."
        )
    generate(seed, 0)  # refuse what is no seed
    return _made(seed, count)


@functools.lru_cache(4)
def _made(seed: int, count: int) -> Shop:
    return Shop.of(listing.product() for listing in generate(seed, count))


def write(seed: int, count: int, folder: Path, done: Callable[[], object] = lambda: None) -> None:
    """Write a catalogue in upstream's files, for upstream too; the human one holds nothing.

    The files get their names when all are whole. Interrupted, they end in ``.part``. One process
    at a time writes into a folder.

    Args:
        seed: as for ``generate``.
        count: how many products.
        folder: made where it is missing.
        done: called after each product.

    Raises:
        UnknownArgument: a number is none, there is to be no product, or the folder holds a
            catalogue that was not generated.
        DownloadError: the folder cannot be written, or another process writes into it.
    """
    listings = generate(seed, count)
    if not count:
        raise UnknownArgument("a catalogue of 0 products cannot be played. Ask for 1 or more.")
    parts = [folder / f"{name}.part" for name in _FILES]
    with on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others(folder)
        with alone(parts[-1]):
            _fill(parts, listings, done)
            for part in parts:  # the products last: where they are, the rest is
                part.replace(part.with_suffix(""))


def _fill(parts: Iterable[Path], listings: Iterable[Listing], done: Callable[[], object]) -> None:
    with contextlib.ExitStack() as stack:
        human, facts, products = (
            stack.enter_context(part.open("w", encoding="utf-8")) for part in parts
        )
        human.write("{}\n")
        between = "\n"
        products.write("[")
        facts.write("{")
        for listing in listings:
            products.write(between + json.dumps(listing.record(), ensure_ascii=False))
            fact = json.dumps(listing.facts(), ensure_ascii=False)
            facts.write(f'{between}"{listing.asin}": {fact}')
            between = ",\n"
            done()
        products.write("\n]\n")
        facts.write("\n}\n")


def _refuse_others(folder: Path) -> None:
    """Leave a catalogue alone that somebody may have fetched with trouble."""
    for path in sorted(folder.glob("items_*.json")):
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(1 << 16)
        if path.name not in _FILES or (path.name == _FILES[-1] and not _is_generated(head)):
            raise UnknownArgument(
                f"{path} was not generated; catalogues are not mixed. Choose another folder."
            )


def _is_generated(head: str) -> bool:
    return PICTURES in head or not head.strip(" []\n")


def asin_of(seed: int, number: int) -> str:
    """The name of a product: one to one for the numbers of a seed below 2**40."""
    mask = (1 << 40) - 1
    code = number + (seed * 0x9E3779B97F + 0x5851F42D4C) & mask
    for factor in (0xD1342543DF, 0xC6BC279693):  # odd, so that nothing is lost
        code = code * factor & mask
        code ^= code >> 21
    code += 36**7  # no leading zero
    first, last = divmod(code, 36**4)
    pairs = _pairs()
    return f"B0{pairs[first // 1296]}{pairs[first % 1296]}{pairs[last // 1296]}{pairs[last % 1296]}"


@functools.cache
def _pairs() -> list[str]:
    return [one + other for one in _DIGITS for other in _DIGITS]


class _Seller:
    """Lists one product. Its choices come from one stream, in a fixed order.

    Args:
        seed: of the catalogue.
        number: of the product.
    """

    def __init__(self, seed: int, number: int) -> None:
        self._chance = Chance(f"{seed}/{number}")
        self._number = self._chance.number
        self._asin = asin_of(seed, number)
        wares, shares = load().wares, load().shares
        self._ware: Ware = wares[min(bisect_right(shares, self._number()), len(wares) - 1)]
        self._family: Family = self._ware.family
        self._features = self._some_features()
        self._speech = Speech(self._chance, self._ware, self._features)

    def listing(self) -> Listing:
        """The product."""
        department, speech = self._family.department, self._speech
        options = self._options()
        wished = self._number() < department.wished[not options]
        instruction = self._instruction() if wished else None
        return Listing(
            asin=self._asin,
            name=speech.title(),
            description=speech.description() if self._number() < _DESCRIBED else "",
            bullet_points=speech.points(),
            category=department.name,
            query=self._ware.query,
            product_category=_path(self._ware, speech.noun),
            pricing=self._pricing(bool(options)),
            options=options,
            attributes=self._attributes(instruction),
            instruction=instruction,
        )

    def _some_features(self) -> list[Attribute]:
        """What the product is wanted for, rather what is usual in the family."""
        known, count = self._family.attributes, self._chance.pick(_WANTED)
        found: set[int] = set()
        while len(found) < count:
            chance = self._number() * self._number()
            found.add(int((chance * self._number() if chance < 0.3 else chance) * len(known)))
        return [known[place] for place in sorted(found)]

    def _instruction(self) -> Instruction:
        """Words and attributes as upstream has them: what it is, the query, with what, for what."""
        named = [[one.name for one in self._features if one.sort == sort] for sort in SORTS]
        text = "Find me " + "".join(f"{', '.join(names)} " for names in named[:1] if names)
        text += self._ware.query
        for word, names in zip(("with", "for"), named[1:], strict=True):
            text += f" {word} {', '.join(names)}" if names else ""
        return Instruction(text, tuple(name for names in named for name in names))

    def _attributes(self, instruction: Instruction | None) -> tuple[str, ...]:
        """What is known of the product: what is wanted of it, and pairs of words of its texts."""
        if instruction:
            known, more = list(instruction.attributes), self._chance.pick(_MORE)
        else:
            more = self._chance.pick(_KNOWN)
            known = [one.name for one in self._features[: more // 2]]
            more -= len(known)
        thing = self._speech.noun.rpartition(" ")[2]
        for _ in range(more):
            word = self._chance.pick(self._speech.told).partition(" ")[0]
            known.append(f"{word} {thing}")
        return tuple(dict.fromkeys(known))

    def _options(self) -> dict[str, list[tuple[str, str | None]]]:
        if self._number() >= self._family.department.optional:
            return {}
        choices = [each for each in self._family.choices if self._number() < each.chance]
        return {
            choice.name.title(): self._values(choice)
            for choice in choices or self._family.choices[:1]
        }

    def _values(self, choice: Choice) -> list[tuple[str, str | None]]:
        """The values of an option: neighbours on a scale, or such as there is no end of."""
        count = self._chance.pick(self._family.department.counts)
        if not choice.endless:
            count = min(count, len(choice.values))
            start = self._chance.below(len(choice.values) - count + 1)
            return [(value, None) for value in choice.values[start : start + count]]
        pictured, coded = self._number() < _PICTURED, self._number() < _CODED
        found: dict[str, str] = {}
        while len(found) < count:
            value = self._color(choice.values, coded) if choice.values else self._speech.model()
            found.setdefault(value.lower(), value)
        url = f"{PICTURES}{self._asin}"
        return [
            (value, f"{url}-{place}.jpg" if pictured else None)
            for place, value in enumerate(found.values())
        ]

    def _color(self, colors: Sequence[str], coded: bool) -> str:
        kind, color = self._number(), self._chance.common(colors)
        if coded:
            code = self._chance.below(60) if kind < 0.5 else self._speech.model()
            return f"{color} {code}"
        if kind < 0.75:
            return color
        if kind < 0.87:
            return f"{color}/{self._chance.common(colors)}"
        return f"{color} {self._chance.common(self._family.words[_MOTIF]).title()}"

    def _pricing(self, optional: bool) -> tuple[float, ...]:
        if self._number() < _UNPRICED:
            return ()
        median, spread = self._family.price
        low = self._amount(median * power(spread * self._chance.normal()))
        if not optional or self._number() >= self._family.department.ranged:
            return (low,)
        high = self._amount(low * (1 + 0.3 * power(1.2 * self._chance.normal())))
        return (low, high) if high > low else (low,)

    def _amount(self, dollars: float) -> float:
        """A price that a shop would ask."""
        usual = self._number() < 0.75
        cents = self._chance.pick(_CENTS) if usual else self._chance.below(100)
        return (int(dollars) * 100 + cents) / 100 or 0.99


@functools.cache
def _path(ware: Ware, noun: str) -> str:
    return f"{ware.family.department.path} › {ware.path} › {titled(noun)}"
