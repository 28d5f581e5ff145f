"""Writing generated games to disk in the official layout, and ``act-envs generate alfworld``."""
# ruff: noqa: T201

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_envs.alfworld.generator import generate
from act_envs.alfworld.outline import SPLITS
from act_envs.errors import UnknownArgument, UnknownSplit, nearest
from act_envs.progress import Progress


def write_games(
    out: Path,
    seed: int,
    games: Mapping[str, int],
    done: Callable[[], object] = lambda: None,
) -> int:
    """Write the first games of some splits as ``out/<task id>/{game.tw-pddl,traj_data.json}``.

    Interrupted and started again it goes on where it was, and ends with the same bytes: a file
    appears whole or not at all, one that is there and right is left alone, one that differs is
    replaced. Other files in ``out`` are not touched.

    Args:
        out: folder to write into; made where it is missing.
        seed: which games.
        games: how many of each split.
        done: called after each game.

    Returns:
        How many games were not there before, or not as they should be.

    Raises:
        UnknownSplit: there is no such split.
        UnknownArgument: a number is negative.
    """
    for split, count in games.items():
        if split not in SPLITS:
            raise UnknownSplit(f"unknown split {split!r}. {nearest(split, SPLITS)}")
        if count < 0:
            raise UnknownArgument(f"{split}: {count} games. Give 0 or more.")
    written = 0
    for split, count in games.items():
        for index in range(count):
            game = generate(seed, split, index)
            folder = out / game.task_id
            # The game last: where there is one, its folder is complete.
            changed = _put(folder / "traj_data.json", game.trajectory)
            changed |= _put(folder / "game.tw-pddl", game.data)
            written += changed
            done()
    return written


@dataclass(frozen=True)
class Generate:
    """Write generated ALFWorld games in the official layout, for ACT and for TextWorld."""

    out: Path
    """Folder to write into, for example json_2.1.1 in the folder that ALFWORLD_DATA names."""

    seed: int = 0
    """Which games."""

    games: int = 100
    """How many of each split."""

    splits: tuple[str, ...] = SPLITS
    """Splits to write. Their folders have the official names: train, valid_seen, valid_unseen."""

    def __call__(self) -> int:
        games = dict.fromkeys(self.splits, self.games)
        total = sum(games.values())
        with Progress(f"games in {self.out}", total) as progress:
            written = write_games(self.out, self.seed, games, progress.advance)
        print(f"{total:,} games in {self.out}, {written:,} of them written now")
        return 0


def _put(path: Path, value: Mapping[str, Any]) -> bool:
    """Write a JSON file unless it is there already; whether it was written."""
    content = json.dumps(value).encode()
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return True
