"""Reading upstream's product files: its rules, hostile records, damaged files."""

from __future__ import annotations

import json
import logging
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from act_envs.errors import AssetsNotFound, CatalogueError, UnknownArgument
from act_envs.webshop import records
from act_envs.webshop.catalogue import (
    NO_ATTRIBUTES,
    Instruction,
    Product,
    Warnings,
    contents,
    find_source,
    read_price,
    read_products,
)
from act_envs.webshop.records import read_array, read_object
from tests.envs.webshop_shop import CABLE, FACTS, LAMP, SHOP, SOCKS, TEA, write_shop


def load(folder: Path, **arguments: Any) -> list[Product]:
    return list(read_products(find_source(folder), **arguments))


def test_fields_follow_upstreams_rules(tmp_path: Path) -> None:
    warnings = Warnings()
    lamp, tea, socks, cable = load(write_shop(tmp_path), warnings=warnings)
    assert not warnings.counts
    assert lamp == Product(
        asin="B000LAMP01",
        title="Glowfield Desk Lamp with Brass Arm",
        category="garden",
        query="desk lamps",
        product_category="Home › Lighting › Desk Lamps",
        description="A lamp for DESKS and shelves.",
        bullet_points=("Easy to assemble.", "Energy efficient bulb"),
        pricing=(1299.5,),
        price="$1299.5",
        options={"size": ("large", "small"), "color": ("black | gold", "white")},
        attributes=("easy assemble", "brass finish"),
        image="https://example.org/lamp.jpg",
        option_images={
            "large": None,
            "small": None,
            "black | gold": "https://example.org/bg.jpg",
            "white": None,
        },
        instruction=Instruction(
            "Find me easy assemble desk lamps", ("easy assemble", "energy efficient")
        ),
        human=(
            Instruction("a lamp", ()),
            Instruction("i want a large lamp...", ("easy assemble",), ("large",)),
        ),
    )
    assert list(lamp.options) == ["size", "color"]  # the order on the page
    assert (tea.pricing, tea.price, tea.bullet_points) == (
        (5.0, 9.99),
        "$5.0 to $9.99",
        ("Caffeine free",),
    )
    assert (tea.attributes, cable.attributes) == ((), NO_ATTRIBUTES)
    assert (socks.pricing, socks.price) == ((100.0,), "$100.0")
    assert socks.options == {"size": ("6 | 7", "8 | 9")}


def test_the_indexed_text_has_the_first_bullet_point_only(tmp_path: Path) -> None:
    lamp, _, socks, _ = load(write_shop(tmp_path))
    assert contents(lamp) == (
        "glowfield desk lamp with brass arm a lamp for desks and shelves. easy to assemble. "
        "size: large, small, and color: black | gold, white"
    )
    assert contents(socks) == "fernfoot hiking socks   size: 6 | 7, 8 | 9"


def test_without_human_instructions(tmp_path: Path) -> None:
    assert all(not product.human for product in load(write_shop(tmp_path, human=None)))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"asin": "nan"}, "asin left out by upstream"),
        ({"asin": "B0123456789"}, "asin left out by upstream"),
        ({"asin": "B000LAMP01"}, "duplicate asin"),
        ({"asin": None}, "missing asin"),
        ({"asin": ""}, "missing asin"),
        ({"asin": 7}, "missing asin"),
        ({"asin": "B\ud800"}, "missing asin"),
        ({"pricing": "12.99"}, "malformed price"),
        ({"pricing": 12.99}, "malformed price"),
        ({"pricing": 0}, "malformed price"),
    ],
)
def test_records_left_out(tmp_path: Path, change: dict[str, Any], kind: str) -> None:
    warnings = Warnings()
    products = load(write_shop(tmp_path, [LAMP, {**TEA, **change}, SOCKS]), warnings=warnings)
    assert [product.asin for product in products] == ["B000LAMP01", "B000SOCK03"]
    assert warnings.counts == {kind: 1}
    assert "items_shuffle.json: record 1" in warnings.first[kind]


@pytest.mark.parametrize("record", [None, 3, "text", ["B000TEA002"]])
def test_records_that_are_no_objects(tmp_path: Path, record: object) -> None:
    warnings = Warnings()
    assert len(load(write_shop(tmp_path, [record, TEA]), warnings=warnings)) == 1
    assert str(warnings) == "1 x record is no object (first: items_shuffle.json: record 0)"


