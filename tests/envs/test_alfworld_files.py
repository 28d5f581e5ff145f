"""Finding, reading and caching game files; hostile archives; the commands about data."""

from __future__ import annotations

import io
import json
import logging
import lzma
import multiprocessing
import os
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from act_envs import download as fetching
from act_envs.alfworld import archives, commands, manifest, store
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.files import SPLITS, find_source, fingerprint, is_solvable, read_games
from act_envs.alfworld.store import GameStore, open_store
from act_envs.assets import alone
from act_envs.cli import main
from act_envs.errors import (
    AssetsNotFound,
    DownloadError,
    GameFileError,
    UnknownArgument,
    UnknownSplit,
    UnknownTask,
)

KIND = "pick_and_place_simple-Apple-None-Cabinet-1"
IDS = [
    f"train/{KIND}/trial_T1",
    f"train/{KIND}/trial_T2",
    f"train/{KIND}0/trial_T1",
    f"valid_seen/{KIND}/trial_T3",
]
NAME = "json_2.1.1/{}/game.tw-pddl"
Entries = Iterable[tuple[str, bytes]]
Pack = Callable[[Path, Entries], Path]


def make_zip(path: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, entries: Entries) -> Path:
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_folder(path: Path, entries: Entries) -> Path:
    for name, content in entries:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path / "json_2.1.1"


