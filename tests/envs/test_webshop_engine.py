"""The rules of the shop: what actions mean, where they lead, and how pages read."""

from __future__ import annotations

import pytest

from act_envs.webshop import pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.engine import Engine, Errand, canonical, parse
from act_envs.webshop.goals import Goal
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.pages import CHOSEN, OPTION, TEXT, Piece, Visit
from act_envs.webshop.shop import Shop

pytest.importorskip("rapidfuzz", reason="needs the extra webshop")

SHIRT = Product(
    asin="B0SHIRT001",
    title="Linen Shirt",
    category="fashion",
    query="shirts",
    product_category="Clothing › Shirts",
    description="A shirt.",
    bullet_points=("Linen", " loose fit "),
    options={
        "size": ("small", "large", 'x "l"'),
        "color": ("sky\xa0blue", "größe", "small", "a [b]", "reviews"),
    },
    attributes=("linen", "loose fit"),
)
SHIRTS = [
    Product(asin=f"B0PLAIN{n:03}", title=f"Shirt number {n}", category="fashion", query="shirts")
    for n in range(23)
]
HAT = Product(asin="b0hat", title="Straw hat search_results", category="beauty", query="hats")
GOAL = Goal(
    asin=SHIRT.asin,
    category="fashion",
    query="shirts",
    name="Linen Shirt",
    product_category="Clothing › Shirts",
    instruction="Find me a linen shirt",
    attributes=("linen",),
    options=("large",),
    price_upper=110.0,
)
ERRAND = Errand(GOAL, {}, "me")
SHOP = Shop.of([SHIRT, *SHIRTS, HAT])


@pytest.fixture
def engine() -> Engine:
    return Engine(SHOP, Nouns("rule"))


@pytest.fixture
def quirky() -> Engine:
    return Engine(SHOP, Nouns("rule"), quirks=True)


def walk(engine: Engine, *actions: str, begin: Visit = Visit()) -> Visit:  # noqa: B008
    """Where actions lead, each of which must do something."""
    for action in actions:
        after = engine.act(ERRAND, begin, action)
        assert after is not None, action
        begin = after
    return begin


def rich(engine: Engine, visit: Visit) -> str:
    return pages.rich(engine.pieces(ERRAND, visit))


TO_SHIRT = ("search[linen]", "click[b0shirt001]")


@pytest.mark.parametrize(
    ("action", "name", "words"),
    [
        ("search[Red Shoes]", "search", "red shoes"),
        ("search[shoes] please", "search", "shoes"),
        ("Action: search[shoes]", "Action: search", "shoes"),
        (" click[x]", " click", "x"),
        ("click[a [b] c]", "click[a ", "b] c"),
        ("click[a]]", "click", "a]"),
        ("search[]", "search[]", ""),
        ("search", "search", ""),
    ],
)
def test_actions_are_read_as_upstream_reads_them(action: str, name: str, words: str) -> None:
    assert parse(action) == (name, words)


def test_canonical_drops_what_does_not_matter() -> None:
    assert canonical("click[Buy Now] now") == "click[buy now]"
    assert canonical("search[A  B]") == "search[a  b]" != canonical("search[a b]")
    for unknown in ("CLICK[x]", " click[x]", "look"):
        assert canonical(unknown) == unknown


def test_every_button_leads_where_upstreams_does(engine: Engine) -> None:
    found = walk(engine, "search[shirt number]")
    assert found == Visit(pages.RESULTS, ("shirt", "number"), 1)
    second = walk(engine, "click[next >]", begin=found)
    assert second.number == 2
    assert walk(engine, "click[< prev]", begin=second) == found
    assert engine.act(ERRAND, found, "click[< prev]") is None  # no page before the first
    far = walk(engine, *["click[next >]"] * 6, begin=found)
    assert engine.shown(far) == ()  # upstream turns pages for ever
    shirt = walk(engine, *TO_SHIRT)
    assert shirt == Visit(pages.ITEM, ("linen",), 1, SHIRT.asin, seen=(SHIRT.asin,))
    for name in ("Description", "Features", "Reviews"):
        sub_page = walk(engine, "click[large]", f"click[{name}]", begin=shirt)
        assert (sub_page.page, sub_page.sub_page) == (pages.SUB_PAGE, name)
        back = walk(engine, "click[< prev]", begin=sub_page)
        assert back.options == (("size", "large"),)
        assert engine.act(ERRAND, sub_page, "click[large]") is None
    assert engine.act(ERRAND, shirt, "click[attributes]") is None
    assert walk(engine, "click[large]", "click[< prev]", begin=shirt) == Visit(
        pages.RESULTS, ("linen",), 1, seen=(SHIRT.asin,)
    )
    assert walk(engine, "click[back to search]", begin=shirt) == Visit()
    again = walk(engine, "search[hat]", begin=shirt)  # the search is open on every page
    assert again == Visit(pages.RESULTS, ("hat",), 1, seen=(SHIRT.asin,))