@pytest.mark.parametrize(
    ("change", "kind", "field", "value"),
    [
        ({"name": None}, "name is no text", "title", ""),
        ({"name": "a\ud800b"}, "name has half a character", "title", "a\ufffdb"),
        ({"full_description": 1}, "full_description is no text", "description", ""),
        ({"small_description": None}, "small_description is no list", "bullet_points", ()),
        (
            {"small_description": ["a", None]},
            "small_description is no text",
            "bullet_points",
            ("a", ""),
        ),
        ({"images": []}, "missing image", "image", ""),
        ({"images": [None]}, "missing image", "image", ""),
        ({"query": []}, "query is no text", "query", ""),
        ({"customization_options": [1]}, "customization_options is no object", "options", {}),
        ({"customization_options": {"a": "b"}}, "option is no list", "options", {}),
        (
            {"customization_options": {"a": [{"value": "x"}, {}, "y"]}},
            "option without a value",
            "options",
            {"a": ("x",)},
        ),
    ],
)
def test_fields_mended(
    tmp_path: Path, change: dict[str, Any], kind: str, field: str, value: object
) -> None:
    warnings = Warnings()
    (product,) = load(write_shop(tmp_path, [{**CABLE, **change}]), warnings=warnings)
    assert getattr(product, field) == value
    assert set(warnings.counts) == {kind}
    assert warnings.first[kind] == "items_shuffle.json: record 0 (B000CABLE4)"


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (3, "record is no object"),
        ({"attributes": "easy"}, "attributes is no list"),
        ({"attributes": [], "instruction": "Find me"}, "instruction_attributes is no list"),
        (
            {"attributes": [], "instruction": "Find", "instruction_attributes": []},
            "instruction without attributes",
        ),
    ],
)
def test_hostile_facts(tmp_path: Path, fact: object, kind: str) -> None:
    warnings = Warnings()
    (product,) = load(write_shop(tmp_path, [LAMP], {"B000LAMP01": fact}, None), warnings=warnings)
    assert product.instruction is None
    assert warnings.first[kind] == "items_ins_v2.json: B000LAMP01"


def test_hostile_instructions_make_no_goal(tmp_path: Path) -> None:
    warnings = Warnings()
    human = {"B000LAMP01": [3], "B000TEA002": "buy"}
    lamp, tea = load(write_shop(tmp_path, [LAMP, TEA], FACTS, human), warnings=warnings)
    assert lamp.human == tea.human == (Instruction("", ()),)
    assert warnings.counts["record is no object"] == 2


def test_warnings_reach_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load(write_shop(tmp_path, [LAMP, LAMP, LAMP]))
    assert "2 x duplicate asin (first: items_shuffle.json: record 1 (B000LAMP01))" in caplog.text


def test_text_is_not_touched(tmp_path: Path) -> None:
    title = "<script>alert(1)</script> \x00\x1b[31m \u202e ★"
    description = "wörd " * 200_000
    folder = write_shop(tmp_path, [{**TEA, "name": title, "full_description": description}])
    (product,) = load(folder)
    assert (product.title, product.description) == (title, description)


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        (None, (100.0,)),
        ("", (100.0,)),
        ("$877.8", (877.8,)),
        ("$0.00", (0.0,)),
        ("$ 12.", (12.0,)),
        ("$.99", (0.99,)),
        ("$1,234,567.89", (1234567.89,)),
        ("from $12.99 & free shipping", (12.99,)),
        ("$9.99 - $5.00", (9.99, 5.0)),
        ("$1 $2 $3", (1.0, 2.0)),
    ],
)
def test_prices(pricing: str | None, prices: tuple[float, ...]) -> None:
    assert read_price(pricing) == prices


@pytest.mark.parametrize(
    "pricing",
    [
        "12.99",  # upstream: no amount at all
        " ",
        "$",
        "$5 - $",
        "$12.99 (was 15.99)",  # upstream joins the digits: 12.9915.99
        "$12 each of 3",  # 123
        "$12,99",  # 1299
        "$1.299,00",  # 1.299
        "$12,3456",
        "$-5",  # 5
        "-$5",
        "$5 - $-9",
        "3 for $5",
        "$1e3",  # 13
        "$1\u0663",  # 13: a digit of another script
        "$" + "9" * 400,  # infinite
        "€5",
        5.0,
        False,
        ["$5"],
    ],
)
def test_no_price_is_guessed(pricing: object) -> None:
    assert read_price(pricing) is None


