"""Which tasks a model was trained on, as far as the manifests of its stages tell.

A stage's ``run.json`` says which data it read, which share of the tasks it held out, and which
model it started from. That one's manifest is read as well where its folder is still there, and so
on. A model from the Hub has no manifest: nothing is known of it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from act_data.models import packaged
from act_data.options import TaskOptions
from act_data.rollout import make_env, text_env
from act_data.types import ContrastPair
from act_envs.errors import ActError
from act_train.corpus import trained_on
from act_train.data import load_pairs, load_trajectories, split_by_task
from act_train.manifest import recorded

logger = logging.getLogger(__name__)

Stage = Mapping[str, Any]
"""The name of a stage and its arguments, as its manifest keeps them."""


def lineage(model: str) -> list[Stage]:
    """The stages that made the model in a folder, the last one first; [] where nothing tells.

    Raises:
        RecipeError: there is a ``run.json`` that is no manifest.
    """
    stages: list[Stage] = []
    seen: set[Path] = set()
    while model and (folder := packaged(model).resolve()) not in seen:
        seen.add(folder)  # a folder may have been trained over: no stage starts from itself
        if found := recorded(folder):
            stages.append(found)
        model = str(found.get("model", ""))
    return stages


def held_out_share(stages: Iterable[Stage]) -> float | None:
    """The share of the tasks that all stages held out, None where none of them says."""
    shares = [stage["validation_share"] for stage in stages if "validation_share" in stage]
    return min(shares, default=None)


def reasons(stages: Iterable[Stage]) -> bool:
    """Whether the last stage that learned which action is better was asked to reason first.

    True where none did: that is how a model is asked of which nothing is known.
    """
    for stage in stages:
        if stage["stage"] == "choice-sft":
            return False
        if "reasoning" in stage:
            return stage["reasoning"]
    return True


def played(stages: Iterable[Stage], pairs: Sequence[ContrastPair]) -> set[str]:
    """Tasks of these pairs that a pre-training, or ``env-rl``, may have played.

    All of an environment where that cannot be told.
    """
    tasks: dict[str, set[str]] = {}
    for pair in pairs:
        tasks.setdefault(pair.env_id, set()).add(pair.task_id)
    found: set[str] = set()
    for name, known in (one for stage in stages for one in _worlds(stage)):
        if name in tasks:
            try:
                found |= tasks[name] & known()
            except (ActError, gym.error.Error) as error:  # its extra or its data are not here
                logger.warning("the model was trained on tasks of %s: %s", name, error)
                found |= tasks[name]
    return found


def read(stages: Iterable[Stage]) -> set[str]:
    """Tasks of the data that the stages were trained on, where these data are still there."""
    tasks: set[str] = set()
    for stage in stages:
        for path, records in _data(stage):
            try:
                one_a_task = {record.task_id: record for record in records(path)}
            except (ActError, OSError) as error:
                logger.warning(
                    "the model was trained on %s, which cannot be read (%s): whether its tasks are "
                    "among those that are judged cannot be told.",
                    path, error,
                )  # fmt: skip
                continue
            train, _ = split_by_task(list(one_a_task.values()), stage["validation_share"])
            tasks.update(record.task_id for record in train)
    return tasks


def _worlds(stage: Stage) -> Iterator[tuple[str, Callable[[], set[str]]]]:
    """Environments in which a stage played, and which tasks it may have played there."""
    for name, about in json.loads(stage.get("worlds", "{}")).items():
        yield name, functools.partial(trained_on, name, about)
    if stage["stage"] == "env-rl":
        name = stage["env"].rpartition(":")[2]
        with contextlib.suppress(gym.error.Error):
            name = gym.spec(name).id  # pairs name it so, with its version
        yield name, functools.partial(_played_by_env_rl, stage)


def _played_by_env_rl(stage: Stage) -> set[str]:
    options = TaskOptions(
        env=stage["env"], split=stage["split"], tasks=tuple(stage["tasks"]),
        allow_split=tuple(stage["allow_split"]), env_kwargs=stage["env_kwargs"],
    )  # fmt: skip
    kwargs = {**options.env_arguments(), "split": options.split}
    with contextlib.closing(make_env(options.env, kwargs)) as env:
        return {task.task_id for task in options.chosen(text_env(env))}


def _data(stage: Stage) -> Iterator[tuple[str, Any]]:
    # Whatever it was allowed to read then.
    where = {
        "allow_split": stage.get("allow_split", ()),
        "split": stage.get("split"),
        "subset": stage.get("subset"),
    }
    if "pairs" in stage:
        yield stage["pairs"], functools.partial(load_pairs, **where)
    if "trajectories" in stage:
        yield stage["trajectories"], functools.partial(load_trajectories, **where)
