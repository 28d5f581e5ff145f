"""Goals: wording, order, weights, prices and limits without chance, splits."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from act_envs.errors import UnknownArgument, UnknownSplit
from act_envs.webshop.catalogue import (
    Instruction,
    Product,
    Warnings,
    find_source,
    read_products,
)
from act_envs.webshop.goals import (
    MAX_CHOICES,
    NO_LIMIT,
    SPLITS,
    Goal,
    Goals,
    limit_of,
    limits_above,
    price_of,
    split_of,
    upstream_split,
)
from tests.envs.webshop_shop import write_shop

SOUGHT = Instruction("Find me something", ("good",))


@pytest.fixture
def shop(tmp_path: Path) -> list[Product]:
    return list(read_products(find_source(write_shop(tmp_path))))


def data(name: str) -> Path:
    """A file of the real 1,000 products, where the user has them."""
    root = os.environ.get("ACT_DATA_DIR")
    path = Path(root or ".") / "webshop_1k" / name
    if not root or not path.is_file():
        pytest.skip(f"needs webshop_1k/{name}: set ACT_DATA_DIR")
    return path


def wording(goal: Goal) -> str:
    return goal.instruction.partition(", and price lower than ")[0]


def test_synthetic_goals_are_all_combinations_in_upstreams_order(shop: list[Product]) -> None:
    listed = [
        f"Find me easy assemble desk lamps with color: {color}, and size: {size}"
        for color, size in itertools.product(("black | gold", "white"), ("large", "small"))
    ]
    listed += [f"Find me machine wash socks with size: {size}" for size in ("6 | 7", "8 | 9")]
    random.Random(233).shuffle(listed)
    goals = Goals(shop, "synthetic")
    assert [wording(goal) for goal in goals] == listed
    assert len(goals) == 6
    first = next(goal for goal in goals if "gold, and size: large" in goal.instruction)
    assert first == Goal(
        asin="B000LAMP01",
        category="garden",
        query="desk lamps",
        name="Glowfield Desk Lamp with Brass Arm",
        product_category="Home › Lighting › Desk Lamps",
        instruction=wording(first),  # it costs too much to have a limit
        attributes=("easy assemble", "energy efficient"),
        options=(("color", "black | gold"), ("size", "large")),
        price_upper=NO_LIMIT,
        weight=(1 / 6 + 1 / 4) / 2,  # six goals want the first attribute, four the second
        source="synthetic",
        number=0,
    )
    names = {goal.goal_id for goal in goals}
    assert names == {f"synthetic/B000LAMP01/{n}" for n in range(4)} | {
        f"synthetic/B000SOCK03/{n}" for n in range(2)
    }


def test_human_goals_skip_those_without_attributes(shop: list[Product]) -> None:
    by_id = {goal.goal_id: goal for goal in Goals(shop, "human")}
    assert set(by_id) == {"human/B000LAMP01/1", "human/B000CABLE4/0"}
    lamp = by_id["human/B000LAMP01/1"]
    assert (wording(lamp), lamp.options) == ("i want a large lamp", ("large",))
    assert lamp.weight == 1.0
    assert by_id["human/B000CABLE4/0"].price_upper == NO_LIMIT


def test_positions(shop: list[Product]) -> None:
    goals = Goals(shop, "synthetic")
    assert goals[-1] == goals[5]
    with pytest.raises(IndexError):
        goals[6]
    assert len(Goals([], "human")) == 0
    with pytest.raises(UnknownArgument, match="Did you mean 'human'"):
        Goals(shop, "humane")  # pyright: ignore[reportArgumentType]


def test_goals_by_their_names(shop: list[Product]) -> None:
    human, synthetic = Goals(shop, "human"), Goals(shop, "synthetic")
    for goals in (human, synthetic):
        assert [goals.find(goal.goal_id) for goal in goals] == list(goals)
    assert human.find("human/B000LAMP01/0") is None  # it has no attributes
    assert synthetic.find("human/B000LAMP01/1") is None
    assert synthetic.find("synthetic/B000LAMP01/4") is None
    assert synthetic.find("synthetic/B000TEA002/0") is None  # between two that have goals
    for odd in ("01", "+1", " 1", "-1", "1.0", "", "\u00b9", "\u0661", "9" * 5000, "1/"):
        assert human.find(f"human/B000LAMP01/{odd}") is None
    for odd in ("", "/", "human", "human//1", "human/1", "human/B000LAMP0/1"):
        assert human.find(odd) is None


def test_goals_by_split(shop: list[Product]) -> None:
    goals = Goals(shop, "synthetic")
    for split in SPLITS:
        expected = [n for n, goal in enumerate(goals) if split_of(goal.asin, "") == split]
        assert goals.in_split(split).tolist() == expected
    with pytest.raises(UnknownSplit, match="'ood'"):
        goals.in_split("oood")
    assert [len(Goals([], "human").in_split(split)) for split in SPLITS] == [0] * 4


def test_weights_are_summed_one_after_the_other() -> None:
    """As upstream's Python did: of ten tenths, sum() of Python 3.12 makes 1."""
    attributes = tuple("abcdefghij")
    sought = Instruction("Find me", attributes)
    shop = [Product("A", "a", options={"n": ("x",) * 10}, instruction=sought)]
    total = 0.0
    for _ in attributes:
        total += 1 / 10
    assert total != math.fsum([1 / 10] * 10)
    assert Goals(shop, "synthetic")[0].weight == total / 10


