"""``act-train imitate``: supervised fine-tuning on expert actions (the IL stage).

Algorithm: maximise the likelihood of the expert's action after the prompt of its state, one row
per step of every expert trajectory; prompts carry no loss. It is ``trl.SFTTrainer`` on rows of
:func:`act_train.rows.imitation_rows`; everything about optimisation is ``SFTConfig``.

Left out: reasoning traces (expert trajectories have none), packing, and weighting of steps by how
well the trajectory ended: choose what to imitate when collecting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import (
    DPOConfig,  # pyright: ignore[reportPrivateImportUsage]
    DPOTrainer,  # pyright: ignore[reportPrivateImportUsage]
    SFTConfig,  # pyright: ignore[reportPrivateImportUsage]
    SFTTrainer,  # pyright: ignore[reportPrivateImportUsage]
)

from act_train import preparing
from act_train.arguments.training import ModelArguments, TrajectoryArguments
from act_train.base import adapters, init_kwargs, weights_of
from act_train.errors import RecipeError, TrainingData
from act_train.manifest import checkpoint, finish, write_run
from act_train.preparing import Prepared
from act_train.progress import show_progress


def run(model: ModelArguments, data: TrajectoryArguments, training: SFTConfig) -> dict[str, float]:
    """Imitate the trajectories.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.
    """
    return fit("imitate", model, training, [model, data], preparing.imitation(data))


def fit(
    stage: str,
    model: ModelArguments,
    training: SFTConfig | DPOConfig,
    arguments: Sequence[Any],
    rows: Prepared,
    *,
    trainer_type: type[SFTTrainer] | type[DPOTrainer] = SFTTrainer,
) -> dict[str, float]:
    """Fine-tune on rows of prompts and answers, and leave a complete run folder.

    Args:
        stage: name for the manifest.
        model: where to start.
        training: TRL's configuration.
        arguments: what else the manifest must say.
        rows: to learn from, with answers; and to measure on.
        trainer_type: TRL's trainer for such rows and this configuration.

    Raises:
        RecipeError: rows are to be packed.
        TrainingData: rows do not fit into ``max_length`` and would lose their answers.
    """
    if getattr(training, "packing", False):
        raise RecipeError("packing is set, and rows are neither cut nor joined here. Leave it out.")
    train, held, labels = rows
    weights = weights_of(model, training)
    told = {"train": train, "held_out": held}
    write_run(stage, training, arguments, weights=weights, rows=told, labels=labels)
    training.model_init_kwargs = init_kwargs(model, training)
    make: Any = trainer_type
    trainer: SFTTrainer | DPOTrainer = make(
        model.source,
        args=training,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(held) if held else None,
        peft_config=adapters(model, training),
    )
    show_progress(trainer)
    _refuse_cut_answers(trainer.train_dataset, len(train), training.max_length)
    _refuse_cut_answers(trainer.eval_dataset, len(held), training.max_length)
    result = trainer.train(resume_from_checkpoint=checkpoint(training))
    metrics = dict(result.metrics)
    if held:
        metrics |= trainer.evaluate()
    finish(trainer, metrics)
    return metrics


def _refuse_cut_answers(rows: Any, count: int, limit: int | None) -> None:
    """TRL cuts a long row at its end, which is the answer, and drops rows left without one."""
    if limit is None or not isinstance(rows, Dataset):
        return
    if "input_ids" in rows.column_names:  # cut already: those of just this length may have been
        long = sum(len(ids) >= limit for ids in rows["input_ids"])
    else:  # a preference, which is cut batch by batch
        answers = zip(rows["chosen_ids"], rows["rejected_ids"], strict=True)
        longest = [max(map(len, both)) for both in answers]
        starts = map(len, rows["prompt_ids"])
        long = sum(n + more > limit for n, more in zip(starts, longest, strict=True))
    cut = count - len(rows) + long
    if cut:
        raise TrainingData(
            f"{cut} of {count} rows have max_length={limit} tokens or more and would lose their "
            "answers. Raise max_length, or show less history."
        )
