"""The oracle: it knows the goal, and what a purchase would earn, and shops like a person.

It looks for a product, with options, whose purchase earns reward 1: the one the goal was made
from, else one that turns up in searches for it. Then it searches with words of the goal, turns
pages, opens the product, chooses and buys; from a wrong page it goes back to the search. Where no
such purchase is found it has nothing to say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from act_envs.protocol import MAX_ACTION
from act_envs.webshop import pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.engine import Engine, Errand, parse
from act_envs.webshop.goals import Goal
from act_envs.webshop.pages import Visit
from act_envs.webshop.reward import fulfils, reward

_TRIED = 10  # products besides the goal's own
_TRIES = 10_000  # choices of options of a product
_KEPT = 256  # plans
_LIMIT = ", and price lower than "  # begins the last part of an instruction


Clicks = dict[str, tuple[str, str]]
"""Options and their values by the text that is clicked."""


class Plan(NamedTuple):
    """What to buy, and how to find it.

    Attributes:
        asin: the product.
        clicks: the options to choose and their values, by the text that is clicked.
        words: the search that brings it up.
        page: the page of results that it is on.
    """

    asin: str
    clicks: Clicks
    words: str
    page: int


class Oracle:
    """Knows a way for every errand, and keeps the last ones.

    Args:
        engine: the shop.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._plans: OrderedDict[tuple[Goal, tuple[tuple[str, float], ...]], Plan | None]
        self._plans = OrderedDict()

    def next_action(self, errand: Errand, visit: Visit) -> str | None:
        """The next action of the way to reward 1, None where none is known or all is done."""
        engine, plan = self._engine, self._plan(errand)
        if plan is None or visit.page == pages.DONE:
            return None
        clicks = plan.clicks if visit.asin == plan.asin else self._here(errand, visit)
        if clicks is not None:
            if visit.page == pages.SUB_PAGE:
                return _click(pages.PREVIOUS)
            chosen = dict(visit.options)
            if self._earns(errand, visit, chosen):
                return _click(pages.BUY)
            left = {text: at for text, at in clicks.items() if chosen.get(at[0]) != at[1]}
            # What was chosen may do as well as what the plan has: last.
            for text in sorted(left, key=lambda text: left[text][0] in chosen):
                return _click(text)
            return _click(pages.BUY)
        if visit.page == pages.INDEX:
            return f"search[{plan.words}]"
        if visit.page == pages.RESULTS:
            if plan.asin in engine.shown(visit):
                return _click(plan.asin)
            found = engine.found(visit.keywords)
            if plan.asin in found:
                turns = found.index(plan.asin) // pages.PER_PAGE + 1 - visit.number
                if abs(turns) <= plan.page:  # else it is quicker to search again
                    return _click(pages.NEXT if turns > 0 else pages.PREVIOUS)
        return _click(pages.BACK)

    def _here(self, errand: Errand, visit: Visit) -> Clicks | None:
        """What to choose on the page of another product that will do."""
        if visit.page not in (pages.ITEM, pages.SUB_PAGE):
            return None
        return _clicks(self._engine, errand, self._engine.product(visit.asin))

    def _earns(self, errand: Errand, visit: Visit, chosen: dict[str, str]) -> bool:
        """Whether it earns reward 1 to buy what the page shows."""
        product = self._engine.product(visit.asin)
        price = self._engine.price(errand, product)
        return reward(product, errand.goal, price, chosen, self._engine.nouns).total == 1.0

    def _plan(self, errand: Errand) -> Plan | None:
        key = errand.goal, tuple(errand.prices.items())
        if key not in self._plans:
            self._plans[key] = plan(self._engine, errand)
        self._plans.move_to_end(key)
        while len(self._plans) > _KEPT:
            self._plans.popitem(last=False)
        return self._plans[key]


def plan(engine: Engine, errand: Errand) -> Plan | None:
    """A purchase that earns reward 1 and a short way to it, None where none is found."""
    tried = set()
    for product in _candidates(engine, errand):
        if product.asin in tried:
            continue
        tried.add(product.asin)
        clicks = _clicks(engine, errand, product)
        if clicks is not None and (way := _search_for(engine, errand, product)) is not None:
            return Plan(product.asin, clicks, *way)
        if len(tried) > _TRIED:
            break
    return None


