"""The steps of a pipeline: a stage with all of its options, named by what it is made from.

The name of a step is a digest of its stage, of its options, and of what these name: the names of
the steps that it starts from, the content of local files and folders, the commit of a model on the
Hub. So whatever is made from the same things is made once, whichever rows, seeds or pipelines ask
for it, and a change of these makes a new step and leaves the old one alone. So does another number
of processes. Where things lie, how a run is watched (``logging_steps``, ``report_to``) and how
processes share a model are no part of it; neither is the version of this package, which the record
of a step tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_data.loading import BUILTIN, commit_of
from act_data.models import model_revision, split_revision
from act_data.prompts import PROMPT_VERSION
from act_data.runs.run import digest
from act_envs.errors import nearest
from act_train.errors import RecipeError
from act_train.manifest import ELSEWHERE, watches
from act_train.pipelines.reading import Pipeline, Told, filled, named
from act_train.planning.hardware import launch_of
from act_train.recipe import find, load
from act_train.stages import STAGES

_MODELS = ("model", "policy", "writer")
_DATA = ("pairs", "trajectories", "texts", "questions", "reflections")
_OUTPUT = {
    "tiny": ("out", ""), "pretrain": ("out", ""), "judge": ("output", "judge.json"),
    "reflections": ("output", "reflections.jsonl"),
    "evaluate": ("output", "results.jsonl"), "reason": ("output", "results.jsonl"),
}  # fmt: skip
_TRAINED = ("output_dir", "")  # what stages with a configuration of TRL call their folder
_NONE = ("compare", "report", "demo", "pipeline", "plan")  # they make nothing to start from


@dataclass(frozen=True)
class Step:
    """A stage that is to be run.

    Attributes:
        id: stage and digest, such as ``imitate-3fa9c1d2e0``.
        title: what the pipeline calls it.
        stage: of ``act-train``.
        options: all of them, of the recipe and of the pipeline, with the output.
        inputs: what the digest holds besides the options: for each option that names something,
            what lies there.
        output: folder or file that it leaves.
        after: ids of the steps that it starts from.
        launch: configuration for accelerate, or ``""``.
        row: of a report, ``""`` if it is none.
    """

    id: str
    title: str
    stage: str
    options: Told
    inputs: Told
    output: Path
    after: tuple[str, ...]
    launch: str = ""
    row: str = ""


def steps(pipelines: Iterable[Pipeline]) -> list[Step]:
    """The steps of pipelines, each once, those that others start from before them.

    Raises:
        RecipeError: a stage starts from one that comes later, or there is no such stage or recipe,
            or nothing lies where an option points.
        ModelNotFound: there is no such model.
    """
    found: dict[tuple[str, str], Step] = {}
    for pipeline in pipelines:
        for seed in pipeline.seeds:
            for step in _of_seed(pipeline, seed):
                found.setdefault((step.id, step.row), step)
    return list(found.values())


def _of_seed(pipeline: Pipeline, seed: int) -> Iterator[Step]:
    made: dict[str, Step] = {}
    for name, told in pipeline.stages.items():
        made[name] = _step(pipeline, seed, name, told, made)
        yield made[name]
    for row, name in pipeline.rows.items():
        for title, told in _evaluations(pipeline, row):
            yield _step(pipeline, seed, title, told, {**made, "model": made[name]}, row)
    if seed == pipeline.seeds[0]:  # nothing is trained that another seed would change
        for row, model in pipeline.as_they_are.items():
            for title, told in _evaluations(pipeline, row, model):
                yield _step(pipeline, seed, title, told, made, row)


def _evaluations(
    pipeline: Pipeline, row: str, model: str = "{model}"
) -> Iterator[tuple[str, Told]]:
    for number, told in enumerate(pipeline.evaluate, 1):
        judges = told["stage"] == "judge"
        asked = {"model": "{model}"} if judges else {"policy": "transformers:{model}"}
        meant = filled({**asked, **told}, lambda name: model if name == "model" else f"{{{name}}}")
        yield f"{row}, evaluation {number}", meant


def _step(
    pipeline: Pipeline, seed: int, title: str, told: Told, made: Mapping[str, Step], row: str = ""
) -> Step:
    stage = told["stage"]
    if stage not in STAGES or stage in _NONE:
        known = [name for name in STAGES if name not in _NONE]
        raise RecipeError(f"{pipeline.path}: {title}: no stage {stage!r}. {nearest(stage, known)}")
    trains = bool(STAGES[stage].trl_config)
    place, file = _OUTPUT.get(stage, _TRAINED)
    own = {key: value for key, value in told.items() if key not in ("stage", "config", "launch")}
    if place in own:
        raise RecipeError(
            f"{pipeline.path}: {title}: {place} is the pipeline's to choose. Leave it out."
        )
    base = _base(told["config"], stage) if "config" in told else {}
    options = {**base, **({"seed": seed} if stage != "judge" else {}), **own}

    def step_of(name: str) -> Step:
        if name not in made:
            raise RecipeError(
                f"{pipeline.path}: {title} starts from {{{name}}}, which is no stage before it."
            )
        return made[name]

    inputs = {
        key: filled(value, lambda name: step_of(name).id)
        if named(value)
        else _lying(f"{pipeline.path}: {title}", key, value, options)
        for key, value in options.items()
        if key in (*_MODELS, *_DATA)
    }
    pinned = {key: value for key, value in inputs.items() if _is_hub_dataset(key, options)}
    meant = {
        k: filled(v, lambda name: str(step_of(name).output))
        for k, v in {**options, **pinned}.items()
    }
    shaping = {
        key: value
        for key, value in options.items()
        if key not in (*inputs, *ELSEWHERE, place) and not watches(key, options)
    }
    launch = told.get("launch", pipeline.launch) if trains else ""
    if (processes := launch_of(launch, None).processes) > 1:  # so many batches make one
        shaping["processes"] = processes
    name = digest([stage, shaping, inputs, PROMPT_VERSION, file])[:12]
    id_ = f"{stage}-{name}"
    folder = pipeline.out / id_
    return Step(
        id=id_,
        title=f"{title}, seed {seed}" if len(pipeline.seeds) > 1 else title,
        stage=stage,
        options={
            **meant,
            place: str(folder / file if file else folder),
            **({"resume_from_checkpoint": "last"} if trains else {}),
        },
        inputs=inputs,
        output=folder / file if file else folder,
        after=tuple(
            dict.fromkeys(step_of(n).id for value in options.values() for n in named(value))
        ),
        launch=launch,
        row=row,
    )


def _base(name: str, stage: str) -> dict[str, Any]:
    """What the recipe of a stage says."""
    told = load(find(name))
    if (meant := told.pop("stage", stage)) != stage:
        raise RecipeError(f"{name} is a recipe of the stage {meant!r}, not of {stage!r}.")
    return told


def _lying(where: str, key: str, value: Any, options: Told) -> Any:
    """What an option names, by its content."""
    if isinstance(value, list):
        return [_lying(where, key, one, options) for one in value]
    if not isinstance(value, str) or not value:
        return value
    player = key in ("policy", "writer")
    scheme, colon, target = value.rpartition(":") if player else ("", "", value)
    if key in _MODELS and (key == "model" or scheme in ("transformers", "scored", "vllm")):
        name, revision = split_revision(target)
        return f"{scheme}{colon}{model_revision(name, options.get('revision') or revision)}"
    if _is_hub_dataset(key, options):
        name, revision = split_revision(value)
        return f"{name}@{commit_of(name, revision)}"
    path = Path(target).expanduser()
    if path.exists():
        return f"{scheme}{colon}{_content(path)}"
    if key in _DATA and value != BUILTIN:
        raise RecipeError(f"{where}: {key}: nothing lies at {value}. Collect or mine it first.")
    return value  # a scripted policy, an endpoint, builtin data


def _is_hub_dataset(key: str, options: Told) -> bool:
    value = options[key]
    return (
        key in ("pairs", "trajectories")
        and isinstance(value, str)
        and bool(options.get("split"))
        and value != BUILTIN
        and not Path(value).expanduser().exists()
    )


def _content(path: Path) -> str:
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        with file.open("rb") as opened:
            held = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.relative_to(path)} {held}\n".encode())
    return f"sha256:{total.hexdigest()[:40]}"