PACKERS = pytest.mark.parametrize("pack", [make_zip, make_tar])
EVERY = pytest.mark.parametrize("pack", [make_folder, make_zip, make_tar])


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Homes of this test alone."""
    for variable in ("ACT_DATA_DIR", "ACT_CACHE_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    store._warn.cache_clear()
    return tmp_path


@pytest.fixture
def entries(kitchen_bytes: bytes) -> list[tuple[str, bytes]]:
    """Four games, and what lies between them in the official archives."""
    games = [(NAME.format(task_id), kitchen_bytes) for task_id in reversed(IDS)]
    beside = [(name.replace("game.tw-pddl", "traj_data.json"), b"{}") for name, _ in games]
    return [*games, *beside]


def caches(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "ACT_CACHE_DIR/alfworld").glob("*.games"))


# -- finding ---------------------------------------------------------------------------------


def test_places_and_their_order(
    tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "ACT_DATA_DIR"
    (home / "alfworld").mkdir(parents=True)
    (home / "alfworld/json_2.1.1_json.zip").write_bytes(b"holds no games")
    with pytest.raises(AssetsNotFound, match="Run: act-envs download alfworld, or play generated"):
        find_source()
    tar = make_tar(home / "alfworld/json_2.1.2.tar.xz", [])
    assert find_source() == tar
    older = make_zip(home / "alfworld/json_2.1.1_tw-pddl.zip", [])
    assert find_source() == tar
    zipped = make_zip(home / "alfworld/json_2.1.2_tw-pddl.zip", [])
    assert find_source() == zipped
    assert find_source(older) == older
    (home / "alfworld/json_2.1.3" / IDS[0]).mkdir(parents=True)  # a folder, but no game
    assert find_source() == zipped
    folder = make_folder(home / "alfworld", entries)
    assert find_source() == folder == find_source(folder) == find_source(home / "alfworld")
    newer = make_folder(home / "alfworld/json_2.1.10", entries)
    newer.rename(home / "alfworld/json_2.1.10.moved")
    assert find_source() == folder
    (home / "alfworld/json_2.1.10.moved").rename(home / "alfworld/json_2.1.12")
    assert find_source() == home / "alfworld/json_2.1.12"
    monkeypatch.setenv("ALFWORLD_DATA", str(make_folder(tmp_path / "upstream", entries).parent))
    assert find_source() == tmp_path / "upstream/json_2.1.1"


def test_a_named_place_without_games_is_never_replaced_by_another(
    tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "ACT_DATA_DIR", entries)
    with pytest.raises(AssetsNotFound, match=r"not found in .*/wrong\. .*--data-dir .*/wrong"):
        find_source(tmp_path / "wrong")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "wrong"))
    assert find_source() == tmp_path / "ACT_DATA_DIR/json_2.1.1"


@pytest.mark.parametrize("data_dir", ["", 5, b"x", "~no-such-user"])
def test_a_place_that_is_no_path(data_dir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownArgument, match="data_dir="):
        find_source(data_dir)
    monkeypatch.setenv("ALFWORLD_DATA", "~no-such-user/games")
    with pytest.raises(UnknownArgument, match="ALFWORLD_DATA="):
        find_source()


def test_only_the_game_itself_can_be_marked_as_solvable() -> None:
    assert is_solvable(b'{"x": "", "solvable" : true}', "x")
    for content in (b'{"x": {"solvable": true}}', b'{"x": {"solvable": true}, "solvable": false}'):
        assert not is_solvable(content, "x")


def test_leaving_alfworld_data_aside_is_said(
    tmp_path: Path,
    entries: Entries,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_folder(tmp_path / "ACT_DATA_DIR", entries)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "wrong"))
    find_source()
    assert "no ALFWorld games in ALFWORLD_DATA" in caplog.text


# -- reading ---------------------------------------------------------------------------------


@EVERY
def test_games_are_read_from_whatever_holds_them(
    tmp_path: Path, entries: Entries, kitchen_bytes: bytes, pack: Pack
) -> None:
    games = list(read_games(pack(tmp_path / "games", entries)))
    assert sorted(task_id for task_id, _ in games) == IDS
    assert {content for _, content in games} == {kitchen_bytes}
    if pack is not make_tar:
        assert games == sorted(games)


@EVERY
def test_what_upstream_leaves_out_is_left_out(
    tmp_path: Path, entries: Entries, make_kitchen: Callable[[], dict[str, object]], pack: Pack
) -> None:
    game = make_kitchen()
    unmarked = {key: value for key, value in game.items() if key != "solvable"}
    # Not the key itself, though it reads like it.
    quoted = {**unmarked, "note": '"solvable": true'}
    bad = [
        (f"train/{KIND}/a", {**game, "solvable": False}),
        (f"train/{KIND}/b", {**game, "solvable": "true"}),
        (f"train/{KIND}/c", unmarked),
        (f"train/{KIND}/d", quoted),
        ("train/pick_and_place_with_movable_recep-Apple-Bowl-Cabinet-1/e", game),
        ("train/pick_and_place_simple-AppleSliced-None-Cabinet-1/f", game),
        (f"test/{KIND}/g", game),
    ]
    more = [(NAME.format(task_id), json.dumps(content).encode()) for task_id, content in bad]
    source = pack(tmp_path / "games", [*entries, *more])
    assert sorted(task_id for task_id, _ in read_games(source)) == IDS


@PACKERS
@pytest.mark.parametrize("prefix", ["", "./", "a/b/c/train/", "/"])
def test_any_prefix_but_one_that_leads_out(tmp_path: Path, prefix: str, pack: Pack) -> None:
    source = pack(tmp_path / "games", [(f"{prefix}{IDS[0]}/game.tw-pddl", b'{"solvable": true}')])
    if prefix == "/":
        with pytest.raises(GameFileError, match="leads out of it"):
            list(read_games(source))
    else:
        assert [task_id for task_id, _ in read_games(source)] == IDS[:1]


@EVERY
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no JSON"),
        (b'{"solvab', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b" " * (archives.MAX_ENTRY + 1), "more than 4,194,304 bytes"),
    ],
)
def test_a_broken_game_is_named_and_does_not_hide_the_others(
    tmp_path: Path, entries: Entries, pack: Pack, content: bytes, reason: str
) -> None:
    bad = f"train/{KIND}/bad"
    source = pack(tmp_path / "games", [(NAME.format(bad), content), *entries])
    with pytest.raises(GameFileError, match=reason) as error:
        list(read_games(source))
    assert bad in str(error.value)
    assert str(source) in str(error.value)
    found: list[str] = []
    games = list(read_games(source, damaged=lambda task_id, error: found.append(task_id)))
    assert sorted(task_id for task_id, _ in games) == IDS
    assert found == [bad]


# -- hostile archives ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", b"PK\x03\x04" + b"x" * 99, b"\xfd7zXZ\0" + b"x" * 99]
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "games.zip").write_bytes(content)
    with pytest.raises(GameFileError, match=r"games\.zip"):
        list(read_games(tmp_path / "games.zip"))


@PACKERS
def test_a_truncated_archive(tmp_path: Path, entries: Entries, pack: Pack) -> None:
    content = pack(tmp_path / "games", entries).read_bytes()
    for end in (10, len(content) // 2, len(content) - 5):
        (tmp_path / "games").write_bytes(content[:end])
        with pytest.raises(GameFileError, match="games"):
            list(read_games(tmp_path / "games"))


@PACKERS
def test_damage_at_any_place_is_an_error_or_does_not_matter(
    tmp_path: Path, entries: Entries, kitchen_bytes: bytes, pack: Pack
) -> None:
    content = pack(tmp_path / "games", entries).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 300)):
        (tmp_path / "games").write_bytes(content[:at] + b"\xa5" + content[at + 1 :])
        try:
            games = dict(read_games(tmp_path / "games"))
        except GameFileError:
            continue
        assert set(games.values()) <= {kitchen_bytes}


@PACKERS
def test_a_bomb_is_not_unpacked(tmp_path: Path, pack: Pack) -> None:
    source = pack(tmp_path / "games", [(NAME.format(IDS[0]), bytes(64 << 20))])
    tracemalloc.start()
    try:
        with pytest.raises(GameFileError, match=r"trial_T1.*more than 4,194,304 bytes"):
            list(read_games(source))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_whose_header_lies(tmp_path: Path) -> None:
    """The size in the directory of a zip says 10, the data say 64 MB."""
    source = make_zip(tmp_path / "games.zip", [(NAME.format(IDS[0]), bytes(64 << 20))])
    content = bytearray(source.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    source.write_bytes(content)
    with pytest.raises(GameFileError, match="trial_T1"):
        list(read_games(source))


@PACKERS
def test_limits_on_the_whole(
    tmp_path: Path, entries: Entries, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pack(tmp_path / "games", entries)
    monkeypatch.setattr(archives, "MAX_ENTRIES", 7)
    with pytest.raises(GameFileError, match="more than 7 entries"):
        list(read_games(source))
    monkeypatch.setattr(archives, "MAX_ENTRIES", 8)
    monkeypatch.setattr(archives, "MAX_TOTAL", 20_000)
    with pytest.raises(GameFileError, match="more than 20,000 bytes"):
        list(read_games(source))


def test_other_entries_of_a_zip_are_not_read(tmp_path: Path, entries: Entries) -> None:
    source = make_zip(tmp_path / "games.zip", [*entries, ("big/trajectory.npy", bytes(10 << 20))])
    content = bytearray(source.read_bytes())
    at = content.index(b"big/trajectory.npy") + 100
    content[at : at + 100] = b"\xff" * 100
    source.write_bytes(content)
    assert len(list(read_games(source))) == len(IDS)


@PACKERS
@pytest.mark.parametrize(
    "name",
    [
        "a/../../train/{}/t/game.tw-pddl",
        "train/{}/../game.tw-pddl",
        "train/{}\\..\\..\\x/t/game.tw-pddl",
        "train/{}/t\x01/game.tw-pddl",
        "train/{}/" + "t" * 201 + "/game.tw-pddl",
        "train/{}/ /game.tw-pddl",
        "train/{}/.t/game.tw-pddl",
        "train//t/game.tw-pddl",
        "train/juggle-Apple-None-Cabinet-1/t/game.tw-pddl",
    ],
)
def test_names_that_no_game_has(tmp_path: Path, name: str, pack: Pack) -> None:
    name = name.format(KIND)
    source = pack(tmp_path / "games", [(name, b'{"solvable": true}')])
    with pytest.raises(GameFileError, match="games has a"):
        list(read_games(source))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["games"]


@PACKERS
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(
    tmp_path: Path, entries: list[tuple[str, bytes]], pack: Pack
) -> None:
    for again in (entries[0][0], f"other/{IDS[-1]}/game.tw-pddl"):
        source = pack(tmp_path / "games", [*entries, (again, b"{}")])
        with pytest.raises(GameFileError, match="two entries"):
            list(read_games(source))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "games", "w:xz") as archive:
        member = tarfile.TarInfo(NAME.format(IDS[0]))
        member.type, member.linkname = kind, "/etc/hostname"
        archive.addfile(member)
    with pytest.raises(GameFileError, match="link or a device"):
        list(read_games(tmp_path / "games"))


def test_links_in_a_zip(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo(NAME.format(IDS[0]))
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "games", "w") as archive:
        archive.writestr(entry, "/etc/hostname")
    with pytest.raises(GameFileError, match="link or a device"):
        list(read_games(tmp_path / "games"))


def test_a_zip_whose_directory_is_too_large(
    tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_READ", 500)
    with pytest.raises(GameFileError, match="directory is larger than 500 bytes"):
        list(read_games(make_zip(tmp_path / "games", entries)))


def test_a_zip_by_another_method(tmp_path: Path, kitchen_bytes: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "games", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(NAME.format(IDS[0]), kitchen_bytes)
    with pytest.raises(GameFileError, match="method 14"):
        list(read_games(tmp_path / "games"))


def test_a_tar_header_that_claims_gigabytes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 5 << 30
    (tmp_path / "games").write_bytes(lzma.compress(member.tobuf() + bytes(100_000)))
    with pytest.raises(GameFileError, match="a header of"):
        list(read_games(tmp_path / "games"))


def test_a_tar_that_goes_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative size leads back to the header that states it, for ever."""
    monkeypatch.setattr(archives, "MAX_ENTRIES", 10**9)
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + (-512 & (1 << 88) - 1).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    content = tarfile.TarInfo("first").tobuf() + header + bytes(10_240)
    (tmp_path / "games").write_bytes(lzma.compress(content))
    with pytest.raises(GameFileError, match=r"before the end|headers?"):
        list(read_games(tmp_path / "games"))


