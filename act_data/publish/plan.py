"""What goes where in a dataset: which split a task belongs to, and which rows make which file.

A plan follows from the names in the inputs alone. Each of its shards is worked on apart from the
others, and the same shard always gives the same files.
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

from act_data.publish.derived import DERIVED, FROM_PAIRS, FROM_TRAJECTORIES
from act_data.splits import check_split
from act_data.storage.schema import Kind
from act_data.storage.sources import Source
from act_data.storage.tables import part_name
from act_envs.errors import UnknownArgument

SPLITS = ("train", "validation", "test")
TRAJECTORIES = "trajectories"
_VARIANTS = ("gen", "browser")  # of an environment: the same game over other or the same content
_OWN = (*DERIVED, TRAJECTORIES)
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
        duplicates: pairs that an earlier one has the ``pair_id`` of; they are left out.
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
        return {config: found[config] for config in sorted(found, key=lambda c: (c in _OWN, c))}


def split_of(task_id: str, shares: Sequence[float]) -> str:
    """The split of a task, which follows from its name and from nothing else.

    Its variants (a generated world with other arguments, a browser) have the same split, and so it
    is in every config and in every dataset that is built with these shares.

    Args:
        task_id: the task.
        shares: of train, validation and test; their sum is 1.
    """
    # Marked, for act-train holds out tasks by a hash of their names, too: apart from this one.
    digest = hashlib.blake2b(task_id.encode(), digest_size=8, person=b"dataset split").digest()
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
    if name in _OWN:
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
    placed: dict[tuple[str, str], array[int]] = {}
    met: set[str] = set()
    for row, split, (pair_id, env_id) in _placed(pairs, shares, allow_split, "pair_id", "env_id"):
        if pair_id not in met:
            met.add(pair_id)
            placed.setdefault((split, config_of(env_id)), array("q")).append(row)
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
            config: _cut(rows, shard_size)
            for (of, config), rows in sorted(placed.items())
            if of == split
        }
        shards += _shards("pairs", runs, split, FROM_PAIRS)
        runs = {TRAJECTORIES: _cut(episodes.get(split, ()), shard_size)}
        shards += _shards("trajectories", runs, split, FROM_TRAJECTORIES)
    repeated = trajectories.count - len(played)
    return Plan(shards, len(met), pairs.count - len(met), len(played), repeated)


def _placed(
    source: Source, shares: Sequence[float], allow_split: Sequence[str], *columns: str
) -> Iterator[tuple[int, str, list[Any]]]:
    """Of each row its number, its split and the columns, where the row may be in a dataset."""
    row, checked = 0, set[str]()
    names = ("task_id", "split", *columns)
    for table in source.columns(*dict.fromkeys(names)):
        tasks, official, *others = (table.column(name).to_pylist() for name in names)
        for split in {*official} - checked:
            check_split(split, allow_split)
            checked.add(split)
        for task, *values in zip(tasks, *others, strict=True):
            yield row, split_of(task, shares), values
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


def _cut(rows: Sequence[int], size: int) -> list[np.ndarray]:
    return [np.array(rows[at : at + size]) for at in range(0, len(rows), size)]
