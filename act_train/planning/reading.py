"""Stages to plan: a recipe that names its stage, or all training stages of a pipeline."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from act_envs.errors import nearest
from act_train.errors import RecipeError
from act_train.pipelines.reading import named
from act_train.pipelines.reading import read as read_pipeline
from act_train.planning.batches import refuse_partial_groups
from act_train.planning.hardware import Launch
from act_train.recipe import find, load, read
from act_train.stages import STAGES

_TOLD = ("stage", "config", "launch")  # what a pipeline says about a stage


@dataclass(frozen=True)
class Planned:
    """A stage to plan.

    Attributes:
        title: of the recipe, or what the pipeline calls it.
        stage: of ``act-train``.
        told: its options.
        launch: configuration for accelerate, ``""`` without one.
        origin: the model whose sizes it has: its own, or the one that the first stage before it
            starts from.
        seeds: how often it is run.
    """

    title: str
    stage: str
    told: Mapping[str, Any]
    launch: str
    origin: str
    seeds: int = 1


def stages(name: str, words: Sequence[str]) -> list[Planned]:
    """The stages that a file tells of.

    Args:
        name: a recipe or a pipeline; a file, or the name of one of the package.
        words: ``KEY=VALUE`` each, in place of what it says.

    Raises:
        RecipeError: the file cannot be read, or names no stage that trains.
    """
    path = find(name)
    told = load(path)
    if "stages" in told:
        return _of_pipeline(path, words)
    told |= dict(_assigned(word) for word in words)
    stage = told.get("stage")
    if stage is None:
        raise RecipeError(f"{path} names no stage. Give --set stage=NAME, such as critique.")
    _check(stage, str(path))
    own = {key: value for key, value in told.items() if key != "stage"}
    return [Planned(path.name, stage, own, "", str(own.get("model") or ""))]


def options_of(planned: Planned, launch: Launch) -> tuple[Any, ...]:
    """The dataclasses of a stage and TRL's configuration, as its processes would read them.

    Raises:
        RecipeError: a key is unknown, a value is not accepted, or batches hold no whole groups.
    """
    about = STAGES[planned.stage]
    config: Any = getattr(importlib.import_module("trl"), about.trl_config)
    if about.trl_config == "GRPOConfig":
        refuse_partial_groups(planned.told, launch.processes)
    # What it checks depends on the number of processes; and this one may have no GPU.
    there = type(config.__name__, (config,), {"world_size": launch.processes})
    told = {**planned.told, "use_cpu": True}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "options")
        path.write_text(yaml.safe_dump(told, allow_unicode=True), encoding="utf-8")
        try:
            return read(["--config", str(path)], *about.arguments, there)
        except RecipeError as error:
            raise RecipeError(str(error).replace(str(path), planned.title)) from error


def _of_pipeline(path: Path, words: Sequence[str]) -> list[Planned]:
    pipeline = read_pipeline(str(path), words)
    found: dict[str, Planned] = {}
    origins: dict[str, str] = {}
    for name, given in pipeline.stages.items():
        base = load(find(given["config"])) if "config" in given else {}
        told = {**base, **given}
        model = str(told.get("model") or "")
        before = named(model)
        origins[name] = origins.get(before[0], "") if before else model
        if (stage := told["stage"]) not in STAGES or not STAGES[stage].trl_config:
            if stage not in STAGES:
                _check(stage, f"{path}: {name}")
            continue
        own = {key: value for key, value in told.items() if key not in _TOLD}
        own = {"output_dir": str(pipeline.out / name), **own}
        launch = str(given.get("launch", pipeline.launch))
        found[name] = Planned(name, stage, own, launch, origins[name], len(pipeline.seeds))
    if not found:
        raise RecipeError(f"{path} has no stage that trains, and so nothing to plan.")
    return list(found.values())


def _check(stage: object, where: str) -> None:
    trained = [name for name, about in STAGES.items() if about.trl_config]
    if stage not in trained:
        raise RecipeError(
            f"{where}: {stage!r} is no stage that can be planned. {nearest(str(stage), trained)}"
        )


def _assigned(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals:
        raise RecipeError(f"set {word!r} is no KEY=VALUE. Give such as --set max_steps=100.")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"set {word!r} holds no YAML value: {error}") from error