def test_a_tar_with_a_damaged_header_in_its_middle(tmp_path: Path, entries: Entries) -> None:
    """tarfile alone would take it for the end, and games would be missing silently."""
    content = bytearray(lzma.decompress(make_tar(tmp_path / "games", entries).read_bytes()))
    at = content.index(NAME.format(IDS[1]).encode())
    content[at] ^= 1
    (tmp_path / "games").write_bytes(lzma.compress(bytes(content)))
    with pytest.raises(GameFileError, match="damaged header"):
        list(read_games(tmp_path / "games"))


# -- hostile folders -------------------------------------------------------------------------


def test_links_pipes_and_loops_in_a_folder(tmp_path: Path, entries: Entries) -> None:
    root = make_folder(tmp_path, entries)
    (root / "train/loop").symlink_to(root / "train")
    (root / f"train/{KIND}/loop").symlink_to(root)
    (root / "valid_unseen").symlink_to("valid_unseen")
    moved = (root / IDS[0]).rename(tmp_path / "elsewhere")
    (root / IDS[0]).symlink_to(moved)  # data that a user keeps elsewhere
    assert [task_id for task_id, _ in read_games(root)] == IDS
    for make in (os.mkfifo, lambda path: path.symlink_to(path), Path.mkdir):
        game = root / f"train/{KIND}/bad/game.tw-pddl"
        game.parent.mkdir(exist_ok=True)
        make(game)
        with pytest.raises(GameFileError, match="bad/game"):
            list(read_games(root))
        game.rmdir() if game.is_dir() else game.unlink()


