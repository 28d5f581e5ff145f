"""Other worlds that the agent may be in: what it has not seen, put where it might be as well.

An action can only be judged fairly by what could be known: to look into the wrong drawer first is
no mistake. So judge it in many worlds that all agree with what the agent has read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import Game, State, bits
from act_envs.alfworld.planner import cost_to_go

_TRIES = 20  # draws until one agrees with the transcript; nearly always the first does


def sample(
    game: Game,
    dialect: str,
    turns: Sequence[tuple[str, str]],
    viewed: Collection[str],
    holds: Callable[[str, str], float],
    rng: random.Random,
) -> State:
    """The state of a world in which the same actions are answered in the same words.

    Each object that was never seen is drawn a place of its own among the receptacles that it fits
    into and that were never looked into. Which objects there are, and what is closed, stays.

    Args:
        game: the game, of which the true world is the start.
        dialect: that of the actions.
        turns: all actions so far and their answers.
        viewed: names of the receptacles whose content was seen.
        holds: how likely a receptacle of the first type holds an object of the second.
        rng: draws the places.

    Returns:
        Its state now. In it the task can be done, and is not done yet.
    """
    hidden = [r for r, name in enumerate(game.receptacles) if name not in viewed]
    for _ in range(_TRIES):
        engine = Engine(game, dialect)
        engine.state = _scattered(game, hidden, holds, rng)
        agrees = all(engine.step(action)[0] == answer for action, answer in turns)
        if agrees and cost_to_go(game, engine.state):
            return engine.state
    engine = Engine(game, dialect)  # at least this one is possible
    for action, _ in turns:
        engine.step(action)
    return engine.state


def _scattered(
    game: Game, hidden: Sequence[int], holds: Callable[[str, str], float], rng: random.Random
) -> State:
    """The start, with what is in hidden receptacles drawn places among them."""
    inside, lying = [*game.start.inside], [*game.start.lying]
    weights: dict[tuple[str, int], list[float]] = {}  # by type, and mask of places
    for r in hidden:
        for o in bits(game.start.inside[r] & game.pickupable):
            places = [other for other in hidden if game.fits[other] >> o & 1]
            if sum(mask >> o & 1 for mask in game.start.inside) > 1 or not places:
                continue  # listed in two receptacles, or put where it does not belong
            key = game.object_types[o], sum(1 << other for other in places)
            if (known := weights.get(key)) is None:
                known = [holds(game.receptacle_types[other], key[0]) for other in places]
                weights[key] = known
            (there,) = rng.choices(places, known)
            inside[r] &= ~(1 << o)
            inside[there] |= 1 << o
            lying[game.place[r]] &= ~(1 << o)
            lying[game.place[there]] |= 1 << o
    return game.start._replace(inside=tuple(inside), lying=tuple(lying))
