"""Whether our engines say what the originals say: ``python -m benchmarks.parity alfworld``.

For ``scienceworld`` see :mod:`benchmarks.parity_scienceworld`, for ``webshop``
:mod:`benchmarks.parity_webshop`; the rest of this module is ALFWorld.

Every compared step is one of upstream's own TextWorld (:mod:`act_envs.alfworld.stock`), so a full
run takes most of an hour on one core; ``--quick`` is a sample. The commands come from
:class:`benchmarks.busy.Busy`, which listens to upstream.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import KINDS, SPLITS, find_source, read_games
from act_envs.alfworld.game import Game, bits, classic
from act_envs.alfworld.generator import GeneratedGames
from act_envs.alfworld.stock import Stock
from act_envs.alfworld.store import GameStore
from act_envs.progress import Progress
from act_envs.types import Task
from benchmarks.busy import Busy
from benchmarks.resemblance.alfworld import resemblance
from benchmarks.script import call
from benchmarks.table import Row, publish

GAMES, CLASSIC_GAMES, STEPS = 300, 60, 50
QUICK_GAMES, QUICK_STEPS = 6, 15
COUNTED = ("slice", "heat", "cool", "clean", "use", "examine", "open", "close")
TWO = "states with two objects of a pick-two goal in place"
SHOWN = 5  # games whose differences are printed


@dataclass(frozen=True)
class Parity:
    """Native engines against the originals, step by step."""

    env: tyro.conf.Positional[Literal["alfworld", "scienceworld", "webshop"]]
    """Which environment."""

    data_dir: Path | None = None
    """Where the data of ALFWorld or WebShop lie, as for gym.make."""

    quick: bool = False
    """A sample of games."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows = {
            "alfworld": self._alfworld,
            "scienceworld": self._scienceworld,
            "webshop": self._webshop,
        }[self.env]()
        return publish(f"Parity: {self.env}", rows, self.json)

    def _alfworld(self) -> list[Row]:
        store = GameStore(find_source(self.data_dir))
        rows = [*_walkthroughs(store, self.quick), *_side_by_side(store, self.quick)]
        return rows + _generated(store, self.quick)

    def _scienceworld(self) -> list[Row]:
        from benchmarks import parity_scienceworld

        return parity_scienceworld.rows(self.quick)

    def _webshop(self) -> list[Row]:
        from benchmarks import parity_webshop

        return parity_webshop.rows(self.quick, self.data_dir)


# -- side by side ---------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was compared, and what differed.

    Attributes:
        games: games compared.
        counts: compared steps by verb; refused ones are ``"refused"``.
        differences: for each, in words, with the commands that led there.
    """

    games: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Compared steps."""
        return self.counts.total() - self.counts[TWO]


def play_both(
    tally: Tally, raw: Mapping[str, Any], game: Game, name: str, dialect: str, steps: int
) -> None:
    """Play one game on both engines, and note every difference.

    Compared are the intro; and after every command the answer, whether the command was one, the
    sorted admissible commands, whether the game is won, and the score.

    Args:
        tally: grows by this game.
        raw: the game's file, for upstream.
        game: the same game, compiled.
        name: its task id; decides the commands too.
        dialect: ``"modern"`` or ``"classic"``.
        steps: commands to give.
    """
    theirs, ours = Stock(raw, dialect), Engine(game, dialect)
    plan = [classic(c) if dialect == "classic" else c for c in game.walkthrough]
    two = game.kind == "pick_two_obj_and_place"
    busy = Busy(name, plan, plan_first=two or random.Random(name).random() < 0.5)
    said: list[str] = []

    def compare(what: str, mine: object, original: object) -> None:
        if mine != original:
            tally.differences.append(
                f"{name} ({dialect}), {what} after {said}:\n  ours:     {mine!r}\n"
                f"  upstream: {original!r}"
            )

    tally.games += 1
    compare("intro", ours.intro(), theirs.intro)
    compare("admissible", ours.admissible(), theirs.admissible)
    for _ in range(steps):
        command = busy.choose(theirs.admissible)
        said.append(command)
        answer, valid = ours.step(command)
        compare("answer", answer, theirs.step(command))
        compare("validity", valid, theirs.valid)
        compare("admissible", ours.admissible(), theirs.admissible)
        compare("won", ours.won(), theirs.won)
        compare("score", int(ours.won()), theirs.score)
        tally.counts[command.split()[0] if theirs.valid else "refused"] += 1
        tally.counts[TWO] += two and _in_place(ours) > 1
    theirs.close()


