"""``act-train world-model``: learn what actions give (implicit world modelling).

A rival of arXiv 2603.08706: the first of the two ways of Early Experience (arXiv 2510.08558) to
learn from what an agent's own actions lead to. The model goes on with ``imitate``.

Algorithm: both actions of every verified pair were executed. After the prompt of the state and one
of them, maximise the likelihood of what was observed then; prompts carry no loss. It is
``trl.SFTTrainer`` on rows of :func:`act_train.rows.outcome_rows`; everything about optimisation is
``SFTConfig``.

Left out: which of the actions was the expert's, and what either was worth.
"""

from __future__ import annotations

from trl import SFTConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import ModelArguments, PairArguments
from act_train.imitate import fit


def run(model: ModelArguments, data: PairArguments, training: SFTConfig) -> dict[str, float]:
    """Learn what was observed.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.
    """
    return fit("world-model", model, training, [model, data], preparing.outcomes(data))
