"""How good ALFWorld's experts and generated games are: ``python -m benchmarks.experts``.

The planner against the stored walkthroughs and against blind search, the explorer on the
evaluation splits, and the means of generated games beside the official ones. Needs the official
games, not upstream's engine. Blind search takes most of the time, some minutes.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import SPLITS, find_source
from act_envs.alfworld.game import Game, State
from act_envs.alfworld.generator import GeneratedGames
from act_envs.alfworld.planner import cost_to_go, plan
from act_envs.alfworld.store import GameStore
from benchmarks.blind_search import blind_search, off_path_states
from benchmarks.resemblance.alfworld import explore, resemblance
from benchmarks.script import call
from benchmarks.table import Row, publish

COMPARED = (": receptacles", ": objects", ": optimal plan", ": explorer steps")
"""Means that generated games share with the official ones of the same task type."""


@dataclass(frozen=True)
class Experts:
    """The planner, the explorer and the generator of ALFWorld."""

    data_dir: Path | None = None
    """Where the games lie, as for gym.make."""

    quick: bool = False
    """A sample of games and states."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        store = GameStore(find_source(self.data_dir))
        games = {s: [store.game(t.task_id) for t in store.tasks(s)] for s in SPLITS}
        rows = [*_plans(games, self.quick), *_explorer(store), *_generated(games, self.quick)]
        return publish("Experts and generated games: alfworld", rows, self.json)


def _plans(games: dict[str, list[Game]], quick: bool) -> Iterator[Row]:
    """The planner against the stored walkthroughs, and against blind search off the path."""
    played = [game for split in SPLITS for game in games[split]][:: 20 if quick else 1]
    same = sum(cost_to_go(game, game.start) == len(game.walkthrough) for game in played)
    name = f"starts of {len(played):,} games whose plan is as long as the walkthrough"
    yield Row(name, same, "", f">= {len(played)}")
    count = 30 if quick else 500
    states = off_path_states(played, count, random.Random(1), patience=8 if quick else 10)
    exact = sum(
        _wins_in(game, state, cost) and blind_search(game, state, cost - 1) is None
        for game, state, cost in states
    )
    name = f"{count} states off the path from which blind search finds nothing shorter"
    yield Row(name, exact, "", f">= {count}")


def _wins_in(game: Game, state: State, cost: int) -> bool:
    """Whether the plan has that length, and wins."""
    commands, engine = plan(game, state) or [], Engine(game)
    engine.state = state
    return all(engine.step(c)[1] for c in commands) and engine.won() and len(commands) == cost


def _explorer(store: GameStore) -> Iterator[Row]:
    """How often and how soon the explorer wins; games that it loses are named."""
    for split in SPLITS[1:]:
        games = {task.task_id: store.game(task.task_id) for task in store.tasks(split)}
        played = {task_id: explore(game) for task_id, game in games.items()}
        for task_id, (_, won) in played.items():
            if not won:
                print(f"the explorer does not win {task_id}", file=sys.stderr)
        wins = sum(won for _, won in played.values())
        best = fmean(len(game.walkthrough) for game in games.values())
        mean = fmean(steps for steps, _ in played.values())
        yield Row(f"explorer, {split}: wins within 50 steps", 100 * wins / len(games), "%", ">= 99")
        yield Row(f"explorer, {split}: mean steps (optimal: {best:.2f})", mean, "steps")


def _generated(games: dict[str, list[Game]], quick: bool) -> Iterator[Row]:
    """The mean of generated games that is farthest from the official one, of each split."""
    official = games["train"][:: 20 if quick else 1]
    generated = GeneratedGames(0, 60 if quick else 2000)
    for split in generated.splits:
        made = (generated.game(task.task_id) for task in generated.tasks(split))
        means = [row for row in resemblance(official, made) if row.name.endswith(COMPARED)]
        worst = max(means, key=lambda row: abs(row.generated / row.real - 1))
        yield Row(
            f"generated {split}: mean farthest from official train ({worst.name}: "
            f"{worst.generated:.3g} for {worst.real:.3g})",
            100 * abs(worst.generated / worst.real - 1),
            "%",
            "" if quick else "<= 15",
        )


if __name__ == "__main__":
    sys.exit(call(Experts))
