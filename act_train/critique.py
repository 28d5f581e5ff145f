"""``act-train critique``: learn to say which of two actions is better (the ACT stage).

Algorithm (arXiv 2603.08706): for a state, an expert's action and an alternative in either order,
sample G answers; reward each (see ``rewards``); subtract the mean of the group and divide by its
deviation; raise the likelihood of answers above it (GRPO), held near the starting model by a KL
term. It is ``trl.GRPOTrainer`` on rows of :func:`act_train.rows.critique_rows`; everything about
optimisation is ``GRPOConfig``.

Before and after training the model answers prompts of held-out tasks. One that does not keep the
format, or does not judge above chance, is refused (:mod:`act_train.gate`).

Not of the paper, and off by default: more than two candidates, an answer for pairs that were found
equivalent, labels made wrong on purpose (:mod:`act_train.questions`), and leaving out pairs that
teach nothing (:mod:`act_train.selection`). ``reasoning: false`` is the paper's control without
reasoning: the action is asked for alone, and thinking blocks of chat templates are closed.

Left out: executing the actions (the label is an assumption), and the multi-turn environment, which
this stage never touches.
"""

from __future__ import annotations

from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import (
    CritiqueArguments,
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
    RewardArguments,
)
from act_train.base import template_options
from act_train.reinforce import reinforce


def run(
    model: ModelArguments,
    data: PairArguments,
    asked: QuestionArguments,
    label: LabelArguments,
    reward: RewardArguments,
    gate: CritiqueArguments,
    training: GRPOConfig,
) -> dict[str, float]:
    """Train on the pairs.

    Returns:
        What ``metrics.json`` holds, see :func:`act_train.reinforce.reinforce`.
    """
    rows = preparing.critique(data, asked, label, gate, training.seed)
    if not gate.reasoning:
        training.chat_template_kwargs = {**template_options(training), "enable_thinking": False}
    return reinforce("critique", model, training, [data, asked, label], reward, gate, rows)
