"""Tokens, operations and time of a run. All of it is an estimate, of which the formulas are here.

A token that is learnt from costs 6 N operations, N being the parameters that it is multiplied with;
one that is computed alone costs 2 N, and activations that are computed again another 2 N (Kaplan et
al. 2020, arXiv 2001.08361, section 2.1). With adapters the weights need no gradient: 4 N. Attention
over long rows, padding, and waiting for data or for other processes come on top.

Time is operations divided by the share of the peak that training is assumed to reach. Answers are
generated a token at a time, and for each the GPU reads all weights, and the keys and values of all
rows: bytes divided by its bandwidth. That is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from act_data.shared_prefix import in_a_row
from act_train.planning.hardware import Gpu, Launch
from act_train.planning.memory import Precision
from act_train.planning.model import Shape


@dataclass(frozen=True)
class Work:
    """Tokens of a run.

    Attributes:
        learnt: that go forward and backward.
        forwarded: that go forward through a model alone: reference, measurements, prompts before
            they are answered.
        generated: that the model writes.
        batches: of answers that one process generates one after the other.
    """

    learnt: float = 0
    forwarded: float = 0
    generated: float = 0
    batches: float = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.learnt + other.learnt,
            self.forwarded + other.forwarded,
            self.generated + other.generated,
            self.batches + other.batches,
        )


@dataclass(frozen=True)
class Group:
    """Answers to one prompt.

    Attributes:
        prompt: tokens.
        answer: tokens of each.
        size: how many answers.
    """

    prompt: float
    answer: float
    size: int

    @property
    def plain(self) -> float:
        """Tokens in a row for each answer: G(P + C)."""
        return self.size * (self.prompt + self.answer)

    def shared(self, hidden: int) -> float:
        """Tokens with the prompt computed once: P - 1 + G(C + 1) in one row.

        Where answers are long it may be cheaper to make several rows, each with the prompt.
        """
        return self.rows(hidden) * (self.prompt - 1) + self.size * (self.answer + 1)

    def rows(self, hidden: int) -> int:
        """Packed rows of the group."""
        return -(-self.size // in_a_row(self.size, round(self.prompt), round(self.answer), hidden))


def reinforced(
    group: Group,
    groups: float,
    *,
    hidden: int,
    shares: bool,
    passes: float,
    looks: int,
    at_once: int,
) -> Work:
    """Answer prompts and learn from the answers.

    Args:
        group: prompt and answers.
        groups: how many.
        hidden: width of the model.
        shares: prompts are computed once for a group.
        passes: how often an answer is learnt from, on average; 0 if it is only measured.
        looks: how often answers are computed beside: by a reference model, and by the model before
            its step where steps and answers do not keep time.
        at_once: answers that all processes generate together.
    """
    seen = group.shared(hidden) if shares else group.plain
    prompts = group.prompt * (1 if shares else group.size)
    return Work(
        learnt=groups * passes * seen,
        forwarded=groups * (prompts + (looks if passes else looks + 1) * seen),
        generated=groups * group.size * group.answer,
        batches=groups * group.size / at_once,
    )


def operations(work: Work, shape: Shape, *, checkpointing: bool) -> float:
    """Operations of a run, in FLOPs."""
    learnt = 4 if shape.trainable < shape.parameters else 6
    again = 2 if checkpointing else 0
    # What is generated is computed as well, once for each token.
    alone = work.forwarded + work.generated
    return shape.multiplied * ((learnt + again) * work.learnt + 2 * alone)


def gpu_seconds(
    work: Work,
    group: Group | None,
    shape: Shape,
    launch: Launch,
    precision: Precision,
    gpu: Gpu,
    *,
    checkpointing: bool,
    utilisation: float,
) -> tuple[float, float]:
    """Time of all GPUs together: to compute, and to generate.

    Args:
        work: tokens.
        group: prompt and answers, where answers are generated.
        shape: of the model.
        launch: how many processes.
        precision: of weights and products.
        gpu: what it does.
        checkpointing: activations are computed again.
        utilisation: share of the peak that is reached.
    """
    alone = Work(learnt=work.learnt, forwarded=work.forwarded)
    peak = gpu.bf16 if precision.half or precision.weights == 2 else gpu.float32
    computing = operations(alone, shape, checkpointing=checkpointing) / (utilisation * peak)
    if group is None:
        return computing, 0.0
    rows = work.generated / (group.answer * work.batches * launch.processes)
    read = shape.parameters * precision.computed + rows * shape.cache * precision.computed * (
        group.prompt + group.answer / 2
    )
    written = work.batches * group.answer * launch.processes  # tokens, one for all rows at once
    at_least = max(written * read / gpu.bandwidth, 2 * shape.multiplied * work.generated / peak)
    return computing, at_least
