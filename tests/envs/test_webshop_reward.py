"""The reward, exactly as upstream computes it, and the nouns that it needs."""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from act_envs.errors import ActError, AssetsNotFound, CatalogueError, MissingExtra, UnknownArgument
from act_envs.webshop.catalogue import Product
from act_envs.webshop.goals import Goal
from act_envs.webshop.nouns import Nouns, nouns_of, rule

pytest.importorskip("rapidfuzz", reason="needs the extra webshop")
from act_envs.webshop.reward import Reward, reward
from benchmarks.parity_webshop import recorded, rewarded

PRODUCT = Product(
    asin="B000LAMP01",
    title="Glowfield Lamp",
    query="lamps",
    product_category="Home › Lighting › Lamps",
    description="Runs on SOLAR power.",
    bullet_points=("Easy to", "carry around"),
    attributes=("brass finish", "energy saving"),
)
NOUNS = Nouns({"Glowfield Lamp": ["glowfield", "lamp"], "goal": ["lamp"], "none": []})


def make_goal(**change: Any) -> Goal:
    fields: dict[str, Any] = {
        "asin": "B000GOAL01",
        "category": "garden",
        "query": "lamps",
        "name": "goal",
        "product_category": "Home › Lighting › Lamps",
        "instruction": "Find me a lamp",
        "attributes": ("brass finish",),
        "options": (),
        "price_upper": 50.0,
    }
    return Goal(**fields | change)


def buy(
    bought: Mapping[str, str] | None = None,
    price: float = 20.0,
    nouns: Nouns = NOUNS,
    **change: Any,
) -> Reward:
    return reward(PRODUCT, make_goal(**change), price, bought or {}, nouns)


def test_a_perfect_purchase() -> None:
    assert buy() == Reward(
        total=1.0,
        r_type=1.0,
        r_att=1.0,
        r_option=None,
        r_price=True,
        query_match=True,
        category_match=True,
        title_score=1.0,
        w_att=0.5,
        w_option=0.0,
        w_price=0.5,
    )


def test_every_part_has_its_weight() -> None:
    result = buy(
        {"color": "red"},
        price=50.01,
        attributes=("brass finish", "made of wool"),
        options=("red", "huge"),
    )
    assert result.total == 2 / 5
    assert (result.r_att, result.r_option, result.r_price) == (0.5, 0.5, False)
    assert (result.w_att, result.w_option, result.w_price) == (0.4, 0.4, 0.2)
    assert buy(price=50.0).r_price


@pytest.mark.parametrize(
    ("query", "category", "listed", "expected"),
    [
        ("lamps", "", ["lamp"] + ["x"] * 9, 1.0),  # a tenth is not less than a tenth
        ("lamps", "", ["lamp"] + ["x"] * 10, 0.1),
        ("lamps", "Home › Lighting", ["x"], 0.0),
        ("Lamps", "Lighting›Home › Rugs", ["lamp"] + ["x"] * 5, 1.0),
        ("rugs", "Home › Home › Rugs", ["lamp"] + ["x"] * 4, 0.5),  # a fifth is not more
        ("rugs", "Home › Rugs", ["lamp"] + ["x"] * 3, 1.0),
        ("rugs", "Rugs", ["lamp"] + ["x"] * 9, 0.5),
        ("rugs", "Rugs", [], 0.5),
        ("rugs", "Rugs", ["lamp", "lamp", "lamp", "lamp", "lamp"], 0.5),  # one in five
    ],
)
def test_types(query: str, category: str, listed: list[str], expected: float) -> None:
    nouns = Nouns({"Glowfield Lamp": ["lamp", "lamp"], "goal": listed})
    assert buy(query=query, product_category=category, nouns=nouns).r_type == expected


@pytest.mark.parametrize(
    ("attribute", "matched"),
    [
        ("brass finishes", True),  # similar to one of the attributes
        ("finish brass", True),  # order does not count
        ("brass", True),  # nor what one of them has more
        ("glowfield", True),  # in the title
        ("easy to carry", True),  # across two bullet points
        ("solar", True),  # in the description
        ("Solar", False),  # texts are lower case, attributes are as they are
        ("battery", False),
    ],
)
def test_attributes(attribute: str, matched: bool) -> None:
    assert buy(attributes=(attribute,)).r_att == matched


@pytest.mark.parametrize(
    ("wanted", "bought", "matched"),
    [
        ("x-large", "large", True),
        ("xx-large", "3x-large", True),
        ("7", "7.5", True),
        ("pack of 1", "pack of 2", True),
        ("navy blue", "sky blue", True),  # both blue
        ("black | white", "red | black", True),  # both black
        ("standard", "tan", True),
        ("washed", "ash tree", True),
        ("light red", "dark red", False),  # light, dark
        ("grey", "gray", False),
        ("Red", "red wood", True),  # not a colour, but the same words
        ("漢字", "漢字", True),
        ("é", "é", False),  # nothing is left of it
        ("", "", False),
        (("color", "black"), "black | red", True),  # an element of the pair is a colour
        (("color", "navy blue"), "blue", True),  # no element is; but the words contain it
        (("color", "navy blue"), "navy", True),
        (("color", "off-white"), "bright white", True),
        (("size", "6 | 7"), "size", True),  # the name of the option is compared too
        (("size", "large"), "small", False),
    ],
)
def test_options(wanted: str | tuple[str, str], bought: str, matched: bool) -> None:
    assert buy({"any": bought}, options=(wanted,)).r_option == matched


@pytest.mark.parametrize(("same", "other", "matched"), [(20, (3, 4), False), (59, (10, 10), True)])
def test_similarity_is_rounded(same: int, other: tuple[int, int], matched: bool) -> None:
    """Twice what is common over the length of both: 40/47 = 85.1 %, and 118/138 = 85.507 %."""
    wanted, bought = ("a" * same + letter * more for letter, more in zip("bc", other, strict=True))
    assert buy({"any": bought}, options=(wanted,)).r_option == matched


