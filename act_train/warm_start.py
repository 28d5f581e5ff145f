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

from act_train.arguments.training import ModelArguments, PairArguments, QuestionArguments
from act_train.data import load_pairs, split_by_task, spread
from act_train.imitate import fit
from act_train.questions import ask
from act_train.rows import warm_start_rows


def run(
    model: ModelArguments, data: PairArguments, asked: QuestionArguments, training: SFTConfig
) -> dict[str, float]:
    """Teach the format of critique answers.

    Returns:
        What ``metrics.json`` holds.
    """
    pairs = load_pairs(data.pairs, data.allow_split, split=data.split, subset=data.subset)
    train, held = (ask(part, asked) for part in split_by_task(pairs, data.validation_share))
    train = spread(train, data.max_pairs)
    return fit(
        "warm-start",
        model,
        training,
        [model, data, asked],
        warm_start_rows(train, history=data.history, seed=training.seed),
        warm_start_rows(held, history=data.history, seed=training.seed),
    )
