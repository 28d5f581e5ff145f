"""A shop of products whose texts try to break pages, and walks through its pages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from act_envs.webshop.catalogue import find_source, read_products
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.goals import Goal
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.pages import BUY, DONE, INDEX, ITEM, SUB_PAGE, Visit
from act_envs.webshop.shop import Shop
from tests.envs.webshop_shop import FACTS, SHOP, write_shop

SCRIPT = "<script>window.x = 1; alert(1)</script>"
MARKUP = (
    f"{SCRIPT} </title></style></textarea><img src=x onerror='window.x = 1'> {{{{ 7 * 7 }}}} "
    '"><svg onload="window.x=1"> <!-- ]]> &amp; &lt;b&gt; &#0; &notin; javascript:alert(1)'
)
CONTROLS = (
    "a\x00b\rc\r\nd\te\x0bf\x0cg\x1bh\x7fi\x85j\x9fk\xa0l\u2028m\ufffen\ufeffo\ue007p \ud800q"
)
BIDI = "left \u202eright \u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 \u2067isolated"
HOSTILE = (
    {
        "asin": "<b>\"'&x;%/",
        "name": f"Hostile lamp {MARKUP}",
        "full_description": f"{MARKUP}\n{CONTROLS}\n" + "long <i>text</i> " * 62_500,
        "pricing": "$10 - $20",
        "images": ["javascript:window.x=1"],
        "product_category": f"{SCRIPT} › Lamps",
        "small_description": [MARKUP, "", " ", "\n", CONTROLS, BIDI],
        "customization_options": {
            f"Size {SCRIPT}": [{"value": MARKUP}, {"value": "Large"}, {"value": 'a "quoted" one'}],
            "Color\n": [{"value": "large"}, {"value": "buy now"}, {"value": "İstanbul"}],
            "": [{"value": "nameless"}, {"value": ""}],
            "\n": [
                {"value": "attributes"},
                {"value": "description"},
                {"value": "a [b]"},
                {"value": "[c"},
            ],
            "none": [],
        },
        "category": "garden",
        "query": "lamps",
    },
    {
        "asin": "B000BIDI07",
        "name": f"{BIDI} lamp 🛋️ \U0001f600",
        "full_description": " ",
        "pricing": "",
        "images": ['https://example.org/"><script>window.x=1</script>'],
        "product_category": "",
        "small_description": CONTROLS,
        "customization_options": {
            BIDI: [
                {"value": CONTROLS},
                {"value": "v" * 4000},
                {"value": "\u200b"},
                {"value": BIDI},
                {"value": "\U0001f600"},
                {"value": "x\ty"},
            ]
        },
        "category": "fashion",
        "query": "lamps",
    },
    {"asin": "b000bidi07", "name": "\n", "full_description": "", "category": "", "query": ""},
    {
        "asin": "\x01\x00?=#",
        "name": "lamp " + "w" * 5000,
        "customization_options": {
            "size": [{"value": "v" * 200_000}, {"value": "v" * 4000}, {"value": "Attributes"}]
        },
    },
    *({"asin": f"B{number:09}", "name": f"Lamp number {number}"} for number in range(20)),
)
WORDS = (
    "lamp",
    "hostile LAMP",
    MARKUP,
    " two  blanks ",
    "😀 straße İ",
    "search_results",
    "<c> garden",
    "no-such-thing",
    "+&=?#%41;",
)


def hostile_shop(folder: Path) -> Shop:
    """The hostile products and the four ordinary ones."""
    facts = {
        **FACTS,
        "B000BIDI07": {
            "attributes": [SCRIPT],
            "instruction": f"Find {MARKUP} {BIDI}",
            "instruction_attributes": [SCRIPT],
        },
    }
    return Shop.of(read_products(find_source(write_shop(folder, (*HOSTILE, *SHOP), facts))))


def engine_of(shop: Shop, *, quirks: bool = False) -> Engine:
    return Engine(shop, Nouns(), quirks=quirks, attributes=quirks)


def errand_of(goal: Goal) -> Errand:
    return Errand(goal, {"B000LAMP01": 3.5}, goal.goal_id.replace("/", "-"))


def choose(draw: random.Random, engine: Engine, visit: Visit) -> str:
    """An action at random: mostly one that is offered, seldom nonsense."""
    if visit.page == INDEX or draw.random() < 0.12:
        return f"search[{draw.choice(WORDS)}]"
    if draw.random() < 0.06:
        return draw.choice(["click[search]", "click[nothing]", "buy", "search[]", "click[LARGE]"])
    actions = engine.actions(visit)
    rare = [a for a in actions if "next" in a or "back to" in a or BUY.lower() in a]
    others = [a for a in actions if a not in rare]
    return draw.choice(others if others and draw.random() < 0.8 else actions)


def every_page(engine: Engine, errand: Errand) -> Iterator[Visit]:
    """Every page of every product, each value chosen once, and a purchase of it."""
    for product in engine.shop.products:
        at_product = Visit(ITEM, ("lamp",), 1, product.asin, seen=(product.asin,))
        yield at_product
        for name in engine.sub_pages:
            yield at_product._replace(page=SUB_PAGE, sub_page=name)
        for name, values in product.options.items():
            for value in values:
                yield at_product._replace(options=((name, value),))
        bought = engine.click(errand, at_product, BUY.lower())
        assert bought is not None
        yield bought


def walk(engine: Engine, errand: Errand, seed: int, steps: int) -> Iterator[Visit]:
    """Visits of a shopper who clicks at random, and begins again after a purchase."""
    draw, visit = random.Random(seed), Visit()
    for _ in range(steps):
        yield visit
        if visit.page == DONE:
            visit = Visit()
        visit = engine.act(errand, visit, choose(draw, engine, visit)) or visit
