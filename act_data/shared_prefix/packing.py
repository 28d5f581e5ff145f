"""Continuations packed by prompt: rows that a model scores in one ordinary forward pass.

A row holds the prompt without its last token, then for each continuation that last token and its
own. Positions go on from the prompt in every segment, and a token attends to the prompt and to what
comes before it in its own segment. So each sees what it would see in a row of its own, and G
continuations of C tokens after a prompt of P cost P + G(C + 1) tokens, not G(P + C). Gradients,
checkpointing, adapters and sharded weights work as always.

What a model must be for that: a decoder whose layers see no further than attention lets them. That
is not known here for every model; who trains on it compares first (``act_train.shared_prefix``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

NOT_SCORED = -100  # the label that losses ignore


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