def test_what_may_not_be_read_is_named(entries: Entries) -> None:
    code = (
        "import os; from pathlib import Path; from act_envs.alfworld.files import read_games; "
        "from act_envs.errors import GameFileError\n"
        "if not os.geteuid(): os.setuid(65534)  # the superuser may read everything\n"
        "try: list(read_games(Path('json_2.1.1')))\n"
        "except GameFileError as error: print(error)"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o755)
        root = make_folder(Path(folder), entries)
        for locked in (root / IDS[0] / "game.tw-pddl", root / IDS[0]):
            mode = locked.stat().st_mode
            locked.chmod(0)
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True
            )
            locked.chmod(mode)
            game = root.relative_to(folder) / IDS[0] / "game.tw-pddl"
            assert f"cannot read {game}: Permission denied" in done.stdout, done.stderr


# -- the store -------------------------------------------------------------------------------


@EVERY
def test_the_store_gives_tasks_and_games(
    tmp_path: Path, entries: Entries, kitchen_bytes: bytes, pack: Pack
) -> None:
    games = GameStore(pack(tmp_path / "games", entries))
    assert [task.task_id for task in games.tasks("train")] == IDS[:3]
    task = games.task(IDS[3])
    assert (task.split, task.kind) == ("valid_seen", "pick_and_place_simple")
    assert games.game(IDS[3]) == read_game(kitchen_bytes, "x")
    assert games.game(IDS[3]) is games.game(IDS[3])
    assert games.raw(IDS[1]) == json.loads(kitchen_bytes)
    for wrong, hint in ((f"{IDS[0]}0", IDS[0]), ("trian/x/y", "train"), ("", "train")):
        with pytest.raises(UnknownTask, match=f"unknown task '{wrong}'.*'{hint}'"):
            games.game(wrong)
    with pytest.raises(UnknownSplit, match="'valid_unseen'"):
        games.tasks("valid_unsen")
    with pytest.raises(AssetsNotFound, match="no games of the split 'valid_unseen'"):
        games.tasks("valid_unseen")


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the games that are compiled from here on."""
    seen: list[str] = []

    def counted(data: bytes, name: str):
        seen.append(name)
        return read_game(data, name)

    monkeypatch.setattr(store, "read_game", counted)
    return seen


@EVERY
def test_games_are_compiled_once(
    tmp_path: Path, entries: Entries, compilations: list[str], pack: Pack
) -> None:
    source = pack(tmp_path / "games", entries)
    before = GameStore(source).tasks("train")
    assert len(compilations) == 3
    assert len(caches(tmp_path)) == 1
    assert GameStore(source).tasks("train") == before
    assert GameStore(source).game(IDS[0]).objects
    assert len(compilations) == 3
    GameStore(source).tasks("valid_seen")
    assert len(compilations) == 4
    assert len(caches(tmp_path)) == 2


@EVERY
def test_a_changed_source_is_compiled_again(
    tmp_path: Path, entries: list[tuple[str, bytes]], compilations: list[str], pack: Pack
) -> None:
    source = pack(tmp_path / "games", entries)
    other = make_zip(tmp_path / "other.zip", entries)
    for unchanged in (GameStore(source), GameStore(other)):
        unchanged.tasks("train")
    game = source / IDS[0] / "game.tw-pddl" if source.is_dir() else source
    before = fingerprint(source, "train")
    os.utime(game, ns=(1, 1))
    assert fingerprint(source, "train") != before
    compilations.clear()
    GameStore(source).tasks("train")
    assert len(compilations) == 3
    assert len(caches(tmp_path)) == 2, "the stale file is gone, the other source's is not"


@EVERY
def test_a_process_opens_games_once_unless_they_change(
    tmp_path: Path, entries: list[tuple[str, bytes]], compilations: list[str], pack: Pack
) -> None:
    source = pack(tmp_path / "games", entries)
    games = open_store(source)
    assert open_store(source) is games
    games.tasks("train")
    assert open_store(source) is games
    game = source / IDS[0] / "game.tw-pddl" if source.is_dir() else source
    os.utime(game, ns=(1, 1))
    assert open_store(source) is not games


def test_another_format_is_another_cache(
    tmp_path: Path, entries: Entries, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_zip(tmp_path / "games", entries)
    GameStore(source).tasks("train")
    monkeypatch.setattr("act_envs.alfworld.game.FORMAT", 999)
    GameStore(source).tasks("train")
    assert len(compilations) == 6


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_a_damaged_cache_is_built_again(
    tmp_path: Path,
    entries: Entries,
    compilations: list[str],
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    source = make_zip(tmp_path / "games", entries)
    GameStore(source).tasks("train")
    (cache,) = caches(tmp_path)
    good = cache.read_bytes()
    flipped = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    bad = {"cut": good[:-9], "flipped": flipped, "emptied": b"", "foreign": b"\x80\x05N."}[damage]
    cache.write_bytes(bad)
    assert len(GameStore(source).tasks("train")) == 3
    assert "is damaged" in caplog.text
    assert len(compilations) == 6
    assert caches(tmp_path)[0].read_bytes() == good


def test_without_a_folder_to_write_games_stay_in_memory(
    tmp_path: Path,
    entries: Entries,
    compilations: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACT_CACHE_DIR", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    games = GameStore(make_zip(tmp_path / "games", entries))
    for split in ("train", "valid_seen", "train"):
        assert games.tasks(split)
    assert games.game(IDS[0]).objects
    assert len(compilations) == 4
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "ACT_CACHE_DIR" in warnings[0].getMessage()


def _open(source: Path, begin: Any, answers: Any) -> None:
    compiled: list[Path] = []
    compile_games, read = store._compile, store._read

    def read_at_once(path: Path) -> dict[str, bytes] | None:
        """Nobody goes on before all have found that there is no cache."""
        store._read = read
        found = read(path)
        begin.wait(60)
        return found

    store._read = read_at_once
    store._compile = lambda *where: compiled.append(where[0]) or compile_games(*where)
    games = GameStore(source)
    tasks = [task.task_id for task in games.tasks("train")]
    answers.put((tasks, games.game(IDS[0]).objects, len(compiled)))


def test_several_processes_at_once(tmp_path: Path, entries: Entries) -> None:
    source = make_tar(tmp_path / "games", entries)
    context = multiprocessing.get_context("spawn")
    begin, answers = context.Barrier(3), context.Queue()
    others = [context.Process(target=_open, args=(source, begin, answers)) for _ in range(3)]
    for other in others:
        other.start()
    found = [answers.get(timeout=60) for _ in others]
    for other in others:
        other.join()
        assert other.exitcode == 0
    assert found[0][:2] == found[1][:2] == found[2][:2]
    assert found[0][0] == IDS[:3]
    assert sum(compilations for *_, compilations in found) == 1, "the others wait for the first"
    folder = tmp_path / "ACT_CACHE_DIR/alfworld"
    assert sorted(path.suffix for path in folder.iterdir()) == [".games", ".lock"]


# -- the manifest and the commands -----------------------------------------------------------


@pytest.fixture
def official(
    tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mapping[str, str]]:
    """The four games of this module are the official ones."""
    path = tmp_path / "manifest.gz"
    assert manifest.write(make_zip(tmp_path / "right.zip", entries), path) == len(IDS)
    first = path.read_bytes()
    manifest.write(make_tar(tmp_path / "right.tar.xz", entries), path)
    assert path.read_bytes() == first, "the same games give the same bytes"
    assert first[4:8] == bytes(4), "and at any time"
    monkeypatch.setattr(manifest, "FILE", path)
    manifest.official.cache_clear()
    manifest._expected.cache_clear()
    yield manifest.official()
    manifest.official.cache_clear()
    manifest._expected.cache_clear()


def test_the_manifest_lists_the_official_games() -> None:
    counts = {split: manifest._expected(split) for split in SPLITS}
    assert counts == {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
    assert all(len(digits) == 16 for digits in manifest.official().values())
    assert manifest.FILE.stat().st_size < 150_000


def spoiled(entries: Entries, kitchen: Callable[..., dict[str, object]]) -> Entries:
    """One game unreadable, one with another sentence, one lost, one added, one that cannot win."""
    by_name = dict(entries)
    by_name[NAME.format(IDS[0])] = b"{"
    by_name[NAME.format(IDS[1])] = json.dumps(kitchen(sentence="put a apple in cabinet.")).encode()
    del by_name[NAME.format(IDS[2])]
    by_name[NAME.format(f"train/{KIND}/added")] = by_name[NAME.format(IDS[3])]
    stuck = {**kitchen(), "walkthrough": ["go to fridge 1", "take apple 1 from countertop 1"]}
    by_name[NAME.format(IDS[3])] = json.dumps(stuck).encode()
    return by_name.items()


def test_a_check_tells_what_differs(
    tmp_path: Path,
    entries: list[tuple[str, bytes]],
    official: Mapping[str, str],
    make_kitchen: Callable[..., dict[str, object]],
) -> None:
    assert sorted(official) == IDS
    right = manifest.check(tmp_path / "right.zip")
    assert right.complete
    assert right.exact
    assert right.lines()[0] == "train             3 of 3 games right"
    report = manifest.check(make_zip(tmp_path / "bad.zip", spoiled(entries, make_kitchen)))
    train, seen = report.splits["train"], report.splits["valid_seen"]
    assert not report.complete
    assert list(train.unreadable) == IDS[:1]
    assert (train.different, train.missing) == ([IDS[1]], [IDS[2]])
    assert train.extra == [f"train/{KIND}/added"]
    assert seen.unsolved == [IDS[3]]
    said = "\n".join(report.lines())
    assert all(task_id in said for task_id in (*IDS, train.extra[0]))
    make_zip(tmp_path / "more.zip", [*entries, (NAME.format(f"train/{KIND}/x"), entries[0][1])])
    more = manifest.check(tmp_path / "more.zip")
    assert more.complete
    assert not more.exact


def test_a_check_lists_stray_folders(
    tmp_path: Path, entries: list[tuple[str, bytes]], official: Mapping[str, str]
) -> None:
    stray = f"train/{KIND} (copy)/trial_T1"
    root = make_folder(tmp_path / "games", [*entries, (NAME.format(stray), entries[0][1])])
    report = manifest.check(root)
    assert [found.right for found in report.splits.values()] == [3, 1, 0]
    assert not report.complete
    assert "(copy)" in "\n".join(report.lines())
    with pytest.raises(GameFileError, match=r"\(copy\).*Names are of letters"):
        GameStore(root).tasks("train")


def test_download_verifies_and_is_then_found(
    tmp_path: Path,
    official: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = tmp_path / "right.tar.xz"
    assert main(["download", "alfworld", "--from", str(right)]) == 0
    assert "act-envs play alfworld" in capsys.readouterr().out
    source = find_source()
    assert source.read_bytes() == right.read_bytes()
    assert [path.name for path in source.parent.iterdir()] == [source.name]
    assert main(["check-data", "alfworld"]) == 0
    monkeypatch.setattr(fetching, "download", None)  # it need not be fetched again
    assert main(["download", "alfworld", "--from", right.as_uri()]) == 0


def test_download_elsewhere_says_how_to_go_on(
    tmp_path: Path, official: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "else where"
    argv = ["download", "alfworld", "--from", str(tmp_path / "right.zip")]
    assert main([*argv, "--data-dir", str(elsewhere)]) == 0
    assert f"export ACT_DATA_DIR='{elsewhere}'" in capsys.readouterr().out
    assert find_source(elsewhere).read_bytes() == (tmp_path / "right.zip").read_bytes()


def test_download_says_what_will_be_played_instead(
    tmp_path: Path,
    entries: Entries,
    official: Mapping[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(make_folder(tmp_path / "upstream", entries)))
    assert main(["download", "alfworld", "--from", str(tmp_path / "right.zip")]) == 0
    assert f"But {tmp_path}/upstream/json_2.1.1 goes before it" in capsys.readouterr().out


def test_a_wrong_download_is_kept_aside(
    tmp_path: Path,
    entries: Entries,
    official: Mapping[str, str],
    make_kitchen: Callable[..., dict[str, object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = make_zip(tmp_path / "bad.zip", spoiled(entries, make_kitchen))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"<html>not found</html>")
    for origin in (bad, broken):
        assert main(["download", "alfworld", "--from", str(origin)]) == 2
        error = capsys.readouterr().err
        rejected = tmp_path / "ACT_DATA_DIR/alfworld/json_2.1.2_tw-pddl.zip.rejected"
        assert str(rejected) in error
        assert rejected.read_bytes() == origin.read_bytes()
        with pytest.raises(AssetsNotFound):
            find_source()


def test_an_archive_with_more_games_is_not_the_official_one(
    tmp_path: Path, entries: list[tuple[str, bytes]], official: Mapping[str, str]
) -> None:
    more = [*entries, (NAME.format(f"train/{KIND}/x"), entries[0][1])]
    origin = str(make_zip(tmp_path / "more.zip", more))
    with pytest.raises(DownloadError, match="is not right"):
        commands.Download(origin=origin)()


def test_an_interrupted_check_does_not_cost_the_download(
    tmp_path: Path, official: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, check = commands.Download(origin=str(tmp_path / "right.zip")), manifest.check

    def interrupted(source: Path) -> manifest.Report:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    (left,) = (tmp_path / "ACT_DATA_DIR/alfworld").iterdir()
    content = left.read_bytes()
    monkeypatch.setattr(manifest, "check", check)
    left.write_bytes(b"PK")  # one that is wrong is fetched again
    assert run() == 0
    find_source().rename(left)
    (tmp_path / "right.zip").unlink()
    assert run() == 0
    assert find_source().read_bytes() == content
    assert [find_source()] == list(left.parent.iterdir())


def test_two_downloads_do_not_mix(
    tmp_path: Path, official: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, check = commands.Download(origin=str(tmp_path / "right.zip")), manifest.check
    target = tmp_path / "ACT_DATA_DIR/alfworld/json_2.1.2_tw-pddl.zip"
    target.parent.mkdir(parents=True)
    with (
        alone(target.with_name(f"{target.name}.lock")),
        pytest.raises(DownloadError, match="another process"),
    ):
        run()

    def second(source: Path) -> manifest.Report:
        """Another run begins while the first checks what it fetched."""
        monkeypatch.setattr(manifest, "check", check)
        with pytest.raises(DownloadError, match="another process"):
            run()
        return check(source)

    monkeypatch.setattr(manifest, "check", second)
    assert run() == 0
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("suffix", ["", ".unverified", ".rejected", ".lock"])
def test_a_folder_in_the_way_of_the_archive(
    tmp_path: Path,
    official: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    monkeypatch.setattr(fetching, "download", None)  # it is found out before
    (tmp_path / f"ACT_DATA_DIR/alfworld/json_2.1.2_tw-pddl.zip{suffix}").mkdir(parents=True)
    with pytest.raises(DownloadError, match="another folder"):
        commands.Download(origin=str(tmp_path / "right.zip"))()


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["download", "alfworld", "--data-dir", "~no-such-user"], "--data-dir='~no-such-user'"),
        (["download", "alfworld", "--data-dir", ""], "--data-dir=''"),
        (["download", "alfworld", "--from", "~no-such-user/x"], "--from='~no-such-user/x'"),
        (["check-data", "alfworld", "--data-dir", "~no-such-user"], "data_dir='~no-such-user'"),
        (["generate", "alfworld", "--out", ""], "--out=''"),
        (["generate", "alfworld", "--out", "/dev/null"], "cannot write /dev/null"),
        (["download", "alfworld", "--from", "no/such.zip"], "no/such.zip"),
        (["download", "alfworld", "--from", "ftp://x/y.zip"], "http, https or file"),
        (["check-data", "alfworld"], "act-envs download alfworld"),
        (["generate", "alfworld", "--out", "x", "--splits", "trian"], "'train'"),
    ],
)
def test_mistakes_get_one_line(
    argv: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert hint in error


def test_check_data_with_differences_has_its_own_status(
    tmp_path: Path,
    entries: Entries,
    official: Mapping[str, str],
    make_kitchen: Callable[..., dict[str, object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = make_zip(tmp_path / "bad.zip", spoiled(entries, make_kitchen))
    assert main(["check-data", "alfworld", "--data-dir", str(bad)]) == 1
    assert f"different: {IDS[1]}" in capsys.readouterr().out


# -- real games ------------------------------------------------------------------------------


def test_the_real_games(alfworld_data: Path) -> None:
    games = GameStore(find_source(alfworld_data))
    tasks = games.tasks("valid_unseen")
    assert len(tasks) == 134
    assert {task.task_id for task in tasks} <= set(manifest.official())
    assert all(games.game(task.task_id).kind == task.kind for task in tasks)
