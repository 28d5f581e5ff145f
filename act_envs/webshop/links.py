"""A visit as the query part of an address, and back. The addresses are the site's, not upstream's.

Nothing in an address is evaluated: every part has a name, a place where it may stand, and one way
to be read. Chosen options are positions, so that no text of a product makes an address too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from act_envs.protocol import MAX_ACTION
from act_envs.webshop import pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.pages import Visit

_SEARCH = ("words", "number", "seen")
_PARTS = {
    pages.INDEX: (),
    pages.RESULTS: _SEARCH,
    pages.ITEM: (*_SEARCH, "asin", "option"),
    pages.SUB_PAGE: (*_SEARCH, "asin", "option", "sub_page"),
    pages.DONE: (*_SEARCH, "asin", "option"),
}
_MANY = ("seen", "option")  # parts that may stand several times
_MOST = 4096  # parts of an address


class BadAddress(Exception):
    """An address that leads nowhere. The message names the part and what it can be.

    Attributes:
        status: of HTTP: 400 for what is malformed, 404 for what is not there.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def write(engine: Engine, visit: Visit) -> str:
    """The query part for a visit, with its ``?``. It says all of a visit but the reward."""
    parts = [("page", visit.page)]
    if visit.page != pages.INDEX:
        parts += [("words", " ".join(visit.keywords)), ("number", str(visit.number))]
    if visit.asin:
        options = engine.product(visit.asin).options
        names = list(options)
        parts.append(("asin", visit.asin))
        for name, value in visit.options:
            parts.append(("option", f"{names.index(name)}.{options[name].index(value)}"))
    if visit.sub_page:
        parts.append(("sub_page", visit.sub_page))
    parts += [("seen", asin) for asin in visit.seen]
    return f"?{urlencode(parts)}"


def read(engine: Engine, errand: Errand, query: str) -> Visit:
    """The visit that a query part (without ``?``) means; it has no reward, bought or not.

    Raises:
        BadAddress: it means none.
    """
    parts = _split(query)
    page = _one(parts, "page", pages.INDEX)
    if page not in _PARTS:
        raise BadAddress(f"There is no page {page!r:.60}. Pages: {', '.join(_PARTS)}.", 404)
    for name, values in parts.items():
        if name not in ("page", *_PARTS[page]):
            raise BadAddress(f"The address of a page {page!r} has no part {name!r:.60}.")
        if len(values) > 1 and name not in _MANY:
            raise BadAddress(f"The part {name!r} stands more than once.")
    if page == pages.INDEX:
        return Visit()
    seen = tuple(sorted({_product(engine, asin).asin for asin in parts.get("seen", ())}))
    visit = Visit(page, _words(parts), _number(_one(parts, "number", "1")), seen=seen)
    if page == pages.RESULTS:
        return visit
    product = _product(engine, _one(parts, "asin"))
    visit = visit._replace(asin=product.asin, options=_options(product, parts.get("option", ())))
    if page == pages.SUB_PAGE:
        name = _one(parts, "sub_page")
        at_product = visit._replace(page=pages.ITEM)
        visit = visit._replace(sub_page=name)
        if engine.click(errand, at_product, name.lower()) != visit:
            raise BadAddress(f"Products have no page {name!r:.60}.", 404)
    return visit


def _split(query: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST,
        ):
            parts.setdefault(name, []).append(value)
    except ValueError as error:
        raise BadAddress(f"The address cannot be read: {error}.") from error
    return parts


def _one(parts: dict[str, list[str]], name: str, default: str | None = None) -> str:
    values = parts.get(name)
    if values:
        return values[0]
    if default is None:
        raise BadAddress(f"The address lacks its part {name!r}.")
    return default


def _words(parts: dict[str, list[str]]) -> tuple[str, ...]:
    words = _one(parts, "words").lower()
    if not words:
        raise BadAddress("The part 'words' is empty. Go back and say what to search for.")
    if len(words) > MAX_ACTION:
        raise BadAddress(f"The part 'words' has more than {MAX_ACTION:,} characters.")
    return tuple(words.split(" "))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadAddress(f"number={text!r:.60} is no number of a page of results.")
    return int(text)


def _product(engine: Engine, asin: str) -> Product:
    product = engine.shop.find(asin)
    if product is None:
        raise BadAddress(f"The shop has no product {asin!r:.60}.", 404)
    return product


def _options(product: Product, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Chosen options from positions: "1.0" is the first value of the second option."""
    chosen = {}
    for text in texts:
        try:
            name, value = map(_number, text.split("."))
            option = list(product.options)[name]
            chosen[option] = product.options[option][value]
        except (BadAddress, ValueError, IndexError):
            raise BadAddress(f"{product.asin} has no option {text!r:.60}.") from None
    return tuple(chosen.items())
