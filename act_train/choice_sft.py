"""``act-train choice-sft``: supervised fine-tuning on which of two actions is better.

A control of arXiv 2603.08706 (SFT on the choice): the data and the questions of the critique stage,
without its reasoning and without its reinforcement. If this does as much for acting, reasoning
about actions is not what helps.

Algorithm: maximise the likelihood of the labelled answer after a prompt that asks for the action
alone, for each order of the candidates; prompts carry no loss. It is ``trl.SFTTrainer`` on rows of
:func:`act_train.rows.choice_rows`; everything about optimisation is ``SFTConfig``.

Left out: rationales, of which the pairs hold none.
"""

from __future__ import annotations

from trl import SFTConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import (
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
)
from act_train.imitate import fit


def run(
    model: ModelArguments,
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    training: SFTConfig,
) -> dict[str, float]:
    """Imitate the labels.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.
    """
    rows = preparing.choice(data, asked, label, training.seed)
    return fit("choice-sft", model, training, [model, data, asked, label], rows)
