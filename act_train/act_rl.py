"""``act-train act-rl``: learn the expert's action at expert states (the RL stage of the paper).

Algorithm (arXiv 2603.08706): for a state of an expert's trajectory, sample G next actions; reward
each with the terms of the critique stage (it is the expert's action, it is another admissible one,
it is no action); GRPO on that. One answer is one step: the environment is never touched, and what
an action leads to is never seen. It is ``trl.GRPOTrainer`` on rows of
:func:`act_train.rows.action_rows`; everything about optimisation is ``GRPOConfig``.

States come from contrast pairs, which know what was admissible there; a trajectory does not. So it
sees those at which the mining policy proposed something else than the expert's action, and of these
the ones whose pairs were kept. Where every sample was the expert's action a group would have one
reward for all answers, and teach nothing, unless the policy has changed much since; but an agent
that is to go on doing the right thing there is not told so.

Before and after training the model answers prompts of held-out tasks, and one without the format is
refused (:mod:`act_train.gate`).

Left out: returns over several steps, and the environment: that is another stage's.
"""

from __future__ import annotations

from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

from act_train import preparing
from act_train.arguments.training import (
    GateArguments,
    ModelArguments,
    PairArguments,
    RewardArguments,
)
from act_train.reinforce import reinforce


def run(
    model: ModelArguments,
    data: PairArguments,
    reward: RewardArguments,
    gate: GateArguments,
    training: GRPOConfig,
) -> dict[str, float]:
    """Train on the states of the pairs.

    Returns:
        What ``metrics.json`` holds, see :func:`act_train.reinforce.reinforce`.
    """
    return reinforce("act-rl", model, training, [data], reward, gate, preparing.actions(data, gate))