def test_a_purchase_ends_it(engine: Engine) -> None:
    bought = walk(engine, *TO_SHIRT, "click[large]", "click[buy now]")
    assert bought.page == pages.DONE
    assert bought.reward is not None
    assert bought.reward.total == 1.0
    assert engine.clickables(bought) == engine.actions(bought) == []
    assert engine.act(ERRAND, bought, "click[back to search]") is None
    without = walk(engine, *TO_SHIRT, "click[buy now]")
    assert without.reward is not None
    assert without.reward.total == pytest.approx(2 / 3)
    dear = ERRAND._replace(prices={SHIRT.asin: 110.01})
    paid = engine.act(dear, walk(engine, *TO_SHIRT), "click[buy now]")
    assert paid is not None
    assert paid.reward is not None
    assert not paid.reward.r_price


def test_options_are_chosen_by_name_the_last_click_wins(engine: Engine) -> None:
    visit = walk(engine, *TO_SHIRT, "click[large]", "click[größe]", 'click[x "l"]')
    assert visit.options == (("size", 'x "l"'), ("color", "größe"))
    # Of a value that two options have, the last one is meant, as upstream's table has it.
    assert walk(engine, "click[small]", begin=visit).options[1] == ("color", "small")


def test_what_can_be_clicked_is_upstreams_in_its_order(engine: Engine) -> None:
    assert engine.clickables(Visit()) == ["search"]
    assert engine.actions(Visit()) == ["search[...]"]
    shirt = walk(engine, *TO_SHIRT)
    buttons = ["back to search", "< prev", "description", "features", "reviews", "buy now"]
    values = ["small", "large", 'x "l"', "sky\xa0blue", "größe", "a [b]"]
    assert engine.clickables(shirt) == buttons + values
    typed = [*values[:3], "sky blue", "größe"]  # no upstream action reaches "a [b]"
    assert engine.actions(shirt) == [f"click[{text}]" for text in buttons + typed]
    for action in engine.actions(shirt):
        assert engine.act(ERRAND, shirt, action) is not None
    assert walk(engine, "click[sky blue]", begin=shirt).options == (("color", "sky\xa0blue"),)
    assert walk(engine, "click[reviews]", begin=shirt).page == pages.SUB_PAGE
    found = walk(engine, "search[hat]")
    assert engine.clickables(found) == ["back to search", "next >", "b0hat"]
    assert walk(engine, "click[B0HAT]", begin=found).asin == "b0hat"


def test_what_is_offered_is_taken_whatever_a_product_is_called() -> None:
    """Names that cannot be printed, or with brackets; and a value that upstream never clicks."""
    odd = Product(asin="B0\xa0ODD", title="Odd thing", options={"do": ("search", "find")})
    boxed = Product(asin="B0[A]", title="Odd box")
    engine = Engine(Shop.of([odd, boxed]), Nouns("rule"))
    found = walk(engine, "search[odd]")
    assert engine.actions(found) == ["click[back to search]", "click[next >]", "click[b0 odd]"]
    item = walk(engine, "click[b0 odd]", begin=found)
    assert item.asin == odd.asin
    assert engine.act(ERRAND, item, "click[search]") is None
    assert "search" in engine.clickables(item)
    assert engine.actions(item)[-1] == "click[find]"


def test_attributes_have_a_button_on_request() -> None:
    engine = Engine(SHOP, Nouns("rule"), attributes=True)
    shirt = walk(engine, *TO_SHIRT)
    assert "click[attributes]" in engine.actions(shirt)
    shown = pages.plain(engine.pieces(ERRAND, walk(engine, "click[attributes]", begin=shirt)))
    assert shown.endswith("< Prev [SEP] linen [SEP] loose fit [SEP] fashion [SEP] shirts [SEP] "
                          "Clothing › Shirts")  # fmt: skip


