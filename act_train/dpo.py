"""``act-train dpo``: prefer the expert's action to the alternative, as the next action.

A control of arXiv 2603.08706 on the data of the critique stage: DPO (arXiv 2305.18290).

Algorithm: the model is not asked to judge. After the prompt of the state, raise the likelihood of
the expert's action against that of the alternative, both relative to the starting model. It is
``trl.DPOTrainer`` on rows of :func:`act_train.rows.preference_rows`; everything about optimisation
is ``DPOConfig``.

Left out: reasoning, and pairs weighted by how much better the better action is.
"""

from __future__ import annotations

from trl import DPOConfig, DPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import LabelArguments, ModelArguments, PairArguments
from act_train.imitate import fit


def run(
    model: ModelArguments, data: PairArguments, label: LabelArguments, training: DPOConfig
) -> dict[str, float]:
    """Prefer the expert's actions.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks
        (``eval_rewards/accuracies``: how often the expert's action gains on the alternative).
    """
    rows = preparing.preferences(data, label, training.seed)
    return fit("dpo", model, training, [model, data, label], rows, trainer_type=DPOTrainer)
