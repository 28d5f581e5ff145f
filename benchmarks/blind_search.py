"""Blind search over the engine's own states, which prunes nothing: what the planner must equal."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import KINDS, Game, State
from act_envs.alfworld.planner import cost_to_go

IDLE = ("look", "inventory", "help", "examine")


def blind_search(game: Game, state: State, deepest: int = 99) -> int | None:
    """Commands that a win takes, None if no ``deepest`` suffice. Breadth first, by the engine."""
    engine = Engine(game)
    engine.state = state
    if engine.won():
        return 0
    seen, frontier = {_essence(state)}, [state]
    for depth in range(1, deepest + 1):
        reached = []
        for before in frontier:
            engine.state = before
            for command in engine.admissible():
                if command.startswith(IDLE):
                    continue
                engine.state = before
                engine.step(command)
                essence = _essence(engine.state)
                if essence not in seen:
                    if engine.won():
                        return depth
                    seen.add(essence)
                    reached.append(engine.state)
        frontier = reached
    return None


def _essence(state: State) -> tuple[object, ...]:
    """A state without ``lying``, ``sliced`` and ``left``: only slicing and ``look`` read them."""
    return (*state[:4], *state[5:8], state.toggled)


def off_path(game: Game, steps: int, rng: random.Random) -> State:
    """Where a random walk leads that likes to handle things more than to go about."""
    engine = Engine(game)
    for _ in range(steps):
        commands = [c for c in engine.admissible() if not c.startswith(IDLE)]
        deeds = [c for c in commands if not c.startswith(("go", "close"))]
        engine.step(rng.choice(deeds if deeds and rng.random() < 0.6 else commands))
    return engine.state


def off_path_states(
    games: Sequence[Game], count: int, rng: random.Random, patience: int = 10
) -> Iterator[tuple[Game, State, int]]:
    """States of random walks through games that blind search can check, and the planner's costs.

    Kinds, and full and empty hands, take turns. Where the plan is long and the room large, blind
    search would take minutes: such states are passed over, as are those that cannot be won.

    Args:
        games: to choose from.
        count: how many states.
        rng: what chooses.
        patience: length of the plans that are compared in a tiny room; the larger the room, the
            shorter. With 10, blind search takes half a second a state, with 8 a tenth of that.
    """
    found = 0
    while found < count:
        kind, full = KINDS[found % 6], found // 6 % 2 == 1
        game = rng.choice([game for game in games if game.kind == kind])
        state = off_path(game, rng.choice((1, 2, 3, 5, 8, 13, 21, 34)), rng)
        cost = cost_to_go(game, state)
        if cost and (state.held >= 0) == full and cost <= patience - len(game.here) // 8:
            found += 1
            yield game, state, cost
