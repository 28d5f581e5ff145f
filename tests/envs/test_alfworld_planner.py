"""The planner is compared with blind search over the engine's own states, which prunes nothing.

Small random games, odder than any official one, and real games off the path. What runs here is a
sample: ``check_odd`` takes larger counts, and then searches every game to its end, and
``python -m benchmarks.experts`` compares 500 states off the path.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import find_source, read_games
from act_envs.alfworld.game import KINDS, Game, State
from act_envs.alfworld.planner import cost_to_go, plan
from benchmarks.blind_search import blind_search, off_path, off_path_states


def check_plan(game: Game, state: State) -> int | None:
    """Replay the plan from a state; returns its length."""
    commands, cost = plan(game, state), cost_to_go(game, state)
    if commands is None:
        assert cost is None
        return None
    assert len(commands) == cost
    engine = Engine(game)
    engine.state = state
    for command in commands:
        assert not engine.won(), "the plan goes on after a win"
        assert engine.step(command)[1], f"{command!r} is not admissible"
    assert engine.won()
    return cost


def odd_game(rng: random.Random) -> Game:
    """A small game in the middle of play, with what official games never have.

    Objects in several receptacles or in none, also while held; goals without receptacle, tool or
    lamp; lamps to carry; things that cannot be picked up or put down anywhere.
    """

    def mask(things: int, chance: float) -> int:
        return sum(1 << n for n in range(things) if rng.random() < chance)

    kind = rng.choice(KINDS)
    places, receptacles, objects = rng.randint(2, 4), rng.randint(2, 4), rng.randint(2, 3)
    inside = [0] * receptacles
    for o in range(objects):
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2))):
            inside[rng.randrange(receptacles)] |= 1 << o
    openable = mask(receptacles, rng.choice((0.3, 0.6, 1)))
    targets, hot = mask(objects, 0.8), mask(objects, 0.1)
    lamps = mask(objects, 0.5) if kind == "look_at_obj_in_light" else 0
    # Heat and cool undo each other; what cleans is left out where it only adds states.
    tools = mask(receptacles, 0.4), mask(receptacles, 0.4)
    fit = rng.choice((0.7, 1))
    clean = kind == "pick_clean_then_place_in_recep"
    start = State(
        at=rng.randrange(places),
        held=rng.choice((-1, *range(objects))),
        opened=openable & mask(receptacles, 0.4),
        inside=tuple(inside),
        lying=(0,) * places,
        clean=mask(objects, 0.1),
        hot=hot,
        cool=~hot & mask(objects, 0.1),
        sliced=0,
        toggled=lamps & mask(objects, 0.2),
        left=(0,) * receptacles,
    )
    return Game(
        kind=kind,
        goal="win.",
        walkthrough=(),
        receptacles=tuple(f"cabinet {r}" for r in range(receptacles)),
        receptacle_types=("cabinet",) * receptacles,
        place=tuple(rng.randrange(places) for _ in range(receptacles)),
        locations=tuple(f"loc {place}" for place in range(places)),
        objects=tuple(f"apple {o}" for o in range(objects)),
        object_types=("apple",) * objects,
        openable=openable,
        sinks=tools[0] if clean else 0,
        microwaves=0 if clean else tools[0],
        fridges=0 if clean else tools[1],
        pickupable=mask(objects, 0.9),
        cleanable=targets,
        heatable=targets,
        coolable=targets,
        sliceable=0,
        toggleable=lamps,
        containers=0,
        knives=0,
        fits=tuple(mask(objects, fit) for _ in range(receptacles)),
        nested=(0,) * objects,
        targets=targets,
        goal_receptacles=mask(receptacles, rng.choice((0.4, 0.9))),
        lamps=lamps,
        content="",
        start=start,
    )


def check_odd(count: int, rng: random.Random, deepest: int = 99) -> list[int | None]:
    """Compare the planner with blind search on odd games; returns the costs.

    Args:
        count: how many games.
        rng: what makes them.
        deepest: how far to look for a win where the planner finds none.
    """
    costs = []
    for number in range(count):
        game = odd_game(rng)
        cost = check_plan(game, game.start)
        found = blind_search(game, game.start, deepest if cost is None else cost)
        assert cost == found, f"game {number}: {game}"
        costs.append(cost)
    return costs


def test_plans_of_odd_games_are_as_short_as_blind_search_finds() -> None:
    costs = check_odd(1000, random.Random(3), deepest=4)
    # The comparison would be worth little if every game were easy, or few could be won.
    found = [cost for cost in costs if cost is not None]
    assert set(range(8)) <= set(found)
    assert 600 < len(found) < 1000


@pytest.fixture(scope="module")
def official(alfworld_data: Path) -> list[Game]:
    found = read_games(find_source(alfworld_data), ["valid_unseen"])
    return [read_game(data, task_id) for task_id, data in found]


def test_official_plans_are_as_long_as_the_stored_ones(official: list[Game]) -> None:
    # So it is in all 3,827, which take twelve seconds to read.
    for game in official:
        assert check_plan(game, game.start) == len(game.walkthrough)


def test_plans_off_the_path_are_as_short_as_blind_search_finds(official: list[Game]) -> None:
    costs = set()
    for game, state, cost in off_path_states(official, 36, random.Random(1), patience=8):
        # The plan is replayed, so it is enough that nothing shorter wins.
        assert check_plan(game, state) == cost
        assert blind_search(game, state, cost - 1) is None, f"{game.goal} {state}"
        costs.add(cost)
    assert {3, 4, 5} <= costs


def test_what_cannot_be_won_is_held_for_good(official: list[Game]) -> None:
    """On real games the planner gives up only where the thing in the hand fits nowhere."""
    rng, given_up = random.Random(2), 0
    for game in official * 4:
        state = off_path(game, 21, rng)
        if cost_to_go(game, state) is None:
            assert not any(fits >> state.held & 1 for fits in game.fits)
            given_up += 1
    assert given_up
