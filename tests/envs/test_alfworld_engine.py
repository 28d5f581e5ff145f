"""The engine on a kitchen known by heart; equality with the original is tested elsewhere."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable

import pytest

from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import KINDS, Game, State, classic, modern
from act_envs.errors import GameFileError

Kitchen = Callable[..., dict[str, object]]

TRANSCRIPT = """
> look
You are in the middle of a room. Looking quickly around you, you see nothing.
> inventory
You are not carrying anything.
> go to countertop 1
You arrive at countertop 1. On the countertop 1, you see a apple 1, a desklamp 1, and a knife 1.
> go to cabinet 1
Nothing happens.
> look
You are facing the cabinet 2, cabinet 1, and countertop 1. Next to it, you see nothing.
> examine cabinet 2
The cabinet 2 is closed.
> open cabinet 2
You open the cabinet 2. The cabinet 2 is open. In it, you see a mug 1.
> open cabinet 2
Nothing happens.
> examine apple 1
Nothing happens.
> take knife 1 from countertop 1
You pick up the knife 1 from the countertop 1.
> take apple 1 from countertop 1
Nothing happens.
> slice apple 1 with knife 1
You sliced the apple 1 with the knife 1.
> inventory
You are carrying: a knife 1.
> examine knife 1
There's nothing special about knife 1.
> move knife 1 to cabinet 2
You move the knife 1 to the cabinet 2.
> look
You are facing the cabinet 2, cabinet 1, and countertop 1. Next to it, you see a knife 1.
> use desklamp 1
You turn on the desklamp 1.
> use desklamp 1
You turn on the desklamp 1.
> take apple 1 from countertop 1
You pick up the apple 1 from the countertop 1.
> examine apple 1
This is a cool sliced apple 1.
> go to microwave 1
You arrive at microwave 1. The microwave 1 is closed.
> heat apple 1 with microwave 1
You heat the apple 1 using the microwave 1.
> examine apple 1
This is a hot sliced apple 1.
> go to sinkbasin 1
You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing.
> clean apple 1 with sinkbasin 1
You clean the apple 1 using the sinkbasin 1.
> examine apple 1
This is a hot and clean sliced apple 1.
> go to fridge 1
You arrive at fridge 1. The fridge 1 is closed.
> cool apple 1 with fridge 1
You cool the apple 1 using the fridge 1.
> examine apple 1
This is a cool and clean sliced apple 1.
> move apple 1 to fridge 1
Nothing happens.
> open fridge 1
You open the fridge 1. The fridge 1 is open. In it, you see a apple 2.
> close fridge 1
You close the fridge 1.
> go to countertop 1
You arrive at countertop 1. On the countertop 1, you see a desklamp 1.
> open cabinet 1
You open the cabinet 1. The cabinet 1 is open. In it, you see nothing.
> move apple 1 to cabinet 1
You move the apple 1 to the cabinet 1.
"""

INTRO = """-= Welcome to TextWorld, ALFRED! =-

You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, \
a countertop 1, a fridge 1, a microwave 1, and a sinkbasin 1.

