"""The explorer reads text and nothing else, and wins the real games with that."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import random
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest

from act_envs.alfworld import explorer, memory
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.explorer import Explorer, Goal, read_goal
from act_envs.alfworld.files import find_source, read_games
from act_envs.alfworld.game import Game
from act_envs.errors import GameFileError, UnknownArgument

Turn = tuple[str, str]

LIMIT = 50  # ALFWorld's own
DIALECTS = ("modern", "classic")
REFUSED = "Nothing happens."
INTRO = """-= Welcome to TextWorld, ALFRED! =-

You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, \
a countertop 1, a drawer 2, a drawer 1, a fridge 1, a microwave 1, and a sinkbasin 1.

Your task is to: {}."""
TASKS = {
    "put a cd in safe": Goal("cd", "safe", "", ""),
    "put some cd on safe": Goal("cd", "safe", "", ""),
    "put a clean cup in shelf": Goal("cup", "shelf", "", "clean"),
    "clean some cup and put it in shelf": Goal("cup", "shelf", "", "clean"),
    "put a hot egg in drawer": Goal("egg", "drawer", "", "heat"),
    "heat some egg and put it in drawer": Goal("egg", "drawer", "", "heat"),
    "put a cool pan in cabinet": Goal("pan", "cabinet", "", "cool"),
    "cool some pan and put it in cabinet": Goal("pan", "cabinet", "", "cool"),
    "put two pen in drawer": Goal("pen", "drawer", "", ""),
    "find two pen and put them in drawer": Goal("pen", "drawer", "", ""),
    "look at bowl under the desklamp": Goal("bowl", "", "desklamp", ""),
    "examine the bowl with the desklamp": Goal("bowl", "", "desklamp", ""),
}


def told(task: str, *turns: Turn, dialect: str = "modern") -> Explorer:
    """An explorer that was told the task and what happened since."""
    player = Explorer(INTRO.format(task), dialect)
    for action, observation in turns:
        player.observe(action, observation)
    return player


def go(name: str, things: str = "nothing", at: str = "") -> Turn:
    """Walking to an open receptacle; in classic text ``at`` a location."""
    return f"go to {name}", f"You arrive at {at or name}. On the {name}, you see {things}."


def go_closed(name: str, at: str = "") -> Turn:
    return f"go to {name}", f"You arrive at {at or name}. The {name} is closed."


def look_inside(name: str, things: str = "nothing") -> Turn:
    return (
        f"open {name}",
        f"You open the {name}. The {name} is open. In it, you see {things}.",
    )


def take(thing: str, source: str) -> Turn:
    return f"take {thing} from {source}", f"You pick up the {thing} from the {source}."


def move(thing: str, target: str) -> Turn:
    return f"move {thing} to {target}", f"You move the {thing} to the {target}."


def finish(engine: Engine, player: Explorer) -> tuple[list[Turn], bool]:
    """The rest of an episode, in which no action may fail twice in one state; was it won?"""
    turns: list[Turn] = []
    failed = set()
    while not engine.won() and len(turns) < LIMIT:
        action = player.act()
        if action is None:
            break
        state = engine.state
        observation, valid = engine.step(action)
        assert (action, state) not in failed
        if not valid:
            failed.add((action, state))
        player.observe(action, observation)
        turns.append((action, observation))
    return turns, engine.won()


def play(game: Game, dialect: str = "modern") -> tuple[list[Turn], bool]:
    engine = Engine(game, dialect)
    return finish(engine, Explorer(engine.intro(), dialect))


# -- what it reads ---------------------------------------------------------------------------


@pytest.mark.parametrize(("sentence", "goal"), TASKS.items())
def test_reads_both_wordings_of_every_task(sentence: str, goal: Goal):
    assert read_goal(INTRO.format(sentence)) == goal


def test_refuses_what_it_cannot_play():
    with pytest.raises(GameFileError, match="make tea"):
        Explorer(INTRO.format("make tea"))
    with pytest.raises(UnknownArgument, match="Did you mean 'classic'"):
        Explorer(INTRO.format("put a cd in safe"), "clasic")


@pytest.mark.parametrize("module", [explorer, memory])
def test_no_engine_is_within_its_reach(module: ModuleType):
    imported: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what it reaches"
            imported.add(node.module or "")
    ours = {name for name in imported if name.startswith("act_envs")}
    assert ours <= {"act_envs.alfworld.memory", "act_envs.errors"}


def test_priors_are_aggregates_of_believable_size():
    text = resources.files("act_envs.alfworld").joinpath("priors.json").read_text()
    rooms = json.loads(text)
    assert len(text) < 20_000
    assert set(rooms) == {"bathroom", "bedroom", "kitchen", "living room"}
    for kinds in rooms.values():
        for counts in kinds.values():
            assert 0 <= counts["closed"] <= counts["instances"]
            assert all(0 < n <= counts["instances"] for n in counts["holding"].values())
    assert rooms["kitchen"]["fridge"]["closed"] == rooms["kitchen"]["fridge"]["instances"]
    assert rooms["kitchen"]["countertop"]["closed"] == 0


# -- what it chooses -------------------------------------------------------------------------


def test_searches_where_such_things_usually_lie():
    assert told("put a clean fork in drawer").act() == "go to countertop 1"
    assert told("put a clean tomato in drawer").act() == "go to fridge 1"


def test_weighs_chance_against_steps():
    """Eggs lie in fridges nearly twice as often as in sinks, but a fridge must be opened."""
    assert told("put a hot egg in cabinet").act() == "go to sinkbasin 1"
    assert told("put a hot egg in cabinet", look_inside("fridge 1")).act() == "go to sinkbasin 1"
    opened = look_inside("fridge 1", "a egg 1"), ("close fridge 1", "You close the fridge 1.")
    assert told("put a hot egg in cabinet", *opened).act() == "open fridge 1"


def test_searches_last_where_a_find_would_have_counted_before_the_first_action():
    player = told("put a egg in fridge")
    order = []
    while action := player.act():
        name = action.partition(" to ")[2]
        order.append(name)
        player.observe(*go(name))
    assert sorted(order) == sorted(memory.names_in(INTRO))
    assert order[-1] == "fridge 1"


def test_brings_treats_and_delivers():
    turns = [
        go("countertop 1", "a apple 2, a egg 1, and a fork 1"),
        take("egg 1", "countertop 1"),
        go_closed("microwave 1"),
        ("heat egg 1 with microwave 1", "You heat the egg 1 using the microwave 1."),
        go_closed("drawer 1"),
        look_inside("drawer 1"),
        move("egg 1", "drawer 1"),
    ]
    for played in range(1, len(turns)):
        player = told("heat some egg and put it in drawer", *turns[:played])
        assert player.act() == turns[played][0]


def test_two_things_end_up_together():
    turns = [
        go("countertop 1", "a pen 3, a pen 2, and a pen 1"),
        take("pen 1", "countertop 1"),
        go_closed("drawer 2"),
        look_inside("drawer 2"),
        move("pen 1", "drawer 2"),
        go("countertop 1", "a pen 3, and a pen 2"),
        take("pen 2", "countertop 1"),
        go_closed("drawer 1"),  # nearer, and lower in number
        look_inside("drawer 1"),
    ]
    assert told("put two pen in drawer", *turns[:5]).act() == "go to countertop 1"
    assert told("put two pen in drawer", *turns).act() == "go to drawer 2"


def test_a_lamp_is_used_with_the_thing_in_the_hand():
    turns = [
        go("countertop 1", "a bowl 1"),
        take("bowl 1", "countertop 1"),
        go("sinkbasin 1", "a desklamp 1"),
    ]
    task = "look at bowl under the desklamp"
    assert told(task, *turns).act() == "use desklamp 1"
    assert told(task, turns[2]).act() != "use desklamp 1"
    assert told(task, turns[2], *turns[:2]).act() == "go to sinkbasin 1"


def test_asking_changes_nothing():
    player = told("put a hot apple in fridge", go("countertop 1", "a apple 1"))
    before = pickle.dumps(player)
    assert player.act() == player.act() == "take apple 1 from countertop 1"
    assert pickle.dumps(player) == before


# -- taking over -----------------------------------------------------------------------------


def test_empties_the_hand_that_another_filled():
    filled = go("countertop 1", "a apple 1, and a knife 1"), take("knife 1", "countertop 1")
    assert told("put a apple in fridge", *filled).act() == "move knife 1 to countertop 1"
    refused = "move knife 1 to countertop 1", REFUSED
    assert told("put a apple in fridge", *filled, refused).act() == "go to sinkbasin 1"
    carried = go("countertop 1", "a apple 1"), ("inventory", "You are carrying: a knife 1.")
    assert told("put a apple in fridge", *carried).act() == "move knife 1 to countertop 1"


def test_notices_what_another_undid():
    task = "cool some apple and put it in microwave"
    turns = [
        go("countertop 1", "a apple 1"),
        take("apple 1", "countertop 1"),
        go_closed("fridge 1"),
        ("cool apple 1 with fridge 1", "You cool the apple 1 using the fridge 1."),
        go_closed("microwave 1"),
    ]
    assert told(task, *turns).act() == "open microwave 1"
    heated = "heat apple 1 with microwave 1", "You heat the apple 1 using the microwave 1."
    assert told(task, *turns, heated).act() == "go to fridge 1"
    opened = look_inside("microwave 1")
    assert told(task, *turns, opened).act() == "move apple 1 to microwave 1"
    closed = "close microwave 1", "You close the microwave 1."
    assert told(task, *turns, opened, closed).act() == "open microwave 1"


def test_remembers_where_another_put_things():
    turns = [
        go("countertop 1", "a apple 2, and a apple 1"),
        take("apple 2", "countertop 1"),
        ("clean apple 2 with sinkbasin 1", "You clean the apple 2 using the sinkbasin 1."),
        move("apple 2", "sinkbasin 1"),
        go_closed("microwave 1"),
    ]
    # Once cleaned it is the better one, and it is no longer where it was seen first.
    assert told("put a clean apple in cabinet", *turns).act() == "go to sinkbasin 1"
    assert told("put a hot apple in cabinet", *turns).act() == "go to countertop 1"
    only = [go("countertop 1", "a apple 2"), *turns[1:]]
    assert told("put a hot apple in cabinet", *only).act() == "go to sinkbasin 1"


def test_believes_a_refusal_more_than_a_list():
    listed = go("countertop 1", "a apple 1")
    refused = "take apple 1 from countertop 1", REFUSED
    elsewhere = go_closed("fridge 1")
    assert told("put a apple in cabinet", listed, elsewhere).act() == "go to countertop 1"
    assert told("put a apple in cabinet", listed, refused, elsewhere).act() == "open fridge 1"


@pytest.mark.parametrize("action", ["dance", "", "Go To fridge 1", "take", "open fridge 1 wide"])
def test_odd_actions_teach_nothing_wrong(action: str):
    turns = go("countertop 1", "a apple 1"), take("apple 1", "countertop 1")
    player = told("put a apple in fridge", *turns, (action, REFUSED))
    assert player.act() == told("put a apple in fridge", *turns).act() == "go to fridge 1"


@pytest.mark.parametrize("sentence", TASKS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_tries_nothing_twice_in_a_world_that_refuses_everything(sentence: str, dialect: str):
    player = told(sentence, go("countertop 1", "a cd 1, a pen 1, and a egg 1"), dialect=dialect)
    tried = []
    while (action := player.act()) is not None:
        tried.append(action)
        player.observe(action, REFUSED)
        assert len(tried) < 100
    assert len(tried) == len(set(tried)) > 5


# -- receptacles at one location -------------------------------------------------------------


def test_a_refused_walk_tells_that_one_is_there_already():
    turns = go("countertop 1", "a apple 1"), take("apple 1", "countertop 1")
    walked = "go to cabinet 1", REFUSED
    assert told("put a apple in cabinet", *turns).act() == "go to cabinet 1"
    assert told("put a apple in cabinet", *turns, walked).act() == "open cabinet 1"
    never_closes = "open cabinet 1", REFUSED
    assert told("put a apple in cabinet", *turns, walked, never_closes).act() == (
        "move apple 1 to cabinet 1"
    )


def test_look_tells_what_else_is_there():
    turns = [
        go("countertop 1", "a apple 1"),
        take("apple 1", "countertop 1"),
        ("look", "You are facing the cabinet 2, and countertop 1. Next to it, you see nothing."),
    ]
    assert told("put a apple in cabinet", *turns).act() == "open cabinet 2"


def test_classic_text_names_locations():
    turns = [
        go("countertop 1", "a apple 1", at="loc 5"),
        go_closed("fridge 1", at="loc 2"),
        go_closed("cabinet 1", at="loc 5"),
    ]
    player = told("put a apple in cabinet", *turns, dialect="classic")
    assert player.act() == "take apple 1 from countertop 1"
    modern = [(action, said.replace("at loc 5", "at cabinet 1")) for action, said in turns[2:]]
    player = told("put a apple in cabinet", go("countertop 1", "a apple 1"), *modern)
    assert player.act() == "go to countertop 1"


# -- games -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_wins_the_kitchen_in_its_dialect(kitchen_bytes: bytes, dialect: str):
    turns, won = play(read_game(kitchen_bytes, "kitchen"), dialect)
    assert won
    assert turns[-1][0].startswith("put" if dialect == "classic" else "move")


@pytest.fixture(scope="module")
def real_games(alfworld_data: Path) -> dict[str, list[Game]]:
    games: dict[str, list[Game]] = {"valid_seen": [], "valid_unseen": []}
    for task_id, content in read_games(find_source(alfworld_data), list(games)):
        games[task_id.partition("/")[0]].append(read_game(content, task_id))
    return games


@pytest.mark.parametrize("dialect", DIALECTS)
def test_wins_the_real_games(real_games: dict[str, list[Game]], dialect: str):
    assert {split: len(games) for split, games in real_games.items()} == {
        "valid_seen": 140,
        "valid_unseen": 134,
    }
    for games in real_games.values():
        episodes = [play(game, dialect) for game in games]
        assert sum(won for _, won in episodes) >= 0.99 * len(games)
        assert sum(len(turns) for turns, _ in episodes) < 8.5 * len(games)
        assert play(games[0], dialect) == episodes[0]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_takes_over_from_anywhere(real_games: dict[str, list[Game]], dialect: str):
    """After up to 40 actions of somebody who acts at random, a third of them refused."""
    for seed, game in enumerate(game for games in real_games.values() for game in games):
        chance = random.Random(seed)
        engine = Engine(game, dialect)
        player = Explorer(engine.intro(), dialect)
        for _ in range(chance.randrange(41)):
            if engine.won():
                break
            action = stray(engine, chance)
            player.observe(action, engine.step(action)[0])
        _, won = finish(engine, player)
        assert won or stuck(engine), (game.goal, seed)


def stray(engine: Engine, chance: random.Random) -> str:
    """What somebody without a plan might do next."""
    thing, name = chance.choice(engine.game.objects), chance.choice(engine.game.receptacles)
    odd = [f"go to {name}", f"open {name}", f"take {thing} from {name}", "Open the door", ""]
    odd += [f"move {thing} to {name}", f"put {thing} in/on {name}", f"examine {thing}"]
    return chance.choice(engine.admissible() if chance.random() < 0.67 else odd)


def stuck(engine: Engine) -> bool:
    """In the hand is something that can be put down nowhere in the room, so nothing can be won."""
    held = engine.state.held
    return held >= 0 and not any(mask >> held & 1 for mask in engine.game.fits)
