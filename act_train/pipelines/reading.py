"""What a pipeline says: a YAML file of stages, each of which may start from what others made.

    out: runs/{benchmark}                   # where all stages lie
    set: {benchmark: alfworld}              # words that stand for others; --set benchmark=webshop
    seeds: [0, 1, 2]                        # every stage once for each
    launch: zero3.yaml                      # training runs under accelerate with this
    stages:                                 # in order: the keys are those of the stage's recipe
      act: {stage: critique, config: "qwen3_8b_critique.yaml"}
      il: {stage: imitate, config: "qwen3_8b_imitate.yaml", model: "{act}"}
    evaluate: ["{benchmark}_id_evaluate.yaml"]
    rows: {act: act, act+il: il}            # row of the report: the stage whose model is evaluated
    backbone: Qwen3-8B                      # whose published numbers stand beside them

``{act}`` in a value is the folder that the stage ``act`` leaves. An entry of ``evaluate`` may be a
mapping like a stage (``{stage: judge, pairs: FOLDER}``), in which ``{model}`` is the row's model. A
row of a model that no stage makes is written ``prompt: {model: FOLDER_OR_HUB_ID}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_envs.errors import nearest
from act_train.arguments.measuring import ReportArguments
from act_train.errors import RecipeError
from act_train.recipe import find, load
from act_train.reporting.published import paper

Told = Mapping[str, Any]

_PLACE = re.compile(r"\{([\w-]+)\}")
_KEYS = ("out", "set", "seeds", "launch", "stages", "evaluate", "rows", "backbone")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline with its words filled in, references to stages not.

    Attributes:
        path: the file.
        out: folder of all stages.
        seeds: at least one.
        launch: configuration for accelerate, ``""`` where nothing is launched with it.
        stages: by name, in order: ``stage``, ``config`` and keys of its recipe.
        evaluate: how the model of a row is evaluated, written as stages are.
        rows: for each the name of the stage that makes its model.
        as_they_are: rows of a model that no stage makes, by its folder or Hub id.
        backbone: whose published numbers stand beside the rows.
    """

    path: str
    out: Path
    seeds: tuple[int, ...]
    launch: str
    stages: Mapping[str, Told]
    evaluate: tuple[Told, ...]
    rows: Mapping[str, str]
    as_they_are: Mapping[str, str]
    backbone: str


def read(path: str, words: Sequence[str] = (), out: str | None = None) -> Pipeline:
    """Read a pipeline.

    Args:
        path: the file, or the name of a recipe of the package.
        words: ``NAME=VALUE`` each, in place of what the file sets.
        out: in place of the file's.

    Raises:
        RecipeError: something in it is unknown, missing, or of the wrong form.
    """
    told = load(find(path))
    if isinstance(stage := told.get("stage"), str):
        raise RecipeError(
            f"{path} is a recipe of one stage. Run: act-train {stage} --config {path}"
        )
    for key in told:
        if key not in _KEYS:
            raise RecipeError(f"{path}: unknown key {key!r}. {nearest(key, _KEYS)}")
    meant = {**_mapping(path, told, "set"), **_given(path, words, _mapping(path, told, "set"))}
    stages = {name: _stage(path, name, one) for name, one in _mapping(path, told, "stages").items()}
    if not stages:
        raise RecipeError(f"{path} names no stages. Set stages: {{NAME: {{stage: imitate, ...}}}}.")
    if both := sorted(stages.keys() & {*meant, "model"}):
        raise RecipeError(
            f"{path}: {both[0]!r} names a stage and something else. Rename the stage."
        )
    known = {*meant, *stages, "model"}

    def fill(value: Any) -> Any:
        return filled(value, lambda name: _word(path, name, meant, known))

    seeds = told.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int for s in seeds):
        raise RecipeError(f"{path}: seeds={seeds!r} must be a list of numbers, such as [0, 1, 2].")
    place = fill(out or told.get("out", ""))
    if not place:
        raise RecipeError(f"{path}: out is not set. Set out: FOLDER, or give --out FOLDER.")
    backbone = fill(str(told.get("backbone", ReportArguments.backbone)))
    paper().of(backbone)
    asked = told.get("evaluate", [])
    if not isinstance(asked, list):
        raise RecipeError(f"{path}: evaluate={asked!r} must be a list of recipes.")
    rows, as_they_are = {}, {}
    for row, name in _mapping(path, told, "rows").items():
        if isinstance(name, dict) and name.keys() == {"model"}:
            as_they_are[str(row)] = fill(str(name["model"]))
            if made := named(as_they_are[str(row)]):
                raise RecipeError(
                    f"{path}: row {row!r}: {made[0]} is a stage. Write {row}: {made[0]}."
                )
        elif str(name) in stages:
            rows[str(row)] = str(name)
        else:
            raise RecipeError(
                f"{path}: row {row!r}: no stage {name!r}. {nearest(str(name), stages)} "
                "A model that no stage makes is written {model: PATH_OR_HUB_ID}."
            )
    evaluate = [{"config": one} if isinstance(one, str) else one for one in asked]
    return Pipeline(
        path=path,
        out=Path(place),
        seeds=tuple(dict.fromkeys(seeds)),
        launch=fill(told.get("launch") or ""),
        stages={name: fill(one) for name, one in stages.items()},
        evaluate=tuple(fill(_stage(path, "evaluate", one, stage="evaluate")) for one in evaluate),
        rows=rows,
        as_they_are=as_they_are,
        backbone=backbone,
    )


def filled(value: Any, meaning: Callable[[str], str]) -> Any:
    """A value with what its ``{names}`` mean, wherever they stand in it."""
    if isinstance(value, str):
        return _PLACE.sub(lambda found: meaning(found[1]), value)
    if isinstance(value, list):
        return [filled(one, meaning) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, meaning) for key, one in value.items()}
    return value


def named(value: Any) -> list[str]:
    """The ``{names}`` in a value, in order."""
    found: list[str] = []

    def note(name: str) -> str:
        found.append(name)
        return ""

    filled(value, note)
    return found


def _word(path: str, name: str, meant: Told, known: Iterable[str]) -> str:
    if name not in known:
        raise RecipeError(f"{path}: nothing is called {{{name}}}. {nearest(name, known)}")
    return str(meant[name]) if name in meant else f"{{{name}}}"  # a stage: known when it is run


def _given(path: str, words: Sequence[str], there: Told) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in there:
            known = f"{', '.join(there)}. {nearest(name, there)}" if there else "nothing."
            raise RecipeError(f"set {word!r} is no NAME=VALUE of {path}, which sets {known}")
        found[name] = value
    return found


def _stage(path: str, name: str, told: Any, **otherwise: str) -> dict[str, Any]:
    """A stage as it is written, with what it is ``otherwise`` where it does not say."""
    told = {**otherwise, **told} if isinstance(told, dict) else told
    if not isinstance(told, dict) or not isinstance(told.get("stage"), str):
        raise RecipeError(
            f"{path}: {name} is {told!r:.80}, and must be a mapping with its stage, such as "
            "{stage: imitate, config: RECIPE.yaml, model: PATH}."
        )
    if not isinstance(told.get("config", ""), str):
        raise RecipeError(
            f"{path}: {name}: config={told['config']!r:.80} must be the name of a file."
        )
    return told


def _mapping(path: str, told: Told, key: str) -> dict[str, Any]:
    value = told.get(key) or {}
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: {key}={value!r:.80} must be a mapping.")
    return value
