"""What generated shops sell and how it is worded: ``wares.toml``, ready to draw from.

Departments have families of wares (shoes), and these have wares (women's sandals), each with the
query that finds it. Nothing is drawn here: see ``generator``.
"""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate
from typing import Any, NamedTuple

SORTS = ("is", "with", "for")
"""Sorts of attributes, in the order in which an instruction names them."""

_WORDS = {
    "color": "colors",
    "motif": "motifs",
    "adj": "adjectives",
    "person": "people",
    "place": "places",
    "verb": "verbs",
    "few": "few",
}
_FAMILY = {
    "material": "materials",
    "style": "styles",
    "part": "parts",
    "use": "uses",
    "gain": "gains",
    "rare": "rare",
}
_OWN = (
    "is",
    "with",
    "for",
    "noun",
    "query",
    "brand",
    "series",
    "coin",
    "n",
    "dim",
    "model",
    "year",
)
SLOTS = (*_OWN, *_WORDS, *_FAMILY)
"""Names of slots. A pattern names a slot by its place here."""

POOL = 512
"""Words that every slot is filled from; those that are common stand there more than once."""

_SLOT = re.compile(r"\{(\w+)\}")


class Pattern(NamedTuple):
    """A text with slots.

    Attributes:
        text: with ``%s`` for each slot.
        slots: their places in ``SLOTS``.
        words: about how many there are once it is filled.
        begins: whether it begins with a capital letter, not a slot.
    """

    text: str
    slots: tuple[int, ...]
    words: int
    begins: bool


Orders = tuple[tuple[Pattern, ...], ...]
"""The same patterns in one order and another."""


class Attribute(NamedTuple):
    """What a product can be wanted for: its name, and how texts put it."""

    name: str
    text: str
    sort: str


class Choice(NamedTuple):
    """An option: its name, how often products with options have it, and its values."""

    name: str
    chance: float
    values: tuple[str, ...]
    endless: bool  # whether there are more values than these


@dataclass(frozen=True, eq=False)
class Department:
    """One of upstream's five. All but the words are counts of the real products.

    Attributes:
        name: upstream's ``category``.
        path: begins the paths of its products.
        optional: share of products with options.
        counts: how many values options have: twenty, as likely as each other.
        ranged: share, of products with options, that have a range of prices.
        wished: shares, of products with and without options, that have an instruction.
        sentences: of its texts.
    """

    name: str
    path: str
    optional: float
    counts: tuple[int, ...]
    ranged: float
    wished: tuple[float, float]
    sentences: Orders


@dataclass(frozen=True, eq=False)
class Family:
    """Wares that share words.

    Attributes:
        department: where they are sold.
        price: median in dollars, and the spread of the logarithm.
        words: by slot, the common ones first; none for slots that depend on the product.
        pools: twice ``POOL`` of them by slot, so that a piece of that length may start anywhere.
        attributes: what its products may be wanted for, the usual ones first.
        choices: options.
    """

    department: Department
    price: tuple[float, float]
    words: tuple[Sequence[str], ...]
    pools: tuple[Sequence[str], ...]
    attributes: tuple[Attribute, ...]
    choices: tuple[Choice, ...]


class Ware(NamedTuple):
    """What one query finds: the rest of its path in the shop and the names of such things."""

    query: str
    path: str
    nouns: tuple[str, ...]
    family: Family


@dataclass(frozen=True, eq=False)
class Wares:
    """All of them.

    Attributes:
        wares: in the order of the file.
        shares: how much of a shop each ware and those before it make up.
        titles, fragments, heads: patterns for titles, short bullet points, and their beginnings.
    """

    wares: tuple[Ware, ...]
    shares: tuple[float, ...]
    titles: Orders
    fragments: tuple[Pattern, ...]
    heads: tuple[Pattern, ...]


