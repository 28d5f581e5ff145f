"""What goes where in a dataset: which split a task belongs to, and which rows make which file.

A plan follows from the names in the inputs alone. Each of its shards is worked on apart from the
others, and the same shard always gives the same files. :func:`layout` finds in a built folder what
a plan put there.
"""

from __future__ import annotations

import functools
import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.envs.registration import parse_env_id

from act_data.errors import DataNotFound
from act_data.publish.derived import DERIVED, FROM_PAIRS, FROM_TRAJECTORIES
from act_data.splits import check_split, made_from
from act_data.storage.schema import Kind
from act_data.storage.sources import Source
from act_data.storage.tables import data_files, part_name
from act_envs.errors import UnknownArgument

SPLITS = ("train", "validation", "test")
TRAJECTORIES = "trajectories"
BESIDE_PAIRS = (*DERIVED, TRAJECTORIES)
"""The configs that are no environment's pairs."""

_VARIANTS = ("gen", "browser")  # of an environment: the same game over other or the same content
_PLAYED = ("task_id", "env_id", "env_kwargs", "policy", "seed", "transitions")


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Rows of the inputs, and the files that are made from them.

    Attributes:
        kind: of the rows.
        rows: their numbers, ascending.
        files: path within the dataset of each config's file.
    """

    kind: Kind
    rows: np.ndarray
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Plan:
    """The shards of a dataset, in order.

    Attributes:
        shards: what is made.
        pairs: how many pairs there are, duplicates not counted.
        duplicates: pairs that another one has the ``pair_id`` of, and that are left out.
        trajectories: how many there are, repeated ones not counted.
        repeated: trajectories that an earlier one is the same as; they are left out.
    """

    shards: Sequence[Shard]
    pairs: int
    duplicates: int
    trajectories: int
    repeated: int

    def files(self) -> dict[str, dict[str, list[Path]]]:
        """The files of each split of each config, those of environments first."""
        found: dict[str, dict[str, list[Path]]] = {}
        for shard in self.shards:
            for config, path in shard.files.items():
                found.setdefault(config, {}).setdefault(path.parent.name, []).append(path)
        return {
            config: found[config] for config in sorted(found, key=lambda c: (c in BESIDE_PAIRS, c))
        }


def split_of(name: str, shares: Sequence[float]) -> str:
    """The split of tasks, which follows from a name and from nothing else.

    Variants (a generated world with other arguments, a browser) have the same split, and so they
    are in every config and in every dataset that is built with these shares.

    Args:
        name: see :func:`act_data.splits.made_from`.
        shares: of train, validation and test; their sum is 1.
    """
    # Marked, for act-train holds out tasks by a hash of their names, too: apart from this one.
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"dataset split").digest()
    place, end = int.from_bytes(digest) / 2**64, 0.0
    for split, share in zip(SPLITS, shares, strict=True):
        end += share
        if place < end:
            return split
    return next(split for split, share in zip(SPLITS, shares, strict=True) if share)


@functools.cache
def config_of(env_id: str) -> str:
    """The config of an environment's pairs: its family, in small letters.

    ``ACT/ALFWorld-v0`` and ``ACT/ALFWorldGen-v0`` are both of ``alfworld``.

    Raises:
        UnknownArgument: a derived config has that name.
    """
    name = parse_env_id(env_id)[1].lower()
    for variant in _VARIANTS:
        name = name.removesuffix(variant) or name
    if name in BESIDE_PAIRS:
        raise UnknownArgument(
            f"the pairs of {env_id} would make config {name!r}, which holds something else here. "
            "Register the environment under another name."
        )
    return name


def plan(
    pairs: Source,
    trajectories: Source,
    *,
    shares: Sequence[float],
    allow_split: Sequence[str],
    shard_size: int,
) -> Plan:
    """Which rows go where.

    Of pairs with the same id the first that was verified is taken, the first of all where none was:
    in whatever order the inputs are named, no verification is lost.

    Args:
        pairs: the pairs.
        trajectories: the trajectories.
        shares: of train, validation and test.
        allow_split: official splits besides train whose tasks may be in the dataset.
        shard_size: pairs per file.

    Raises:
        ForbiddenSplit: a task is kept for evaluation.
        UnknownArgument: the name of an environment cannot be used.
    """
    places: dict[tuple[str, str], int] = {}
    where, verified = array("H"), bytearray()  # of each row
    taken: dict[str, int] = {}
    columns = ("pair_id", "env_id", "verification.admissible")
    for row, split, (pair_id, env_id, found) in _placed(pairs, shares, allow_split, *columns):
        where.append(places.setdefault((split, config_of(env_id)), len(places)))
        verified.append(found is not None)
        if verified[row] > verified[taken.setdefault(pair_id, row)]:
            taken[pair_id] = row
    rows = np.array(sorted(taken.values()), np.int64)
    at = np.array(where)[rows]
    episodes: dict[str, array[int]] = {}
    played: set[bytes] = set()
    for row, split, named in _placed(trajectories, shares, allow_split, *_PLAYED):
        name = hashlib.blake2b(repr(named).encode(), digest_size=16).digest()
        if name not in played:
            played.add(name)
            episodes.setdefault(split, array("q")).append(row)
    shards: list[Shard] = []
    for split in SPLITS:
        runs = {
            config: _cut(rows[at == number], shard_size)
            for (of, config), number in sorted(places.items())
            if of == split
        }
        shards += _shards("pairs", runs, split, FROM_PAIRS)
        runs = {TRAJECTORIES: _cut(episodes.get(split, ()), shard_size)}
        shards += _shards("trajectories", runs, split, FROM_TRAJECTORIES)
    repeated = trajectories.count - len(played)
    return Plan(shards, len(taken), pairs.count - len(taken), len(played), repeated)


def layout(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """The files of each split of each config of a built folder; configs of pairs first.

    Raises:
        DataNotFound, DataCorrupt, UnfinishedRun: the folder is not what act-data build leaves.
    """
    if not (folder / "data").is_dir():
        raise DataNotFound(f"{folder} holds no folder data. Make a dataset with act-data build.")
    configs = sorted(
        (path.name for path in (folder / "data").iterdir() if path.is_dir()),
        key=lambda name: (name in BESIDE_PAIRS, name),
    )
    return {
        config: {
            split: data_files(path)
            for split in SPLITS
            if (path := folder / "data" / config / split).is_dir()
        }
        for config in configs
    }


def _placed(
    source: Source, shares: Sequence[float], allow_split: Sequence[str], *columns: str
) -> Iterator[tuple[int, str, list[Any]]]:
    """Of each row its number, its split and the columns, where the row may be in a dataset."""
    row, checked = 0, set[str]()
    names = ("task_id", "origin", "split", *columns)
    for table in source.columns(*dict.fromkeys(names)):
        tasks, origins, official, *others = (
            table.column(name.partition(".")[0]).to_pylist() for name in names
        )
        for split in {*official} - checked:
            check_split(split, allow_split)
            checked.add(split)
        for task, origin, *values in zip(tasks, origins, *others, strict=True):
            yield row, split_of(made_from(task, origin), shares), values
            row += 1


def _shards(
    kind: Kind, runs: Mapping[str, Sequence[np.ndarray]], split: str, derived: Sequence[str]
) -> Iterator[Shard]:
    """Shards of a split: each makes a file of its own config, and one of each derived config."""
    count, index = sum(map(len, runs.values())), 0
    for config, parts in runs.items():
        for part, rows in enumerate(parts):
            files = {config: _path(config, split, part, len(parts))}
            files |= {name: _path(name, split, index, count) for name in derived}
            yield Shard(kind, rows, files)
            index += 1


def _path(config: str, split: str, part: int, count: int) -> Path:
    return Path("data", config, split, part_name(part, count))


def _cut(rows: Sequence[int] | np.ndarray, size: int) -> list[np.ndarray]:
    return [np.array(rows[at : at + size]) for at in range(0, len(rows), size)]
