"""``act-train plan RECIPE``: what a stage would need and cost, before anything is loaded.

Nothing is trained and no weights are read: the recipe is read as the stage would read it, the model
is built without storage from its ``config.json``, and a sample of the stage's own rows is counted
with the model's tokenizer. From these follow memory on each GPU (:mod:`act_train.planning.memory`),
lengths against limits, whole groups in batches, steps, tokens, GPU hours
(:mod:`act_train.planning.work`) and room on disk. Of a pipeline every training stage is planned;
a stage that starts from another has the sizes of the model where that began.

It is an estimate of what is usual, for AdamW and models of dense, gated layers. What cannot work is
told with its remedy and exit status 2; what cannot be known here is told and planned around.

Left out: mixtures of experts, quantised weights, FSDP, and evaluations.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from act_train.errors import RecipeError
from act_train.planning.arguments import PlanArguments
from act_train.planning.reading import stages
from act_train.planning.stage import plan
from act_train.planning.telling import table, time


def run(arguments: PlanArguments) -> dict[str, Any]:
    """Plan all stages of the recipes.

    Returns:
        ``{"stages": [...]}``, for each its title, the lines of its table, what is wrong, and about
        how many seconds it computes, with every seed (None where that is not known).

    Raises:
        RecipeError: a recipe cannot be read, or something in it cannot work. What was planned has
            been printed by then.
    """
    found: list[dict[str, Any]] = []
    for name in arguments.recipes:
        for planned in stages(name, arguments.set):
            try:
                made = plan(planned, arguments)
            except RecipeError as error:
                found.append({"title": planned.title, "lines": [], "wrong": [str(error)]})
                continue
            found.append(
                {
                    "title": planned.title,
                    "lines": table(made, arguments),
                    "wrong": made.wrong,
                    "gpu_seconds": sum(made.seconds) * planned.seeds
                    if made.seconds and made.steps
                    else None,
                }
            )
    wrong = [f"{one['title']}: {what}" for one in found for what in one["wrong"]]
    if wrong:
        sys.stdout.write(f"{words({'stages': found})}\n")
        sys.stdout.flush()
        raise RecipeError(" ".join(wrong))
    return {"stages": found}


def words(report: Mapping[str, Any]) -> str:
    """What is printed: a table for each stage, and what all of them take."""
    stages = report["stages"]
    said = ["\n".join([one["title"], *(f"  {line}" for line in one["lines"])]) for one in stages]
    seconds = [one.get("gpu_seconds") for one in stages]
    if len(stages) > 1 and None not in seconds:
        said.append(f"all stages, with every seed: about {time(sum(seconds))} of computing")
    return "\n\n".join(said)
