"""Records to train on, and which of them are held out.

They are files that ``act-data`` wrote, or a split of a dataset that ``act-data build`` made. Only
tasks of the training split are taken, and those of splits that the user names; a task of a test
split never is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from act_data.errors import DataNotFound
from act_data.loading import BUILTIN, load
from act_data.loading import pairs as as_pairs
from act_data.models import split_revision
from act_data.publish.manifest import MANIFEST
from act_data.publish.plan import TRAJECTORIES, config_of
from act_data.splits import check_split, made_from
from act_data.storage.schema import DECODERS
from act_data.storage.tables import read_pairs, read_trajectories
from act_data.types import ContrastPair, Trajectory
from act_train.arguments.training import PairArguments
from act_train.errors import RecipeError, TrainingData

Record = TypeVar("Record", ContrastPair, Trajectory)
Item = TypeVar("Item")


def load_pairs(
    source: str,
    allow_split: Sequence[str] = (),
    *,
    split: str | None = None,
    subset: str | None = None,
) -> list[ContrastPair]:
    """The pairs of a file or folder or of a dataset, refused when one must not be trained on.

    Args:
        source: file or folder; or with ``split`` a dataset: folder, ``org/name[@REVISION]`` on the
            Hub, or ``"builtin"``.
        allow_split: splits besides ``train`` that the pairs may belong to.
        split: of a dataset.
        subset: of a dataset, the environment; by default the first.

    Raises:
        ForbiddenSplit: a pair belongs to another split, or to a test split.
        SchemaMismatch: they are no pairs, or of another schema version.
        TrainingData: there are no pairs.
        DataNotFound: nothing is there.
        RecipeError: a dataset was named without its split.
    """
    if split is None:
        _refuse_dataset(source)
        found = read_pairs(source)
    else:
        found = as_pairs(_rows(source, subset, split, allow_split))
    # A state can offer thousands of actions, mostly the same ones as its neighbours: one copy.
    return [
        dataclasses.replace(
            pair, admissible_actions=tuple(map(sys.intern, pair.admissible_actions))
        )
        for pair in _checked(found, source, allow_split)
    ]


def load_trajectories(
    source: str,
    allow_split: Sequence[str] = (),
    *,
    split: str | None = None,
    subset: str | None = None,
) -> list[Trajectory]:
    """The trajectories of a file or folder or of a dataset, refused like pairs.

    Args:
        source: as of :func:`load_pairs`.
        allow_split: splits besides ``train`` that they may belong to.
        split: of a dataset.
        subset: of a dataset, the environment; by default all.
    """
    if split is None:
        _refuse_dataset(source)
        return _checked(read_trajectories(source), source, allow_split)
    rows = _rows(source, TRAJECTORIES, split, allow_split)
    found = map(DECODERS["trajectories"], map(dict, rows))
    return _checked(
        (one for one in found if subset in (None, config_of(one.env_id))),
        f"subset {subset!r} of {source}" if subset else source,
        allow_split,
    )


def split_by_task(records: Sequence[Record], share: float) -> tuple[list[Record], list[Record]]:
    """Hold out whole tasks, so that nothing of a held-out task is ever trained on.

    Tasks that were made from one thing (a product) are held out together. Whether they are depends
    on its name alone: two stages with the same share hold out the same tasks even where one of them
    has seen fewer.

    Args:
        records: what is split.
        share: about this share of the tasks is held out.

    Returns:
        Training records and held-out records, each in their old order.

    Raises:
        TrainingData: no task would be left to train on, or none is held out by a share above 0.
    """
    tasks = {made_from(r.task_id, r.origin) for r in records}
    held = {task for task in tasks if _place(task) < share}
    if share > 0 and not held:  # one picked for want of another might be trained on elsewhere
        raise TrainingData(
            f"no task falls into validation_share={share} of {len(tasks)} tasks. "
            "Raise it or take more tasks, or set validation_share: 0."
        )
    if len(held) == len(tasks):
        raise TrainingData(
            f"validation_share={share} holds out all of the {len(tasks)} tasks. "
            "Take more tasks, or set validation_share: 0."
        )
    return (
        [r for r in records if made_from(r.task_id, r.origin) not in held],
        [r for r in records if made_from(r.task_id, r.origin) in held],
    )


def executed_parts(data: PairArguments) -> tuple[list[ContrastPair], list[ContrastPair]]:
    """The pairs both of whose actions were executed: to train on, and to measure on.

    Args:
        data: ``max_pairs`` limits both.

    Raises:
        TrainingData: none was executed; and as :func:`load_pairs`.
    """
    pairs = load_pairs(data.pairs, data.allow_split, split=data.split, subset=data.subset)
    executed = [pair for pair in pairs if pair.verification is not None]
    if not executed:
        raise TrainingData(
            f"none of the {len(pairs)} pairs of {data.pairs} was executed, and this stage is about "
            "what the actions gave. Run act-data verify on them."
        )
    train, held = split_by_task(executed, data.validation_share)
    return spread(train, data.max_pairs), spread(held, data.max_pairs)


def spread(records: Sequence[Item], limit: int | None) -> list[Item]:
    """At most ``limit`` records, evenly spaced, so that a small run still sees every kind."""
    if limit is None or limit >= len(records):
        return list(records)
    return [records[i * len(records) // limit] for i in range(limit)]


def _place(task_id: str) -> float:
    """A number in [0, 1) that follows from the name and from nothing else."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=6).digest()) / 2**48


def _refuse_dataset(source: str) -> None:
    path = Path(source)
    if source == BUILTIN or (path / MANIFEST).is_file():
        raise RecipeError(f"{source} is a dataset. Set split: train as well.")
    if not path.exists():
        raise DataNotFound(
            f"{source} does not exist. Make data with: act-data collect, act-data mine; for a "
            "dataset on the Hub set split: train as well."
        )


def _rows(source: str, config: str | None, split: str, allow_split: Sequence[str]) -> Any:
    check_split(split.partition("[")[0], allow_split)
    name, revision = split_revision(source)
    return load(name, config, revision=revision, split=split)


def _checked(records: Iterable[Record], path: str, allow_split: Sequence[str]) -> list[Record]:
    found: list[Record] = []
    for record in records:
        check_split(record.split, allow_split)
        found.append(record)
    if not found:
        raise TrainingData(f"{path} holds no rows. Collect or mine with more tasks.")
    return found