Your task is to: put some apple on cabinet."""


@pytest.fixture
def game(kitchen_bytes: bytes) -> Game:
    return read_game(kitchen_bytes, "kitchen")


def turns(transcript: str) -> list[tuple[str, str]]:
    entries = transcript.strip().removeprefix("> ").split("\n> ")
    return [(command, said) for command, _, said in (entry.partition("\n") for entry in entries)]


def test_transcript(game: Game) -> None:
    engine = Engine(game)
    assert engine.intro() == INTRO
    for command, said in turns(TRANSCRIPT):
        assert not engine.won()
        offered = engine.admissible()
        assert engine.step(command) == (said, said != "Nothing happens."), command
        assert (command in offered) == (said != "Nothing happens."), command
    assert engine.won()


def test_what_is_admissible_is_what_is_taken(game: Game) -> None:
    """Along a random walk every offered command is taken, and no other command of the walk."""
    rng, engine, seen = random.Random(0), Engine(game), set()
    for _ in range(400):
        offered, state = engine.admissible(), engine.state
        assert offered == sorted(set(offered))
        seen.update(offered)
        for command in seen:
            engine.state = state
            said, valid = engine.step(command)
            assert valid == (command in offered), command
            assert valid or (said, engine.state) == ("Nothing happens.", state)
        engine.state = state
        engine.step(rng.choice(offered))
    assert len(seen) > 60


def test_classic_dialect(game: Game) -> None:
    engine = Engine(game, "classic")
    assert engine.intro() == INTRO
    assert engine.step("help") == ("Nothing happens.", False)
    assert "help" not in engine.admissible()
    said, _ = engine.step("go to countertop 1")
    assert said.startswith("You arrive at loc 5. On the countertop 1, you see ")
    engine.step("open cabinet 1")
    engine.step("take apple 1 from countertop 1")
    assert "put apple 1 in/on cabinet 1" in engine.admissible()
    assert engine.step("move apple 1 to cabinet 1") == ("Nothing happens.", False)
    said, _ = engine.step("put apple 1 in/on cabinet 1")
    assert said == "You put the apple 1 in/on the cabinet 1."
    assert engine.won()


def test_wordings_translate_both_ways() -> None:
    pairs = [("move apple 1 to fridge 1", "put apple 1 in/on fridge 1"), ("look", "look")]
    for new, old in pairs:
        assert (modern(old), modern(new)) == (new, new)
        assert (classic(old), classic(new)) == (old, old)


def test_walkthrough_is_read_in_modern_wording(game: Game) -> None:
    assert game.walkthrough[-1] == "move apple 1 to cabinet 1"
    engine = Engine(game)
    assert all(engine.step(command)[1] for command in game.walkthrough)
    assert engine.won()


GOALS = {
    "pick_and_place_simple": (None, 1),
    "look_at_obj_in_light": (
        """(exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and
        (objectType ?ot DeskLampType) (toggleable ?ot) (isToggled ?ot)
        (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))
        (exists (?o - object ?a - agent) (and (objectType ?o AppleType) (holds ?a ?o)))""",
        2,
    ),
    "pick_clean_then_place_in_recep": (("cleanable", "isClean"), 3),
    "pick_heat_then_place_in_recep": (("heatable", "isHot"), 3),
    "pick_cool_then_place_in_recep": (("coolable", "isCool"), 3),
    "pick_two_obj_and_place": (
        """(exists (?r - receptacle) (exists (?o1 - object) (and (objectType ?o1 AppleType)
        (receptacleType ?r CabinetType) (inReceptacle ?o1 ?r) (exists (?o2 - object) (and
        (not (= ?o1 ?o2)) (objectType ?o2 AppleType) (receptacleType ?r CabinetType)
        (inReceptacle ?o2 ?r))))))""",
        2,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_goals(make_kitchen: Kitchen, kind: str) -> None:
    """Each goal holds exactly when its conditions do, whatever a random walk has done before."""
    goal, conditions = GOALS[kind]
    if isinstance(goal, tuple):
        able, done = goal
        goal = f"""(exists (?r - receptacle) (exists (?o - object) (and ({able} ?o)
            (objectType ?o AppleType) (receptacleType ?r CabinetType) ({done} ?o)
            (inReceptacle ?o ?r))))"""
    data = make_kitchen() if goal is None else make_kitchen(goal)
    game = read_game(json.dumps(data).encode(), kind)
    assert game.kind == kind
    engine, rng, wins = Engine(game), random.Random(1), 0
    shares = set()
    for _ in range(6000):
        engine.step(rng.choice(engine.admissible()))
        met, of = engine.conditions()
        assert of == conditions
        assert engine.won() == (met == of) == _holds(engine)
        shares.add(met)
        if engine.won():
            wins += 1
            engine.state = game.start
    assert wins
    assert shares == set(range(conditions + 1)) or kind == "pick_cool_then_place_in_recep"


def _holds(engine: Engine) -> bool:
    """The goal in words, read off names and masks."""
    game, state = engine.game, engine.state
    apples = [o for o, name in enumerate(game.objects) if name.startswith("apple")]
    cabinets = [r for r, name in enumerate(game.receptacles) if name.startswith("cabinet")]
    done = {
        "pick_clean_then_place_in_recep": state.clean,
        "pick_heat_then_place_in_recep": state.hot,
        "pick_cool_then_place_in_recep": state.cool,
    }.get(game.kind, -1)
    if game.kind == "look_at_obj_in_light":
        lamp, counter = game.object_of["desklamp 1"], game.receptacle_of["countertop 1"]
        on = state.toggled >> lamp & 1 and game.place[counter] == state.at
        return bool(on) and state.held in apples
    inside = [[o for o in apples if state.inside[r] >> o & done >> o & 1] for r in cabinets]
    return max(map(len, inside)) >= (2 if game.kind == "pick_two_obj_and_place" else 1)


def after(game: Game, *commands: str) -> Engine:
    engine = Engine(game)
    for command in commands:
        assert engine.step(command)[1], command
    return engine


def test_heat_and_cool_undo_each_other(game: Game) -> None:
    apple = 1 << game.object_of["apple 1"]
    assert game.start.cool & apple
    engine = after(
        game,
        "go to countertop 1",
        "take apple 1 from countertop 1",
        "go to microwave 1",
        "heat apple 1 with microwave 1",
    )
    assert (engine.state.hot & apple, engine.state.cool & apple) == (apple, 0)
    engine.step("go to fridge 1")
    engine.step("cool apple 1 with fridge 1")
    assert (engine.state.hot & apple, engine.state.cool & apple) == (0, apple)


def test_what_is_taken_lies_there_no_more_and_what_is_put_back_was_never_away(game: Game) -> None:
    knife = 1 << game.object_of["knife 1"]
    engine = after(game, "go to countertop 1", "take knife 1 from countertop 1")
    assert not engine.state.lying[engine.state.at] & knife
    engine.step("move knife 1 to countertop 1")
    assert engine.state == game.start._replace(at=engine.state.at)
    assert engine.step("look")[0].endswith("Next to it, you see nothing.")


def test_a_lamp_on_two_things_is_offered_once(make_kitchen: Kitchen) -> None:
    data = make_kitchen()
    also = "(:init (inReceptacle DeskLamp_bar__plus_01 Cabinet_bar__plus_02)"
    data["pddl_problem"] = str(data["pddl_problem"]).replace("(:init", also)
    engine = after(read_game(json.dumps(data).encode(), "kitchen"), "go to countertop 1")
    assert engine.admissible().count("use desklamp 1") == 1


def test_only_what_can_be_changed_is_wanted_changed(make_kitchen: Kitchen) -> None:
    data = make_kitchen(
        """(exists (?r - receptacle) (exists (?o - object) (and (cleanable ?o)
        (objectType ?o AppleType) (receptacleType ?r CabinetType) (isClean ?o)
        (inReceptacle ?o ?r))))"""
    )
    problem = str(data["pddl_problem"]).replace("(cleanable Apple_bar__plus_01)", "")
    game = read_game(json.dumps({**data, "pddl_problem": problem}).encode(), "kitchen")
    assert game.targets == 1 << game.objects.index("apple 1")  # Apple_bar__plus_02: numbers descend


def test_snapshots_are_exact(game: Game) -> None:
    engine, rng = Engine(game), random.Random(2)
    for _ in range(200):
        state = engine.state
        assert pickle.loads(pickle.dumps(state)) == state
        branch = [rng.choice(engine.admissible())]
        first = engine.step(branch[0]), engine.admissible(), engine.state
        engine.state = state
        assert (engine.step(branch[0]), engine.admissible(), engine.state) == first
    assert isinstance(engine.state, State)


def test_packing_is_exact(game: Game) -> None:
    assert Game.unpack(game.pack()) == game
    with pytest.raises(GameFileError, match="cache"):
        Game.unpack(game.pack()[:-5])
    with pytest.raises(GameFileError, match="cache"):
        Game.unpack(b"")


def broken(**changes: object) -> Callable[[dict[str, object]], object]:
    return lambda game: {**game, **changes}


def replaced(key: str, old: str, new: str) -> Callable[[dict[str, str]], object]:
    return lambda game: {**game, key: game[key].replace(old, new)}


def crowded(game: dict[str, str]) -> object:
    places = [f"loc_bar_{n}" for n in range(2000)]
    problem = game["pddl_problem"].replace("(:init", " ".join(places) + " - location) (:init")
    problem = problem.replace(")\n        " + " ".join(places), "\n" + " ".join(places))
    apples = " ".join(f"(objectAtLocation Apple_bar__plus_01 {place})" for place in places)
    return {**game, "pddl_problem": problem.replace("(:init", f"(:init {apples}")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda game: [game], "list, not an object"),
        (broken(pddl_domain=None), "'pddl_domain' is missing"),
        (broken(pddl_problem=7), "'pddl_problem' is a int"),
        (broken(grammar=""), "task sentence"),
        (broken(walkthrough="look"), "walkthrough"),
        (broken(walkthrough=[1]), "walkthrough"),
        (broken(pddl_problem=""), "objects, init and goal"),
        (broken(pddl_problem="(:goal (:init (:objects"), "objects, init and goal"),
        (replaced("pddl_domain", "isHot", "isWarm"), "reference"),
        (replaced("grammar", "You pick up", "You grab"), "reference"),
        (replaced("grammar", "put some apple", "{o.name}"), "task sentence"),
        (replaced("grammar", "put some apple", "\x1b[31mput"), "printable"),
        (replaced("pddl_problem", "Apple_bar", "\x9bApple_bar"), "printable"),
        (replaced("pddl_problem", "(define", "; \ud800\n(define"), "printable"),
        (replaced("pddl_domain", "(define", "; \ud800\n(define"), "printable"),
        (replaced("pddl_problem", "(:init", "(:init (" + "x" * 5000 + " a)"), "'xxx"),
        (crowded, "more than 1000"),
        (replaced("pddl_problem", "(atLocation agent1 loc_bar__middle)", ""), "0 locations"),
        (replaced("pddl_problem", "(:init", "(:init (atLocation agent1 nowhere)"), "'nowhere'"),
        (replaced("pddl_problem", "(:init", "(:init (holds agent1 x)"), "holds"),
        (replaced("pddl_problem", "(:init", "(:init (openable"), "plain facts"),
        (replaced("pddl_problem", "(:init",
                  "(:init (inReceptacle Apple_bar__plus_01 Cabinet_bar__plus_01)"), "fulfilled"),
        (replaced("pddl_problem", "(:init", "(:init stray"), "stray"),
        (replaced("pddl_problem", "(:init", "(:init (openable agent1)"), "'agent1'"),
        (replaced("pddl_problem", "CabinetType))))", "CabinetType)))) (extra)"), "six official"),
        (replaced("pddl_problem", "Apple_bar__plus_01 AppleType", "Mug_bar__plus_01 AppleType"),
         "two facts"),
    ],
)  # fmt: skip
def test_damaged_games_are_refused(
    make_kitchen: Kitchen, change: Callable[[dict[str, object]], object], words: str
) -> None:
    with pytest.raises(GameFileError, match=words) as error:
        read_game(json.dumps(change(make_kitchen())).encode(), "the/file.tw-pddl")
    assert "the/file.tw-pddl" in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "truncated"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 100_000, "deeply"),
        (b'{"a":' * 100_000, "deeply"),
        (b"1" * 5_000, "JSON"),
        (b" " * 5_000_000 + b"{}", "bytes"),
    ],
)
def test_hostile_bytes_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(GameFileError, match=words):
        read_game(data, "file")


def test_every_truncation_is_refused(kitchen_bytes: bytes) -> None:
    for end in range(0, len(kitchen_bytes), 97):
        with pytest.raises(GameFileError):
            read_game(kitchen_bytes[:end], "file")
