"""What a run leaves for others to read: ``run.json``, ``metrics.json``, ``log_history.jsonl``.

``run.json`` is written before the first step and says all that determines the run: arguments, what
the model was shown, which weights it started from, how many processes train it, and the versions of
this program (its commit, where that is known) and of the libraries. It holds no time and no place,
so that equal runs give equal files. Weights and checkpoints are the trainer's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from act_data import provenance
from act_data.prompts import PROMPT_VERSION
from act_data.runs.run import differences
from act_data.storage.files import write_json
from act_train.errors import RecipeError
from act_train.rows import Row, fingerprint

_LIBRARIES = ("torch", "transformers", "trl", "datasets", "accelerate", "tokenizers", "peft")
ELSEWHERE = ("output_dir", "logging_dir", "resume_from_checkpoint")  # where, not what
_WATCHING = ("save_", "logging_", "log_", "eval_", "hub_", "push_to_hub", "trackio_")
# With load_best_model_at_end: when what may be kept is saved and measured.
_CHOOSING = ("eval_strategy", "eval_steps", "eval_delay", "save_strategy", "save_steps")
_AROUND = ("report_to", "run_name", "project", "disable_tqdm", "local_rank")
# "weights" and "data" say what lies there.
_PATHS = ("model", "pairs", "trajectories", "reflections")
_RUN = "run.json"


def write_run(
    stage: str,
    training: TrainingArguments,
    arguments: Sequence[Any],
    *,
    weights: str,
    rows: Mapping[str, Sequence[Row]],
    labels: Mapping[str, int] | None = None,
) -> None:
    """Write ``run.json``, unless that would put a new name on the results of another run.

    Args:
        stage: name of the stage.
        training: TRL's configuration of the run.
        arguments: the dataclasses of this package that shaped it.
        weights: see :func:`act_train.base.weights_of`.
        rows: what the model is trained and validated on, by name.
        labels: how many there are, and how many were made wrong on purpose.

    Raises:
        RecipeError: the folder's checkpoints belong to another run, the run would overwrite the
            model that it starts from, or the seed is out of range.
    """
    folder = Path(str(training.output_dir))
    own = {k: v for one in arguments for k, v in dataclasses.asdict(one).items()}
    chosen = {k: v for k, v in training.to_dict().items() if k not in ELSEWHERE}
    refuse_overwriting(str(own.get("model", "")), folder)
    if not 0 <= training.seed < 2**32:  # what numpy's generator takes, which transformers seeds
        raise RecipeError(f"seed={training.seed} must lie between 0 and {2**32 - 1}.")
    run = {
        "stage": stage,
        "arguments": own,
        "training": json.loads(json.dumps(chosen, default=str)),
        "data": {k: {"rows": len(v), "fingerprint": fingerprint(v)} for k, v in rows.items()},
        **({} if labels is None else {"labels": dict(labels)}),
        "weights": weights,
        "prompt_version": PROMPT_VERSION,
        "processes": training.world_size,
        "versions": program(*_LIBRARIES),
    }
    # Also of a run that starts anew: its run.json would speak for checkpoints that are not its own.
    lying = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    for found in {checkpoint(training), lying} - {None}:
        _refuse_another_run(Path(str(found)), run)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _RUN, run)


def program(*libraries: str) -> dict[str, str]:
    """Versions of this program, with the commit where that is known, and of what it runs on."""
    return {"act-train": provenance.version(), **{name: version(name) for name in libraries}}


def watches(option: str, told: Mapping[str, Any]) -> bool:
    """Whether an option says how a run is watched and kept, and not what it learns.

    Such are free to change when it goes on.

    Args:
        option: of transformers' ``TrainingArguments``.
        told: all options of the run.
    """
    if told.get("load_best_model_at_end") and option in _CHOOSING:
        return False
    return option in _AROUND or option.startswith(_WATCHING)


def recorded(folder: Path) -> dict[str, Any]:
    """The ``stage`` that made the model in ``folder``, and its arguments; {} where nothing tells.

    Raises:
        RecipeError: there is a ``run.json`` that is no manifest.
    """
    path = folder / _RUN
    if not path.is_file():
        return {}
    found = read_manifest(path)
    return {**found["arguments"], "stage": found.get("stage")}


def read_manifest(path: Path) -> dict[str, Any]:
    """What a ``run.json`` holds.

    Raises:
        RecipeError: it is damaged, or something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{path} is no JSON ({error}). Move it away, or make it anew.") from error
    if not isinstance(found, dict) or not isinstance(found.get("arguments"), dict):
        raise RecipeError(f"{path} is not what act-train writes. Move it away.")
    return found


def refuse_overwriting(model: str, folder: Path) -> None:
    """Refuse to write a model over the one that it starts from.

    Raises:
        RecipeError: both folders are the same.
    """
    if model and Path(model).is_dir() and Path(model).resolve() == folder.resolve():
        raise RecipeError(
            f"model and output_dir are the same folder, {folder}: the run would overwrite the "
            "model that it starts from. Choose another output_dir."
        )


def _refuse_another_run(resumed: Path, run: Mapping[str, Any]) -> None:
    """A checkpoint goes on as the run that it is of, or not at all."""
    path = resumed.parent / _RUN
    if not path.is_file():
        return  # a checkpoint brought from elsewhere: nothing contradicts it
    found = differences(_essence(read_manifest(path)), _essence(run))
    if found:
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise RecipeError(
            f"{resumed} is a checkpoint of another run: {'; '.join(found[:3])}{more}. Nothing was "
            "changed. Give the same values to go on with it, choose another output_dir, or "
            f"delete {resumed.parent}."
        )


def _essence(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run learns from what, without where it lies and how it is watched."""
    arguments = {k: v for k, v in run["arguments"].items() if k not in _PATHS}
    training = {
        name: value
        for name, value in run.get("training", {}).items()
        if not watches(name, run["training"])
    }
    return {**run, "arguments": arguments, "training": training}


def finish(trainer: Trainer, metrics: Mapping[str, float]) -> None:
    """Save the model with its tokenizer, the metrics and every logged line.

    Args:
        trainer: has been trained.
        metrics: what the stage reports.
    """
    folder = Path(str(trainer.args.output_dir))
    card = folder / "README.md"  # peft would write into one that somebody keeps there
    kept = card.read_bytes() if card.is_file() else None
    trainer.save_model(str(folder))
    _merge_adapters(trainer, folder)
    if kept is not None and trainer.is_world_process_zero():
        card.write_bytes(kept)
    if trainer.is_world_process_zero():
        write_json(folder / "metrics.json", metrics)
        lines = [json.dumps(line, sort_keys=True) for line in trainer.state.log_history]
        text = "".join(f"{line}\n" for line in lines)
        (folder / "log_history.jsonl").write_text(text, encoding="utf-8")
    trainer.end()


def _merge_adapters(trainer: Trainer, folder: Path) -> None:
    """Put whole weights in the place of adapters: whoever goes on from here needs no others."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if not isinstance(model, PeftModel) or not trainer.is_world_process_zero():
        return
    model.merge_and_unload().save_pretrained(folder)
    for name in ("adapter_config.json", "adapter_model.safetensors", "README.md"):
        (folder / name).unlink(missing_ok=True)


def checkpoint(training: TrainingArguments) -> str | None:
    """Where to resume: a checkpoint's folder; ``last`` is the newest of the run, if any."""
    wanted = training.resume_from_checkpoint
    if wanted != "last":
        return wanted
    folder = Path(str(training.output_dir))
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None
