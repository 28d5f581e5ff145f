"""The pages of the shop: what stands on them, what can be clicked, and how they read as text.

A page is made from a visit and nothing else. It is a list of pieces of text in the order of the
document; observations, the site and what is read back from a browser are renderings of that list.
The pieces are those of upstream's templates, so that ``text`` and ``text_rich`` agree to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from act_envs.webshop.catalogue import Product
from act_envs.webshop.reward import Reward

INDEX, RESULTS, ITEM, SUB_PAGE, DONE = "index", "results", "item", "sub_page", "done"
BACK, NEXT, PREVIOUS, BUY = "Back to Search", "Next >", "< Prev", "Buy Now"
SUB_PAGES = ("Description", "Features", "Reviews", "Attributes")
PER_PAGE = 10  # results
BASE = "http://127.0.0.1:3000"  # upstream's address, which ``url`` observations begin with

# What a piece of text is to the reader. Chosen and seen are states of an option and a link.
TEXT, BUTTON, OPTION, CHOSEN, LINK, SEEN = "text", "button", "option", "chosen", "link", "seen"
_RICH = {
    TEXT: "{}",
    BUTTON: "[button] {} [button_]",
    OPTION: "  [button] {} [button_]",
    CHOSEN: "  [clicked button] {} [clicked button_]",
    LINK: "\n[button] {} [button_]",
    SEEN: "\n[clicked button] {} [clicked button_]",
}
_BLANKS = " \n\t\f\r"  # what counts as empty between the tags of a document


class Piece(NamedTuple):
    """A text of a page and what it is."""

    kind: str
    text: str


class Visit(NamedTuple):
    """Where a shopper is and what was done that still matters. Its own snapshot.

    Attributes:
        page: the kind of page that is shown.
        keywords: the words of the last search, () before any.
        number: the page of its results, from 1; 0 before any.
        asin: the product whose page was opened last, "" on results and before.
        options: its chosen options, names with values, in the order of the first clicks.
        sub_page: which of ``SUB_PAGES``, "" elsewhere.
        seen: products opened since the shopper was at the start, sorted.
        reward: what the purchase was worth, None before.
    """

    page: str = INDEX
    keywords: tuple[str, ...] = ()
    number: int = 0
    asin: str = ""
    options: tuple[tuple[str, str], ...] = ()
    sub_page: str = ""
    seen: tuple[str, ...] = ()
    reward: Reward | None = None


# -- what stands on a page -------------------------------------------------------------------------


def index(instruction: str) -> list[Piece]:
    """The page with the search bar."""
    texts = (_text("WebShop"), _text("Instruction: "), _text(instruction))
    return [*filter(_stands, texts), Piece(BUTTON, "Search")]


def results(
    instruction: str, shown: Sequence[Product], number: int, total: int, seen: Sequence[str]
) -> list[Piece]:
    """A page of search results.

    Args:
        instruction: of the goal.
        shown: the products on this page.
        number: of the page, from 1.
        total: results on all pages.
        seen: asins of products that were opened before.
    """
    pieces = _head(instruction)
    pieces.append(_text(f"Page {number} (Total results: {total})"))
    if number > 1:
        pieces.append(Piece(BUTTON, PREVIOUS))
    pieces.append(Piece(BUTTON, NEXT))
    for product in shown:
        pieces.append(Piece(SEEN if product.asin in seen else LINK, product.asin))
        pieces += filter(_stands, (_text(product.title), _text(product.price)))
    return pieces


def item(
    instruction: str, product: Product, chosen: Mapping[str, str], sub_pages: Sequence[str]
) -> list[Piece]:
    """The page of a product. ``chosen`` holds the values chosen, by the name of the option."""
    pieces = [*_head(instruction), Piece(BUTTON, PREVIOUS)]
    for name, values in product.options.items():
        pieces += filter(_stands, (_text(name),))
        for value in values:
            is_chosen = chosen.get(name) == value
            pieces += filter(_stands, (Piece(CHOSEN if is_chosen else OPTION, value),))
    pieces += filter(_stands, (_text(product.title),))
    pieces += (_text(f"Price: {product.price}"), _text("Rating: N.A."))
    pieces += (Piece(BUTTON, name) for name in (*sub_pages, BUY))
    return pieces


def sub_page(instruction: str, product: Product, name: str) -> list[Piece]:
    """Description, features, reviews (there are none in the data) or attributes of a product."""
    pieces = [*_head(instruction), Piece(BUTTON, PREVIOUS)]
    if name == "Description":
        texts = [product.description]
    elif name == "Features":
        texts = [f" {bullet}" for bullet in product.bullet_points]
    elif name == "Attributes":
        texts = [f" {attribute}" for attribute in product.attributes]
        texts += [product.category, product.query, product.product_category]
    else:
        texts = []
    return [*pieces, *filter(_stands, map(_text, texts))]


def done(asin: str, options: Mapping[str, str], reward: float) -> list[Piece]:
    """The page after a purchase. Upstream leaves most of its fields empty, and so does this."""
    shown = json.dumps(dict(options), sort_keys=True)
    for character in "<>&'":
        shown = shown.replace(character, f"\\u{ord(character):04x}")
    return [
        *map(_text, ("Thank you for shopping with us!", "Your code: ", "None")),
        *map(_text, (" (Paste it in your MTurk interface.)", "Purchased", "asin", asin)),
        *map(_text, ("options", shown, "attrs", "None", "category", "None", "query", "None")),
        *map(_text, ("product category", "None", "Target", "asin", "options", "attrs")),
        *map(_text, ("price upper", "instuction text", "category", "product category", "query")),
        *map(_text, ("Goal ", "None", "Reward", "Your score (min 0.0, max 1.0)", str(reward))),
        *map(_text, ("Reward Details ", "None")),
    ]


def _head(instruction: str) -> list[Piece]:
    texts = (_text("Instruction:"), _text(instruction))
    return [*filter(_stands, texts), Piece(BUTTON, BACK)]


def _text(text: str) -> Piece:
    return Piece(TEXT, text)


def _stands(piece: Piece) -> bool:
    """Whether a text makes a node of the document that upstream does not drop.

    Its parser makes a text of blanks alone a line break, if there is one in it, else a blank;
    upstream drops line breaks.
    """
    text = piece.text
    return bool(text) and (bool(text.strip(_BLANKS)) or "\n" not in text)


# -- what it reads like ----------------------------------------------------------------------------


def plain(pieces: Sequence[Piece]) -> str:
    """Observation mode ``text``: the pieces, divided by " [SEP] "."""
    return " [SEP] ".join([piece.text.strip() for piece in pieces])


def rich(pieces: Sequence[Piece]) -> str:
    """Observation mode ``text_rich``: a line each; buttons, and what was clicked, are marked."""
    lines, clicked = [], []
    for kind, text in pieces:
        if not text.strip(_BLANKS):
            text = " "
        lines.append(_RICH[kind].format(text) + "\n")
        if kind == CHOSEN:
            clicked.append(f"You have clicked {text}.\n")
    return "".join(clicked[::-1] + lines)


def address(session: str, visit: Visit) -> str:
    """Observation mode ``url``: the address that upstream gives the page, unescaped as it does."""
    words, number = "+".join(visit.keywords), visit.number
    options = dict(visit.options)
    if visit.page == RESULTS:
        return f"{BASE}/search_results/{session}/{words}/{number}"
    if visit.page == ITEM:
        chosen = json.dumps(options)
        return f"{BASE}/item_page/{session}/{visit.asin}/{words}/{number}/{chosen}"
    if visit.page == SUB_PAGE:
        place = f"{visit.asin}/{words}/{number}/{visit.sub_page}/{options}"
        return f"{BASE}/item_sub_page/{session}/{place}"
    if visit.page == DONE:
        return f"{BASE}/done/{session}/{visit.asin}/{options}"
    return f"{BASE}/{session}"
