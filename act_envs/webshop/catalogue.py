"""Products, read from upstream's own files under their own names. Neither index nor pages.

A record that upstream leaves out is left out; one that it would crash on, or whose price has more
than one reading, is left out or mended, counted and named. No product has a guessed price.
"""

from __future__ import annotations

import logging
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from act_envs.assets import data_home, given_path
from act_envs.errors import AssetsNotFound, CatalogueError
from act_envs.webshop.records import read_array, read_object

_log = logging.getLogger(__name__)

NO_ATTRIBUTES = ("DUMMY_ATTR",)
"""What upstream gives a product that ``items_ins_v2`` says nothing of."""

LONGEST_ASIN = 10
"""Characters of a product's name; upstream leaves longer ones out."""

UNPRICED = 100.0
"""Dollars that upstream asks for a product without a price."""

_PRODUCTS = re.compile(r"items_shuffle(?:_(\d+))?\.json")
# One number, and around it nothing that upstream would read into it, nor a sign before it.
_AMOUNT = re.compile(
    r"[^\d.\-−–]*([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[^\d.]*"
)
_HALF = re.compile("[\ud800-\udfff]")  # a surrogate without its other half


class Instruction(NamedTuple):
    """What somebody wants of a product: words, attributes, and (human ones only) options."""

    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """One product, with upstream's changes to the raw record made.

    Attributes:
        asin: its name, unique in the catalogue, of at most ten characters.
        title: upstream's ``name`` and ``Title``.
        category: one of upstream's five departments (``"garden"``).
        query: what was searched for when it was found, lower case.
        product_category: the path in the shop, parts divided by ``›``.
        description: a text.
        bullet_points: the list of features.
        pricing: one price in dollars, or the two ends of a range as they stand in the file.
        price: the price as upstream prints it (``"$877.8"``, ``"$5.0 to $9.5"``).
        options: values to choose from, lower case, by the option's name.
        attributes: what reward calculations compare with a goal's attributes.
        image: URL of the first image, ``""`` where there is none.
        option_images: URL of an image, or None, by an option's value.
        instruction: the synthetic one, if any.
        human: instructions that people wrote.
    """

    asin: str
    title: str
    category: str = ""
    query: str = ""
    product_category: str = ""
    description: str = ""
    bullet_points: tuple[str, ...] = ()
    pricing: tuple[float, ...] = (UNPRICED,)
    price: str = f"${UNPRICED}"
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: tuple[str, ...] = NO_ATTRIBUTES
    image: str = ""
    option_images: Mapping[str, str | None] = field(default_factory=dict)
    instruction: Instruction | None = None
    human: tuple[Instruction, ...] = ()


class Source(NamedTuple):
    """The files of one catalogue. Without ``human`` there are no human goals."""

    products: Path
    attributes: Path
    human: Path | None


