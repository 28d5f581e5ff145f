"""A model that plays so that it can be corrected.

In DAgger (Ross et al. 2011, arXiv 1011.0686) the learner acts and the expert says what it would
have done: so the learner meets the states that its own mistakes lead to, which an expert's play
never shows. Here it goes on with the transcript that :mod:`act_train.documents` tells, and what it
has computed of the past is kept: a step costs its new tokens, not the prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from act_train.documents import lead, opening
from act_train.packing import Encoder

_LONGEST = 40  # tokens of an action


class Learner:
    """Plays one episode after the other, always the likeliest action.

    Args:
        model: folder of a model that was pre-trained on such transcripts.
        limit: tokens of an episode that it reads; from then on it says nothing.
    """

    def __init__(self, model: str | Path, limit: int) -> None:
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self._encoder, self._decode = Encoder(tokenizer), tokenizer.decode
        self._ends = {*self._encoder.tokens("\n"), tokenizer.eos_token_id}
        self._limit = limit
        self.begin("")

    def begin(self, goal: str) -> None:
        """Start an episode."""
        self._cache = DynamicCache()
        self._new = [*self._encoder.before, *self._encoder.tokens(opening(goal))]
        self._first = True

    def act(self, observation: str) -> str:
        """The action after an observation; ``""`` where none was found.

        :meth:`done` must be told what was done, which may be something else.
        """
        self._new += self._encoder.tokens(f"{lead(self._first)}{observation}\n>")
        self._first = False
        if self._cache.get_seq_length() + len(self._new) + _LONGEST > self._limit:
            return ""
        logits = self._read(self._new)
        self._new, said = [], list[int]()
        while len(said) < _LONGEST and (token := int(logits.argmax())) not in self._ends:
            said.append(token)
            logits = self._read([token])
        if said:
            self._cache.crop(-len(said))  # what is done is told by done()
        return self._decode(said).strip()

    def done(self, action: str) -> None:
        """Tell what was done."""
        self._new += self._encoder.tokens(f" {action}\n")

    @torch.inference_mode()
    def _read(self, ids: list[int]) -> torch.Tensor:
        found = self._model(torch.tensor([ids]), past_key_values=self._cache, logits_to_keep=1)
        return found.logits[0, -1]
