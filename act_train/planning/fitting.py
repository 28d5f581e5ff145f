"""Whether a run fits into a GPU, and what to change where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from act_train.planning.hardware import GPUS, Gpu, Launch, launch_of
from act_train.planning.memory import HEADROOM, Batch, Memory, Precision, memory
from act_train.planning.model import Shape
from act_train.planning.work import Group

_PROCESSES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Setting:
    """All that the memory of a run depends on.

    Attributes:
        shape: of the model.
        launch: how processes share it.
        precision: of weights and products.
        checkpointing: activations are computed again.
        reference: a reference model is held.
        rows: ``per_device_train_batch_size``.
        length: tokens of the longest row; of the longest prompt where answers are generated.
        answer: tokens of the longest answer that is generated; 0 if none are.
        group: answers to a prompt: those generated, or those of a preference.
        pieces: micro-batches whose answers the model generates at once; 0 if an engine does.
        shares: prompts are computed once.
        reserved: bytes that an engine of its own takes to generate; 0 where it has none.
    """

    shape: Shape
    launch: Launch
    precision: Precision
    checkpointing: bool
    reference: bool
    rows: int
    length: int
    answer: int
    group: int
    pieces: int
    shares: bool
    reserved: float

    def memory(self) -> Memory:
        """Bytes on each GPU, at the longest rows."""
        found = memory(
            self.shape, self.launch, self.precision, self.batch(),
            checkpointing=self.checkpointing, reference=self.reference,
        )  # fmt: skip
        return found if not self.reserved else replace(found, reserved=self.reserved)

    def fits(self, gpu: Gpu) -> bool:
        """Whether a tenth of the GPU is left free."""
        return self.memory().peak <= (1 - HEADROOM) * gpu.memory

    def batch(self) -> Batch:
        """What goes through the model at once."""
        if not self.answer:
            rows = self.rows * self.group  # a preference has two
            return Batch(rows, self.length, scored=rows * self.length)
        whole = self.length + self.answer
        group = Group(self.length, self.answer, self.group)
        rows, length = self.rows, whole
        if self.shares:
            rows = self.rows // self.group * group.rows(self.shape.hidden)
            length = round(self.rows // self.group * group.shared(self.shape.hidden) / rows)
        return Batch(
            rows, length, self.rows * self.answer,
            answered=self.rows * self.pieces, answered_length=whole,
        )  # fmt: skip


def advice(setting: Setting, gpu: Gpu) -> str:
    """What a setting that does not fit needs, and what makes it fit."""
    need, tried = setting.memory().peak, setting
    said = (
        f"{need / 1e9:.0f} GB are needed {gpu.each}, and {gpu.name} has "
        f"{gpu.memory / 1e9:.0f}, of which {HEADROOM:.0%} must stay free."
    )
    done: list[str] = []
    for change, better in _changes(setting):
        if better.memory().peak >= tried.memory().peak:
            continue
        tried, done = better, [*done, change]
        if tried.fits(gpu):
            return f"{said} It fits with {'; '.join(_last(done))}."
    larger = [one.name for one in GPUS.values() if one.name != "cpu" and setting.fits(one)]
    other = f"Take gpu {larger[0]}" if larger else "Take a smaller model, or shorter rows"
    return f"{said} {other}."


def _changes(setting: Setting) -> Iterator[tuple[str, Setting]]:
    """Ever more changes, those first that change least of what is learnt."""
    now = replace(setting, checkpointing=True)
    yield "activation_checkpointing: true", now
    least = setting.group if setting.shares else 1
    size = setting.rows
    while size > least:
        size = max(least, size // 2 // least * least)
        more = setting.rows // size
        now = replace(now, rows=size, pieces=setting.pieces * more)
        yield f"per_device_train_batch_size: {size}, {more} times the accumulation", now
    for processes in _PROCESSES:
        if processes >= setting.launch.processes:
            now = replace(now, launch=launch_of("zero3.yaml", processes))
            yield f"launch zero3.yaml on {processes} processes", now
    if setting.precision.weights > 2:
        now = replace(now, precision=Precision(2, half=True))
        yield 'bf16: true, model_init_kwargs: \'{"dtype": "bfloat16"}\'', now


def _last(changes: list[str]) -> list[str]:
    """Of changes of one kind only the last."""
    kinds = {change.partition(":")[0].partition(" on ")[0]: change for change in changes}
    return list(kinds.values())
