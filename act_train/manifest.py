"""What a run leaves for others to read: ``run.json``, ``metrics.json``, ``log_history.jsonl``.

``run.json`` is written before the first step and says all that determines the run: arguments, what
the model was shown, which weights it started from, and the versions of the libraries. It holds no
time and no place, so that equal runs give equal files. Weights and checkpoints are the trainer's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from act_data.files import write_json
from act_data.models import content_hash
from act_data.prompts import PROMPT_VERSION
from act_envs import __version__
from act_train.data import Row, fingerprint
from act_train.errors import RecipeError
from act_train.recipe import ModelArguments

_LIBRARIES = ("torch", "transformers", "trl", "datasets", "accelerate", "tokenizers")
_ELSEWHERE = ("output_dir", "logging_dir", "resume_from_checkpoint")  # where, not what


def weights_of(model: ModelArguments) -> str:
    """Name of the exact weights a stage starts from: a hash of a folder, or a commit on the Hub.

    Raises:
        RecipeError: there is no such model. Nothing large has been read or fetched by then.
    """
    folder = Path(model.model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RecipeError(f"{folder} holds no model: config.json is missing.")
        return content_hash(folder)
    try:
        found = snapshot_download(
            model.model, revision=model.revision, allow_patterns=["config.json"]
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise RecipeError(
            f"model {model.model!r} is no folder here and cannot be had from the Hub. "
            "Check the path, or make a small model: act-train tiny."
        ) from error
    return Path(found).name


def write_run(
    stage: str,
    training: TrainingArguments,
    arguments: Sequence[Any],
    *,
    weights: str,
    rows: Mapping[str, Sequence[Row]],
) -> None:
    """Write ``run.json``.

    Args:
        stage: name of the stage.
        training: TRL's configuration of the run.
        arguments: the dataclasses of this package that shaped it.
        weights: see :func:`weights_of`.
        rows: what the model is trained and validated on, by name.
    """
    folder = Path(str(training.output_dir))
    folder.mkdir(parents=True, exist_ok=True)
    own = {k: v for one in arguments for k, v in dataclasses.asdict(one).items()}
    chosen = {k: v for k, v in training.to_dict().items() if k not in _ELSEWHERE}
    write_json(
        folder / "run.json",
        {
            "stage": stage,
            "arguments": own,
            "training": json.loads(json.dumps(chosen, default=str)),
            "data": {k: {"rows": len(v), "fingerprint": fingerprint(v)} for k, v in rows.items()},
            "weights": weights,
            "prompt_version": PROMPT_VERSION,
            "versions": {"act-train": __version__, **{name: version(name) for name in _LIBRARIES}},
        },
    )


def finish(trainer: Trainer, metrics: Mapping[str, float]) -> None:
    """Save the model with its tokenizer, the metrics and every logged line.

    Args:
        trainer: has been trained.
        metrics: what the stage reports.
    """
    folder = Path(str(trainer.args.output_dir))
    trainer.save_model(str(folder))
    if trainer.is_world_process_zero():
        write_json(folder / "metrics.json", metrics)
        lines = [json.dumps(line, sort_keys=True) for line in trainer.state.log_history]
        text = "".join(f"{line}\n" for line in lines)
        (folder / "log_history.jsonl").write_text(text, encoding="utf-8")
    trainer.end()


def checkpoint(training: TrainingArguments) -> str | None:
    """Where to resume: a checkpoint's folder; ``last`` is the newest of the run, if any."""
    wanted = training.resume_from_checkpoint
    if wanted != "last":
        return wanted
    folder = Path(str(training.output_dir))
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None
