"""The pages as HTML: our own markup, for people, browsers, and observation mode ``html``.

Every piece of the page model is the text of one element that names its kind in ``data-act``, in
the order of the model. All else in the document is for the eye and part of no other observation.
There is no script, and nothing in it comes from another machine unless images are asked for.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from act_envs.errors import MissingExtra
from act_envs.protocol import MAX_ACTION
from act_envs.webshop import links, pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.goals import NO_LIMIT
from act_envs.webshop.pages import Piece, Visit

if TYPE_CHECKING:
    from jinja2 import Environment

_TILES = 6  # colours in shop.css of what stands for a picture
# What no document can hold: a parser replaces or drops it, or it has no encoding.
_LOST = re.compile("[\0\r\ud800-\udfff]")


class Element(NamedTuple):
    """A piece as it stands in the document.

    Attributes:
        kind: of the piece.
        text: of the piece.
        href: where a click on it leads, "" for mere text.
        exact: the text as JSON where HTML cannot hold it (and replacements are shown), else "".
    """

    kind: str
    text: str
    href: str
    exact: str


class Card(NamedTuple):
    """A product among results, or alone.

    Attributes:
        link: to its page, None on it.
        texts: title (where there is one) and price, [] on its page.
        image: address of a picture, "" for none.
        tile: which colour stands for a picture that is not shown.
        letter: what is written on it.
    """

    link: Element | None
    texts: list[Element]
    image: str
    tile: int
    letter: str


def document(
    engine: Engine,
    errand: Errand,
    visit: Visit,
    *,
    images: bool = False,
    person: bool = False,
    bought: Visit | None = None,
) -> str:
    """One page.

    Args:
        engine: the shop and its rules.
        errand: what the shopper was sent for.
        visit: where the shopper is.
        images: show pictures, which a browser then loads from upstream's addresses.
        person: the reader is one: ways to other errands, and after a purchase what was right.
        bought: the purchase that has ended the errand; a person is told so on other pages.
    """
    elements = list(_elements(engine, errand, visit))
    layout = {
        pages.INDEX: _index,
        pages.RESULTS: _results,
        pages.ITEM: _item,
        pages.SUB_PAGE: _sub_page,
        pages.DONE: _done,
    }[visit.page]
    over = bought if person and visit.page != pages.DONE else None
    return render(
        f"{visit.page}.html",
        page=visit.page,
        visit=visit,
        images=images,
        person=person,
        receipt=over and links.write(engine, over),
        longest=MAX_ACTION,
        **layout(engine, errand, visit, elements),
    )


def render(template: str, **values: Any) -> str:
    """A template of this package with values, all of them escaped.

    Raises:
        MissingExtra: Jinja is not installed.
    """
    return _templates().get_template(template).render(values)


# -- pieces as elements ----------------------------------------------------------------------------


def _elements(engine: Engine, errand: Errand, visit: Visit) -> Iterator[Element]:
    options = iter(_options(engine, visit))
    for piece in engine.pieces(errand, visit):
        href = ""
        if piece.kind in (pages.OPTION, pages.CHOSEN):
            name = next(name for name, value in options if value == piece.text)
            chosen = {**dict(visit.options), name: piece.text}
            href = links.write(engine, visit._replace(options=tuple(chosen.items())))
        elif piece.kind != pages.TEXT:
            href = _href(engine, errand, visit, piece)
        exact = json.dumps(piece.text) if _LOST.search(piece.text) else ""
        yield Element(*piece, href, exact)


def _options(engine: Engine, visit: Visit) -> list[tuple[str, str]]:
    if visit.page != pages.ITEM:
        return []
    options = engine.product(visit.asin).options
    return [(name, value) for name, values in options.items() for value in values]


def _href(engine: Engine, errand: Errand, visit: Visit, piece: Piece) -> str:
    """Where a button or link leads. The two that are sent by a form lead to the form's page."""
    if visit.page == pages.INDEX or piece.text == pages.BUY:
        return links.write(engine, visit)
    after = engine.click(errand, visit, piece.text.lower())
    assert after is not None
    return links.write(engine, after)


# -- what the templates are given ------------------------------------------------------------------


def _index(engine: Engine, errand: Errand, visit: Visit, elements: list[Element]) -> dict[str, Any]:
    title, *told, search = elements
    return {"title": title, "told": told, "search": search}


def _results(
    engine: Engine, errand: Errand, visit: Visit, elements: list[Element]
) -> dict[str, Any]:
    told, (back, count, *rest) = _head(elements)
    buttons = [element for element in rest if element.kind == pages.BUTTON]
    cards: list[Card] = []
    for element in rest[len(buttons) :]:
        if element.kind == pages.TEXT:
            cards[-1].texts.append(element)
        else:
            cards.append(_card(engine.product(element.text), element))
    return {"told": told, "back": back, "count": count, "buttons": buttons, "cards": cards}


def _item(engine: Engine, errand: Errand, visit: Visit, elements: list[Element]) -> dict[str, Any]:
    product = engine.product(visit.asin)
    told, (back, previous, *rest) = _head(elements)
    at = len(rest) - len(engine.sub_pages) - 1
    *options, price, rating = rest[:at]
    title = options.pop() if options and options[-1].text == product.title else None
    groups: list[list[Element]] = []
    for element in options:
        if element.kind == pages.TEXT or not groups:
            groups.append([])
        groups[-1].append(element)
    return {
        "told": told,
        "back": back,
        "previous": previous,
        "groups": groups,
        "title": title,
        "facts": [price, rating],
        "sub_pages": rest[at:-1],
        "buy": rest[-1],
        "card": _card(product, None),
    }


def _sub_page(
    engine: Engine, errand: Errand, visit: Visit, elements: list[Element]
) -> dict[str, Any]:
    told, (back, previous, *texts) = _head(elements)
    product = engine.product(visit.asin)
    return {"told": told, "back": back, "previous": previous, "texts": texts, "product": product}


def _done(engine: Engine, errand: Errand, visit: Visit, elements: list[Element]) -> dict[str, Any]:
    assert visit.reward is not None
    product, goal = engine.product(visit.asin), errand.goal
    return {
        "thanks": elements[0],
        "texts": elements[1:],
        "reward": visit.reward,
        "reward_json": json.dumps(asdict(visit.reward)),
        "product": product,
        "price": engine.price(errand, product),
        "goal": goal,
        "goal_options": [
            option if isinstance(option, str) else ": ".join(option) for option in goal.options
        ],
        "limit": None if goal.price_upper == NO_LIMIT else goal.price_upper,
    }


def _head(elements: list[Element]) -> tuple[list[Element], list[Element]]:
    """What was told, and all from the first button on."""
    at = next(at for at, element in enumerate(elements) if element.kind == pages.BUTTON)
    return elements[:at], elements[at:]


def _card(product: Product, link: Element | None) -> Card:
    letter = next((character for character in product.title if character.isalnum()), "·")
    tile = sum(map(ord, product.asin)) % _TILES
    image = product.image if product.image.startswith(("https://", "http://")) else ""
    return Card(link, [], image, tile, letter.upper())


@functools.cache
def _templates() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtra(
            'WebShop\'s HTML needs Jinja. Run: pip install "agentic-critical-training[webshop]"'
        ) from error
    return Environment(
        loader=PackageLoader("act_envs.webshop"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """A text without what no document can hold. Markup, a subclass, is made of such texts."""
    return _LOST.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value
