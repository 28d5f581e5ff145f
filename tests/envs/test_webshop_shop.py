"""A shop in memory and compiled: the same answers, damage, interruptions, commands."""

from __future__ import annotations

import fcntl
import functools
import http.server
import io
import json
import logging
import os
import random
import shutil
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from act_envs import download, progress
from act_envs.cli import main
from act_envs.errors import (
    AssetsNotFound,
    CatalogueError,
    UnknownArgument,
    UnknownSplit,
)
from act_envs.webshop import compiled, compiling
from act_envs.webshop import shop as shop_module
from act_envs.webshop.catalogue import Instruction, Product, Warnings, find_source, read_products
from act_envs.webshop.compiled import NAME, check_compiled, read_manifest
from act_envs.webshop.engine import Engine
from act_envs.webshop.goals import KINDS, SPLITS, Kind, split_of
from act_envs.webshop.nouns import nouns_of
from act_envs.webshop.shop import Shop, compile_shop, open_shop
from act_envs.webshop.store import decode, encode
from tests.envs.webshop_shop import FACTS, HUMAN, LAMP, SHOP, TEA, write_shop

HOSTILE = Product(
    "B\u00e9\U0001f600",
    "<script>alert(1)</script> \x00\x1b[31m \u2028 \"'\\ \n",
    description="wörd " * 100_000,
    bullet_points=("half \ud800", ""),
    pricing=(0.1 + 0.2, 1e300),
    options={"": ("a\tb",), "size": ()},
    option_images={"a\tb": None, "x": "https://example.org/é"},
    human=(Instruction("", ()), Instruction("x", ("y",), ("z",))),
)


def some_products(count: int = 40) -> list[Product]:
    """Products of few words, departments and queries, some with both kinds of instructions."""
    chance = random.Random(count)
    products = []
    for number in range(count):
        wanted = tuple(chance.sample(("soft", "red", "small"), chance.randrange(1, 4)))
        written = tuple(Instruction(f"i want {n}", wanted[n:]) for n in range(number % 3))
        products.append(
            Product(
                f"B{chance.randrange(10**8):08d}",
                " ".join(chance.choices(("lamp", "sock", "tea", "cable"), k=3)),
                category=chance.choice(("garden", "grocery", "fashion")),
                query=chance.choice(("lamps", "tea", "")),
                pricing=(20.0, 30.0),
                options={"b": ("1", "2", "3")[: number % 4], "a": ("x", "y")},
                instruction=Instruction("Find me", wanted) if number % 5 else None,
                human=written,
            )
        )
    return products


