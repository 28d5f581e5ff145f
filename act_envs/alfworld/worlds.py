"""Other worlds that the agent may be in: what it has not seen, put where it might be as well.

An action can only be judged fairly by what could be known: to look into the wrong drawer first is
no mistake. So judge it in many worlds that all agree with what the agent has read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Sequence

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import Game, State, bits
from act_envs.alfworld.planner import cost_to_go

_TAKEN = re.compile(r"You pick up the (\w+ \d+) from ")
_NEVER = 1e-3  # of a chance: no receptacle of the type ever held an object of the other
_TRIES = 20  # draws until one agrees with the transcript; nearly always the first does


def sample(
    game: Game,
    here: State,
    dialect: str,
    turns: Sequence[tuple[str, str]],
    viewed: Collection[str],
    holds: Callable[[str, str], float],
    rng: random.Random,
) -> State:
    """The state of a world in which the same actions are answered in the same words.

    Each object that can be carried, and each lamp that the goal is about, is drawn a place of its
    own where it was never seen: among the receptacles that it fits into and that were never looked
    into. Which objects there are, and what is closed, stays.

    Args:
        game: the game.
        here: its true state now.
        dialect: that of the actions.
        turns: all actions so far and their answers.
        viewed: names of the receptacles whose content was seen.
        holds: how likely a receptacle of the first type holds an object of the second.
        rng: draws the places.

    Returns:
        Its state now. In it the task is not done yet, and can be done if it can be done here. The
        true state where none of ``_TRIES`` draws agrees, which is rare.
    """
    hidden = [r for r, name in enumerate(game.receptacles) if name not in viewed]
    # What was taken from where nothing was read is known all the same.
    told = {found[1] for _, answer in turns if (found := _TAKEN.match(answer))}
    known = sum(1 << o for o, name in enumerate(game.objects) if name in told)
    stuck = cost_to_go(game, here) is None
    for _ in range(_TRIES):
        engine = Engine(game, dialect)
        engine.state = _scattered(game, hidden, known, holds, rng)
        agrees = all(engine.step(action)[0] == answer for action, answer in turns)
        cost = cost_to_go(game, engine.state) if agrees else 0
        if cost or (cost is None and stuck):
            return engine.state
    return here  # at least this one is possible


def _scattered(
    game: Game,
    hidden: Sequence[int],
    fixed: int,
    holds: Callable[[str, str], float],
    rng: random.Random,
) -> State:
    """The start, with what is hidden and not ``fixed`` drawn places among what is hidden."""
    inside, lying = [*game.start.inside], [*game.start.lying]
    weights: dict[tuple[str, int], list[float]] = {}  # by type, and mask of places
    for r in hidden:
        for o in bits(game.start.inside[r] & (game.pickupable | game.lamps) & ~fixed):
            if game.pickupable >> o & 1:
                places = [other for other in hidden if game.fits[other] >> o & 1]
            else:  # a lamp: nothing says where it fits, so where lamps of its type were ever seen
                places = [
                    other
                    for other in hidden
                    if holds(game.receptacle_types[other], game.object_types[o]) > _NEVER
                ]
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
