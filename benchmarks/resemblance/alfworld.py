"""How much generated games resemble official ones: the same measures of both, by task type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.explorer import Explorer
from act_envs.alfworld.game import KINDS, Game
from act_envs.alfworld.planner import plan
from benchmarks.resemblance import Compared

STEPS = 50  # of the explorer, ALFWorld's usual limit


def resemblance(real: Iterable[Game], generated: Iterable[Game]) -> list[Compared]:
    """Compare two collections of games.

    Args:
        real: official games.
        generated: generated ones.

    Returns:
        For each task type its share of the games, and means over its games: receptacles,
        locations with receptacles, objects, objects in receptacles, length of an optimal plan,
        steps of the explorer (``STEPS`` where it does not win) and its rate of wins.
    """
    ours, theirs = _measure(real), _measure(generated)
    return [Compared(name, ours[name], theirs[name]) for name in ours if name in theirs]


def _measure(games: Iterable[Game]) -> dict[str, float]:
    measured: dict[str, list[dict[str, float]]] = defaultdict(list)
    for game in games:
        measured[game.kind].append(_of_game(game))
    total = sum(map(len, measured.values()))
    means: dict[str, float] = {}
    for kind in KINDS:
        if of_kind := measured.get(kind):
            means[f"{kind}: share of games"] = len(of_kind) / total
            for name in of_kind[0]:
                means[f"{kind}: {name}"] = fmean(each[name] for each in of_kind)
    return means


def _of_game(game: Game) -> dict[str, float]:
    steps, won = explore(game)
    placed = 0
    for inside in game.start.inside:
        placed |= inside
    return {
        "receptacles": len(game.receptacles),
        "locations with receptacles": len(set(game.place)),
        "objects": len(game.objects),
        "objects in receptacles": placed.bit_count(),
        "optimal plan": len(game.walkthrough or plan(game, game.start) or ()),
        "explorer steps": steps,
        "explorer wins": float(won),
    }


def explore(game: Game) -> tuple[int, bool]:
    """How many steps the explorer takes in a game (``STEPS`` at most), and whether it wins."""
    engine = Engine(game)
    explorer = Explorer(engine.intro())
    for step in range(1, STEPS + 1):
        action = explorer.act()
        if action is None:
            break
        explorer.observe(action, engine.step(action)[0])
        if engine.won():
            return step, True
    return STEPS, False
