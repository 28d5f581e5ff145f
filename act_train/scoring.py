"""How likely a model finds given answers, and a policy that takes the likeliest admissible action.

The prompt is computed once, and its cache repeated for the candidates: with long prompts and short
answers that costs a tenth of separate forward passes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from act_data.models import load_model, split_revision
from act_data.policies.base import Query, Sample
from act_data.prompts import action_prompt, render_answer

_ROWS = 64  # candidates in one forward pass


@torch.inference_mode()
def log_probabilities(
    model: Any, prompt: Sequence[int], candidates: Sequence[Sequence[int]]
) -> list[float]:
    """Sums of the log-probabilities (nats) of each candidate's tokens after the prompt.

    Args:
        model: a causal language model whose cache can be repeated.
        prompt: at least two tokens.
        candidates: at least one token each.
    """
    device = model.device
    head = torch.tensor([prompt[:-1]], device=device)
    cache = model(input_ids=head, use_cache=True, logits_to_keep=1).past_key_values
    scores: list[float] = []
    for start in range(0, len(candidates), _ROWS):
        rows = candidates[start : start + _ROWS]
        width = max(map(len, rows))
        # Padding on the right needs no mask: a causal model never looks there.
        padded = [[prompt[-1], *row, *[0] * (width - len(row))] for row in rows]
        tokens = torch.tensor(padded, device=device)
        repeated = copy.deepcopy(cache)
        repeated.batch_repeat_interleave(len(rows))
        logits = model(input_ids=tokens[:, :-1], past_key_values=repeated).logits
        picked = logits.float().log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)
        scores += [float(picked[i, : len(row)].sum()) for i, row in enumerate(rows)]
    return scores


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
        self.name = f"scored:{path}"
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
            action_prompt(query.state, history=self._history),
            add_generation_prompt=True, enable_thinking=False, return_dict=True,
        )["input_ids"]  # fmt: skip
        answers = [f"{render_answer(action)}{self._tokenizer.eos_token}" for action in offered]
        rows = self._tokenizer(answers, add_special_tokens=False)["input_ids"]
        found = log_probabilities(self._model, prompt, rows)
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
