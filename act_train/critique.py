"""``act-train critique``: learn to say which of two actions is better (the ACT stage).

Algorithm (arXiv 2603.08706): for a state, an expert's action and an alternative in either order,
sample G answers; reward each (see ``rewards``); subtract the mean of the group and divide by its
deviation; raise the likelihood of answers above it (GRPO), held near the starting model by a KL
term. It is ``trl.GRPOTrainer``, with prompts computed once (:mod:`act_train.shared_prefix`), on
rows of :func:`act_train.data.critique_rows`; everything about optimisation is ``GRPOConfig``.

Before and after training the model answers prompts of held-out tasks. A group whose answers all
get one reward teaches nothing, and a model that never writes the action tag has only such groups:
the loss is then exactly zero and nothing would say so. Such a model is refused.

Left out: executing the actions (the label is an assumption), more than two candidates, and the
multi-turn environment, which this stage never touches.
"""

from __future__ import annotations

import logging
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_train.data import Row, critique_rows, load_pairs, split_by_task, spread
from act_train.errors import NothingToLearn, RecipeError
from act_train.manifest import checkpoint, finish, weights_of, write_run
from act_train.progress import show_progress
from act_train.recipe import CritiqueArguments, ModelArguments, PairArguments, RewardArguments
from act_train.rewards import REWARDS, judged, weights
from act_train.shared_prefix import SharedPrefixGRPOTrainer

logger = logging.getLogger(__name__)


def run(
    model: ModelArguments,
    data: PairArguments,
    reward: RewardArguments,
    gate: CritiqueArguments,
    training: GRPOConfig,
) -> dict[str, float]:
    """Train on the pairs.

    Returns:
        What ``metrics.json`` holds: numbers on the gate's prompts ``before_`` and ``after_``
        (``rewards/expert_match/mean``, ``judge/accuracy``, ``frac_reward_zero_std``, ...), and
        TRL's own on the whole run.

    Raises:
        RecipeError: batches do not hold whole groups, or weights are given twice.
        NothingToLearn: the model keeps the format too rarely.
    """
    _check(training)
    pairs, held = split_by_task(load_pairs(data.pairs, data.allow_split), data.validation_share)
    train_rows = critique_rows(spread(pairs, data.max_pairs), history=data.history)
    # Both orders of a pair lie together: an even number of prompts shows each as often.
    shown = spread(held or pairs, (gate.gate_prompts + 1) // 2)
    gate_rows = critique_rows(shown, history=data.history)
    write_run(
        "critique",
        training,
        [model, data, reward, gate],
        weights=weights_of(model),
        rows={"train": train_rows, "gate": gate_rows},
    )
    training.reward_weights = weights(reward)
    if model.revision:
        training.model_init_kwargs = {**_mapping(training), "revision": model.revision}
    functions: list[Any] = list(REWARDS)
    trainer = SharedPrefixGRPOTrainer(
        model.model,
        reward_funcs=functions,
        args=training,
        train_dataset=Dataset.from_list(train_rows),
        eval_dataset=Dataset.from_list(gate_rows),
    )
    show_progress(trainer)
    before = _measure(trainer)
    _open_gate(before, gate, gate_rows)
    result = trainer.train(resume_from_checkpoint=checkpoint(training))
    after = _measure(trainer)
    metrics = dict(result.metrics)
    for moment, found in (("before", before), ("after", after)):
        metrics |= {f"{moment}_{name}": value for name, value in found.items()}
    finish(trainer, metrics)
    return metrics


def _open_gate(rates: dict[str, float], gate: CritiqueArguments, rows: list[Row]) -> None:
    """Refuse a model that cannot learn from this stage; warn where it hardly can."""
    kept = 1 - rates["rewards/format_failure/mean"]
    constant = rates["frac_reward_zero_std"]
    finding = (
        f"on {len(rows)} prompts the model keeps the answer format in {kept:.1%} of its answers, "
        f"and {constant:.0%} of the groups have one reward for all answers"
    )
    remedy = "Teach the format first: act-train warm-start; or start from an instruct model."
    if kept < gate.min_format_rate:
        raise NothingToLearn(
            f"{finding}: training would change nothing. {remedy} "
            "(min_format_rate: 0 goes on regardless.)"
        )
    if kept < 0.5 or constant > 0.9:
        logger.warning("%s: expect little. %s", finding, remedy)
    else:
        logger.info("%s", finding)


def _measure(trainer: GRPOTrainer) -> dict[str, float]:
    """Rates on the gate's prompts, sampled and rewarded as in training, under TRL's names."""
    metrics = trainer.evaluate()
    wanted = ("rewards/", "judge/", "reward", "frac_reward_zero_std", "completions/clipped_ratio")
    rates = {name.removeprefix("eval_"): value for name, value in metrics.items()}
    found = {name: value for name, value in rates.items() if name.startswith(wanted)}
    return {**found, **judged(found)}


def _check(training: GRPOConfig) -> None:
    """What TRL checks too late or not at all, before a model is loaded."""
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


def _mapping(training: GRPOConfig) -> dict[str, Any]:
    return training.model_init_kwargs if isinstance(training.model_init_kwargs, dict) else {}
