"""A model that plays so that it can be corrected.

In DAgger (Ross et al. 2011, arXiv 1011.0686) the learner acts and the expert says what it would
have done: so the learner meets the states that its own mistakes lead to, which an expert's play
never shows. Here it is asked along the transcript that :mod:`act_train.documents` tells, by the
prompt that a policy meets, and what it has computed of the past is kept: a step costs its new
tokens and the question, not the whole prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from act_data.prompts import parse_answer
from act_train.documents import Telling
from act_train.packing import Encoder

_LONGEST = 80  # tokens of an answer


class Learner:
    """Plays one episode after the other, always the likeliest answer to the prompt.

    Args:
        model: folder of a model that was pre-trained on such transcripts.
        limit: tokens of an episode that it reads; from then on it says nothing.
    """

    def __init__(self, model: str | Path, limit: int) -> None:
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self._encoder, self._decode = Encoder(tokenizer), tokenizer.decode
        self._end, self._limit = tokenizer.eos_token_id, limit
        self.begin("")

    def begin(self, goal: str) -> None:
        """Start an episode."""
        self._telling, self._cache = Telling(goal), DynamicCache()
        self._new = [*self._encoder.before, *self._encoder.tokens(self._telling.told)]

    def act(self, observation: str) -> str:
        """The action after an observation; ``""`` where none was found.

        :meth:`done` must be told what was done, which may be something else.
        """
        self._seen = observation
        question = self._encoder.question(self._telling.question(observation))
        past = self._cache.get_seq_length() + len(self._new)
        if past + len(question) + _LONGEST > self._limit:
            return ""
        logits = self._read([*self._new, *question])
        self._new, said = [], list[int]()
        while len(said) < _LONGEST and (token := int(logits.argmax())) != self._end:
            said.append(token)
            logits = self._read([token])
        self._cache.crop(
            -len(question) - len(said)
        )  # the question is no part of what the next one goes on from
        return parse_answer(self._decode(said)) or ""

    def done(self, action: str) -> None:
        """Tell what was done."""
        for text in self._telling.tell(self._seen, action):
            self._new += self._encoder.tokens(text)

    @torch.inference_mode()
    def _read(self, ids: list[int]) -> torch.Tensor:
        found = self._model(torch.tensor([ids]), past_key_values=self._cache, logits_to_keep=1)
        return found.logits[0, -1]