def test_one_option_satisfies_several() -> None:
    assert buy({"size": "large"}, options=("large", "x-large", "xx-large")).r_option == 1.0
    assert buy({}, options=("large",)).r_option == 0.0


def reference() -> list[dict[str, Any]]:
    root = os.environ.get("ACT_DATA_DIR")
    folder = Path(root or ".") / "webshop_1k"
    if not root or not (folder / "reference_rewards.json.gz").is_file():
        pytest.skip("needs webshop_1k/reference_rewards.json.gz: set ACT_DATA_DIR")
    return recorded(folder, "rewards")["cases"]


def test_all_reference_cases() -> None:
    """Equal to the last bit, with every part; where upstream raises there is an error too."""
    cases = reference()
    assert len(cases) == 430
    errors = 0
    for case in cases:
        if "error" in case:
            errors += 1
            with pytest.raises((ActError, TypeError)):
                rewarded(case)
            continue
        result = asdict(rewarded(case))
        assert result["total"] == case["reward"], case["id"]
        assert result["r_option"] == case["r_option"], case["id"]
        for name, value in case["info"].items():
            assert result[name] == value, (case["id"], name)
    assert errors == 4


@pytest.mark.parametrize(
    ("title", "nouns"),
    [
        ("The Best Wooden Desk Lamp for Kids' Rooms", "wooden desk lamp kids rooms"),
        ("Women's T-Shirt/Top, 100% Cotton", "women t shirt cotton"),
        ("10ml Washable Stainless Bottle 2.5 L", "ml bottle l"),
        ("Lightly Scented Odorless Waterproof Famous Colorful Soap", "soap"),
        ("High Speed Feed Seed Bed Cable Table", "speed feed seed bed cable table"),
        ("Vegetable Jelly for the Family", "vegetable jelly family"),
        ("Crème Brûlée Set", "crème brûlée set"),
        ("N.A.S.A. Rocket_Kit", "n.a.s.a rocket_kit"),
        ("2 x 3", "x"),
        ("", ""),
    ],
)
def test_the_rule(title: str, nouns: str) -> None:
    assert rule(title) == nouns.split()


def test_nouns_come_from_where_one_says(tmp_path: Path) -> None:
    by_rule = Nouns()
    assert by_rule("Desk Lamp with Lamp Cover")[0] == ("desk", "lamp", "lamp", "cover")
    assert by_rule("Desk Lamp with Lamp Cover")[1] == {"desk", "lamp", "cover"}
    path = tmp_path / "nouns.json"
    path.write_text(json.dumps({"Desk Lamp": ["desk"]}), encoding="utf-8")
    for choice in (path, str(path), {"Desk Lamp": ["desk"]}):
        nouns = Nouns(choice)
        assert nouns.name == Nouns(path).name != Nouns({"Desk Lamp": ["lamp"]}).name
        assert nouns.name.startswith("lists:")
        assert nouns("Desk Lamp") == (("desk",), {"desk"})
        with pytest.raises(CatalogueError, match="none for the title 'Rug'"):
            nouns("Rug")
    assert by_rule.name == "rule"


def test_spacy_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [("Desk", "NOUN"), ("Lampco", "PROPN"), ("nice", "ADJ"), ("2", "NUM")]
    tagged = [SimpleNamespace(text=text, pos_=tag) for text, tag in words]
    module = ModuleType("spacy")

    def load(model: str) -> Any:
        if model != "en_core_web_lg":
            raise OSError(model)
        return lambda title: tagged

    monkeypatch.setattr(module, "load", load, raising=False)
    monkeypatch.setitem(sys.modules, "spacy", module)
    nouns = Nouns("spacy:en_core_web_lg")
    assert (nouns.name, nouns("Desk")[0]) == ("spacy:en_core_web_lg", ("desk", "lampco"))
    with pytest.raises(AssetsNotFound, match="spacy download en_core_web_sm"):
        Nouns("spacy")


def test_spacy_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtra, match="pip install spacy"):
        Nouns("spacy")


@pytest.mark.parametrize("content", ["[]", '{"a": "b"}', '{"a": [1]}', '{"a": ["b"]'])
def test_damaged_lists(tmp_path: Path, content: str) -> None:
    path = tmp_path / "nouns.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"nouns\.json"):
        Nouns(path)


@pytest.mark.parametrize("lists", [{}, {"a": "b"}, {"a": [1]}, {1: ["b"]}])
def test_mappings_are_checked_as_files_are(lists: Any) -> None:
    with pytest.raises(CatalogueError, match="lists of words by title"):
        Nouns(lists)


def test_a_rule_is_shared() -> None:
    assert nouns_of("rule") is nouns_of("rule")
    assert nouns_of({"a": ["b"]}) is not nouns_of({"a": ["b"]})


def test_unknown_nouns(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="Give 'rule', 'spacy'"):
        Nouns("rules")
    with pytest.raises(AssetsNotFound, match="is no file"):
        Nouns(tmp_path / "nouns.json")


def test_without_rapidfuzz(monkeypatch: pytest.MonkeyPatch) -> None:
    find = builtins.__import__

    def hide(name: str, *rest: Any) -> ModuleType:
        if name.startswith("rapidfuzz"):
            raise ImportError(name)
        return find(name, *rest)

    monkeypatch.delitem(sys.modules, "act_envs.webshop.reward")
    monkeypatch.setattr(builtins, "__import__", hide)
    with pytest.raises(MissingExtra, match=r"agentic-critical-training\[webshop\]"):
        import act_envs.webshop.reward  # noqa: F401