def _candidates(engine: Engine, errand: Errand) -> Iterator[Product]:
    """Products that may do, the likeliest first."""
    own = engine.shop.find(errand.goal.asin)
    if own is not None:
        yield own
    for asin in engine.shop.search(_told(errand)):
        yield engine.product(asin)


def _clicks(engine: Engine, errand: Errand, product: Product) -> Clicks | None:
    """What to choose so that buying earns reward 1, None where nothing does.

    Every option of the goal needs a value that counts for it; of the values of one option of the
    product only one can be chosen, but that may count for several of the goal.
    """
    goal, price = errand.goal, engine.price(errand, product)
    bare = reward(product, goal, price, {}, engine.nouns)
    if not (bare.r_type == bare.r_att == 1.0 and bare.r_price):
        return None
    ways = _ways(engine, errand, product)
    fits = []
    for option in goal.options:
        some = [text for text, (_, value) in ways.items() if fulfils(value, option)]
        # The very value of the goal goes first, though others would be accepted.
        exact = [text for text in some if ways[text][1] == _said(option)]
        fits.append(exact + [text for text in some if text not in exact])
    if not all(fits):
        return None
    left = _TRIES

    def search(wanted: int, chosen: Clicks) -> Clicks | None:
        nonlocal left
        left -= 1
        if wanted == len(goal.options) or left < 0:
            return chosen if left >= 0 else None
        option = goal.options[wanted]
        taken = {name for name, _ in chosen.values()}
        more = [{text: ways[text]} for text in fits[wanted] if ways[text][0] not in taken]
        if any(fulfils(value, option) for _, value in chosen.values()):
            exact = bool(more) and ways[next(iter(more[0]))][1] == _said(option)
            more.insert(exact, {})
        for one in more:
            if (found := search(wanted + 1, {**chosen, **one})) is not None:
                return found
        return None

    return search(0, {})


def _ways(engine: Engine, errand: Errand, product: Product) -> Clicks:
    """What can be chosen on the product's page, by what is clicked; buttons go before options."""
    page = Visit(pages.ITEM, ("",), 1, product.asin)
    ways = {}
    for action in engine.actions(page):
        text = action[len("click[") : -1]
        pair = engine.value(product.asin, text)
        after = engine.click(errand, page, text)
        if pair is not None and after is not None and after.options == (pair,):
            ways[text] = pair
    return ways


def _search_for(engine: Engine, errand: Errand, product: Product) -> tuple[str, int] | None:
    """Words that bring a product up, and on which page: the words of the goal where they do."""
    goal, best = errand.goal, None
    values = map(_said, goal.options)
    for words in (
        goal.query,
        " ".join((*goal.attributes, goal.query)),
        " ".join((*goal.attributes, goal.query, *values)),
        _told(errand),
        product.title,
        " ".join((product.title, *product.bullet_points[:1])),
    ):
        words = _typeable(words)
        if not words or parse(f"search[{words}]") != ("search", words):
            continue
        found = engine.found(tuple(words.split(" ")))
        if product.asin in found:
            page = found.index(product.asin) // pages.PER_PAGE + 1
            results = Visit(pages.RESULTS, tuple(words.split(" ")), page)
            after = engine.act(errand, results, _click(product.asin))
            if after is None or after.asin != product.asin:
                return None  # no action names it
            if best is None or page < best[1]:
                best = words, page
            if page == 1:
                break
    return best


def _said(option: str | tuple[str, str]) -> str:
    """The value that an option of a goal names."""
    return option if isinstance(option, str) else option[1]


def _click(text: str) -> str:
    return f"click[{text.lower()}]"


def _told(errand: Errand) -> str:
    """What the instruction says of the product, without the price."""
    return errand.goal.instruction.partition(_LIMIT)[0]


def _typeable(words: str) -> str:
    """Words as they can be searched for: a line without the brackets that end an action."""
    line = "".join(c if c.isprintable() and c not in "[]" else " " for c in words.lower())
    return " ".join(line.split())[: MAX_ACTION // 2]