@pytest.mark.parametrize("cut_file", ["items_shuffle.json", "items_ins_v2.json"])
def test_half_a_file(tmp_path: Path, cut_file: str) -> None:
    path = write_shop(tmp_path, [CABLE, TEA], dict(list(FACTS.items())[:2])) / cut_file
    whole = path.read_bytes()
    for size in range(0, len(whole), 3):
        path.write_bytes(whole[:size])
        with pytest.raises(CatalogueError, match=rf"{cut_file}: record \d, character [\d,]+: "):
            load(tmp_path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{}", "record 0, character 0: expected '\\['"),
        (b"[1, 2] 3", "record 2, character 7: expected the end"),
        (b"[1 2]", "record 1, character 3: expected ',' or ']', found '2'"),
        (b"[1,]", "record 1, character 3: Expecting value"),
        (b'[{"a": 1}, {"a" 2}]', "record 1, character 16: Expecting ':'"),
        (b'["\xff"]', "no UTF-8"),
        (b"[" * 200_000, "record 0, character 1: .*recursion"),
        (b"[" + b"9" * 5000 + b"]", "record 0, character 1: .*digits"),
        (b"", "it ends here"),
    ],
)
def test_damaged_arrays(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "items_shuffle.json"
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=what) as caught:
        list(read_array(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "{1: 2}", '{"a" 1}', '{"a": 1 "b"}', '{"a": 1,}'])
def test_damaged_objects(tmp_path: Path, content: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(content)
    with pytest.raises(CatalogueError, match="character"):
        list(read_object(path))


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_windows_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(records, "_CHUNK", chunk)
    values = [12345, -1.5e300, 'é\\"\u2028', {"a": [True, None]}, [], *SHOP]
    path = tmp_path / "a.json"
    for text in (json.dumps(values), json.dumps(values, indent=9, ensure_ascii=False)):
        path.write_text(text, encoding="utf-8")
        assert list(read_array(path)) == list(enumerate(values))
    members = {f"name {value!r}": value for value in values}
    path.write_text(json.dumps(members, indent=9), encoding="utf-8")
    assert list(read_object(path)) == list(members.items())
    path.write_text(" [ ] ")
    assert list(read_array(path)) == []
    path.write_text('["a", "bcdef", [1, 2, 3 4]]')
    with pytest.raises(CatalogueError, match="record 2, character 24: Expecting ','"):
        list(read_array(path))


def test_records_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_CHUNK", 64)
    monkeypatch.setattr(records, "MAX_RECORD", 1000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(["x" * 900, "y" * 100_000]))
    read = read_array(path)
    assert next(read) == (0, "x" * 900)
    with pytest.raises(CatalogueError, match=r"record 1.*longer than 1,000 characters"):
        next(read)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write("[" + ",".join([json.dumps("x" * 20_000)] * 1000) + "]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_array(path)) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6 < path.stat().st_size


@pytest.mark.parametrize("inside", [".", "webshop", "webshop_1k", "webshop/webshop_1k"])
def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    write_shop(tmp_path / inside, ending="_1000")
    monkeypatch.setenv("ACT_DATA_DIR", str(tmp_path))
    assert find_source() == find_source(tmp_path)
    assert find_source().products == tmp_path / inside / "items_shuffle_1000.json"
    assert find_source(find_source().products) == find_source()


def test_the_fullest_catalogue_and_its_companions(tmp_path: Path) -> None:
    for ending in ("_100", "_1000"):
        write_shop(tmp_path, ending=ending)
    assert find_source(tmp_path).products.name == "items_shuffle_1000.json"
    (tmp_path / "items_human_ins_1000.json").rename(tmp_path / "items_human_ins.json")
    assert [path.name for path in find_source(tmp_path) if path] == [
        "items_shuffle_1000.json",
        "items_ins_v2_1000.json",
        "items_human_ins.json",
    ]
    write_shop(tmp_path, human=None)
    assert find_source(tmp_path).products.name == "items_shuffle.json"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(AssetsNotFound, match=r"items_shuffle\*\.json not found in .*ACT_DATA_DIR"):
        find_source(tmp_path)
    write_shop(tmp_path)
    (tmp_path / "items_ins_v2.json").unlink()
    with pytest.raises(AssetsNotFound, match="no items_ins_v2"):
        find_source(tmp_path)
    with pytest.raises(UnknownArgument):
        find_source("")


@pytest.mark.skipif(not os.environ.get("ACT_DATA_DIR"), reason="needs data: set ACT_DATA_DIR")
def test_the_real_products_load_without_warnings() -> None:
    folder = Path(os.environ["ACT_DATA_DIR"]) / "webshop_1k"
    if not folder.is_dir():
        pytest.skip("needs the folder webshop_1k in ACT_DATA_DIR")
    warnings = Warnings()
    products = load(folder, warnings=warnings)
    assert (len(products), warnings.counts) == (1000, {})
    raw = json.loads((folder / "items_shuffle_1000.json").read_text(encoding="utf-8"))
    for product, record in zip(products, raw, strict=True):
        amounts = [part.strip(" -") for part in record["pricing"].split("$")[1:]]
        assert product.pricing == (tuple(map(float, amounts)) or (100.0,))
