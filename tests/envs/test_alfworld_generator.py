"""Generated games: winnable, the same everywhere, held out as promised, like the official ones."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from act_envs.alfworld import gamefile
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.export import Generate, write_games
from act_envs.alfworld.files import find_source, read_games
from act_envs.alfworld.game import KINDS, Game
from act_envs.alfworld.generator import FOLDERS, GeneratedGame, GeneratedGames, generate
from act_envs.alfworld.outline import SPLITS, is_held_out_place, is_held_out_task, outline
from act_envs.alfworld.planner import plan
from act_envs.alfworld.problem import read_problem
from act_envs.alfworld.rooms import FAMILIES, ROOM_KINDS, rooms, statistics
from act_envs.errors import UnknownArgument, UnknownSplit, UnknownTask
from benchmarks.resemblance.alfworld import resemblance

COUNT = 100  # games of each split
# SHA-256 over the first 20 games of each split with seed 0, walkthroughs aside. Who changes it on
# purpose raises outline.VERSION: the names of games stay, and must not mean other games.
GOLDEN = "ec70c315b5c3af771d0c67242f708e5f160b49402dd787e246242abe62e5c4c2"

# Means over the 3,553 official train games, by `resemblance`.
OFFICIAL = {
    "pick_and_place_simple": (0.222, 16.37, 15.20, 21.75, 4.15),
    "look_at_obj_in_light": (0.087, 14.75, 13.20, 22.39, 3.62),
    "pick_clean_then_place_in_recep": (0.183, 28.70, 25.76, 37.70, 6.26),
    "pick_heat_then_place_in_recep": (0.129, 33.98, 30.41, 44.14, 6.24),
    "pick_cool_then_place_in_recep": (0.150, 33.64, 29.74, 44.52, 6.16),
    "pick_two_obj_and_place": (0.229, 17.09, 15.75, 23.85, 8.27),
}
MEASURES = (
    "share of games",
    "receptacles",
    "locations with receptacles",
    "objects in receptacles",
    "optimal plan",
)


@pytest.fixture(scope="module")
def games() -> list[tuple[str, GeneratedGame, Game]]:
    made = [(split, generate(0, split, n)) for split in SPLITS for n in range(COUNT)]
    return [(split, game, game.compile()) for split, game in made]


# -- every game is a good one --------------------------------------------------------------------


def test_every_walkthrough_wins_and_no_shorter_one_does(games):
    for _, made, game in games:
        engine, walkthrough = Engine(game), made.data["walkthrough"]
        for command in walkthrough:
            assert not engine.won(), made.task_id
            assert engine.step(command)[1], (made.task_id, command)
        assert engine.won(), made.task_id
        assert len(plan(game, game.start) or ()) == len(walkthrough) >= 3


def test_all_kinds_come_in_all_splits(games):
    for split in SPLITS:
        assert {made.kind for s, made, _ in games if s == split} == set(KINDS)


def test_a_game_is_about_what_its_files_say(games):
    for _, made, game in games:
        params = made.trajectory["pddl_params"]
        thing, target = params["object_target"], params["parent_target"] or params["toggle_target"]
        assert made.task_id.split("/")[1].startswith(f"{made.kind}-{thing}-None-{target}-")
        sentences = [
            text.format(thing=thing.lower(), target=target.lower()) + "."
            for text in gamefile.SENTENCES[made.kind]
        ]
        assert game.goal in sentences
        assert game.kind == made.kind == made.trajectory["task_type"]
        assert made.task_id.endswith(f"/{made.trajectory['task_id']}")


def test_both_sentences_of_every_kind_are_used(games):
    said = {(game.kind, " ".join(game.goal.split()[:2])) for _, _, game in games}
    assert len(said) == 2 * len(KINDS)


def test_a_game_carries_the_released_rules(games):
    for _, made, _ in games:  # other rules than released ones are refused
        assert read_problem(json.dumps(made.data).encode(), made.task_id).sink_cleans


def test_the_agent_starts_away_from_everything(games):
    for _, _, game in games:
        assert game.start.at not in game.place
        assert not game.start.lying[game.start.at]
        assert game.start.held == -1
        assert not game.start.opened


def test_the_quirks_of_the_official_games_occur(games):
    compiled = [game for _, _, game in games]
    assert any(game.start.cool for game in compiled)  # out of the fridge
    assert any(any(game.nested) for game in compiled)
    assert any(len(set(game.place)) < len(game.place) for game in compiled)
    assert any(_twice(game) for game in compiled)  # in two receptacles at once
    # What the task cools is never in the fridge, so never cold.
    assert not any(g.start.cool & g.targets for g in compiled if "cool" in g.kind)


def _twice(game: Game) -> bool:
    seen = 0
    for inside in game.start.inside:
        if seen & inside:
            return True
        seen |= inside
    return False


# -- the same bytes everywhere -------------------------------------------------------------------

DIGEST = """
import hashlib, json
from act_envs.alfworld.generator import generate
digest = hashlib.sha256()
for split in ("train", "seen", "unseen"):
    for index in range(20):
        game = generate(0, split, index)
        {change}
        digest.update(json.dumps([game.task_id, game.data, game.trajectory]).encode())
