"""What the stages of GRPO on single answers share: measure, refuse, train, measure, save.

It is ``trl.GRPOTrainer`` with prompts computed once (:mod:`act_train.shared_prefix`), and the
rewards of :mod:`act_train.rewards`. What is asked is the stage's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

from act_data.prompts import begun
from act_train.arguments.training import (
    CritiqueArguments,
    GateArguments,
    ModelArguments,
    RewardArguments,
)
from act_train.base import adapters, init_kwargs, template_options, weights_of
from act_train.errors import NothingToLearn, RecipeError
from act_train.gate import Witness, measure, open_choice_gate, open_gate
from act_train.manifest import checkpoint, finish, write_run
from act_train.preparing import Prepared
from act_train.progress import show_progress
from act_train.rewards import weights
from act_train.rows import Row
from act_train.selection import select
from act_train.shared_prefix import SharedPrefixGRPOTrainer


def reinforce(
    stage: str,
    model: ModelArguments,
    training: GRPOConfig,
    arguments: Sequence[Any],
    reward: RewardArguments,
    gate: GateArguments,
    rows: Prepared,
) -> dict[str, float]:
    """Train on rows of prompts, and leave a complete run folder.

    Args:
        stage: name for the manifest.
        model: where to start.
        training: TRL's configuration.
        arguments: what else the manifest must say.
        reward: what an answer is worth.
        gate: what is asked of the model before.
        rows: to learn from; and to measure on, before and after.

    Returns:
        What ``metrics.json`` holds: numbers on the rows to measure on, ``before_`` and ``after_``
        (``rewards/expert_match/mean``, ``judge/accuracy``, ``frac_reward_zero_std``, ...), and
        TRL's own on the whole run.

    Raises:
        RecipeError: batches do not hold whole groups, or weights are given twice.
        NothingToLearn: the model keeps the format too rarely, its choices are no better than
            chance, or there are fewer prompts than are answered at a time.
    """
    refuse_batches(training)
    train, held, labels = rows
    _refuse_few(len(train), training, "there are")
    start = weights_of(model, training)
    told = {"train": train, "gate": held}
    write_run(
        stage, training, [model, *arguments, reward, gate], weights=start, rows=told, labels=labels
    )
    training.reward_weights = weights(reward)
    training.model_init_kwargs = init_kwargs(model, training)
    witness = Witness(places=sorted({row.get("expert_position", 0) for row in [*train, *held]}))
    trainer = SharedPrefixGRPOTrainer(
        model.source,
        reward_funcs=witness.rewards,
        args=training,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(held),
        peft_config=adapters(model, training),
    )
    witness.begun = _begun(trainer, held[0])
    show_progress(trainer)
    before, answers = measure(trainer, witness, held)
    open_gate(before, len(held), gate)
    metrics: dict[str, float] = {}
    if isinstance(gate, CritiqueArguments):
        before |= open_choice_gate(answers, above_chance=gate.above_chance)
        if gate.select:
            chosen = select(trainer, witness, train)
            _refuse_few(len(chosen), training, f"of {len(train)} prompts, those that teach are")
            trainer.train_dataset = Dataset.from_list(chosen)
            metrics["selected_share"] = len(chosen) / len(train)
    result = trainer.train(resume_from_checkpoint=checkpoint(training))
    after, _ = measure(trainer, witness, held)
    metrics |= result.metrics
    for moment, found in (("before", before), ("after", after)):
        metrics |= {f"{moment}_{name}": value for name, value in found.items()}
    finish(trainer, metrics)
    return metrics


def _begun(trainer: SharedPrefixGRPOTrainer, row: Row) -> str:
    """What a rendered prompt has of its answer already."""
    tokenizer: Any = trainer.processing_class
    given: Any = trainer.args
    return begun(
        tokenizer.apply_chat_template(
            row["prompt"],
            add_generation_prompt=True,
            tokenize=False,
            **template_options(given),
        )
    )


def at_a_time(training: GRPOConfig) -> int:
    """How many prompts are answered at a time, by all processes. Of fewer TRL trains on none."""
    return (training.generation_batch_size or 1) // (training.num_generations or 1)


def _refuse_few(prompts: int, training: GRPOConfig, found: str) -> None:
    batch = at_a_time(training)
    if prompts < batch:
        raise NothingToLearn(
            f"{found} {prompts}, and {batch} prompts are answered at a time: nothing would be "
            "trained. Take more pairs, or set a lower per_device_train_batch_size or "
            "gradient_accumulation_steps, or a higher num_generations."
        )


def refuse_batches(training: GRPOConfig) -> None:
    """Refuse what TRL checks too late or not at all, before a model is loaded.

    Raises:
        RecipeError: batches do not hold whole groups, or weights are given twice.
    """
    group = training.num_generations_eval or training.num_generations or 1
    batch = training.per_device_eval_batch_size * training.world_size
    if batch % group:
        raise RecipeError(
            f"per_device_eval_batch_size={training.per_device_eval_batch_size} on "
            f"{training.world_size} process(es) must be a multiple of the {group} generations "
            f"of a group. Set per_device_eval_batch_size: {group}."
        )
    if training.reward_weights is not None:
        raise RecipeError(
            "reward_weights is set. Set reward_accuracy, reward_admissible and reward_format."
        )
