"""Room that the checkpoints of a run take."""

from __future__ import annotations

from typing import Any

from transformers.trainer_utils import SaveStrategy

from act_train.planning.batches import Steps
from act_train.planning.hardware import Launch
from act_train.planning.memory import Precision
from act_train.planning.model import Shape


def saved(
    shape: Shape, launch: Launch, precision: Precision, training: Any, steps: Steps | None
) -> tuple[int, float]:
    """How many checkpoints lie side by side at most, and the bytes of all that is saved.

    A checkpoint holds the weights that are trained and two moments of each, in their precision; the
    model that is saved in the end holds all weights. With DeepSpeed a checkpoint holds the moments
    and the weights in float32, and with ZeRO below 3 the weights of the module once more.

    Args:
        shape: of the model.
        launch: how processes share it.
        precision: of its weights.
        training: TRL's configuration.
        steps: of the run; None where nobody knows.
    """
    bytes_ = 2 if launch.deepspeed and precision.half else precision.weights
    trained = shape.trainable * bytes_
    optimizer = 2 * trained
    if launch.deepspeed:
        optimizer = 12 * shape.trainable + (trained if launch.zero < 3 else 0)
    each = trained + (0 if training.save_only_model else optimizer)
    adapters = shape.trainable if shape.trainable < shape.parameters else 0
    count = _count(training, steps)
    return count, (shape.parameters - adapters) * bytes_ + count * each


def _count(training: Any, steps: Steps | None) -> int:
    if training.save_strategy == SaveStrategy.NO:
        return 0
    # A new checkpoint is written before the oldest is deleted.
    most = training.save_total_limit + 1 if training.save_total_limit else None
    if steps is None:
        return most or 1
    if training.save_strategy == SaveStrategy.EPOCH:
        made = -(-steps.total // max(1, steps.each_epoch))
    else:
        every = training.save_steps  # below 1 it is a share of the run
        every = every if every >= 1 else max(1, round(every * steps.total))
        made = -(-steps.total // int(every))  # one more at the end
    return made if most is None else min(made, most)
