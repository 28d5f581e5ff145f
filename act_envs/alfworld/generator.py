"""Generated ALFWorld games: a pure function of a seed, a split and an index.

Every game can be won by construction: what a task needs is in its room, and the planner's optimal
walkthrough is stored with it. Games are written as the official ones are, so TextWorld plays them
too. They resemble the official train games (``python -m benchmarks.parity alfworld`` tells how
far), and are none of them.

What is held out, and from which split, whatever the seed:

- ``train`` and ``seen`` are played in the same rooms, with other things in other places, but
  never the same task (kind, object, target) in the same room: one such task in six is
  ``seen``'s, the others are ``train``'s.
- ``unseen`` is played in rooms of its own. Each of its tasks (kind, object, target) is one of
  those that ``train`` and ``seen`` never have in any room (``outline.is_held_out_task``).
- Only in ``unseen`` do some types of objects start in some types of receptacles, none of them a
  usual place (``outline.is_held_out_place``).

Task ids are ``<folder of the split>/<task>-<room>/trial_G<seed>_<split>_<index>``, which is also
where :func:`act_envs.alfworld.export.write_games` puts the game. No official id looks like that:
official rooms have numbers up to 430, official trials are named ``trial_T<date>``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from act_envs.alfworld.chance import Chance
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.contents import furnish
from act_envs.alfworld.game import Game
from act_envs.alfworld.gamefile import SENTENCES, Scene, domain, grammar, problem
from act_envs.alfworld.outline import LOOK, SPLITS, VERSION, Outline, check_number, outline
from act_envs.alfworld.planner import plan
from act_envs.alfworld.rooms import new_location
from act_envs.errors import UnknownArgument, UnknownTask
from act_envs.types import Task

FOLDERS: dict[str, str] = {"train": "train", "seen": "valid_seen", "unseen": "valid_unseen"}
"""The folders that the official layout has for the like of each split."""

_TRIAL = re.compile(r"[a-z_]+/[A-Za-z_-]+-\d{4}/trial_G(\d{1,18})_([a-z]+)_(\d{6,18})")


@dataclass(frozen=True, slots=True)
class GeneratedGame:
    """One game.

    Attributes:
        task_id: its name for good.
        kind: one of the six task types.
        data: the contents of ``game.tw-pddl``.
        trajectory: the contents of ``traj_data.json``, as far as ALFWorld's text games read it.
    """

    task_id: str
    kind: str
    data: dict[str, Any]
    trajectory: dict[str, Any]

    def compile(self) -> Game:
        """The game, ready for the engine."""
        return read_game(json.dumps(self.data).encode(), self.task_id)


class GeneratedGames:
    """The first games of every split, each made when it is asked for.

    Args:
        seed: which games.
        games: how many each split has.

    Raises:
        UnknownArgument: the seed or the number of games is not one.
    """

    splits: tuple[str, ...] = SPLITS

    def __init__(self, seed: int = 0, games: int = 1000) -> None:
        check_number("seed", seed)
        if type(games) is not int or not 1 <= games <= 1_000_000:
            raise UnknownArgument(f"games must be from 1 to 1,000,000, not {games!r:.80}.")
        self._seed, self._games = seed, games

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split, by index."""
        return _tasks(self._seed, split, self._games)

    def task(self, task_id: str) -> Task:
        """The task of that name.

        Raises:
            UnknownTask: there is none among these games.
        """
        found = _TRIAL.fullmatch(task_id)
        if found and int(found[1]) == self._seed and found[2] in SPLITS:
            split, index = found[2], int(found[3])
            if index < self._games and (task := _task(self._seed, split, index)).task_id == task_id:
                return task
        raise UnknownTask(
            f"unknown task {task_id!r:.200}. These games have seed {self._seed} and indices up to "
            f"{self._games - 1}, for example {_task(self._seed, 'train', 0).task_id!r}."
        )

    def game(self, task_id: str) -> Game:
        """The compiled game of a task, without walkthrough.

        Raises:
            UnknownTask: there is none among these games.
        """
        split, index = self.task(task_id).split, int(task_id.rpartition("_")[2])
        return _compiled(self._seed, split, index)


def generate(seed: int, split: str, index: int) -> GeneratedGame:
    """The game of a seed, a split and an index: the same bytes wherever it is made.

    Args:
        seed: 0 or more; other seeds give other games.
        split: ``"train"``, ``"seen"`` or ``"unseen"``.
        index: 0 or more.

    Raises:
        UnknownArgument: seed or index is no whole number of 0 or more.
        UnknownSplit: there is no such split.
    """
    game = _write(seed, split, index)
    compiled = game.compile()
    walkthrough = plan(compiled, compiled.start)
    assert walkthrough, f"{game.task_id} cannot be won"
    return replace(game, data={**game.data, "walkthrough": list(walkthrough)})


@functools.lru_cache(maxsize=256)
def _compiled(seed: int, split: str, index: int) -> Game:
    return _write(seed, split, index).compile()


def _write(seed: int, split: str, index: int) -> GeneratedGame:
    """The game without walkthrough."""
    task = outline(seed, split, index)
    kind, thing, target, room = task
    chance = Chance("things", VERSION, seed, split, index)
    taken = {r.name for r in room.receptacles} | {r.location for r in room.receptacles}
    start = new_location(chance, taken)
    sentence = chance.pick(SENTENCES[kind]).format(thing=thing.lower(), target=target.lower())
    trial = _trial(seed, split, index)
    things = furnish(chance, split, task, taken)
    scene = Scene(trial, kind, thing, target, sentence, start, room.receptacles, things)
    return GeneratedGame(
        task_id=_task_id(split, task, trial),
        kind=kind,
        data={
            "pddl_domain": domain(),
            "grammar": grammar(sentence),
            "pddl_problem": problem(scene),
            "solvable": True,
            "walkthrough": [],
        },
        trajectory={
            "task_id": trial,
            "task_type": kind,
            "pddl_params": {
                "object_target": thing,
                "parent_target": "" if kind == LOOK else target,
                "mrecep_target": "",
                "toggle_target": target if kind == LOOK else "",
                "object_sliced": False,
            },
            "scene": {"floor_plan": f"FloorPlan{room.number}", "scene_num": room.number},
        },
    )


def _task(seed: int, split: str, index: int) -> Task:
    """A task, without making its game."""
    task = outline(seed, split, index)
    return Task(_task_id(split, task, _trial(seed, split, index)), split, task.kind)


@functools.lru_cache(maxsize=8)
def _tasks(seed: int, split: str, games: int) -> tuple[Task, ...]:
    return tuple(_task(seed, split, index) for index in range(games))


def _task_id(split: str, task: Outline, trial: str) -> str:
    kind, thing, target, room = task
    return f"{FOLDERS[split]}/{kind}-{thing}-None-{target}-{room.number}/{trial}"


def _trial(seed: int, split: str, index: int) -> str:
    return f"trial_G{seed}_{split}_{index:06d}"
