"""``act-train reflect``: imitate with the thoughts that two executed actions give rise to.

A rival of arXiv 2603.08706: self-reflection, the second way of Early Experience (arXiv 2510.08558).

Algorithm: for every verified pair a language model has written, knowing what both actions gave,
what speaks for the expert's (:mod:`act_train.reflections`). Here the likelihood of these thoughts
and the action is maximised after the prompt of the state, which shows neither alternative nor
outcome; prompts carry no loss. It is ``trl.SFTTrainer`` on rows of
:func:`act_train.rows.reflection_rows`; everything about optimisation is ``SFTConfig``.

Left out: mixing in steps of the expert that nothing was compared with (``imitate`` before, or
after).
"""

from __future__ import annotations

from trl import SFTConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import ModelArguments, PairArguments, ThoughtArguments
from act_train.imitate import fit


def run(
    model: ModelArguments, data: PairArguments, thought: ThoughtArguments, training: SFTConfig
) -> dict[str, float]:
    """Learn thoughts and actions.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.

    Raises:
        TrainingData: no pair was executed, or about none of them there is a thought.
    """
    rows = preparing.thoughts(data, thought)
    return fit("reflect", model, training, [model, data, thought], rows)
