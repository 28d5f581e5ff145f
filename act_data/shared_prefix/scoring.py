"""How likely a model finds given answers, from one cache of what their contexts have in common.

With long contexts and short answers that costs a tenth of separate forward passes. Packed rows
(:mod:`act_data.shared_prefix.packing`) cost less still, but only of models all of whose layers take
any mask; a cache is right for every decoder that has one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch

_ROWS = 64  # candidates in one forward pass


@torch.inference_mode()
def answer_log_probabilities(
    model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[list[float]]:
    """Log-probabilities (nats) of the tokens of answers, each answer after its own context.

    The tokens with which all contexts begin are computed once, and their cache repeated.

    Args:
        model: a causal language model whose cache can be repeated.
        rows: contexts that begin with the same token and have two or more, and their answers, of
            at least one token each.
    """
    contexts = [list(context) for context, _ in rows]
    ends = zip(min(contexts), max(contexts), strict=False)  # all others lie between these two
    alike = sum(1 for _ in takewhile(lambda tokens: tokens[0] == tokens[1], ends))
    shared = min(alike, min(map(len, contexts)) - 1)
    head = torch.tensor([contexts[0][:shared]], device=model.device)
    cache = model(input_ids=head, use_cache=True, logits_to_keep=1).past_key_values
    scores: list[list[float]] = []
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        repeated = copy.deepcopy(cache) if start + _ROWS < len(rows) else cache
        repeated.batch_repeat_interleave(len(some))
        scores += _after(model, repeated, [(context[shared:], answer) for context, answer in some])
    return scores


def _after(
    model: Any, cache: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[list[float]]:
    """The same for rows that go on where a cache ends, which holds one for each."""
    tails = [[*context, *answer] for context, answer in rows]
    width = max(map(len, tails))
    # Padding on the right needs no mask: a causal model never looks there.
    padded = [[*tail, *[0] * (width - len(tail))] for tail in tails]
    tokens = torch.tensor(padded, device=model.device)
    first = min(len(context) for context, _ in rows)  # of the tokens that are answers, at least 1
    logits = model(
        input_ids=tokens[:, :-1], past_key_values=cache, logits_to_keep=width - first
    ).logits.float()
    picked = logits.log_softmax(-1).gather(-1, tokens[:, first:, None]).squeeze(-1)
    return [
        picked[i, len(context) - first : len(tail) - first].tolist()
        for i, ((context, _), tail) in enumerate(zip(rows, tails, strict=True))
    ]
