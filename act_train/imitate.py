"""``act-train imitate``: supervised fine-tuning on expert actions (the IL stage).

Algorithm: maximise the likelihood of the expert's action after the prompt of its state, one row
per step of every expert trajectory; prompts carry no loss. It is ``trl.SFTTrainer`` on rows of
:func:`act_train.data.imitation_rows`; everything about optimisation is ``SFTConfig``.

Left out: reasoning traces (expert trajectories have none), packing, and weighting of steps by how
well the trajectory ended: choose what to imitate when collecting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_train.data import Row, imitation_rows, load_trajectories, split_by_task, spread
from act_train.errors import TrainingData
from act_train.manifest import checkpoint, finish, weights_of, write_run
from act_train.progress import show_progress
from act_train.recipe import ModelArguments, TrajectoryArguments


def run(model: ModelArguments, data: TrajectoryArguments, training: SFTConfig) -> dict[str, float]:
    """Imitate the trajectories.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.
    """
    train, held = split_by_task(
        load_trajectories(data.trajectories, data.allow_split), data.validation_share
    )
    train = spread(train, data.max_trajectories)
    return fit(
        "imitate",
        model,
        training,
        [model, data],
        imitation_rows(train, history=data.history),
        imitation_rows(held, history=data.history),
    )


def fit(
    stage: str,
    model: ModelArguments,
    training: SFTConfig,
    arguments: Sequence[Any],
    train: Sequence[Row],
    held: Sequence[Row],
) -> dict[str, float]:
    """Fine-tune on rows of prompt and completion, and leave a complete run folder.

    Args:
        stage: name for the manifest.
        model: where to start.
        training: TRL's configuration.
        arguments: what else the manifest must say.
        train: rows to learn from.
        held: rows to measure on; may be empty.

    Raises:
        TrainingData: rows do not fit into ``max_length`` and would lose their answers.
    """
    weights = weights_of(model)
    write_run(stage, training, arguments, weights=weights, rows={"train": train, "held_out": held})
    if model.revision:
        training.model_init_kwargs = {**_mapping(training), "revision": model.revision}
    trainer = SFTTrainer(
        model.model,
        args=training,
        train_dataset=Dataset.from_list(list(train)),
        eval_dataset=Dataset.from_list(list(held)) if held else None,
    )
    show_progress(trainer)
    _refuse_cut_answers(trainer, len(train), training.max_length)
    result = trainer.train(resume_from_checkpoint=checkpoint(training))
    metrics = dict(result.metrics)
    if held:
        metrics |= trainer.evaluate()
    finish(trainer, metrics)
    return metrics


def _refuse_cut_answers(trainer: SFTTrainer, count: int, limit: int | None) -> None:
    """TRL cuts a long row at its end, which is the answer, and drops rows left without one."""
    rows = trainer.train_dataset
    if limit is None or not isinstance(rows, Dataset):
        return
    cut = count - len(rows) + sum(len(ids) >= limit for ids in rows["input_ids"])
    if cut:
        raise TrainingData(
            f"{cut} of {count} rows have max_length={limit} tokens or more and would lose their "
            "answers. Raise max_length, or show less history."
        )


def _mapping(training: SFTConfig) -> dict[str, Any]:
    return training.model_init_kwargs if isinstance(training.model_init_kwargs, dict) else {}
