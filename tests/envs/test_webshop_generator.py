"""Generated catalogues: the same for good, upstream's schema, and like the real products."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from act_envs.errors import DownloadError, UnknownArgument
from act_envs.webshop.catalogue import (
    NO_ATTRIBUTES,
    UNPRICED,
    Product,
    Warnings,
    find_source,
    read_products,
)
from act_envs.webshop.generator import asin_of, generate, write
from act_envs.webshop.goals import Goals, price_of, split_of
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.reward import reward
from act_envs.webshop.wares import SLOTS, load
from benchmarks.resemblance.webshop import DEPARTMENTS, measure, resemblance

# Measured on the real 1,000 products, and how far the mean of two generated catalogues may be
# from it, as a share of it.
REAL = {
    "share of beauty": (0.238, 0.2),
    "share of electronics": (0.229, 0.2),
    "share of fashion": (0.2, 0.2),
    "share of garden": (0.216, 0.2),
    "share of grocery": (0.117, 0.25),
    "queries": (246, 0.1),
    "paths in the shop": (551, 0.1),
    "distinct terms": (12_073, 0.2),
    "share of the 10 most frequent terms": (0.068, 0.25),
    "share of the 100 most frequent terms": (0.251, 0.2),
    "share of the 1,000 most frequent terms": (0.676, 0.2),
    "Zipf slope": (-0.724, 0.15),
    "share of terms met once": (0.482, 0.25),
    "terms per product, mean": (107.6, 0.15),
    "terms per product, median": (76, 0.2),
    "terms per product, 90 %": (238, 0.15),
    "distinct terms per product": (68.5, 0.25),
    "words of a title, median": (18, 0.15),
    "words of a title, 90 %": (29, 0.2),
    "share with a description": (0.699, 0.1),
    "words of a description, median": (89, 0.2),
    "bullet points": (4.62, 0.15),
    "words of all bullet points": (119, 0.2),
    "share with options": (0.423, 0.15),
    "options of those": (1.45, 0.15),
    "values per option, mean": (5.7, 0.25),
    "goals per product": (6.91, 0.4),
    "share with a synthetic goal": (0.415, 0.15),
    "share with a range of prices": (0.093, 0.3),
    "share at 100 dollars": (0.089, 0.25),
    "price, 10 %": (9.29, 0.25),
    "price, median": (30.8, 0.25),
    "price, 90 %": (219, 0.35),
    "attributes per product": (2.83, 0.15),
    "attributes per goal": (3.18, 0.1),
    "distinct attributes of goals": (261, 0.2),
    "words of an instruction": (11.9, 0.1),
    "share of goals with a limit": (0.983, 0.05),
    "limit, median": (60, 0.25),
    "goals found among the first 1": (0.53, 0.2),
    "goals found among the first 10": (0.86, 0.12),
    "goals found among the first 50": (0.961, 0.06),
}


def made(seed: int, count: int) -> list[Product]:
    return [listing.product() for listing in generate(seed, count)]


@pytest.fixture(scope="module")
def shop() -> list[Product]:
    return made(0, 1000)


def digest(seed: int, count: int) -> str:
    records = [[listing.record(), listing.facts()] for listing in generate(seed, count)]
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()


def test_the_same_bytes_for_good() -> None:
    """Whoever changes what is drawn or a word changes tasks that have been published."""
    assert digest(7, 200)[:16] == "e9bc19a3c318a473"


def test_the_same_in_another_process() -> None:
    code = "from tests.envs.test_webshop_generator import digest; print(digest(3, 50))"
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == digest(3, 50)


def test_a_product_depends_on_seed_and_number_alone() -> None:
    random.seed(5)
    before = random.getstate()
    assert made(1, 60)[:20] == made(1, 20)
    assert random.getstate() == before
    other = made(2, 60)
    assert not {product.asin for product in other} & {product.asin for product in made(1, 60)}
    assert not {product.title for product in other} & {product.title for product in made(1, 60)}


def test_names_are_asins_and_unique() -> None:
    for seed in (0, 1, 10**18):
        names = {asin_of(seed, number) for number in range(30_000)}
        assert len(names) == 30_000
        assert all(len(name) == 10 and name.startswith("B0") for name in names)
        assert all(name.isalnum() and name.isupper() for name in names)
    assert len(asin_of(0, 2**40 - 1)) == 10


@pytest.mark.parametrize(("seed", "count"), [(-1, 5), (0, -1), (1.0, 5), (True, 5), (0, 10**18)])
def test_numbers_that_are_none(seed: int, count: int) -> None:
    with pytest.raises(UnknownArgument, match="Give a whole number"):
        generate(seed, count)


def test_a_catalogue_without_products_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="0 products"):
        write(0, 0, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("count", [1, 400])
def test_what_is_written_is_read_as_the_same_products(tmp_path: Path, count: int) -> None:
    done = []
    write(3, count, tmp_path / "new", lambda: done.append(1))
    warnings = Warnings()
    assert list(read_products(find_source(tmp_path / "new"), warnings=warnings)) == made(3, count)
    assert not warnings.counts
    assert len(done) == count
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "items_human_ins.json",
        "items_ins_v2.json",
        "items_shuffle.json",
    }


def test_writing_again_replaces(tmp_path: Path) -> None:
    write(1, 20, tmp_path)
    write(2, 10, tmp_path)
    assert list(read_products(find_source(tmp_path))) == made(2, 10)


def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    def meanwhile() -> None:
        with pytest.raises(DownloadError, match="another process is writing"):
            write(2, 10, tmp_path)

    write(1, 10, tmp_path, meanwhile)
    assert list(read_products(find_source(tmp_path))) == made(1, 10)
    assert not [*tmp_path.glob("*.part")]


def test_a_catalogue_of_another_origin_is_left_alone(tmp_path: Path) -> None:
    for name in ("items_shuffle.json", "items_shuffle_1000.json"):
        path = tmp_path / name
        path.write_text('[{"asin": "B000000001"}]')
        with pytest.raises(UnknownArgument, match="was not generated"):
            write(1, 5, tmp_path)
        assert path.read_text() == '[{"asin": "B000000001"}]'
        path.unlink()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Choose another folder"):
        write(1, 5, tmp_path / "file")


def test_the_schema_is_upstreams(tmp_path: Path) -> None:
    write(0, 300, tmp_path)
    records = json.loads((tmp_path / "items_shuffle.json").read_text(encoding="utf-8"))
    facts = json.loads((tmp_path / "items_ins_v2.json").read_text(encoding="utf-8"))
    assert [record["asin"] for record in records] == list(facts)
    for record in records:
        assert (
            isinstance(record["customization_options"], dict)
            or not (record["customization_options"])
        )
        assert record["small_description"]
        assert all(isinstance(point, str) for point in record["small_description"])
        assert " › " in record["product_category"]
        assert record["pricing"] == "" or record["pricing"].startswith("$")
    assert any(" - $" in record["pricing"] for record in records)
    options = [each["customization_options"] for each in records if each["customization_options"]]
    assert all(
        value.keys() == {"value", "image"}
        for names in options
        for values in names.values()
        for value in values
    )
    # As upstream: what has no instruction has attributes all the same.
    assert any("instruction" not in fact and fact["attributes"] for fact in facts.values())


def test_products_make_sense(shop: list[Product]) -> None:
    queries: dict[str, set[str]] = {}
    for product in shop:
        queries.setdefault(product.query, set()).add(product.category)
        assert product.query == product.query.lower().strip()
        assert product.attributes != NO_ATTRIBUTES
        assert all(0 < amount < 50_000 for amount in product.pricing)
        assert list(product.pricing) == sorted(product.pricing)
        for values in product.options.values():
            assert len(values) == len(set(values)) >= 1
        texts = (product.title, product.description, *product.bullet_points)
        assert not any("%s" in text or "{" in text or "  " in text for text in texts)
    assert all(len(categories) == 1 for categories in queries.values())
    assert {product.category for product in shop} == set(DEPARTMENTS)
    assert any(product.pricing == (UNPRICED,) for product in shop)


def test_products_can_be_told_apart(shop: list[Product]) -> None:
    assert len({product.title.lower() for product in shop}) == len(shop)
    most = Counter(point for product in shop for point in product.bullet_points).most_common(1)
    assert most[0][1] < 40  # sellers of short lists all say "Imported"


def test_instructions_are_worded_as_upstreams(shop: list[Product]) -> None:
    wanted = [product for product in shop if product.instruction]
    for product in wanted:
        instruction = product.instruction
        assert instruction
        start, query, end = instruction.text.partition(product.query)
        assert start.startswith("Find me ")
        assert query
        assert set(instruction.attributes) <= set(product.attributes)
        assert all(name in start + end for name in instruction.attributes)
    sample = next(p.instruction for p in wanted if p.instruction and " for " in p.instruction.text)
    assert sample.text.count("Find me") == 1


def test_goals_can_be_won(shop: list[Product]) -> None:
    """Its own product is worth 1, but where upstream sees a colour in another word (camellia)."""
    nouns, by_asin = Nouns(), {product.asin: product for product in shop}
    won = []
    for goal in list(Goals(shop, "synthetic"))[:1500]:
        product = by_asin[goal.asin]
        chosen = {str(name): str(value) for name, value in goal.options}
        won.append(reward(product, goal, price_of(product), chosen, nouns).total == 1.0)
    assert fmean(won) > 0.98


def test_every_split_has_its_share(shop: list[Product]) -> None:
    splits = Counter(split_of(product.asin, product.category) for product in shop)
    assert 650 < splits["train"] < 760
    assert all(60 < splits[split] < 170 for split in ("dev", "test", "ood"))
    departments = Counter(p.category for p in shop if split_of(p.asin, p.category) == "dev")
    assert len(departments) == 4


def test_wares() -> None:
    lexicon = load()
    queries = [ware.query for ware in lexicon.wares]
    assert len(queries) == len(set(queries)) > 200
    assert abs(lexicon.shares[-1] - 1) < 1e-9
    for ware in lexicon.wares:
        assert all(ware.nouns)
        assert len(ware.family.attributes) >= 12
        for slot, words in zip(SLOTS, ware.family.words, strict=True):
            assert len(words) == len(set(words)), (ware.query, slot)


def test_it_resembles_the_real_products(shop: list[Product]) -> None:
    found = [measure(products) for products in (shop, made(1, 1000))]
    assert found[0].keys() >= REAL.keys()
    means = {name: fmean(one[name] for one in found) for name in REAL}
    off = {
        name: (means[name], real)
        for name, (real, share) in REAL.items()
        if abs(means[name] / real - 1) > share
    }
    assert not off


def test_the_vocabulary_grows_with_the_catalogue() -> None:
    """As it does with real texts: rare words do not run out."""
    sizes = [measure(made(4, count))["distinct terms"] for count in (300, 1200)]
    assert sizes[1] > 1.7 * sizes[0]


def test_measures_tell_catalogues_apart(shop: list[Product]) -> None:
    poor = [Product(f"A{n}", f"thing {n}", category="garden") for n in range(50)]
    rows = {row.name: row for row in resemblance(shop, poor)}
    assert rows["share of garden"].generated == 1
    assert rows["share with options"].generated == 0 < rows["share with options"].real
    assert rows["share at 100 dollars"].generated == 1
    assert rows["distinct terms"].generated == 51


def test_the_constants_are_those_of_the_real_products() -> None:
    root = os.environ.get("ACT_DATA_DIR")
    path = Path(root or ".") / "webshop_1k" / "items_shuffle_1000.json"
    if not root or not path.is_file():
        pytest.skip("needs webshop_1k/items_shuffle_1000.json: set ACT_DATA_DIR")
    found = measure(read_products(find_source(path)))
    assert {name: found[name] for name in REAL} == {
        name: pytest.approx(real, rel=0.01) for name, (real, _) in REAL.items()
    }
