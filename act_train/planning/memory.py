"""Bytes that a process needs on its GPU, from sizes alone.

What is held all the time is reckoned as in Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054, section
3): in mixed precision 2 bytes of weights, 2 of gradients and 12 of the optimizer for a parameter,
shared out by stages. Activations are counted as in Korthikanti et al. 2022 (arXiv 2205.05198,
section 4), tensor by tensor that the backward pass needs, but for layers as Qwen3 has them: norms
in float32, a gated feed-forward layer, attention that stores no scores, no dropout.

Not counted: buffers of communication, what the driver takes, and memory in pieces too small to use.
A plan leaves a tenth free for these.
"""

from __future__ import annotations

from dataclasses import dataclass

from act_train.planning.hardware import Launch
from act_train.planning.model import Shape

HEADROOM = 0.1
_LIVE = 1_000_000_000  # parameters that ZeRO-3 keeps gathered: stage3_max_live_parameters
_TILE = (4096, 32768)  # tokens, at most, and words for which TRL's head has room at once


@dataclass(frozen=True)
class Precision:
    """In which numbers a model is held and computed.

    Attributes:
        weights: bytes of a parameter as it is loaded.
        half: products are computed in 16 bits.
    """

    weights: int
    half: bool

    @property
    def computed(self) -> int:
        """Bytes of a number in a product."""
        return 2 if self.half else self.weights


@dataclass(frozen=True)
class Batch:
    """What goes through a model at once.

    Attributes:
        rows: of a micro-batch.
        length: tokens of a row, at most.
        scored: tokens of the micro-batch whose probability is asked for.
        answered: rows that are generated at once; 0 if none are.
        answered_length: tokens of such a row in the end.
    """

    rows: int
    length: int
    scored: int
    answered: int = 0
    answered_length: int = 0


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU.

    Attributes:
        weights: and copies of them in the precision of products.
        gradients: with the buckets in which processes exchange them.
        optimizer: two moments, and weights in float32 where DeepSpeed keeps them.
        reference: a second model that is not trained.
        activations: what the backward pass of a micro-batch needs.
        logits: tiles of them, and the gradient of the head in float32.
        cache: keys and values of the answers that are generated at once, and their last logits.
        gathered: weights of other processes, while it learns (first) and while it answers.
        reserved: what an engine beside the trainer takes to generate.
    """

    weights: float
    gradients: float
    optimizer: float
    reference: float
    activations: float
    logits: float
    cache: float
    gathered: tuple[float, float]
    reserved: float = 0.0

    @property
    def held(self) -> float:
        """What is there all the time."""
        return self.weights + self.gradients + self.optimizer + self.reference + self.reserved

    @property
    def learning(self) -> float:
        """The most while it learns."""
        return self.held + self.activations + self.logits + self.gathered[0]

    @property
    def answering(self) -> float:
        """The most while it generates; 0 if it does not."""
        return self.held + self.cache + self.gathered[1] if self.cache else 0.0

    @property
    def peak(self) -> float:
        """The most at any time."""
        return max(self.learning, self.answering)


def memory(
    shape: Shape,
    launch: Launch,
    precision: Precision,
    batch: Batch,
    *,
    checkpointing: bool,
    reference: bool,
) -> Memory:
    """What a training run needs on each GPU.

    Args:
        shape: of the model.
        launch: how processes share it.
        precision: of weights and products.
        batch: what is computed at once.
        checkpointing: activations are computed again instead of kept.
        reference: a reference model is held; adapters need none, for they can be turned off.
    """
    adapters = shape.trainable < shape.parameters
    weights, gradients, optimizer = states(shape, launch, precision)
    held = shape.parameters * (2 if launch.deepspeed and precision.half else precision.weights)
    sharded = launch.deepspeed and launch.zero == 3 and launch.processes > 1
    size = held / shape.parameters
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        reference=0 if adapters or not reference
        else held / (launch.processes if sharded else 1),
        activations=activations(shape, launch, precision, batch, checkpointing=checkpointing),
        logits=_logits(shape, precision, batch, head=not adapters),
        cache=batch.answered
        * (batch.answered_length * shape.cache * precision.computed + 8 * shape.vocabulary),
        gathered=(min(shape.parameters, _LIVE) * size, held) if sharded else (0, 0),
    )  # fmt: skip


def states(shape: Shape, launch: Launch, precision: Precision) -> tuple[float, float, float]:
    """Bytes of weights, of gradients and of the states of AdamW that a process holds.

    Without DeepSpeed they have the precision of the weights. With it, weights and gradients have
    the precision of products, and the optimizer holds the weights and both moments in float32.
    """
    all_, trained = shape.parameters, shape.trainable
    if launch.deepspeed:
        size = 2 if precision.half else precision.weights
        parts = [launch.processes if launch.zero >= stage else 1 for stage in (3, 2, 1)]
        kept = 0 if launch.offload else 12 * trained / parts[2]
        return size * all_ / parts[0], size * trained / parts[1], kept
    frozen = all_ - trained
    size = 4 if frozen else precision.weights  # peft holds adapters in float32
    weights = frozen * precision.weights + trained * size
    if precision.half:  # autocast copies what is no bfloat16
        weights += 2 * (trained if size > 2 else 0) + 2 * (frozen if precision.weights > 2 else 0)
    exchanged = 2 if launch.processes > 1 else 1  # DistributedDataParallel copies them to buckets
    return weights, exchanged * size * trained, 2 * size * trained


def activations(
    shape: Shape, launch: Launch, precision: Precision, batch: Batch, *, checkpointing: bool
) -> float:
    """Bytes that are kept for the backward pass of a micro-batch.

    A layer keeps for each token: of both norms the input in float32, what is normalised, and the
    result; queries before their norm in float32, what is normalised, and what attention takes; keys
    before their norm likewise; keys and values, repeated for all queries, for rows come with a
    mask; what attention gives; and four tensors of the feed-forward layer. The mask is kept by
    every layer as numbers to add. With checkpointing a layer keeps its input alone, and one layer
    at a time keeps all.
    """
    stream = 2 if launch.deepspeed and precision.half else precision.weights
    size = precision.computed
    tokens = batch.rows * batch.length
    casts = 10 if stream > size else 0  # autocast: of the stream, for each of five products
    norms = 2 * (4 + 2 * stream) - 2 * (stream if casts else 0) + casts
    queries, keys = (4 + 5 * size) * shape.queries, (4 + size) * shape.keys
    mask = batch.rows * batch.length**2
    layer = size * mask + tokens * (
        norms * shape.hidden + queries + keys + 4 * size * shape.intermediate
    )
    last = mask + tokens * (4 + 2 * stream) * shape.hidden
    if checkpointing:
        return shape.layers * tokens * stream * shape.hidden + layer + last
    return shape.layers * layer + last


def _logits(shape: Shape, precision: Precision, batch: Batch, *, head: bool) -> float:
    """TRL computes logits in tiles, never all, and adds up gradients in float32."""
    tile = min(batch.scored, _TILE[0]) * _TILE[1] * precision.computed
    gradients = 4 * shape.hidden * (batch.scored + (shape.vocabulary if head else 0))
    return tile + gradients
