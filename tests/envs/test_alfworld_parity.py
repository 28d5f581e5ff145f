"""Side by side with upstream's TextWorld: same texts, admissible commands, wins; both dialects.

The full comparison is ``python -m benchmarks.parity alfworld``; this is a sample of it. The
walkthroughs need no upstream: every official game must be won by its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from act_envs.alfworld import stock as stock_module
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import find_source, read_games
from act_envs.alfworld.game import Game, classic
from act_envs.alfworld.reference import ReferenceSimulator
from act_envs.alfworld.stock import Stock, in_dialect
from act_envs.errors import MissingExtra, SimulatorError, SnapshotMismatch, UnknownArgument
from act_envs.types import Task
from benchmarks.parity import Tally, play_both, wins

needs_games = pytest.mark.skipif(
    not os.environ.get("ACT_DATA_DIR"), reason="needs the official games: set ACT_DATA_DIR"
)
original = pytest.mark.reference("textworld")

# Two of each kind, of all three splits; kitchens with 9 to 40 receptacles, baths, bedrooms.
SAMPLE = (
    "train/look_at_obj_in_light-CD-None-DeskLamp-304/trial_T20190907_185606_026765",
    "valid_seen/look_at_obj_in_light-KeyChain-None-DeskLamp-327/trial_T20190906_202601_548273",
    "train/pick_and_place_simple-Candle-None-Drawer-411/trial_T20190909_093501_751637",
    "train/pick_and_place_simple-SoapBottle-None-Toilet-406/trial_T20190909_104226_709618",
    "train/pick_clean_then_place_in_recep-SoapBar-None-GarbageCan-429/trial_T20190909_015355_416113",
    "train/pick_clean_then_place_in_recep-Mug-None-CoffeeMachine-11/trial_T20190909_100519_428325",
    "valid_unseen/pick_heat_then_place_in_recep-Mug-None-Cabinet-10/trial_T20190909_021100_341887",
    "valid_seen/pick_heat_then_place_in_recep-Tomato-None-Fridge-23/trial_T20190909_082320_103350",
    "valid_unseen/pick_cool_then_place_in_recep-Mug-None-CoffeeMachine-10/trial_T20190907_183715_299073",
    "train/pick_cool_then_place_in_recep-Egg-None-CounterTop-27/trial_T20190909_002151_489665",
    "train/pick_two_obj_and_place-PepperShaker-None-SideTable-28/trial_T20190908_120349_475518",
    "train/pick_two_obj_and_place-TissueBox-None-Toilet-426/trial_T20190909_044447_525629",
)
# SHA-256 of domain and grammar in the wheel of alfworld 0.3.5, blank lines and indentation aside.
CLASSIC_DOMAIN = "87d39c0db3c2e8dce1998d9b45eb6aeddd560a830f3aafa8668e6b311fb8bf33"
CLASSIC_GRAMMAR = "68fc48144576887392bcb72f657fca394b4fa75544baf4f9563b570f74e65558"


@pytest.fixture(scope="module")
def games() -> dict[str, tuple[dict[str, Any], Game]]:
    """The sample: what upstream reads, and the compiled game."""
    source = find_source(Path(os.environ["ACT_DATA_DIR"]))
    return {
        task_id: (json.loads(data), read_game(data, task_id))
        for task_id, data in read_games(source)
        if task_id in SAMPLE
    }


class Files:
    """The sample as the reference simulator asks for it."""

    splits = ("train", "valid_seen", "valid_unseen")

    def __init__(self, games: Mapping[str, tuple[dict[str, Any], Game]]) -> None:
        self._games = games

    def tasks(self, split: str) -> Sequence[Task]:
        return [self.task(task_id) for task_id in self._games if task_id.startswith(split)]

    def task(self, task_id: str) -> Task:
        return Task(task_id, task_id.partition("/")[0], self._games[task_id][1].kind)

    def game(self, task_id: str) -> Game:
        return self._games[task_id][1]

    def raw(self, task_id: str) -> Mapping[str, Any]:
        return self._games[task_id][0]


# -- without upstream -----------------------------------------------------------------------------


@needs_games
def test_every_official_game_is_won_by_its_walkthrough() -> None:
    source = find_source(Path(os.environ["ACT_DATA_DIR"]))
    won = {task_id: wins(read_game(data, task_id)) for task_id, data in read_games(source)}
    assert len(won) == 3827
    assert [task_id for task_id, it_wins in won.items() if not it_wins] == []


def test_without_upstream_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "agentic-critical-training\[reference\]"'):
        ReferenceSimulator(Files({}))


def test_where_upstream_is_broken_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(SimulatorError, match=r"Use Python 3\.11 or 3\.12"):
        ReferenceSimulator(Files({}))


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UnknownArgument, match="'modern'"):
        ReferenceSimulator(Files({}), "modren")


# -- beside upstream ------------------------------------------------------------------------------


@original
@needs_games
@pytest.mark.parametrize("number", range(len(SAMPLE)))
def test_both_engines_say_the_same(
    games: dict[str, tuple[dict[str, Any], Game]], number: int
) -> None:
    raw, game = games[SAMPLE[number]]
    tally = Tally()
    dialect = "classic" if number % 3 == 1 else "modern"
    play_both(tally, raw, game, SAMPLE[number], dialect, 18)
    assert tally.differences == []
    assert tally.steps == 18


@original
@needs_games
def test_a_difference_would_be_seen(games: dict[str, tuple[dict[str, Any], Game]]) -> None:
    raw, game = games[SAMPLE[2]]
    tally = Tally()
    play_both(tally, raw, replace(game, openable=0), SAMPLE[2], "modern", 5)
    assert tally.differences


@original
@needs_games
def test_commands_the_sample_may_miss(games: dict[str, tuple[dict[str, Any], Game]]) -> None:
    """Every way to say it wrongly, and help; upstream strips blanks and nothing else."""
    raw, game = games[SAMPLE[2]]
    theirs, ours = Stock(raw), Engine(game)
    here = game.receptacles[0]
    for command in (
        "help",
        f"go to {here}",
        f"go to {here}",
        f"  examine {here} ",
        f"EXAMINE {here}",
        f"examine  {here}",
        f"examine {here}.",
        "go to loc 1",
        f"put candle 1 in/on {here}",
        "",
        "\tlook\t",
    ):
        assert ours.step(command) == (theirs.step(command), theirs.valid), command
        assert ours.admissible() == theirs.admissible, command
    theirs.close()


@original
def test_the_classic_rules_are_those_of_the_old_release() -> None:
    folder = resources.files("alfworld") / "data"
    raw = {
        "pddl_domain": (folder / "alfred.pddl").read_text(encoding="utf-8"),
        "grammar": (folder / "alfred.twl2").read_text(encoding="utf-8"),
    }
    old = in_dialect(raw, "classic")
    assert _hash(old["pddl_domain"]) == CLASSIC_DOMAIN
    assert _hash(old["grammar"]) == CLASSIC_GRAMMAR
    assert in_dialect(raw, "modern") == raw
    assert in_dialect(old, "classic") == old
    there_and_back = in_dialect(old, "modern")
    assert {name: _hash(text) for name, text in there_and_back.items()} == {
        name: _hash(text) for name, text in raw.items()
    }


def _hash(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return hashlib.sha256("\n".join(filter(None, lines)).encode()).hexdigest()


@original
@needs_games
@pytest.mark.parametrize("dialect", ["modern", "classic"])
def test_the_reference_simulator_speaks_the_contract(
    games: dict[str, tuple[dict[str, Any], Game]], dialect: str
) -> None:
    files = Files(games)
    task = files.task(SAMPLE[3])
    game = files.game(task.task_id)
    simulator = ReferenceSimulator(files, dialect)
    arguments = list(sys.argv)
    first = simulator.start(task)
    assert sys.argv == arguments
    assert first.observation == Engine(game).intro()
    assert simulator.goal() == game.goal
    assert simulator.admissible_actions() == Engine(game, dialect).admissible()
    assert simulator.act("dance").action_valid is False
    assert simulator.expert_action("walkthrough") is None  # it knows the way from the start only

    simulator.start(task)
    start, beginning = simulator.snapshot(), simulator.fingerprint()
    while (action := simulator.expert_action("walkthrough")) is not None:
        middle = simulator.snapshot()
        last = simulator.act(action)
    assert (last.won, last.score, last.raw_score) == (True, 1.0, 1.0)
    ending = simulator.fingerprint()
    simulator.restore(task, middle)
    simulator.act("look")  # changes only what nothing reads
    simulator.act(action_of_walkthrough(game, dialect))
    assert simulator.fingerprint() == ending != beginning
    twin = simulator.twin()
    twin.restore(task, start)
    assert (twin.fingerprint(), simulator.fingerprint()) == (beginning, ending)
    twin.close()
    with pytest.raises(SnapshotMismatch):
        simulator.restore(task, "elsewhere")
    simulator.close()
    simulator.close()


def action_of_walkthrough(game: Game, dialect: str) -> str:
    last = game.walkthrough[-1]
    return classic(last) if dialect == "classic" else last


@original
@needs_games
def test_closed_games_leave_their_library_to_the_next(
    games: dict[str, tuple[dict[str, Any], Game]],
) -> None:
    raw, _ = games[SAMPLE[2]]
    Stock(raw).close()
    idle = len(stock_module._idle)
    Stock(raw).close()
    assert len(stock_module._idle) == idle
