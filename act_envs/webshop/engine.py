"""What an action does in the shop: from one visit to the next. Nothing here draws or remembers.

Follows upstream's text environment and its ``SimServer`` (princeton-nlp/WebShop at 64fa2a5). What
upstream does by mistake is done with ``quirks`` alone:

- A search for ``<c> CATEGORY`` or ``<q> QUERY`` lists all products of that category or query, one
  for ``<r>`` fifty random ones (here: drawn by the words, the same each time).
- Which page "< Prev" leaves is found by looking for a name in the page's address, where the words
  of a search stand too: after one for ``search_results`` or ``item_page`` it leads astray.
- An option looks clicked in ``text_rich`` if its value stands in the address between quotes; so
  values that JSON escapes never do, and those that are also a name of an option may do wrongly.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from act_envs.errors import CatalogueError
from act_envs.protocol import MAX_ACTION
from act_envs.webshop import pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.goals import Goal, price_of
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.pages import Piece, Visit
from act_envs.webshop.reward import reward
from act_envs.webshop.shop import Shop

SEARCH_TEMPLATE = "search[...]"
"""How admissible actions say that any words may be searched for."""

_SEARCH = "search"  # upstream never clicks on what is called so, an option's value included
_ACTION = re.compile(r"(.+)\[(.+)\]")  # upstream's; what follows the last bracket does not matter
_BACK, _NEXT, _PREVIOUS, _BUY = (
    name.lower() for name in (pages.BACK, pages.NEXT, pages.PREVIOUS, pages.BUY)
)
_SUB_PAGES = {name.lower(): name for name in pages.SUB_PAGES}
_PAGES_BY_ADDRESS = {
    "search_results": pages.RESULTS,
    "item_page": pages.ITEM,
    "item_sub_page": pages.SUB_PAGE,
    "done": pages.DONE,
}


class Errand(NamedTuple):
    """What a shopper was sent for, fixed for an episode.

    Attributes:
        goal: what is wanted.
        prices: dollars that products cost in this episode, where not ``price_of`` says it.
        session: the shopper's name in addresses.
    """

    goal: Goal
    prices: Mapping[str, float]
    session: str


class Engine:
    """The rules of a shop.

    Args:
        shop: its products.
        nouns: the nouns of titles, for rewards.
        quirks: do what upstream does by mistake, too.
        attributes: product pages have a button "Attributes" (upstream's ``show_attrs``).
    """

    def __init__(
        self, shop: Shop, nouns: Nouns, *, quirks: bool = False, attributes: bool = False
    ) -> None:
        self.shop, self.nouns, self.quirks = shop, nouns, quirks
        self.sub_pages = pages.SUB_PAGES if attributes else pages.SUB_PAGES[:-1]
        self._names = lru_cache(maxsize=1 << 12)(self._names_of)

    # -- actions -------------------------------------------------------------------------------

    def act(self, errand: Errand, visit: Visit, action: str) -> Visit | None:
        """Where an action leads, None where it does nothing (upstream shows the same page)."""
        name, words = parse(action)
        if name == "search" and words:
            return Visit(pages.RESULTS, tuple(words.split(" ")), 1, seen=visit.seen)
        return self.click(errand, visit, words) if name == "click" else None

    def click(self, errand: Errand, visit: Visit, text: str) -> Visit | None:
        """Where a click leads, None where there is nothing of that text to be clicked."""
        page = visit.page
        if page in (pages.INDEX, pages.DONE) or text == _SEARCH:
            return None
        if text == _BACK:
            return Visit()
        if page == pages.RESULTS:
            return self._click_on_results(visit, text)
        if text == _PREVIOUS:
            return self._previous(errand, visit)
        if page == pages.SUB_PAGE:
            return None
        if text == _BUY:
            return self._buy(errand, visit)
        names = self._names(visit.asin)
        sub_page = _SUB_PAGES.get(text)
        if sub_page and (sub_page in self.sub_pages or text in names):
            return visit._replace(page=pages.SUB_PAGE, sub_page=sub_page)
        if text not in names:
            return None
        name, value = names[text]
        return visit._replace(options=tuple({**dict(visit.options), name: value}.items()))

    def actions(self, visit: Visit) -> list[str]:
        """What can be done on the page, in upstream's order, as text that ``act`` understands.

        Left out: option values that upstream's way to read actions cuts off ("a [b]").
        """
        if visit.page == pages.INDEX:
            return [SEARCH_TEMPLATE]
        return clicks(self.clickables(visit))

    def clickables(self, visit: Visit) -> list[str]:
        """Upstream's list of what can be clicked, as its ``get_available_actions`` gives it."""
        if visit.page == pages.INDEX:
            return [_SEARCH]
        if visit.page == pages.DONE:
            return []
        if visit.page == pages.RESULTS:
            previous = [_PREVIOUS] if visit.number > 1 else []
            shown = (asin.lower() for asin in self.shown(visit))
            return list(dict.fromkeys([_BACK, *previous, _NEXT, *shown]))
        if visit.page == pages.SUB_PAGE:
            return [_BACK, _PREVIOUS]
        buttons = (_BACK, _PREVIOUS, *map(str.lower, self.sub_pages), _BUY)
        values = (v for some in self.product(visit.asin).options.values() for v in some)
        return list(dict.fromkeys([*buttons, *values]))

    # -- pages ---------------------------------------------------------------------------------

    def pieces(self, errand: Errand, visit: Visit) -> list[Piece]:
        """What stands on the page."""
        told = errand.goal.instruction
        if visit.page == pages.INDEX:
            return pages.index(told)
        if visit.page == pages.RESULTS:
            shown = [self.product(asin) for asin in self.shown(visit)]
            total = len(self.found(visit.keywords))
            return pages.results(told, shown, visit.number, total, visit.seen)
        if visit.page == pages.DONE:
            assert visit.reward is not None
            return pages.done(visit.asin, dict(visit.options), visit.reward.total)
        product = self.product(visit.asin)
        if visit.page == pages.SUB_PAGE:
            return pages.sub_page(told, product, visit.sub_page)
        pieces = pages.item(told, product, dict(visit.options), self.sub_pages)
        if self.quirks:
            address = pages.address(errand.session, visit)
            pieces = [
                piece._replace(kind=pages.CHOSEN if f'"{piece.text}"' in address else pages.OPTION)
                if piece.kind in (pages.OPTION, pages.CHOSEN)
                else piece
                for piece in pieces
            ]
        return pieces

    def found(self, keywords: tuple[str, ...]) -> Sequence[str]:
        """The asins of all results of a search, best first."""
        head, rest = keywords[0], keywords[1:]
        if self.quirks and head in ("<c>", "<q>", "<r>"):
            if head == "<r>":
                draw = random.Random(" ".join(keywords))
                products = self.shop.products
                places = draw.sample(range(len(products)), min(50, len(products)))
                return tuple(products[place].asin for place in places)
            if head == "<c>":
                return self.shop.in_category(rest[0].strip()) if rest else ()
            return self.shop.of_query(" ".join(rest).strip())
        return self.shop.search(" ".join(keywords))

    def shown(self, visit: Visit) -> Sequence[str]:
        """The asins on a page of results."""
        end = visit.number * pages.PER_PAGE
        return self.found(visit.keywords)[end - pages.PER_PAGE : end]

    def product(self, asin: str) -> Product:
        """A product that a visit is at, or that was found.

        Raises:
            CatalogueError: a damaged search index has found what the catalogue does not have.
        """
        product = self.shop.find(asin)
        if product is None:
            raise CatalogueError(
                f"the catalogue has no product {asin!r:.60}, which it should. It is damaged. Run: "
                "act-envs check-data webshop"
            )
        return product

    def value(self, asin: str, text: str) -> tuple[str, str] | None:
        """The option and its value that a click on a text of a product's page chooses."""
        return self._names(asin).get(text)

    def price(self, errand: Errand, product: Product) -> float:
        """What a product costs in this episode, in dollars."""
        price = errand.prices.get(product.asin)
        return price_of(product) if price is None else price

    # -- inside --------------------------------------------------------------------------------

    def _click_on_results(self, visit: Visit, text: str) -> Visit | None:
        if text == _NEXT:
            return visit._replace(number=visit.number + 1)
        if text == _PREVIOUS and visit.number > 1:
            return visit._replace(number=visit.number - 1)
        for asin in reversed(self.shown(visit)):  # of two that differ in case, the last
            if text in (asin.lower(), typed(asin.lower())):
                seen = visit.seen if asin in visit.seen else tuple(sorted((*visit.seen, asin)))
                return visit._replace(page=pages.ITEM, asin=asin, seen=seen)
        return None

    def _previous(self, errand: Errand, visit: Visit) -> Visit:
        """From a product to its results, from a sub page to its product."""
        page = visit.page
        if self.quirks:
            address = pages.address(errand.session, visit)
            page = next(p for name, p in _PAGES_BY_ADDRESS.items() if name in address)
        if page == pages.SUB_PAGE:
            return visit._replace(page=pages.ITEM, sub_page="")
        number = visit.number - (page == pages.RESULTS)
        return Visit(pages.RESULTS, visit.keywords, number, seen=visit.seen)

    def _buy(self, errand: Errand, visit: Visit) -> Visit:
        product = self.product(visit.asin)
        price = self.price(errand, product)
        worth = reward(product, errand.goal, price, dict(visit.options), self.nouns)
        return visit._replace(page=pages.DONE, reward=worth)

    def _names_of(self, asin: str) -> dict[str, tuple[str, str]]:
        """Options and values of a product by what is clicked; of equal values the last counts.

        A value that cannot be typed as one line is also known as ``typed`` has it.
        """
        pairs = [(n, v) for n, values in self.product(asin).options.items() for v in values]
        as_typed = {typed(value): (name, value) for name, value in pairs}
        return as_typed | {value: (name, value) for name, value in pairs}


def parse(action: str) -> tuple[str, str]:
    """Name and argument of an action as upstream reads it, the argument in lower case.

    An action without brackets, or with nothing in them, is all name.
    """
    match = _ACTION.match(action)
    return (match[1], match[2].lower()) if match else (action, "")


def canonical(action: str) -> str:
    """The action without what does not matter: letter case in brackets, and all after them."""
    name, words = parse(action)
    return f"{name}[{words}]" if words and name in ("search", "click") else action


def clicks(texts: Iterable[str]) -> list[str]:
    """The actions that click on texts, each once. Left out is what no action can name."""
    return [
        action
        for text in dict.fromkeys(map(typed, texts))
        if text != _SEARCH
        and len(action := f"click[{text}]") <= MAX_ACTION
        and parse(action) == ("click", text)
    ]


def typed(value: str) -> str:
    """A value as it can be typed: characters that cannot be printed become blanks."""
    if value.isprintable():
        return value
    return "".join(character if character.isprintable() else " " for character in value)
