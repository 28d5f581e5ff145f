"""Computing a prompt once for all its continuations, in a model's forward pass and in ``generate``.

Several continuations of one prompt are packed into one row: the prompt without its last token, then
for each continuation that last token and its own. Positions go on from the prompt in every segment,
and a token attends to the prompt and to what comes before it in its own segment. So each sees what
it would see in a row of its own, and G continuations of C tokens after a prompt of P cost
P + G(C + 1) tokens, not G(P + C). One ordinary forward pass does it: gradients, checkpointing,
adapters and sharded weights work as always. ``generate`` begins from the cache of the prompt.

What a model must be for that: a decoder whose layers see no further than attention lets them. That
is not known here for every model; who trains on it compares first (``act_train.shared_prefix``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

NOT_SCORED = -100  # the label that losses ignore
_ROOM = 16  # tokens


@dataclass(frozen=True)
class Packed:
    """Continuations packed by prompt: ``n`` rows of ``L`` tokens for ``B`` continuations.

    Attributes:
        input_ids: (n, L).
        position_ids: (n, L).
        visible: (n, 1, L, L), whether the token of a line sees that of a column.
        labels: (n, L), the token itself where it belongs to a continuation, else ``NOT_SCORED``.
        scored: (B, C), which tokens of the continuations count.
        row: of each of these, in the order of ``scored``.
        column: likewise.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    visible: torch.Tensor
    labels: torch.Tensor
    scored: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor

    def mask_for(self, model: Any) -> torch.Tensor:
        """``visible`` as the attention of a model takes it: added to scores where it is eager."""
        if model.config._attn_implementation != "eager":
            return self.visible
        dtype = next(parameter.dtype for parameter in model.parameters())
        hidden = torch.zeros(self.visible.shape, dtype=dtype, device=self.visible.device)
        return hidden.masked_fill(~self.visible, torch.finfo(dtype).min)

    def unpacked(self, values: torch.Tensor) -> torch.Tensor:
        """What belongs to each continuation.

        Args:
            values: (n, L - 1), one for each token but the first of a row, as models give them
                whose labels they have shifted.

        Returns:
            (B, C), 0 where no token counts.
        """
        picked = values[self.row, self.column - 1]
        return values.new_zeros(self.scored.shape).masked_scatter(self.scored, picked)


def distinct(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of all equal rows, in their order.

    Args:
        rows: (B, P).

    Returns:
        Their indices, and for each row which of them it equals, (B,).
    """
    found: dict[bytes, int] = {}
    first: list[int] = []
    same: list[int] = []
    for index, row in enumerate(rows.cpu().numpy()):
        key = row.tobytes()
        if key not in found:
            found[key] = len(first)
            first.append(index)
        same.append(found[key])
    device = rows.device
    return torch.tensor(first, device=device), torch.tensor(same, device=device)


def pack(
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    completion_ids: torch.Tensor,
    completion_mask: torch.Tensor,
    *,
    hidden: int,
) -> Packed:
    """Pack continuations of equal prompts into rows.

    Attention costs the square of a row's length, so there are as many continuations in a row as
    cost least in all: with long ones perhaps one alone.

    Args:
        prompt_ids: (B, P), padded on the left.
        prompt_mask: (B, P), 1 for tokens; at least one in each row.
        completion_ids: (B, C), padded on the right.
        completion_mask: (B, C), 1 for tokens.
        hidden: width of the model, by which the cost of a token is reckoned.
    """
    device = prompt_ids.device
    prompts = [row[mask.bool()].tolist() for row, mask in _rows(prompt_ids, prompt_mask)]
    scored = completion_mask.bool()
    answers = [row[mask.bool()].tolist() for row, mask in _rows(completion_ids, completion_mask)]
    lines: list[_Line] = []
    open_: dict[tuple[int, ...], int] = {}
    row: list[int] = []
    column: list[int] = []
    group = max(Counter(map(tuple, prompts)).values())
    most = in_a_row(group, max(map(len, prompts)), max(map(len, answers)), hidden)
    for prompt, answer in zip(map(tuple, prompts), answers, strict=True):
        if prompt not in open_ or lines[open_[prompt]].count == most:
            open_[prompt] = len(lines)
            lines.append(_Line(prompt))
        column += lines[open_[prompt]].add(answer)
        row += [open_[prompt]] * len(answer)
    width = max(1, *(len(line.tokens) for line in lines))
    ids = torch.zeros(len(lines), width, dtype=torch.long)
    positions, segments = torch.zeros_like(ids), torch.full_like(ids, -1)
    labels = torch.full_like(ids, NOT_SCORED)
    for number, line in enumerate(lines):
        length = len(line.tokens)
        ids[number, :length] = torch.tensor(line.tokens)
        positions[number, :length] = torch.tensor(line.positions)
        segments[number, :length] = torch.tensor(line.segments)
    rows, columns = torch.tensor(row, dtype=torch.long), torch.tensor(column, dtype=torch.long)
    labels[rows, columns] = ids[rows, columns]
    segments = segments.to(device)
    here, there = segments[:, :, None], segments[:, None, :]
    order = torch.arange(width, device=device)
    earlier = order[:, None] >= order[None, :]
    visible = earlier & ((there == here) | (there == 0) & (here >= 0))
    return Packed(
        ids.to(device),
        positions.to(device),
        visible[:, None],
        labels.to(device),
        scored,
        rows.to(device),
        columns.to(device),
    )


def in_a_row(group: int, prompt: int, answer: int, hidden: int) -> int:
    """How many continuations of a prompt a row takes, so that all cost least.

    Args:
        group: continuations of the prompt.
        prompt: its tokens.
        answer: tokens of each continuation.
        hidden: width of the model.
    """

    def cost(count: int) -> float:
        length = prompt + count * (answer + 1)
        return -(-group // count) * length * (6 * hidden + length)

    return min(range(1, group + 1), key=cost)


class _Line:
    """A row that grows: a prompt, and what follows it."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._prompt = prompt
        self.tokens = list(prompt[:-1])
        self.positions = list(range(len(self.tokens)))
        self.segments = [0] * len(self.tokens)
        self.count = 0

    def add(self, answer: Sequence[int]) -> range:
        """Append a continuation; the columns of its tokens."""
        if not answer:
            return range(0)
        begin, length = len(self.tokens), 1 + len(answer)
        self.count += 1
        self.tokens += [self._prompt[-1], *answer]
        self.positions += range(len(self._prompt) - 1, len(self._prompt) - 1 + length)
        self.segments += [self.count] * length
        return range(begin + 1, begin + length)


def _rows(ids: torch.Tensor, mask: torch.Tensor) -> zip[tuple[torch.Tensor, torch.Tensor]]:
    return zip(ids.cpu(), mask.cpu(), strict=True)


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