@functools.cache
def listed() -> Shop:
    return Shop.of(some_products())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, compiled. Tests that damage it take a copy."""
    path = tmp_path_factory.mktemp("shop") / "compiled"
    compile_shop(iter(some_products()), path)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(params=["in memory", "compiled"])
def shop(request: pytest.FixtureRequest, folder: Path) -> Shop:
    return listed() if request.param == "in memory" else Shop.load(folder)


def contents_of(folder: Path) -> Path:
    return folder / read_manifest(folder).contents


# ----------------------------------------------------------------------------------- answers


def test_products(shop: Shop) -> None:
    products = some_products()
    assert len(shop.products) == 40
    assert list(shop.products) == products
    assert (shop.products[3], shop.products[-1]) == (products[3], products[-1])
    assert list(shop.products[5:1:-2]) == products[5:1:-2]
    for index in (40, -41):
        with pytest.raises(IndexError, match="40"):
            shop.products[index]
    assert [shop.find(product.asin) for product in products] == products
    assert [shop.find(asin) for asin in ("", "B", "B99999999", "é")] == [None] * 4


def test_search_and_shelves(shop: Shop) -> None:
    products = some_products()
    found = shop.search("a lamp or tea")
    assert set(found) == {p.asin for p in products if {"lamp", "tea"} & set(p.title.split())}
    assert found == listed().search("a lamp or tea")
    assert shop.search("lamp " * 1000) == listed().search("lamp")
    assert shop.search("the") == shop.search("") == ()
    for name in ("garden", "grocery", "fashion", "none", ""):
        expected = tuple(product.asin for product in products if product.category == name)
        assert shop.in_category(name) == expected
    for name in ("lamps", "tea", "", "none"):
        assert shop.of_query(name) == tuple(p.asin for p in products if p.query == name)


def test_search_gives_fifty_at_the_most() -> None:
    shop = Shop.of([Product(f"A{number:03d}", "same") for number in range(60)])
    assert shop.search("same") == tuple(f"A{number:03d}" for number in range(50))


@pytest.mark.parametrize("kind", KINDS)
def test_goals(shop: Shop, kind: Kind) -> None:
    goals = shop.goals(kind)
    assert len(goals) > 30
    assert list(goals) == list(listed().goals(kind))
    assert shop.goals(kind) is goals
    for goal in goals:
        assert goals.find(goal.goal_id) == goal
    splits = {split: goals.in_split(split).tolist() for split in SPLITS}
    for split, positions in splits.items():
        assert positions == [
            at for at, goal in enumerate(goals) if split_of(goal.asin, goal.category) == split
        ]
    assert sum(map(len, splits.values())) == len(goals)
    assert min(map(len, (splits["train"], splits["ood"]))) > 0
    with pytest.raises(UnknownSplit, match="'train'"):
        goals.in_split("trian")
    with pytest.raises(UnknownArgument, match="Did you mean 'human'"):
        shop.goals("humane")  # pyright: ignore[reportArgumentType]


def test_digests_name_the_contents_and_their_order(folder: Path) -> None:
    products = some_products()
    digests = [
        Shop.of(some).digest
        for some in (
            products,
            products[::-1],
            products[:-1],
            [*products[:-1], replace(products[-1], option_images={"x": None})],
        )
    ]
    assert len(set(digests)) == 4
    assert digests[0] == Shop.load(folder).digest == read_manifest(folder).digest
    assert all(len(digest) == 32 and int(digest, 16) for digest in digests)


def test_hostile_text_survives(tmp_path: Path) -> None:
    assert decode(encode(HOSTILE)) == HOSTILE
    assert encode(HOSTILE).count(b"\n") == 1
    compile_shop([HOSTILE, Product("A", "a")], tmp_path / "new" / "folder")
    shop = Shop.load(tmp_path / "new" / "folder")
    assert shop.find(HOSTILE.asin) == HOSTILE
    assert shop.search("alert") == (HOSTILE.asin,)
    assert list(shop.goals("human")) == list(Shop.of([HOSTILE]).goals("human"))


def test_the_same_asin_twice(tmp_path: Path) -> None:
    twice = [Product("A", "a"), Product("A", "b")]
    with pytest.raises(CatalogueError, match="'A'"):
        Shop.of(twice)
    with pytest.raises(CatalogueError, match="'A'"):
        compile_shop(twice, tmp_path)
    assert tmp_path.exists()
    with pytest.raises(CatalogueError, match="no product"):
        compile_shop([], tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_opening_makes_nothing_per_goal(tmp_path: Path) -> None:
    choices = {name: tuple(map(str, range(50))) for name in "abc"}
    sought = Instruction("Find me", ("good",))
    compile_shop([Product("A", "a", options=choices, instruction=sought)], tmp_path)
    Shop.load(tmp_path).goals("synthetic").in_split("train")  # what is made once
    tracemalloc.start()
    try:
        goals = Shop.load(tmp_path).goals("synthetic")
        assert len(goals.in_split("train")) in (0, len(goals))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(goals) == 125_000
    assert peak < 400_000


def test_the_real_goals_compiled(tmp_path: Path) -> None:
    root = os.environ.get("ACT_DATA_DIR")
    if not root or not (Path(root) / "webshop_1k").is_dir():
        pytest.skip("needs the folder webshop_1k: set ACT_DATA_DIR")
    products = list(read_products(find_source(Path(root) / "webshop_1k")))
    manifest = compile_shop(products, tmp_path)
    assert (manifest.products, manifest.goals) == (1000, {"human": 13, "synthetic": 6910})
    shop, in_memory = Shop.load(tmp_path), Shop.of(products)
    assert list(shop.products) == products
    assert shop.digest == in_memory.digest
    for kind in KINDS:
        assert list(shop.goals(kind)) == list(in_memory.goals(kind))


# ------------------------------------------------------------------------------------- damage


def test_every_file_matters(copy: Path) -> None:
    inside = contents_of(copy)
    files = [path for path in sorted(inside.rglob("*")) if path.is_file()]
    assert len(files) > 30
    for path in files:
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole + b"\0", b""):
            path.write_bytes(damaged)
            with pytest.raises(CatalogueError, match=r"bytes instead of .* Compile .* again"):
                Shop.load(copy)
        path.unlink()
        with pytest.raises(CatalogueError, match=path.name):
            Shop.load(copy)
        path.write_bytes(whole)
    Shop.load(copy)


def test_other_bytes_of_the_same_size(copy: Path) -> None:
    check_compiled(copy)
    for path in contents_of(copy).rglob("*"):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            with pytest.raises(CatalogueError, match=r"Compile .* again"):
                check_compiled(copy)
            path.write_bytes(whole)
    ends = contents_of(copy) / "ends.npy"
    ends.write_bytes(ends.read_bytes().replace(b"<i8", b"<u8"))
    with pytest.raises(CatalogueError, match=r"ends\.npy holds uint64"):
        Shop.load(copy)


def test_a_damaged_record_is_named(copy: Path) -> None:
    path = contents_of(copy) / "products.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for damage in (b"[" * 9, b"{}", b"\xff", b"[1]", b"[" + b"1," * 14 + b"1]"):
        other = damage.ljust(len(lines[7]))
        path.write_bytes(b"".join([*lines[:7], other, *lines[8:]]))
        shop = Shop.load(copy)
        assert shop.products[6] == some_products()[6]
        with pytest.raises(CatalogueError, match=r"products\.jsonl: record 7 is damaged"):
            shop.products[7]


@pytest.mark.parametrize("other", [b"b", b"\xff"])
def test_a_damaged_name_is_found_out_in_the_shop(copy: Path, other: bytes) -> None:
    path = contents_of(copy) / "index" / "id_text.npy"
    whole, name = path.read_bytes(), some_products()[7].asin.encode()
    path.write_bytes(whole.replace(name, other * len(name)))
    shop = Shop.load(copy)
    with pytest.raises(CatalogueError, match=r"damaged.*act-envs check-data webshop"):
        [
            Engine(shop, nouns_of("rule")).product(asin)
            for asin in shop.search("lamp sock tea cable")
        ]


def test_damaged_manifests(copy: Path) -> None:
    path = copy / "catalogue.json"
    whole = path.read_text()
    note = json.loads(whole)
    for damaged, what in (
        (whole[:-9], "or damaged"),
        ("[]", "or damaged"),
        ("\x00", "or damaged"),
        (json.dumps({**note, "version": 0}), "version 0 instead of 1"),
        (json.dumps({**note, "contents": "../x"}), "../x"),
        (json.dumps({**note, "contents": 3}), "or damaged"),
        (json.dumps({**note, "files": {"a": 3}}), "or damaged"),
        (json.dumps({**note, "files": {"a": ["x", 3]}}), "or damaged"),
        (json.dumps({**note, "products": 41}), "different sizes"),
        (json.dumps({**note, "more": 1}), "or damaged"),
    ):
        path.write_text(damaged)
        with pytest.raises(CatalogueError, match=what) as caught:
            Shop.load(copy)
        assert str(copy) in str(caught.value)
        assert "act-envs compile webshop" in str(caught.value)
    path.unlink()
    with pytest.raises(CatalogueError, match="No such file"):
        Shop.load(copy)


# --------------------------------------------------------------------------------- compiling


def breaking(error: BaseException) -> Iterator[Product]:
    yield from some_products(5)
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CatalogueError("half a file")])
def test_an_interrupted_compile_leaves_the_old_one(copy: Path, error: BaseException) -> None:
    before = sorted(copy.rglob("*"))
    with pytest.raises(type(error)):
        compile_shop(breaking(error), copy)
    assert sorted(copy.rglob("*")) == before
    check_compiled(copy)


def test_compiling_again_replaces_and_opened_ones_go_on(copy: Path) -> None:
    old = Shop.load(copy)
    killed = copy / "contents-0123456789abcdef"  # of a process that was killed
    killed.mkdir()
    (killed / "products.jsonl").write_bytes(b"half")
    (copy / "lock").write_bytes(b"")

    def with_room() -> Iterator[Product]:
        assert not killed.exists()  # a full catalogue takes gigabytes
        yield from some_products(7)

    compile_shop(with_room(), copy)
    assert len(Shop.load(copy).products) == 7
    assert {path.name for path in copy.iterdir()} == {"catalogue.json", contents_of(copy).name}
    assert list(old.products) == some_products()
    assert old.search("tea") == listed().search("tea")


def test_opening_while_it_is_replaced_takes_the_new_one(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_manifest(copy)
    compile_shop(some_products(3), copy)
    read = iter([old])
    monkeypatch.setattr(compiled, "read_manifest", lambda at: next(read, None) or read_manifest(at))
    assert len(Shop.load(copy).products) == 3


def test_a_folder_that_may_not_be_entered_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(CatalogueError, match=r"Permission denied\. Make it readable"):
        open_shop(tmp_path)


def test_half_a_folder_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_clear", lambda folder: None)  # as if it were killed
    with pytest.raises(KeyboardInterrupt):
        compile_shop(breaking(KeyboardInterrupt()), tmp_path / NAME)
    assert list((tmp_path / NAME).glob("contents-*/products.jsonl"))
    with pytest.raises(CatalogueError):
        Shop.load(tmp_path / NAME)
    with pytest.raises(AssetsNotFound):
        open_shop(tmp_path)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")
    with pytest.raises(UnknownArgument, match=r"other things .*--out"):
        compile_shop(some_products(2), tmp_path)
    with pytest.raises(UnknownArgument, match="is no folder"):
        compile_shop(some_products(2), tmp_path / "file")
    with pytest.raises(UnknownArgument, match=r"cannot write .*--out"):
        compile_shop(some_products(2), tmp_path / "file" / "in it")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "file"}


def test_one_process_compiles_at_a_time(copy: Path) -> None:
    with (copy / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UnknownArgument, match="another process is compiling"):
            compile_shop(some_products(2), copy)
    assert len(Shop.load(copy).products) == 40


def test_warnings_of_reading_are_kept(tmp_path: Path) -> None:
    source, warnings = find_source(write_shop(tmp_path, [LAMP, LAMP, TEA])), Warnings()
    read = read_products(source, warnings=warnings)
    manifest = compile_shop(read, tmp_path / NAME, source=source, warnings=warnings)
    where = "items_shuffle.json: record 1 (B000LAMP01)"
    assert manifest.warnings == {"duplicate asin": (1, where)}
    assert read_manifest(tmp_path / NAME).warnings == {"duplicate asin": [1, where]}


def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(progress, "_IN_TERMINAL", 0)
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    compile_shop(some_products(120), tmp_path, total=130)
    lines = shown.getvalue().split("\r")
    assert "0 min left  100 of 130 (77%)" in lines[2]
    assert lines[-1].split() == ["products", "compiled,", "now", "they", "are", "sorted", "120"]


# ------------------------------------------------------------------------------------ opening


def test_one_shop_for_all_until_a_file_changes(tmp_path: Path) -> None:
    write_shop(tmp_path)
    first = open_shop(tmp_path)
    assert open_shop(str(tmp_path)) is first
    assert open_shop(tmp_path / "items_shuffle.json") is first
    assert len(first.products) == 4
    write_shop(tmp_path, SHOP[:3])
    assert len(open_shop(tmp_path).products) == 3
    write_shop(tmp_path, SHOP[:3], human={})
    assert len(open_shop(tmp_path).goals("human")) == 0
    path = tmp_path / "items_shuffle.json"
    path.write_bytes(path.read_bytes().replace(b"Brass", b"Steel"))  # of the same size
    os.utime(path, (0, 0))
    assert open_shop(tmp_path).products[0].title.endswith("Steel Arm")


def test_a_compiled_shop_goes_before_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACT_DATA_DIR", str(tmp_path))
    place = write_shop(tmp_path / "webshop_1k")
    assert main(["compile", "webshop"]) == 0
    opened = open_shop()
    assert "Stored" in type(opened.products).__name__
    for other in (None, tmp_path, place, place / "items_shuffle.json", place / NAME):
        assert open_shop(other) is opened
    assert not caplog.records
    assert main(["compile", "webshop"]) == 0
    assert open_shop() is not opened  # it is another one, though its contents are the same
    assert open_shop().digest == opened.digest
    later = (place / NAME / "catalogue.json").stat().st_mtime + 1
    os.utime(place / "items_shuffle.json", (later, later))  # a price may have been edited
    assert "Stored" not in type(open_shop().products).__name__
    caplog.clear()

    write_shop(place, SHOP[:2])
    with caplog.at_level(logging.WARNING):
        assert len(open_shop().products) == 2
    assert "was not made from" in caplog.text
    assert f"act-envs compile webshop --data-dir {place}" in caplog.text

    for path in place.glob("*.json"):
        path.unlink()
    assert len(open_shop().products) == 4
    (place / NAME / "catalogue.json").write_text("{")
    with pytest.raises(CatalogueError, match="damaged"):
        open_shop()


def test_large_files_had_better_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shop_module, "_LARGE", 1000)
    with caplog.at_level(logging.WARNING):
        open_shop(write_shop(tmp_path))
    assert "act-envs compile webshop" in caplog.text


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(AssetsNotFound, match=r"items_shuffle.*act-envs download webshop"):
        open_shop(tmp_path)
    with pytest.raises(CatalogueError, match="no product that can be used"):
        open_shop(write_shop(tmp_path, [{**LAMP, "pricing": "?"}]))
    with pytest.raises(UnknownArgument):
        open_shop("")


def test_too_many_combinations_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    lavish = Product(
        "A",
        "a",
        options=dict.fromkeys("abc", tuple(map(str, range(101)))),
        instruction=Instruction("Find me", ("good",)),
    )
    assert len(Shop.of([lavish]).goals("synthetic")) == 0
    assert "too many combinations of options" in caplog.text


# ----------------------------------------------------------------------------------- commands


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A mirror of the invented shop: its URL, and the names that were asked for."""
    place, asked = write_shop(tmp_path / "mirror" / "a folder"), list[str]()
    monkeypatch.setattr(download, "_PAUSE", 0.001)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.rpartition("/")[2])
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    handler = functools.partial(Handler, directory=str(place.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a%20folder/", asked
        server.shutdown()
        thread.join()


def fetch(origin: object, home: Path) -> int:
    return main(["download", "webshop", "--from", str(origin), "--data-dir", str(home)])


def test_download_from_a_server(
    server: tuple[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, asked = server
    home = tmp_path / "home"
    assert fetch(url, home) == 0
    assert asked == ["items_ins_v2.json", "items_human_ins.json", "items_shuffle.json"]
    assert sorted(path.name for path in (home / "webshop").iterdir()) == sorted(asked)
    assert len(open_shop(home).products) == 4
    out = capsys.readouterr().out
    assert "4 records" in out
    assert f"export ACT_DATA_DIR={home}" in out
    asked.clear()
    target = home / "webshop" / "items_shuffle.json"
    target.write_bytes(target.read_bytes()[:-5])
    assert fetch(url, home) == 0
    assert asked == ["items_shuffle.json"]  # the others are there and whole
    assert len(open_shop(home).products) == 4
    arrived = target.rename(target.with_name(f"{target.name}.unverified"))
    assert fetch(url, home) == 0
    assert asked == ["items_shuffle.json"]  # it was there, but unchecked
    assert target.exists()
    assert not arrived.exists()


def test_what_is_no_json_is_not_taken(
    server: tuple[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "mirror" / "a folder" / "items_shuffle.json"
    elsewhere = ["--data-dir", str(tmp_path / "other")]
    page.write_text("<html>quota exceeded</html>")
    assert fetch(server[0], tmp_path / "home") == 2
    captured = capsys.readouterr()
    assert "expected '['" in captured.out
    assert "is kept in" in captured.err
    names = {path.name for path in (tmp_path / "home" / "webshop").iterdir()}
    assert names == {"items_ins_v2.json", "items_human_ins.json", "items_shuffle.json.rejected"}
    page.write_text("[]")
    assert fetch(server[0], tmp_path / "home") == 2
    assert main(["download", "webshop", "--from", server[0], "--small", *elsewhere]) == 2
    assert "404" in capsys.readouterr().err


def test_download_from_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shop(tmp_path / "usb", ending="_1000")
    for _ in range(2):
        assert fetch(tmp_path / "usb", tmp_path / "home") == 0
    place = tmp_path / "home" / "webshop"
    assert find_source(tmp_path / "home").products == place / "items_shuffle_1000.json"
    assert fetch(place, tmp_path / "home") == 0  # from where it is already
    write_shop(tmp_path / "home")
    capsys.readouterr()
    assert fetch(tmp_path / "usb", tmp_path / "home") == 0
    assert "goes before them" in capsys.readouterr().out
    write_shop(tmp_path / "bare", human=None)
    assert fetch(tmp_path / "bare", tmp_path / "home") == 0
    assert fetch(tmp_path / "none", tmp_path / "home") == 2
    assert "there is no folder" in capsys.readouterr().err


def test_download_says_where_upstream_keeps_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "webshop"]) == 2
    error = capsys.readouterr().err
    for part in ("Google Drive", "setup.sh", "items_shuffle_1000.json", "--from"):
        assert part in error


def test_compile_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shop(tmp_path, [*SHOP, LAMP], FACTS, HUMAN)
    out = tmp_path / "elsewhere"
    data_dir = ["--data-dir", str(tmp_path)]
    assert main(["check-data", "webshop", *data_dir]) == 0
    assert "items_shuffle.json: 5 records" in capsys.readouterr().out
    assert main(["compile", "webshop", *data_dir, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "1 x duplicate asin (first: items_shuffle.json: record 4 (B000LAMP01))" in said
    assert "4 products with 2 human, 6 synthetic goals" in said
    assert f"data_dir='{out}'" in said
    assert open_shop(out).digest == open_shop(tmp_path).digest
    assert main(["check-data", "webshop", "--data-dir", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 products, every byte as it was written" in said
    assert "1 x duplicate asin (first: items_shuffle.json: record 4 (B000LAMP01))" in said
    path = contents_of(out) / "products.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Brass", b"Grass"))
    assert main(["check-data", "webshop", "--data-dir", str(out)]) == 2
    assert "another digest" in capsys.readouterr().err


def test_compile_names_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_shop(tmp_path) / "items_shuffle.json"
    path.write_bytes(path.read_bytes()[:-20])
    assert main(["compile", "webshop", "--data-dir", str(tmp_path)]) == 2
    assert "items_shuffle.json: record 3" in capsys.readouterr().err
    assert not (tmp_path / NAME).exists()
