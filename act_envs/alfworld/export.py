"""Writing generated games to disk in the official layout, and ``act-envs generate alfworld``."""
# ruff: noqa: T201

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from act_envs.alfworld.generator import FOLDERS, generate
from act_envs.alfworld.outline import SPLITS
from act_envs.assets import given_path
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
    replaced. Other files in ``out`` are not touched. Several may write there at once.

    Args:
        out: folder to write into; made where it is missing.
        seed: which games.
        games: how many of each split.
        done: called after each game.

    Returns:
        How many games were not there before, or not as they should be.

    Raises:
        UnknownSplit: there is no such split.
        UnknownArgument: a number is negative, ``out`` holds official games, or it cannot be
            written.
    """
    for split, count in games.items():
        if split not in SPLITS:
            raise UnknownSplit(f"unknown split {split!r}. {nearest(split, SPLITS)}")
        if count < 0:
            raise UnknownArgument(f"{split}: {count} games. Give 0 or more.")
    for name in FOLDERS.values():
        if official := next((out / name).glob("*/trial_T*"), None):
            raise UnknownArgument(
                f"{out} holds official games ({official}); generated ones are not mixed with them. "
                "Choose another folder."
            )
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

    out: Annotated[str | Path, tyro.conf.arg(metavar="PATH")]
    """Folder to write into, for example json_2.1.1 in the folder that ALFWORLD_DATA names."""

    seed: int = 0
    """Which games."""

    games: int = 100
    """How many of each split."""

    splits: tuple[str, ...] = SPLITS
    """Splits to write. Their folders have the official names: train, valid_seen, valid_unseen."""

    def __call__(self) -> int:
        out = given_path(self.out, "--out")
        games = dict.fromkeys(self.splits, self.games)
        total = sum(games.values())
        with Progress(f"games in {out}", total) as progress:
            written = write_games(out, self.seed, games, progress.advance)
        print(f"{total:,} games in {out}, {written:,} of them written now")
        return 0


def _put(path: Path, value: Mapping[str, Any]) -> bool:
    """Write a JSON file unless it is there already; whether it was written."""
    content = json.dumps(value).encode()
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        if path.exists() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            # Where another run has taken it for a leftover, that run has written the file.
            with suppress(FileNotFoundError):
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        for leftover in path.parent.glob(f".{path.name}*.unfinished"):  # of runs that were killed
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise UnknownArgument(
            f"cannot write {path}: {error.strerror or error}. Free some space there, make it "
            "writable, or choose another folder."
        ) from error
    return True
