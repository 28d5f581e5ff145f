"""Answers that are generated from one cache of their prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

from act_data.shared_prefix.packing import distinct

_ROOM = 16  # tokens


@torch.no_grad()
def generate(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    call: Callable[..., Any] | None = None,
    **options: Any,
) -> Any:
    """What ``model.generate`` gives, with equal prompts computed once.

    Args:
        model: a causal language model.
        input_ids: (B, P), padded on the left.
        attention_mask: (B, P).
        call: its ``generate``; by default the method of that name.
        options: what else ``generate`` takes.
    """
    plain: Callable[..., Any] = call or model.generate
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    if not _simple(model, options):
        return plain(**inputs, **options)
    # Also where that saves nothing (no prompt is repeated, or all are one token long): processes
    # that share the parameters of a model must all compute as often, or they wait for ever.
    first, same = distinct(torch.cat([input_ids, attention_mask], 1))
    known = max(1, input_ids.shape[1] - 1)  # all but the last token, which generate() begins with
    mask = attention_mask[first, :known]
    done = model(
        input_ids=input_ids[first, :known],
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    )
    # Pure state-space models have none of that name, and compute the prompts anew.
    cache = done.get("past_key_values") if known < input_ids.shape[1] else None
    if cache is not None:
        cache.reorder_cache(same)
        cache.layers = [_Roomy(it) if type(it) is DynamicLayer else it for it in cache.layers]
    return plain(**inputs, past_key_values=cache, **options)


def _simple(model: Any, options: Mapping[str, Any]) -> bool:
    """Whether an answer follows from each row alone, and from a cache that only grows."""
    config = options.get("generation_config") or model.generation_config
    usual = {
        "num_beams": (None, 1), "num_return_sequences": (None, 1), "use_cache": (None, True),
        "cache_implementation": (None,), "prompt_lookup_num_tokens": (None,),
    }  # fmt: skip
    if any(
        options.get(name, getattr(config, name, None)) not in values
        for name, values in usual.items()
    ):
        return False
    others = {"past_key_values", "assistant_model", "custom_generate", "inputs_embeds"}
    tensors = any(isinstance(value, torch.Tensor) for value in options.values())
    return not tensors and others.isdisjoint(options)


class _Roomy(DynamicLayer):
    """The cache of a layer, with room for what comes.

    Its parent copies all keys and values at every token, which is nearly half of the time that it
    takes a small model to answer.
    """

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        assert layer.keys is not None
        assert layer.values is not None
        self.lazy_initialization(layer.keys, layer.values)
        self._hold(layer.keys, layer.values)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append, and give all keys and values."""
        if not self.is_initialized:  # after reset()
            self.lazy_initialization(key_states, value_states)
            self._hold(key_states[..., :0, :], value_states[..., :0, :])
        elif self.keys is not self._shown:  # cropped, or put into another order
            assert self.keys is not None
            assert self.values is not None
            self._hold(self.keys, self.values)
        begin = self.get_seq_length()
        end = begin + key_states.shape[-2]
        if end > self._room[0].shape[-2]:
            more = max(end - begin, begin // 4 + _ROOM)
            keys, values = (room[..., :begin, :] for room in self._room)
            self._room = _grown(keys, more), _grown(values, more)
        for room, states in zip(self._room, (key_states, value_states), strict=True):
            room[..., begin:end, :] = states
        self.keys, self.values = (room[..., :end, :] for room in self._room)
        self._shown = self.keys
        return self.keys, self.values

    def _hold(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self._room = self.keys, self.values = keys, values
        self._shown = keys


def _grown(states: torch.Tensor, more: int) -> torch.Tensor:
    shape = (*states.shape[:-2], states.shape[-2] + more, states.shape[-1])
    room = states.new_empty(shape)
    room[..., : states.shape[-2], :] = states
    return room
