"""``scored:``: a policy that takes the admissible action that a model finds likeliest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from transformers import GenerationConfig

from act_data.models import engine_of, load_model, model_name, split_revision
from act_data.policies.base import Query, Sample
from act_data.policies.too_long import unanswered
from act_data.prompts import CLOSE_TAG, read_answer, render_answer
from act_data.shared_prefix import likeliest

_ANY_WORDS = "..."  # in brackets, as in what a shop offers: search[...]
_LONGEST = 64  # tokens of such words


class LikeliestAdmissible:
    """Ranks the admissible actions by how likely the model is to answer with them and no other.

    That is the likelihood under decoding that is constrained to them (see
    :mod:`act_data.shared_prefix.searching`).

    A model that is sure of a wrong action would take it for ever, so every time that an action
    has been taken in the episode costs it ``repeat_penalty``. An offer that leaves words open
    (``search[...]``) is ranked with the words that the model finds likeliest one by one; it is none
    where the model comes to no end.

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
        # And not what the model came with, which may punish repeats.
        self._model.generation_config = GenerationConfig(
            max_new_tokens=_LONGEST,
            do_sample=False,
            repetition_penalty=1.0,
            stop_strings=[CLOSE_TAG],
            eos_token_id=self._tokenizer.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        text = self._model.config.get_text_config()
        self._room = getattr(text, "max_position_embeddings", None) or math.inf

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """The ``k`` best actions of every query, the first again where there are fewer."""
        return [self._ranked(query, k) for query in queries]

    def _ranked(self, query: Query, k: int) -> list[Sample]:
        prompt = self._tokenizer.apply_chat_template(
            query.messages(self._history),
            add_generation_prompt=True, enable_thinking=False, return_dict=True,
        )["input_ids"]  # fmt: skip
        if len(prompt) + _LONGEST > self._room:
            return unanswered(self.name, k)
        filled = (self._filled(prompt, action) for action in query.admissible_actions)
        offered = list(dict.fromkeys(action for action in filled if action))
        if not offered:
            return [Sample("", None)] * k
        answers = [f"{render_answer(action)}{self._tokenizer.eos_token}" for action in offered]
        rows = self._tokenizer(answers, add_special_tokens=False)["input_ids"]
        done = [action for _, action in query.state.history]
        costs = [self._penalty * done.count(action) for action in offered]
        best = [place for place, _ in islice(likeliest(self._model, prompt, rows, costs), k)]
        places = [*best, *best[:1] * (k - len(best))]
        return [Sample(render_answer(offered[i]), offered[i]) for i in places]

    def _filled(self, prompt: Sequence[int], action: str) -> str | None:
        """An offer with words where it leaves them open."""
        head, blank, tail = action.partition(f"[{_ANY_WORDS}]")
        if not blank:
            return action
        start, _, _ = render_answer(f"{head}[").partition(CLOSE_TAG)
        begun = [*prompt, *self._tokenizer(start, add_special_tokens=False)["input_ids"]]
        ids = torch.tensor([begun], device=self._model.device)
        with torch.inference_mode():
            found = self._model.generate(
                ids, attention_mask=torch.ones_like(ids), tokenizer=self._tokenizer
            )
        # Tags may be special tokens, which would be left out.
        words = self._tokenizer.decode(found[0, len(begun) :], skip_special_tokens=False)
        words = "".join(words.partition(CLOSE_TAG)[:2])
        said, _ = read_answer(start + words)
        return said if said and said.startswith(f"{head}[") and said.endswith(f"]{tail}") else None