print(digest.hexdigest())
"""


def _digest(change: str = "", hash_seed: str = "0") -> str:
    code = DIGEST.format(change=change)
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_game_does_not_depend_on_the_process():
    assert _digest(hash_seed="1") == _digest(hash_seed="2")


def test_a_game_does_not_change_with_the_version_of_python_or_act():
    assert _digest(change='del game.data["walkthrough"]') == GOLDEN


def test_a_game_does_not_depend_on_what_was_made_before():
    first = generate(5, "train", 1)
    generate(5, "unseen", 2)
    assert generate(5, "train", 1) == first


def test_other_arguments_give_other_games():
    asked = [(s, split, n) for s in (0, 1, 10) for split in SPLITS for n in (0, 1, 10)]
    made = [generate(*arguments) for arguments in asked]
    assert len({game.task_id for game in made}) == len(made)
    assert len({game.data["pddl_problem"].partition("\n(:domain")[2] for game in made}) == len(made)


def test_the_global_random_state_is_left_alone():
    random.seed(3)
    before = random.getstate()
    generate(0, "seen", 4)
    assert random.getstate() == before


# -- what is held out ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outlines() -> dict[str, list[Any]]:
    return {split: [outline(s, split, n) for s in (0, 1) for n in range(1000)] for split in SPLITS}


def test_unseen_rooms_are_never_seen(outlines):
    numbers = {split: {each.room.number for each in outlines[split]} for split in SPLITS}
    assert numbers["train"].isdisjoint(numbers["unseen"])
    assert numbers["seen"] <= numbers["train"]
    families = [room for kind in ROOM_KINDS for family in FAMILIES for room in rooms(family, kind)]
    assert len({room.number for room in families}) == len(families)
    layouts = {tuple(sorted(r.name for r in room.receptacles)) for room in families}
    assert len(layouts) == len(families)


def test_unseen_tasks_are_never_seen(outlines):
    tasks = {split: {each[:3] for each in outlines[split]} for split in SPLITS}
    assert tasks["unseen"].isdisjoint(tasks["train"] | tasks["seen"])
    assert all(is_held_out_task(*task) for task in tasks["unseen"])
    assert len(tasks["unseen"]) > 80


def test_seen_never_has_the_task_of_train_in_the_same_room(outlines):
    pairs = {split: {(*e[:3], e.room.number) for e in outlines[split]} for split in SPLITS}
    assert pairs["seen"].isdisjoint(pairs["train"])
    tasks = {split: {each[:3] for each in outlines[split]} for split in SPLITS}
    assert len(tasks["seen"] & tasks["train"]) > 0.8 * len(tasks["seen"])


def _places(made: GeneratedGame) -> set[tuple[str, str]]:
    """Types of an object and of a receptacle that it starts in."""
    facts = read_problem(json.dumps(made.data).encode(), made.task_id).facts
    rtypes, otypes = dict(facts["receptacletype"]), dict(facts["objecttype"])  # type: ignore
    return {
        (otypes[o].removesuffix("type"), rtypes[r].removesuffix("type"))
        for o, r in facts["inreceptacle"]
    }


def test_some_places_are_unseens_alone(games):
    held_out = {
        (otype.lower(), rtype.lower())
        for kind in ROOM_KINDS
        for otype, measured in statistics()["rooms"][kind]["objects"].items()
        for rtype in measured["places"]
        if is_held_out_place(otype, rtype)
    }
    assert len(held_out) > 30
    found: dict[str, set[tuple[str, str]]] = {split: set() for split in SPLITS}
    for split, made, _ in games:
        found[split] |= _places(made)
    assert not (found["train"] | found["seen"]) & held_out
    assert len(found["unseen"] & held_out) > 20


# -- names ---------------------------------------------------------------------------------------


def test_no_name_can_be_an_official_one(games):
    for _, made, _ in games:
        folder, trial = made.task_id.split("/")[1:]
        assert int(folder.rpartition("-")[2]) > 430
        assert re.fullmatch(r"trial_G0_(train|seen|unseen)_\d{6}", trial)
        declared = made.data["pddl_problem"].partition("(:init")[0].split()
        things = [word for word in declared if "_bar_" in word]
        assert len(things) > 30
        assert all(thing.endswith("_bar_gen") for thing in things)


def test_a_task_is_found_by_its_name_alone():
    generated = GeneratedGames(seed=3, games=40)
    for split in generated.splits:
        tasks = generated.tasks(split)
        assert len({task.task_id for task in tasks}) == 40
        for index, task in enumerate(tasks):
            assert generated.task(task.task_id) == task
            assert task.task_id == generate(3, split, index).task_id
            assert (task.split, task.kind) == (split, outline(3, split, index).kind)


def test_the_compiled_game_is_the_generated_one():
    task = GeneratedGames(0).tasks("unseen")[5]
    made = generate(0, "unseen", 5)
    game = GeneratedGames(0).game(task.task_id)
    assert Engine(game).intro() == Engine(made.compile()).intro()
    assert game.start == made.compile().start


@pytest.mark.parametrize(
    "change",
    [
        ("trial_G0", "trial_G1"),
        ("_000000", "_000002"),
        ("_000000", "_0000000"),
        ("_000000", "_000010"),
        ("train/", "valid_seen/"),
        ("trial_G", "trial_T"),
        ("_000000", "_000000 "),
        ("_000000", "_٠٠٠٠٠٠"),
    ],
)
def test_a_name_that_is_nearly_right_is_refused(change):
    generated = GeneratedGames(0, games=10)
    name = generated.tasks("train")[0].task_id
    assert change[0] in name
    with pytest.raises(UnknownTask, match="seed 0"):
        generated.task(name.replace(*change))


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(UnknownArgument, match="seed"):
        generate(seed, "train", 0)
    with pytest.raises(UnknownArgument, match="seed"):
        GeneratedGames(seed)


def test_wrong_arguments_are_refused():
    with pytest.raises(UnknownSplit, match="unseen"):
        generate(0, "unsen", 0)
    with pytest.raises(UnknownArgument, match="index"):
        generate(0, "train", -1)
    with pytest.raises(UnknownArgument, match="games"):
        GeneratedGames(0, games=0)


# -- on disk -------------------------------------------------------------------------------------


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_games_lie_in_the_official_layout(tmp_path):
    assert write_games(tmp_path, 0, {"train": 2, "unseen": 1}) == 3
    made = [generate(0, "train", 0), generate(0, "train", 1), generate(0, "unseen", 0)]
    assert _tree(tmp_path) == {
        f"{game.task_id}/{name}": json.dumps(content).encode()
        for game in made
        for name, content in (("game.tw-pddl", game.data), ("traj_data.json", game.trajectory))
    }
    for game in made:
        assert set(game.data) == {
            "pddl_domain",
            "grammar",
            "pddl_problem",
            "solvable",
            "walkthrough",
        }


def test_written_games_are_found_as_official_ones_are(tmp_path):
    write_games(tmp_path, 0, dict.fromkeys(SPLITS, 2))
    found = dict(read_games(find_source(tmp_path)))
    expected = {generate(0, split, n).task_id for split in SPLITS for n in range(2)}
    assert set(found) == expected
    assert all(read_game(data, name).walkthrough for name, data in found.items())


def test_writing_again_writes_what_is_missing_or_wrong(tmp_path):
    write_games(tmp_path, 0, {"seen": 3})
    whole = _tree(tmp_path)
    first, second, _ = (tmp_path / name for name in sorted(whole) if name.endswith("pddl"))
    first.write_bytes(first.read_bytes()[:100])
    second.unlink()
    (second.parent / ".game.tw-pddl.unfinished").write_bytes(b"{")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("traj_data.json")}
    assert write_games(tmp_path, 0, {"seen": 3}) == 2
    assert _tree(tmp_path) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert write_games(tmp_path, 0, {"seen": 3}) == 0


def test_two_runs_into_one_folder_do_not_disturb_each_other(tmp_path, monkeypatch):
    """The second comes when the first has written a file but not yet given it its name."""
    replace, other = Path.replace, []

    def replace_late(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        other.append(write_games(tmp_path, 0, {"seen": 1}))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_late)
    write_games(tmp_path, 0, {"seen": 1})
    assert other == [1]
    write_games(tmp_path / "alone", 0, {"seen": 1})
    alone = _tree(tmp_path / "alone")
    assert {name: _tree(tmp_path)[name] for name in alone} == alone
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_folder_of_official_games_is_refused(tmp_path):
    official = tmp_path / "valid_seen" / "pick_and_place_simple-Apple-None-Cabinet-1" / "trial_T1"
    official.mkdir(parents=True)
    with pytest.raises(UnknownArgument, match=r"holds official games .*another folder"):
        write_games(tmp_path, 0, {"train": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["valid_seen"]


@pytest.mark.parametrize("out", ["/dev/full", "/dev/full/x", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_named(out):
    with pytest.raises(UnknownArgument, match=f"cannot write {out}.*choose another folder"):
        write_games(Path(out), 0, {"train": 1})


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnknownArgument, match=r"No space left on device\. Free some space"):
        write_games(tmp_path, 0, {"train": 1})
    assert not _tree(tmp_path)


def test_killed_and_started_again_it_ends_with_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from act_envs.alfworld.export import write_games; "
        "write_games(Path(sys.argv[1]), 0, {'train': 60})"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed")])
    until = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("*/*/*/game.tw-pddl"))) < 5:
        assert time.monotonic() < until
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    for path in (tmp_path / "killed").rglob("game.tw-pddl"):
        read_game(path.read_bytes(), path.name)  # never half a file
    assert write_games(tmp_path / "killed", 0, {"train": 60}) < 60
    write_games(tmp_path / "whole", 0, {"train": 60})
    assert _tree(tmp_path / "killed") == _tree(tmp_path / "whole")


def test_the_command_writes_and_says_how_many(tmp_path, capsys):
    assert Generate(out=tmp_path, games=2, splits=("train", "seen"))() == 0
    assert "4 games" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train", "valid_seen"]
    assert Generate(out=tmp_path, games=2, splits=("train", "seen"))() == 0
    assert "0 of them written now" in capsys.readouterr().out


def test_the_home_directory_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Generate(out="~/games", games=1, splits=("seen",))() == 0
    assert (tmp_path / "games" / "valid_seen").is_dir()


def test_writing_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(UnknownSplit):
        write_games(tmp_path, 0, {"train": 1, "valid_seen": 1})
    with pytest.raises(UnknownArgument):
        write_games(tmp_path, 0, {"train": -1})
    assert not list(tmp_path.iterdir())


# -- like the official games ---------------------------------------------------------------------


def test_games_are_as_large_and_as_long_as_the_official_ones():
    compiled = [GeneratedGames(0).game(t.task_id) for t in GeneratedGames(0).tasks("train")[:600]]
    measured = {name: value for name, value, _ in resemblance(compiled, compiled)}
    for kind, official in OFFICIAL.items():
        for name, value in zip(MEASURES[1:], official[1:], strict=True):
            assert measured[f"{kind}: {name}"] == pytest.approx(value, rel=0.15), (kind, name)
    kinds = Counter(task.kind for task in GeneratedGames(0, 4000).tasks("train"))
    for kind, (share, *_) in OFFICIAL.items():
        assert kinds[kind] / 4000 == pytest.approx(share, rel=0.15)


def test_the_statistics_are_sums_over_many_rooms():
    assert len(json.dumps(statistics())) < 100_000
    for measured in statistics()["rooms"].values():
        for counts in measured["receptacles"].values():
            assert sum(counts.values()) >= 2
        for of_type in measured["objects"].values():
            assert of_type["rooms"] >= 2
    assert "trial_" not in json.dumps(statistics())
    assert "_bar_" not in json.dumps(statistics())


# -- stock TextWorld -----------------------------------------------------------------------------


@pytest.mark.reference("textworld")
@pytest.mark.parametrize(("split", "index"), [("train", 0), ("seen", 3), ("unseen", 2)])
def test_stock_textworld_plays_them_too(split, index):
    from act_envs.alfworld.stock import Stock

    made = generate(7, split, index)
    ours, theirs = Engine(made.compile()), Stock(made.data)
    choose = random.Random(index).choice
    try:
        assert theirs.intro == ours.intro()
        for command in [*made.data["walkthrough"], *[""] * 25]:
            assert theirs.admissible == ours.admissible()
            command = command or choose(ours.admissible())
            assert theirs.step(command).strip() == ours.step(command)[0].strip()
            assert theirs.won == ours.won()
            if command == made.data["walkthrough"][-1]:
                assert theirs.won
    finally:
        theirs.close()


def test_folders_have_the_official_names():
    assert list(FOLDERS.values()) == ["train", "valid_seen", "valid_unseen"]
    assert tuple(FOLDERS) == SPLITS