def test_the_global_generator_is_left_alone(shop: list[Product]) -> None:
    random.seed(1)
    before = random.getstate()
    list(Goals(shop, "synthetic"))
    assert random.getstate() == before


def test_no_option_value_no_goal_and_too_many_neither() -> None:
    values = tuple(map(str, range(101)))
    lavish = dict.fromkeys("abc", values)
    assert MAX_CHOICES < 101**3
    shop = [
        Product("A", "a", options=lavish, instruction=SOUGHT),
        Product("B", "b", options={"size": ()}, instruction=SOUGHT),
        Product("C", "c", options={"size": ("one",)}, instruction=SOUGHT),
    ]
    warnings = Warnings()
    (goal,) = Goals(shop, "synthetic", warnings=warnings)
    assert goal.goal_id == "synthetic/C/0"
    assert str(warnings) == "1 x too many combinations of options (first: A)"


@pytest.mark.parametrize(
    ("price", "limits"),
    [
        (0.0, [10, 20, 30, 40]),
        (9.99, [10, 20, 30, 40]),
        (10.0, [20, 30, 40, 50]),
        (965.0, [970, 980, 990]),
        (980.0, [990]),
        (990.0, []),
    ],
)
def test_limits(price: float, limits: list[float]) -> None:
    assert limits_above(price) == limits
    product = Product("A", "a", pricing=(price,), human=(SOUGHT,))
    (goal,) = Goals([product])
    if len(limits) < 2:
        assert limit_of(product, SOUGHT) is None
        assert (goal.instruction, goal.price_upper) == ("Find me something", NO_LIMIT)
    else:
        assert goal.price_upper in limits[1:]
        assert goal.instruction == (
            f"Find me something, and price lower than {goal.price_upper:.0f}.00 dollars"
        )


def test_prices_and_limits_are_the_same_for_good() -> None:
    ranged = Product("B000TEA002", "Tea", pricing=(5.0, 9.99))
    assert [price_of(ranged), price_of(replace(ranged, asin="B000TEA003"))] == [8.12, 6.65]
    assert price_of(replace(ranged, pricing=(9.99,))) == 9.99
    assert [limit_of(ranged, Instruction(text, ("good",))) for text in "abcdef"] == [
        40.0,
        40.0,
        40.0,
        30.0,
        20.0,
        40.0,
    ]


def test_limits_are_spread_as_upstreams() -> None:
    """Of two of four, the larger is the second, third or fourth with 1, 2 and 3 parts of 6."""
    shop = [Product(f"A{number}", "a", pricing=(25.0,)) for number in range(6000)]
    found = Counter(limit_of(product, SOUGHT) for product in shop)
    expected = {40.0: 1000, 50.0: 2000, 60.0: 3000}
    assert found.keys() == expected.keys()
    assert all(abs(found[limit] - number) < 150 for limit, number in expected.items())


def test_prices_are_spread_over_the_range() -> None:
    shop = [Product(f"A{number}", "a", pricing=(20.0, 10.0)) for number in range(2000)]
    prices = [price_of(product) for product in shop]
    assert min(prices) >= 10.0
    assert max(prices) <= 20.0
    assert abs(sum(prices) / len(prices) - 15.0) < 0.3


