"""Steps and tokens of a run, from how many rows there are and how long they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from act_train.arguments.training import CritiqueArguments
from act_train.planning import batches, work
from act_train.planning.arguments import PlanArguments
from act_train.planning.findings import Plan
from act_train.planning.lengths import Length
from act_train.planning.work import Group, Work


def count(found: Plan, options: Sequence[Any], arguments: PlanArguments) -> None:
    """Fill in steps and tokens of a plan that knows its rows.

    Args:
        found: the plan.
        options: dataclasses of the stage.
        arguments: what is assumed.
    """
    training = found.training
    of_data = batches.reinforced if found.generates else batches.supervised
    if found.rows or training.max_steps > 0:
        found.steps = of_data(found.rows[0] if found.rows else 0, training)
        if found.rows and found.steps.each_epoch == 0:
            found.wrong.append(
                f"{found.rows[0]} rows make no whole step, which takes answers to "
                f"{training.generation_batch_size // training.num_generations} prompts at once. "
                "Take more data, smaller batches, or fewer processes."
            )
            return
    else:
        found.unknown.append("how many rows there are, so tokens and hours are those of one step.")
    steps = found.steps.total if found.steps else 1
    measured = found.rows[1] if found.rows else 0
    if found.generates:
        _count_answers(found, options, steps, measured, arguments)
        return
    mean = _mean([_seen(one, found.preferences) for one in found.lengths])
    mean = mean or arguments.prompt_tokens * (2 if found.preferences else 1)
    taken = steps * batches.rows_of_a_step(training)
    if found.steps and found.rows and training.max_steps <= 0:
        taken = math.ceil(training.num_train_epochs * found.rows[0])  # the last step is smaller
    again = 2 if found.reference else 1
    found.work = found.plain = Work(
        learnt=taken * mean,
        forwarded=(taken * mean if found.reference else 0) + again * measured * mean,
    )


def _count_answers(
    found: Plan, options: Sequence[Any], steps: int, measured: int, arguments: PlanArguments
) -> None:
    training = found.training
    prompt = _mean([one.prompt for one in found.lengths]) or arguments.prompt_tokens
    answer = arguments.answer_tokens or training.max_completion_length
    found.group = Group(prompt, answer, training.num_generations)
    asked = Group(prompt, answer, training.num_generations_eval or training.num_generations)
    size = training.per_device_train_batch_size * training.world_size
    # Micro-batches that are learnt from before new answers are generated.
    kept = training.steps_per_generation * training.num_iterations
    micro = steps * training.gradient_accumulation_steps
    groups = -(-micro // kept) * training.generation_batch_size / training.num_generations
    passes = micro * size / training.num_generations / groups
    looks = 2 * measured
    if any(isinstance(one, CritiqueArguments) and one.select for one in options) and found.rows:
        looks += found.rows[0]
    ways: list[Work] = []
    for shares in (False, found.shares):
        shared: dict[str, Any] = {
            "hidden": found.shape.hidden if found.shape else 4096,
            "shares": shares,
            "looks": found.looks,
        }
        learnt = work.reinforced(
            found.group, groups, passes=passes,
            at_once=training.generation_batch_size, **shared,
        )  # fmt: skip
        ways.append(
            learnt
            + work.reinforced(
                asked, looks, passes=0,
                at_once=training.per_device_eval_batch_size * training.world_size, **shared,
            )
        )  # fmt: skip
    found.plain, found.work = ways


def _seen(one: Length, twice: bool) -> int:
    """Tokens that a row costs: of a preference the prompt is computed for both answers."""
    return one.answers + (2 if twice else 1) * one.prompt


def _mean(values: Sequence[int]) -> float:
    return fmean(values) if values else 0.0