class Warnings:
    """What was wrong with the records and could be lived with, counted by kind.

    Attributes:
        counts: how often each kind was met.
        first: where it was met first.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, kind: str, where: str) -> None:
        """Count one more."""
        self.counts[kind] += 1
        self.first.setdefault(kind, where)

    def __str__(self) -> str:
        return "; ".join(
            f"{count} x {kind} (first: {self.first[kind]})" for kind, count in self.counts.items()
        )


def find_source(data_dir: str | Path | None = None) -> Source:
    """Where the files of a catalogue are.

    Looks at ``data_dir`` alone where it is given, else at ``data_home()``; in each at the folder
    itself, then at its folders ``webshop``, ``webshop_1k`` and ``webshop/webshop_1k``. Of several
    ``items_shuffle*.json`` in a folder the full one is taken, else the one of most products;
    ``data_dir`` may also be one of them. ``items_ins_v2`` and ``items_human_ins`` are those with
    the same ending of the name, else those without any.

    Raises:
        AssetsNotFound: there is no catalogue, or a part of it is missing.
        UnknownArgument: ``data_dir`` is no path.
        CatalogueError: a folder cannot be read.
    """
    place = data_home() if data_dir is None else given_path(data_dir, "data_dir")
    try:
        products = _products_in(place)
    except OSError as error:
        raise CatalogueError(
            f"cannot read {place}: {error.strerror or error}. Make it readable."
        ) from error
    if products is None:
        raise AssetsNotFound(
            f"WebShop's items_shuffle*.json not found in {place} nor in its folders webshop, "
            "webshop_1k and webshop/webshop_1k. Give data_dir=, or set ACT_DATA_DIR to the folder "
            "that has it, or run: act-envs download webshop"
        )
    attributes = _companion(products, "items_ins_v2")
    if attributes is None:
        raise AssetsNotFound(
            f"{products} is there, but no items_ins_v2*.json beside it. Put it there."
        )
    return Source(products, attributes, _companion(products, "items_human_ins"))


def folders_of(place: Path) -> tuple[Path, ...]:
    """Where in a folder a catalogue may lie, in the order of precedence."""
    return (place, place / "webshop", place / "webshop_1k", place / "webshop/webshop_1k")


def read_products(source: Source, *, warnings: Warnings | None = None) -> Iterator[Product]:
    """The products of a catalogue in its own order, read as they are asked for.

    Args:
        source: from ``find_source``.
        warnings: counts what is wrong. Without it that goes to the log, at the end.

    Raises:
        CatalogueError: a file is damaged or cut off.
    """
    noted = Warnings() if warnings is None else warnings
    reader = _Reader(source, noted)
    for number, record in read_array(source.products):
        product = reader.product(record, f"{source.products.name}: record {number}")
        if product is not None:
            yield product
    if warnings is None and noted.counts:
        _log.warning("%s: %s", source.products, noted)


def contents(product: Product) -> str:
    """The text that is indexed: of the bullet points only the first, as upstream has it."""
    options = ", and ".join(
        f"{name}: {', '.join(values)}" for name, values in product.options.items()
    )
    bullet = product.bullet_points[0] if product.bullet_points else ""
    return " ".join((product.title, product.description, bullet, options)).lower()


class _Reader:
    """Turns records into products, with the two other files at hand."""

    def __init__(self, source: Source, warnings: Warnings) -> None:
        self._warn = warnings.add
        self._seen: set[str] = set()
        self._facts: dict[str, tuple[tuple[str, ...], Instruction | None]] = {}
        self._human: dict[str, tuple[Instruction, ...]] = {}
        for asin, record in read_object(source.attributes):
            self._facts[asin] = self._fact(record, f"{source.attributes.name}: {asin}")
        if source.human is not None:
            for asin, records in read_object(source.human):
                self._human[asin] = self._instructions(records, f"{source.human.name}: {asin}")

    def product(self, record: Any, where: str) -> Product | None:
        """The product of a record, None where it is left out."""
        if not isinstance(record, dict):
            return self._warn("record is no object", where)
        asin = record.get("asin")
        if not isinstance(asin, str) or not asin or not _is_text(asin):
            return self._warn("missing asin", where)
        where = f"{where} ({asin:.20})"
        if asin == "nan" or len(asin) > LONGEST_ASIN:
            return self._warn("asin left out by upstream", where)
        if asin in self._seen:
            return self._warn("duplicate asin", where)
        self._seen.add(asin)
        pricing = read_price(record.get("pricing"))
        if pricing is None:
            return self._warn("malformed price", f"{where}: {record['pricing']!r:.80}")
        options, images = self._options(record.get("customization_options"), where)
        bullets = record.get("small_description")
        pictures = record.get("images")
        first = pictures[0] if isinstance(pictures, list) and pictures else None
        if not isinstance(first, str):
            self._warn("missing image", where)
        attributes, instruction = self._facts.pop(asin, (NO_ATTRIBUTES, None))  # no more needed
        return Product(
            asin=asin,
            title=self._text(record.get("name"), "name", where),
            category=sys.intern(self._text(record.get("category"), "category", where)),
            query=sys.intern(self._text(record.get("query"), "query", where).lower().strip()),
            product_category=sys.intern(
                self._text(record.get("product_category"), "product_category", where)
            ),
            description=self._text(record.get("full_description"), "full_description", where),
            bullet_points=self._texts(
                [bullets] if isinstance(bullets, str) else bullets, "small_description", where
            ),
            pricing=pricing,
            price=" to ".join(f"${amount}" for amount in pricing),
            options=options,
            attributes=attributes,
            image=self._text(first, "images", where) if isinstance(first, str) else "",
            option_images=images,
            instruction=instruction,
            human=self._human.pop(asin, ()),
        )

    def _text(self, value: Any, field: str, where: str) -> str:
        """A text as it is; what is none becomes empty, half a character the replacement one."""
        if not isinstance(value, str):
            self._warn(f"{field} is no text", where)
            return ""
        if not _is_text(value):
            self._warn(f"{field} has half a character", where)
            return _HALF.sub("\N{REPLACEMENT CHARACTER}", value)
        return value

    def _texts(self, values: Any, field: str, where: str) -> tuple[str, ...]:
        if not isinstance(values, list):
            self._warn(f"{field} is no list", where)
            return ()
        return tuple(self._text(value, field, where) for value in values)

    def _options(
        self, given: Any, where: str
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, str | None]]:
        options, images = {}, {}
        if given and not isinstance(given, dict):
            self._warn("customization_options is no object", where)
            given = None
        for name, choices in (given or {}).items():
            if choices is None:
                continue
            if not isinstance(choices, list):
                self._warn("option is no list", where)
                continue
            values = []
            for choice in choices:
                value = choice.get("value") if isinstance(choice, dict) else None
                if not isinstance(value, str):
                    self._warn("option without a value", where)
                    continue
                value = self._text(value, "option", where).strip().replace("/", " | ").lower()
                image = choice.get("image")
                images[value] = image if isinstance(image, str) else None
                values.append(value)
            options[self._text(name, "option", where).lower()] = tuple(values)
        return options, images

    def _fact(self, record: Any, where: str) -> tuple[tuple[str, ...], Instruction | None]:
        """Attributes and synthetic instruction of a product."""
        if not isinstance(record, dict):
            self._warn("record is no object", where)
            return NO_ATTRIBUTES, None
        attributes = NO_ATTRIBUTES
        if "attributes" in record:
            attributes = self._interned(record["attributes"], "attributes", where)
        text = record.get("instruction")
        if text is None:
            return attributes, None
        wanted = self._interned(
            record.get("instruction_attributes"), "instruction_attributes", where
        )
        if not wanted:  # upstream would not start
            self._warn("instruction without attributes", where)
            return attributes, None
        return attributes, Instruction(self._text(text, "instruction", where), wanted)

    def _interned(self, values: Any, field: str, where: str) -> tuple[str, ...]:
        return tuple(sys.intern(text) for text in self._texts(values, field, where))

    def _instructions(self, records: Any, where: str) -> tuple[Instruction, ...]:
        """What people wrote; those without attributes make no goal but keep their place."""
        found = []
        for record in records if isinstance(records, list) else [records]:
            if not isinstance(record, dict):
                self._warn("record is no object", where)
                record = {}
            found.append(
                Instruction(
                    self._text(record.get("instruction"), "instruction", where),
                    *(
                        self._texts(record.get(field), field, where)
                        for field in ("instruction_attributes", "instruction_options")
                    ),
                )
            )
        return tuple(found)


def read_price(pricing: Any) -> tuple[float, ...] | None:
    """The one or two prices of a record, in dollars.

    Every ``$`` begins an amount; upstream takes all digits and dots up to the next one as a single
    number, and so do we where they are one: what follows is either upstream's price or none.

    Returns:
        ``(100.0,)`` where no price is given, as upstream; None where it is not understood:
        no ``$``, two numbers or none after one, a sign before it, or a comma that divides no
        thousands.
    """
    if pricing is None or pricing == "":
        return (UNPRICED,)
    if not isinstance(pricing, str):
        return None
    head, *pieces = pricing.split("$")
    amounts = [_AMOUNT.fullmatch(piece) for piece in pieces]
    if not amounts or None in amounts or re.search(r"[\d\-−–]", head):
        return None
    values = [float(amount[1].replace(",", "")) for amount in amounts if amount]
    return tuple(values[:2]) if all(map(math.isfinite, values)) else None


def _is_text(value: str) -> bool:
    """Whether a string has no lone surrogate: no other can be sent or stored."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _products_in(place: Path) -> Path | None:
    if place.is_file():
        return place if _PRODUCTS.fullmatch(place.name) else None
    for folder in folders_of(place):
        if folder.is_dir():
            found = [
                (int(match[1] or sys.maxsize), path)
                for path in folder.iterdir()
                if (match := _PRODUCTS.fullmatch(path.name)) and path.is_file()
            ]
            if found:
                return max(found)[1]
    return None


def _companion(products: Path, name: str) -> Path | None:
    ending = products.name.removeprefix("items_shuffle")
    paths = (products.with_name(f"{name}{end}") for end in (ending, ".json"))
    return next((path for path in paths if path.is_file()), None)