def sample(tasks: Iterable[Task], count: int, seed: int) -> list[Task]:
    """That many tasks, as many of each kind, in a mixed order; the same for the same seed."""
    rng = random.Random(seed)
    by_kind: dict[str, list[Task]] = {kind: [] for kind in KINDS}
    for task in tasks:
        by_kind[task.kind].append(task)
    drawn = [
        task
        for same in by_kind.values()
        for task in rng.sample(sorted(same, key=lambda t: t.task_id), count // len(KINDS))
    ]
    rng.shuffle(drawn)
    return drawn


def read_files(source: Path, wanted: set[str]) -> dict[str, bytes]:
    """The files of some games, in one pass: an archive can only be read through."""
    return {task_id: data for task_id, data in read_games(source) if task_id in wanted}


def _in_place(engine: Engine) -> int:
    """How many objects of the goal lie where the goal wants them."""
    game, inside = engine.game, engine.state.inside
    return sum((inside[r] & game.targets).bit_count() for r in bits(game.goal_receptacles))


def _side_by_side(store: GameStore, quick: bool) -> list[Row]:
    tasks = [task for split in SPLITS for task in store.tasks(split)]
    tallies, steps = {}, QUICK_STEPS if quick else STEPS
    for seed, (dialect, count) in enumerate((("modern", GAMES), ("classic", CLASSIC_GAMES))):
        drawn = sample(tasks, QUICK_GAMES if quick else count, seed)
        files = read_files(store.source, {task.task_id for task in drawn})
        tally = tallies[dialect] = Tally()
        with Progress(f"games beside upstream, {dialect}", len(drawn)) as progress:
            for task in drawn:
                raw = json.loads(files[task.task_id])
                play_both(tally, raw, store.game(task.task_id), task.task_id, dialect, steps)
                progress.advance()
        for difference in tally.differences[:SHOWN]:
            print(difference, file=sys.stderr)
    modern = tallies["modern"]

    def row(name: str, value: int, unit: str, target: str) -> Row:
        return Row(name, value, unit, "" if quick else target)

    return [
        row("games beside upstream", modern.games, "games", f">= {GAMES}"),
        row("steps beside upstream", modern.steps, "steps", f">= {GAMES * STEPS}"),
        Row("differences", len(modern.differences), "", "<= 0"),
        *(row(f"steps: {verb}", modern.counts[verb], "steps", ">= 200") for verb in COUNTED),
        Row("steps: refused text", modern.counts["refused"], "steps"),
        row(TWO, modern.counts[TWO], "states", ">= 200"),
        row("classic games beside upstream", tallies["classic"].games, "games", ">= 50"),
        Row("classic steps beside upstream", tallies["classic"].steps, "steps"),
        Row("classic differences", len(tallies["classic"].differences), "", "<= 0"),
    ]


# -- walkthroughs ---------------------------------------------------------------------------------


def wins(game: Game) -> bool:
    """Whether every command of the stored walkthrough is admissible and the last one wins."""
    engine = Engine(game)
    took = all(engine.step(command)[1] for command in game.walkthrough)
    return took and bool(game.walkthrough) and engine.won()


def _walkthroughs(store: GameStore, quick: bool) -> list[Row]:
    tasks = [task for split in SPLITS for task in store.tasks(split)][:: 20 if quick else 1]
    won = sum(wins(store.game(task.task_id)) for task in tasks)
    return [Row(f"walkthroughs of {len(tasks):,} games that win", won, "", f">= {len(tasks)}")]


# -- generated games ------------------------------------------------------------------------------


def _generated(store: GameStore, quick: bool) -> list[Row]:
    """Statistics of the generated train split beside those of the official one."""
    count = 60 if quick else 1000
    generated = GeneratedGames(0, count)
    real = random.Random(0).sample(store.tasks("train"), count)
    measures = resemblance(
        (store.game(task.task_id) for task in real),
        (generated.game(task.task_id) for task in generated.tasks("train")),
    )
    return [
        Row(f"generated games: {name} (official: {official:.3g})", made, "")
        for name, official, made in measures
    ]


if __name__ == "__main__":
    sys.exit(call(Parity))
