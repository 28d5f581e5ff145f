"""How likely a model finds given answers, and a policy that takes the likeliest admissible action.

What all contexts have in common is computed once, and its cache repeated: with long prompts and
short answers that costs a tenth of separate forward passes. Packed rows
(:mod:`act_data.shared_prefix`) cost less still, but only of models all of whose layers take any
mask; a cache is right for every decoder that has one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch

from act_data.models import engine_of, load_model, model_name, split_revision
from act_data.policies.base import Query, Sample
from act_data.prompts import render_answer

_ROWS = 64  # candidates in one forward pass


@torch.inference_mode()
def answer_log_probabilities(
    model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[float]:
    """Sums of the log-probabilities (nats) of the tokens of answers, each after its own context.

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
    scores: list[float] = []
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        repeated = copy.deepcopy(cache) if start + _ROWS < len(rows) else cache
        repeated.batch_repeat_interleave(len(some))
        scores += _after(model, repeated, [(context[shared:], answer) for context, answer in some])
    return scores


def _after(
    model: Any, cache: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[float]:
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
        float(picked[i, len(context) - first : len(tail) - first].sum())
        for i, ((context, _), tail) in enumerate(zip(rows, tails, strict=True))
    ]


class LikeliestAdmissible:
    """Ranks the admissible actions by how likely the model is to answer with them.

    A model that is sure of a wrong action would take it for ever, so every time that an action
    has been taken in the episode costs it ``repeat_penalty``.

    Args:
        target: folder or Hub id, of the latter with ``@`` and a revision if wanted.
        history: past turns in the prompt.
        repeat_penalty: in nats.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound: there is no such model.
    """

    needs_admissible = True
    needs_effects = False

    def __init__(self, target: str, *, history: int, repeat_penalty: float) -> None:
        path, revision = split_revision(target)
        self._model, self._tokenizer, self.revision = load_model(path, revision)
        self.name = f"scored:{model_name(path)}"
        self.engine: dict[str, Any] = engine_of(self._model)
        self.sampling: dict[str, Any] = {"history": history, "repeat_penalty": repeat_penalty}
        self._history, self._penalty = history, repeat_penalty

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """The ``k`` best actions of every query, the first again where there are fewer."""
        return [self._ranked(query, k) for query in queries]

    def _ranked(self, query: Query, k: int) -> list[Sample]:
        offered = query.admissible_actions
        if not offered:
            return [Sample("", None)] * k
        prompt = self._tokenizer.apply_chat_template(
            query.messages(self._history),
            add_generation_prompt=True, enable_thinking=False, return_dict=True,
        )["input_ids"]  # fmt: skip
        answers = [f"{render_answer(action)}{self._tokenizer.eos_token}" for action in offered]
        rows = self._tokenizer(answers, add_special_tokens=False)["input_ids"]
        found = answer_log_probabilities(self._model, [(prompt, row) for row in rows])
        done = [action for _, action in query.state.history]
        scores = [
            score - self._penalty * done.count(action)
            for score, action in zip(found, offered, strict=True)
        ]
        best = sorted(range(len(offered)), key=lambda i: -scores[i])
        return [
            Sample(render_answer(offered[i]), offered[i])
            for i in (best[rank] if rank < len(best) else best[0] for rank in range(k))
        ]
