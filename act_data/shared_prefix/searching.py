"""Which of many given answers a model finds likeliest, without scoring them all.

Answers are the leaves of a tree of tokens. A token is drawn among those with which one of the
answers goes on (constrained decoding over a prefix tree, arXiv 2010.00904), so that what all of
them share costs nothing, and neither does what follows once only one is left: plain likelihoods
would put a product's code of ten tokens, the first two of which decide, behind whatever is spelt
with two. No answer is likelier than its beginning, so a best-first search that ends with the first
leaf is exact; it computes few of the tree's nodes.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

import torch

_NODES = 8  # in one forward pass


@torch.inference_mode()
def likeliest(
    model: Any,
    context: Sequence[int],
    answers: Sequence[Sequence[int]],
    costs: Sequence[float],
) -> Iterator[tuple[int, float]]:
    """Answers from the best on, by their log-probability (nats) among all of them less a cost.

    Args:
        model: a causal language model whose cache can be repeated.
        context: what the answers follow, two tokens or more.
        answers: their tokens; all different, and none begins with another one.
        costs: what is subtracted from each, at least 0.

    Yields:
        The place of an answer, and its value.
    """
    head = torch.tensor([context[:-1]], device=model.device)
    cache = model(input_ids=head, use_cache=True, logits_to_keep=1).past_key_values
    order = count()  # ties in the order of their discovery
    # Entries: less is better; an answer's place, or None and the answers below a node.
    heap: list[tuple[float, int, int | None, list[int], int]] = []

    def push(value: float, below: list[int], depth: int) -> None:
        if len(below) == 1:
            (place,) = below
            heappush(heap, (costs[place] - value, next(order), place, below, 0))
            return
        first, *others = (answers[place] for place in below)
        while all(other[depth] == first[depth] for other in others):
            depth += 1
        heappush(heap, (-value, next(order), None, below, depth))

    push(0.0, [*range(len(answers))], 0)
    while heap:
        if heap[0][2] is not None:
            worse, _, place, _, _ = heappop(heap)
            assert place is not None
            yield place, -worse
            continue
        nodes = []
        while heap and heap[0][2] is None and len(nodes) < _NODES:
            worse, _, _, below, depth = heappop(heap)
            nodes.append((-worse, below, depth))
        paths = [[context[-1], *answers[below[0]][:depth]] for _, below, depth in nodes]
        for (value, below, depth), logits in zip(nodes, _next(model, cache, paths), strict=True):
            branches: dict[int, list[int]] = defaultdict(list)
            for place in below:
                branches[answers[place][depth]].append(place)
            chances = logits[list(branches)].log_softmax(-1).tolist()
            for chance, branch in zip(chances, branches.values(), strict=True):
                push(value + chance, branch, depth + 1)


def _next(model: Any, cache: Any, paths: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits of the token after each path, which goes on where the cache ends."""
    width = max(map(len, paths))
    # Padding on the right needs no mask: a causal model never looks there.
    padded = [[*path, *[0] * (width - len(path))] for path in paths]
    repeated = copy.deepcopy(cache)
    repeated.batch_repeat_interleave(len(paths))
    tokens = torch.tensor(padded, device=model.device)
    logits = model(input_ids=tokens, past_key_values=repeated).logits
    last = torch.tensor([len(path) - 1 for path in paths], device=model.device)
    return logits[torch.arange(len(paths), device=model.device), last].float()
