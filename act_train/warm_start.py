"""``act-train warm-start``: teach a model to answer critique prompts at all, not what to answer.

Algorithm: supervised fine-tuning on critique prompts whose answer names a candidate chosen by a
fair coin (:func:`act_train.rows.warm_start_rows`). Instruction-tuned models do not need it. A
model that never writes the action tag does: without it every reward of the critique stage is the
same, every advantage is zero, and the stage ends without an error having changed nothing.

Not part of arXiv 2603.08706. It reads the same pairs as the critique stage and holds out the same
tasks. No pair tells which candidate is better, but how often a text is an answer may give it away
to a model from scratch (see ``warm_start_rows``): measure ``act-train judge`` before crediting the
critique stage with anything.
"""

from __future__ import annotations

from trl import SFTConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import ModelArguments, PairArguments, QuestionArguments
from act_train.imitate import fit


def run(
    model: ModelArguments, data: PairArguments, asked: QuestionArguments, training: SFTConfig
) -> dict[str, float]:
    """Teach the format of critique answers.

    Returns:
        What ``metrics.json`` holds.
    """
    rows = preparing.formats(data, asked, training.seed)
    return fit("warm-start", model, training, [model, data, asked], rows)
