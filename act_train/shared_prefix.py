"""``SharedPrefixGRPOTrainer``: TRL's GRPO, with the prompt of a group computed once.

The G answers of a group share their prompt. TRL computes it G times, when it generates and again
for the log-probabilities of every token. Here answers are generated from one cache of the prompt,
and scored in one packed row (:mod:`act_data.shared_prefix`); rows are shuffled group by group
instead of one by one, or micro-batches would hold groups in pieces. Losses, advantages, importance
ratios, metrics: all of that stays TRL's.

It is exact: the same numbers but for rounding. The first batch is computed both ways; where they
differ (sliding windows shorter than the text, recurrent layers, attention that takes no mask,
dropout), the trainer says so once and goes on as TRL does.

Overridden, and pinned by a test (``tests/train/test_shared_prefix.py``): ``_prepare_inputs`` and
``_get_per_token_logps_and_entropies`` of ``GRPOTrainer``, and ``generate`` of its model.

Left out: sharing between the turns of an episode, and images.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, cast

import torch
from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_data import shared_prefix

logger = logging.getLogger(__name__)

MASKED = ("sdpa", "eager")
"""Implementations of attention that take any mask."""


class SharedPrefixGRPOTrainer(GRPOTrainer):
    """``trl.GRPOTrainer`` with the same arguments, and less to compute.

    Attributes:
        shares: whether answers are scored in packed rows; None before the first batch has shown
            that this gives the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shares: bool | None = None
        model: Any = self.model
        attention = model.config._attn_implementation
        if attention not in MASKED:
            self._turn_off(f"attention {attention!r} takes no mask; set attn_implementation: sdpa")
        size, group = self.args.per_device_train_batch_size, self.num_generations or 1
        if size % group:
            logger.warning(
                "per_device_train_batch_size=%d holds no whole groups of %d answers, so their "
                "prompts are computed more than once. Set a multiple of %d.", size, group, group,
            )  # fmt: skip
        if not self.use_vllm and self.shares is not False:
            # The unwrapped model, which TRL asks to generate, is this one.
            model.generate = functools.partial(shared_prefix.generate, model, call=model.generate)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's, but the shuffled rows of one prompt come into the same micro-batch."""
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is before or self.shares is False:
            return inputs
        self._buffered_inputs = _grouped(self._buffered_inputs)
        return self._buffered_inputs[self._step % len(self._buffered_inputs)]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **multimodal: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """As TRL's, whose shapes these are: (B, C) each, and a scalar."""
        plain = functools.partial(
            super()._get_per_token_logps_and_entropies,
            model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy,
            compute_aux_loss, **multimodal,
        )  # fmt: skip
        if compute_aux_loss or any(value is not None for value in multimodal.values()):
            self._turn_off("it has images, or a loss over experts")
        if self.shares is False:
            return plain()
        size = batch_size or len(input_ids)
        names = ("log_probs", "entropy") if compute_entropy else ("log_probs",)
        parts = [
            self._scored(model, *rows, logits_to_keep, names)
            for rows in zip(input_ids.split(size), attention_mask.split(size), strict=True)
        ]
        logps, *entropies = map(torch.cat, zip(*parts, strict=True))
        if self.shares is None:
            with torch.no_grad():
                expected = plain()[0]
            error = (logps.detach() - expected).abs().mean().item()
            if error > torch.finfo(self._precision()).eps ** 0.5:
                self._turn_off(f"this model gives other numbers for packed rows ({error:.2g} nats)")
                return plain()
            self.shares = True
        return logps, entropies[0] if entropies else None, None

    def _scored(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, width: int, names: Sequence[str]
    ) -> list[torch.Tensor]:
        """What the fused head of TRL names so, for the last ``width`` tokens: (B, width) each."""
        packed = shared_prefix.pack(
            ids[:, :-width], mask[:, :-width], ids[:, -width:], mask[:, -width:]
        )
        with self.accelerator.autocast():
            outputs = model(
                input_ids=packed.input_ids,
                attention_mask=packed.mask_for(self.model),
                position_ids=packed.position_ids,
                labels=packed.labels,
                fused_lm_head=True,
            )
        return [packed.unpacked(getattr(outputs, name)) for name in names]

    def _precision(self) -> torch.dtype:
        """In which numbers it computes."""
        args, model = cast(GRPOConfig, self.args), cast(Any, self.model)
        if args.bf16:
            return torch.bfloat16
        return torch.float16 if args.fp16 else model.dtype

    def _turn_off(self, reason: str) -> None:
        if self.shares is not False:
            logger.warning("Prompts are computed once for each answer: %s.", reason)
        self.shares = False


def _grouped(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows, those of one prompt next to each other, in batches of the same size."""
    names = list(batches[0])
    whole = {name: _joined([batch[name] for batch in batches]) for name in names}
    _, group = shared_prefix.distinct(whole["prompt_ids"])
    order = torch.argsort(group, stable=True)
    size = len(order) // len(batches)
    return [
        {name: _rows(whole[name], order[begin : begin + size]) for name in names}
        for begin in range(0, len(order), size)
    ]


def _joined(parts: list[Any]) -> Any:
    """A column of all batches; what is one for all stays."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts) if first.ndim else first
    return [row for part in parts for row in part] if isinstance(first, list) else first


def _rows(column: Any, order: torch.Tensor) -> Any:
    if isinstance(column, torch.Tensor):
        return column[order] if column.ndim else column
    return [column[index] for index in order.tolist()] if isinstance(column, list) else column
