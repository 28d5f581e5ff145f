"""``SharedPrefixGRPOTrainer``: TRL's GRPO, with the prompt of a group computed once.

The G answers of a group share their prompt. TRL computes it G times, when it generates and again
for the log-probabilities of every token. Here answers are generated from one cache of the prompt,
and scored in one packed row (:mod:`act_data.shared_prefix`); rows are shuffled group by group
instead of one by one, or micro-batches would hold groups in pieces. Losses, advantages, importance
ratios, metrics: all of that stays TRL's.

It is exact: the same numbers but for rounding. Where a model could not give them (sliding windows,
positions that are not rotary, recurrent layers, attention that takes no mask, dropout), the trainer
says so once and goes on as TRL does; and so it does where the first answers, scored both ways,
differ after all. Rows stay in the step of the optimizer in which TRL would learn from them; within
it, micro-batches hold other rows than TRL's where that cannot change the loss. From the second
epoch on rows come in another order than TRL's (:mod:`act_train.resuming`).

Overridden, and pinned by a test (``tests/train/test_shared_prefix.py``): ``_prepare_inputs``,
``_generate_single_turn`` and ``_get_per_token_logps_and_entropies`` of ``GRPOTrainer``.

Left out: sharing between the turns of an episode, images, and mixtures of experts with their loss.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, cast

import torch
from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

from act_data import shared_prefix
from act_train.resuming import ResumingGRPOTrainer

logger = logging.getLogger(__name__)

MASKED = ("sdpa", "eager")
"""Implementations of attention that take any mask."""


class SharedPrefixGRPOTrainer(ResumingGRPOTrainer):
    """``trl.GRPOTrainer`` with the same arguments, and less to compute.

    Attributes:
        shares: whether answers are scored in packed rows; None before the first batch has shown
            that this gives the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shares: bool | None = None
        if reason := _obstacle(self.model, is_vlm=self._is_vlm):
            self._turn_off(reason)
        size, group = self.args.per_device_train_batch_size, self.num_generations or 1
        if size % group:
            logger.warning(
                "per_device_train_batch_size=%d holds no whole groups of %d answers, so their "
                "prompts are computed more than once. Set a multiple of %d.", size, group, group,
            )  # fmt: skip

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's, but the shuffled rows of one prompt come into the same micro-batch.

        Only within what one step of the optimizer takes, and not where a micro-batch has a part in
        the loss of its own (``bnpo``, entropies), so that every step learns from the same rows.
        """
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        # Also before it is known whether they share: a run that goes on knows no more than one that
        # begins, and has to compute what it would have computed without the interruption.
        local = self.loss_type == "bnpo" or self.top_entropy_quantile < 1.0
        if self._buffered_inputs is before or self.shares is False or local:
            return inputs
        if self._entropy_bonus_enabled:
            return inputs
        window, batches = self.args.gradient_accumulation_steps, self._buffered_inputs
        self._buffered_inputs = [
            batch
            for begin in range(0, len(batches), window)
            for batch in _grouped(batches[begin : begin + window])
        ]
        return self._buffered_inputs[self._step % len(self._buffered_inputs)]

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's, with a ``generate`` that computes equal prompts once."""
        model: Any = self.model
        if self.use_vllm or self.shares is False:
            return super()._generate_single_turn(*args, **kwargs)
        model.generate = functools.partial(shared_prefix.generate, model, call=model.generate)
        try:
            return super()._generate_single_turn(*args, **kwargs)
        finally:
            del model.generate  # what was put before the method of its class

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
        size = batch_size or len(input_ids)
        batches = list(zip(input_ids.split(size), attention_mask.split(size), strict=True))
        if self.shares is None:
            self._compare(model, batches[0], logits_to_keep)
        if not self.shares:
            return plain()
        names = ("log_probs", "entropy") if compute_entropy else ("log_probs",)
        parts = [self._scored(model, *rows, logits_to_keep, names) for rows in batches]
        logps, *entropies = map(torch.cat, zip(*parts, strict=True))
        return logps, entropies[0] if entropies else None, None

    @torch.no_grad()
    def _compare(self, model: Any, rows: tuple[torch.Tensor, torch.Tensor], width: int) -> None:
        """Compute a batch both ways; all processes decide alike."""
        expected = super()._get_per_token_logps_and_entropies(model, *rows, width)[0]
        (found,) = self._scored(model, *rows, width, ("log_probs",))
        scored = rows[1][:, -width:].bool()
        worst = (found - expected)[scored].abs().max() if scored.any() else found.new_zeros(())
        told = self.accelerator.gather(torch.stack([worst, scored.any().to(worst)])[None])
        error, all_scored = told[:, 0].max().item(), bool(told[:, 1].all())
        if not error <= 3 * torch.finfo(self._precision()).eps ** 0.5:  # nor where it is no number
            self._turn_off(f"this model gives other numbers for packed rows ({error:.2g} nats)")
        elif all_scored:
            self.shares = True

    def _scored(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, width: int, names: Sequence[str]
    ) -> list[torch.Tensor]:
        """What the fused head of TRL names so, for the last ``width`` tokens: (B, width) each."""
        packed = shared_prefix.pack(
            ids[:, :-width],
            mask[:, :-width],
            ids[:, -width:],
            mask[:, -width:],
            hidden=cast(Any, self.model).config.hidden_size,
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


def _obstacle(model: Any, *, is_vlm: bool) -> str:
    """Why rows of this model cannot be packed, "" where they can."""
    config = model.config
    attention = config._attn_implementation
    if attention not in MASKED:
        return f"attention {attention!r} takes no mask; set attn_implementation: sdpa"
    if is_vlm:
        return "the model sees images"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None):
        return "not all of its layers see all of the text"
    rotary = any(getattr(config, name, None) for name in ("rope_parameters", "rope_theta"))
    if not rotary or getattr(config, "alibi", False):
        return "its positions are not rotary"
    dropped = [
        getattr(module, "p", 0) if isinstance(module, torch.nn.Dropout)
        else getattr(module, "attention_dropout", 0)
        for module in model.modules()
    ]  # fmt: skip
    if any(isinstance(share, float) and share > 0 for share in dropped):
        return "it drops out activations at random"
    return ""


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