@functools.cache
def load() -> Wares:
    """The wares of ``wares.toml``."""
    text = resources.files("act_envs.webshop").joinpath("wares.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    words = {slot: _listed(raw["words"][name]) for slot, name in _WORDS.items()}
    said = {name: _patterns(lines) for name, lines in raw["sayings"].items()}
    departments = {
        name: _department(name, told, said["general"]) for name, told in raw["departments"].items()
    }
    wares: list[Ware] = []
    for told in raw["families"].values():
        options = told.get("options", raw["departments"][told["department"]]["options"])
        own = _family_words(words, told)
        family = Family(
            department=departments[told["department"]],
            price=tuple(told["price"]),
            words=own,
            pools=tuple(map(_pooled, own)),
            attributes=_attributes(told),
            choices=_choices(options, told.get("scales", {}), raw),
        )
        for line in told["wares"].strip().splitlines():
            query, path, nouns = map(str.strip, line.split("|"))
            wares.append(Ware(query, path, _listed(nouns), family))
    sizes = {name: told["share"] for name, told in raw["departments"].items()}
    owners = [ware.family.department.name for ware in wares]
    total = sum(sizes.values())
    shares = accumulate(sizes[name] / total / owners.count(name) for name in owners)
    return Wares(
        tuple(wares), tuple(shares), _orders(said["titles"]), said["fragments"], said["heads"]
    )


def _pooled(words: Sequence[str]) -> tuple[str, ...]:
    """A pool, and the pool once more: the place of a word is the square of a uniform number."""
    places = range(1, 2 * POOL * bool(words), 2)
    return 2 * tuple(words[place**2 * len(words) // (2 * POOL) ** 2] for place in places)


def _department(name: str, told: Mapping[str, Any], general: tuple[Pattern, ...]) -> Department:
    return Department(
        name=name,
        path=told["path"],
        optional=told["choices"],
        counts=tuple(told["counts"]),
        ranged=told["priced_range"],
        wished=tuple(told["wishes"]),
        sentences=_orders(general + 2 * _patterns(told["rows"])),
    )


def _family_words(
    words: Mapping[str, Sequence[str]], told: Mapping[str, Any]
) -> tuple[Sequence[str], ...]:
    found = {**words, **{slot: _listed(told[name]) for slot, name in _FAMILY.items()}}
    return tuple(found.get(slot, ()) for slot in SLOTS)


def _attributes(told: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """The attributes of a family, those of all sorts mixed so that none is always last."""
    places = []
    for sort in SORTS:
        entries = _listed(told[sort])
        for place, entry in enumerate(entries):
            name, _, text = entry.partition("=")
            places.append((place / len(entries), Attribute(name, text or name, sort)))
    return tuple(attribute for _, attribute in sorted(places, key=lambda placed: placed[0]))


def _choices(
    options: Sequence[Any], scales: Mapping[str, str], raw: Mapping[str, Any]
) -> tuple[Choice, ...]:
    choices = []
    for name, chance, usual in options:
        scale = scales.get(name, usual)
        if scale == "colors":
            values = tuple(map(str.title, _listed(raw["words"]["colors"])))
        else:
            values = _listed(raw["scales"].get(scale, ""))
        choices.append(Choice(name, chance, values, scale in ("colors", "models")))
    return tuple(choices)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _patterns(lines: str) -> tuple[Pattern, ...]:
    return tuple(map(_pattern, lines.strip().splitlines()))


def _pattern(line: str) -> Pattern:
    slots = tuple(SLOTS.index(name) for name in _SLOT.findall(line))
    text = _SLOT.sub("%s", line.replace("%", "%%"))
    begins = not line.startswith("{")
    if begins:
        text = text[0].upper() + text[1:]
    return Pattern(text, slots, len(line.split()) + len(slots) // 3, begins)


def _orders(patterns: tuple[Pattern, ...]) -> Orders:
    """Walks through patterns, each with steps of another length."""
    size = len(patterns)
    steps = [step for step in range(1, size) if math.gcd(step, size) == 1] or [1]
    return tuple(tuple(patterns[n * step % size] for n in range(size)) for step in steps)