def test_pages_read_as_upstreams(engine: Engine) -> None:
    assert pages.plain(engine.pieces(ERRAND, Visit())) == (
        "WebShop [SEP] Instruction: [SEP] Find me a linen shirt [SEP] Search"
    )
    assert rich(engine, Visit()) == (
        "WebShop\nInstruction: \nFind me a linen shirt\n[button] Search [button_]\n"
    )
    chosen = walk(engine, *TO_SHIRT, "click[größe]", "click[large]")
    assert rich(engine, chosen).startswith(
        "You have clicked größe.\nYou have clicked large.\nInstruction:\nFind me a linen shirt\n"
        "[button] Back to Search [button_]\n[button] < Prev [button_]\nsize\n"
        "  [button] small [button_]\n  [clicked button] large [clicked button_]\n"
    )
    features = walk(engine, *TO_SHIRT, "click[features]")
    assert rich(engine, features).endswith("[button] < Prev [button_]\n Linen\n  loose fit \n")
    assert pages.plain(engine.pieces(ERRAND, features)).endswith("[SEP] Linen [SEP] loose fit")
    seen = walk(engine, *TO_SHIRT, "click[< prev]")
    assert "\n\n[clicked button] B0SHIRT001 [clicked button_]\nLinen Shirt\n$100.0\n" in rich(
        engine, seen
    )
    fresh = walk(engine, "click[back to search]", "search[linen]", begin=seen)
    assert "clicked" not in rich(engine, fresh)


def test_texts_of_blanks_are_what_upstreams_parser_leaves() -> None:
    blank = Product(asin="B0", title=" \n ", description=" \t", bullet_points=("", "\xa0"))
    item = pages.item("go", blank, {}, ())
    assert Piece(TEXT, " \n ") not in item
    described = pages.sub_page("go", blank, "Description")
    assert pages.plain(described).endswith("< Prev [SEP] ")
    assert pages.rich(described).endswith("[button_]\n \n")
    features = pages.sub_page("go", blank, "Features")
    assert [piece.text for piece in features[-2:]] == [" ", " \xa0"]


def test_the_receipt_escapes_options_as_upstream() -> None:
    said = pages.plain(pages.done("B0", {"size": "<b>&'", "a": "ü"}, 0.5))
    assert r'[SEP] {"a": "\u00fc", "size": "\u003cb\u003e\u0026\u0027"} [SEP]' in said
    assert said.endswith("Your score (min 0.0, max 1.0) [SEP] 0.5 [SEP] Reward Details [SEP] None")


def test_addresses_are_upstreams(engine: Engine) -> None:
    def address(*actions: str) -> str:
        return pages.address("me", walk(engine, *actions)).removeprefix("http://127.0.0.1:3000/")

    assert address() == "me"
    assert address("search[linen shirt]") == "search_results/me/linen+shirt/1"
    assert address(*TO_SHIRT, "click[größe]") == (
        'item_page/me/B0SHIRT001/linen/1/{"color": "gr\\u00f6\\u00dfe"}'
    )
    assert address(*TO_SHIRT, "click[large]", "click[reviews]") == (
        "item_sub_page/me/B0SHIRT001/linen/1/Reviews/{'size': 'large'}"
    )
    assert address(*TO_SHIRT, "click[buy now]") == "done/me/B0SHIRT001/{}"


def test_back_doors_are_there_on_request_only(engine: Engine, quirky: Engine) -> None:
    def found(engine: Engine, words: str) -> int:
        return len(engine.found(walk(engine, f"search[{words}]").keywords))

    assert found(quirky, "<c> fashion") == 24
    assert found(quirky, "<c>") == 0
    assert found(quirky, "<q> hats") == 1
    assert found(quirky, "<r>") == 25
    assert quirky.found(("<r>",)) == quirky.found(("<r>",))
    assert [found(engine, words) for words in ("<c> fashion", "<q> hats", "<r>")] == [0, 1, 0]


def test_words_in_the_address_lead_astray_on_request_only(engine: Engine, quirky: Engine) -> None:
    to_hat = ("search[hat search_results]", "click[b0hat]", "click[< prev]")
    assert walk(engine, *to_hat).number == 1
    assert walk(quirky, *to_hat).number == 0
    assert "Page 0 (Total results: 1)" in rich(quirky, walk(quirky, *to_hat))
    from_sub_page = ("search[linen item_page]", "click[b0shirt001]", "click[reviews]")
    assert walk(engine, *from_sub_page, "click[< prev]").page == pages.ITEM
    assert walk(quirky, *from_sub_page, "click[< prev]").page == pages.RESULTS


def test_what_looks_clicked_goes_by_the_address_on_request_only(
    engine: Engine, quirky: Engine
) -> None:
    visit = walk(engine, *TO_SHIRT, "click[größe]", 'click[x "l"]')
    marked = {"größe", 'x "l"'}
    for some, expected in ((engine, marked), (quirky, set())):
        pieces = some.pieces(ERRAND, visit)
        assert {piece.text for piece in pieces if piece.kind == CHOSEN} == expected
        assert sum(piece.kind in (OPTION, CHOSEN) for piece in pieces) == 8
