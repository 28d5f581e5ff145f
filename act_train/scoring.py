"""``scored:``: a policy that takes the admissible action that a model finds likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from act_data.models import engine_of, load_model, model_name, split_revision
from act_data.policies.base import Query, Sample
from act_data.prompts import render_answer
from act_data.shared_prefix import answer_log_probabilities


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
