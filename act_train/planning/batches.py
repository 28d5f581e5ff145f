"""How rows come to be steps of the optimizer, and batches that cannot be made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from act_train.errors import RecipeError


@dataclass(frozen=True)
class Steps:
    """How long a run is.

    Attributes:
        each_epoch: steps of one pass over the data.
        total: steps of the run.
    """

    each_epoch: int
    total: int


def refuse_partial_groups(told: Mapping[str, Any], processes: int) -> None:
    """Refuse what ``trl.GRPOConfig`` would, and say what to set.

    Args:
        told: options of a recipe.
        processes: that train together.

    Raises:
        RecipeError: answers that are generated at once make no whole groups.
    """
    group = _number(told, "num_generations", 8)
    size = _number(told, "per_device_train_batch_size", 8)
    pieces = _number(told, "steps_per_generation", _number(told, "gradient_accumulation_steps", 1))
    together = _number(told, "generation_batch_size", size * processes * pieces)
    if group < 1 or together % group == 0:
        return
    if told.get("generation_batch_size") is not None:
        raise RecipeError(
            f"generation_batch_size={together} makes no whole groups of num_generations={group}. "
            f"Set generation_batch_size to a multiple of {group}, or leave it out."
        )
    fitting = group // math.gcd(group, processes * pieces)
    raise RecipeError(
        f"{together} answers are generated at once (per_device_train_batch_size={size}, "
        f"{processes} process(es), {pieces} micro-batches), which are no whole groups of "
        f"num_generations={group}. Set per_device_train_batch_size to a multiple of {fitting}; to "
        f"one of {group}, and prompts are computed once for a group."
    )


def supervised(rows: int, training: Any) -> Steps:
    """Steps of SFT or DPO on so many rows, as ``transformers.Trainer`` counts them."""
    size = training.per_device_train_batch_size * training.world_size
    return _steps(-(-rows // size), training)


def reinforced(prompts: int, training: Any) -> Steps:
    """Steps of GRPO on so many prompts, as ``trl.GRPOTrainer`` counts them.

    Prompts are taken by as many as are answered at once, and what is left over in the end is not
    taken. Answers are learnt from ``num_iterations`` times.
    """
    at_once = training.generation_batch_size // training.num_generations
    rounds = prompts // at_once
    return _steps(rounds * training.num_iterations * training.steps_per_generation, training)


def rows_of_a_step(training: Any) -> int:
    """Rows that a step of the optimizer takes from all processes; of GRPO each is an answer."""
    size = training.per_device_train_batch_size * training.world_size
    return int(size * training.gradient_accumulation_steps)


def _steps(batches: int, training: Any) -> Steps:
    each = -(-batches // training.gradient_accumulation_steps)
    total = training.max_steps
    if total <= 0:
        total = math.ceil(training.num_train_epochs * each)
    return Steps(each_epoch=each, total=total)


def _number(told: Mapping[str, Any], key: str, default: int) -> int:
    """An option, if it is a number at all; what else it may be is for TRL to refuse."""
    value = told.get(key)
    try:
        return default if value is None else int(value)
    except (TypeError, ValueError):
        return default