def test_combinations_share_a_limit() -> None:
    options = {"size": tuple("abcdefgh")}
    product = Product("A", "a", pricing=(25.0,), options=options, instruction=SOUGHT)
    assert len({goal.price_upper for goal in Goals([product], "synthetic")}) == 1


@pytest.mark.parametrize(
    "change", [{"attributes": ()}, {"price_upper": 0}, {"price_upper": -5}, {"price_upper": "x"}]
)
def test_goals_that_upstream_cannot_reward(change: dict[str, Any]) -> None:
    (goal,) = Goals([Product("A", "a", human=(SOUGHT,))])
    with pytest.raises(UnknownArgument, match="the goal for 'A'"):
        replace(goal, **change)


def test_splits_by_product_and_by_category() -> None:
    assert {split_of(f"A{n}", "grocery") for n in range(100)} == {"ood"}
    counts = Counter(split_of(f"A{n}", "garden") for n in range(5000))
    assert counts.keys() == {"train", "dev", "test"}
    assert abs(counts["dev"] - 500) < 80
    assert abs(counts["test"] - 500) < 80
    assert [n for n in range(12) if split_of(f"A{n}", "garden") != "train"] == [1, 10]  # for good


def test_upstreams_splits_are_of_the_full_catalogue(shop: list[Product]) -> None:
    with pytest.raises(UnknownSplit, match="these are 2 human ones"):
        upstream_split(Goals(shop), "test")
    whole = [Product("A", "a", human=(SOUGHT,) * 12_087)]
    goals = Goals(whole)
    places = [upstream_split(goals, split) for split in ("test", "eval", "train")]
    assert [place for split in places for place in split] == list(range(12_087))
    assert [len(place) for place in places[:2]] == [500, 1000]
    with pytest.raises(UnknownSplit, match="Did you mean 'eval'"):
        upstream_split(goals, "val")
    synthetic = [Product("A", "a", options={"x": ("y",) * 12_087}, instruction=SOUGHT)]
    with pytest.raises(UnknownSplit, match="12,087 synthetic ones"):
        upstream_split(Goals(synthetic, "synthetic"), "test")


def test_the_real_goals_in_upstreams_order() -> None:
    """All 6,910 of them, but for the limit, which upstream leaves to chance."""
    with gzip.open(data("reference_goals_prices.json.gz")) as file:
        reference = json.load(file)
    goals = Goals(list(read_products(find_source(data("items_shuffle_1000.json")))), "synthetic")
    assert len(goals) == 6910
    for goal, expected in zip(goals, reference["goals"], strict=True):
        assert (goal.asin, goal.category, goal.query) == (
            expected["asin"],
            expected["category"],
            expected["query"],
        )
        assert (goal.name, goal.product_category) == (
            expected["name"],
            expected["product_category"],
        )
        assert goal.attributes == tuple(expected["attributes"])
        assert goal.options == tuple(expected["goal_options"].items())
        assert goal.weight == expected["weight"]
        assert wording(goal) == expected["instruction_text"].partition(", and price lower")[0]
        limits = limits_above(reference["prices"][goal.asin])[1:] or [NO_LIMIT]
        assert expected["price_upper"] in limits


def test_the_real_prices() -> None:
    """Equal where there is one; where there is a range, upstream's lies in it too."""
    with gzip.open(data("reference_goals_prices.json.gz")) as file:
        prices = json.load(file)["prices"]
    products = list(read_products(find_source(data("items_shuffle_1000.json"))))
    assert len(products) == len(prices) == 1000
    for product in products:
        drawn = prices[product.asin]
        if len(product.pricing) == 1:
            assert price_of(product) == drawn
        else:
            low, high = sorted(product.pricing)
            assert low <= drawn <= high
            assert low <= price_of(product) <= high


def test_the_real_human_goals_are_among_upstreams() -> None:
    """11 of the 13: upstream's own list says two of them in other words."""
    known = {
        text.partition(", and price lower than ")[0]
        for text in json.loads(data("human_goals.json").read_text(encoding="utf-8"))
    }
    goals = Goals(list(read_products(find_source(data("items_shuffle_1000.json")))), "human")
    assert [len(goals), sum(wording(goal) in known for goal in goals)] == [13, 11]
