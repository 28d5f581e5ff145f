"""Which of two actions a model names: exact, from the likelihood of either answer.

The two answers to a question are whole texts, the action in its tag and the end of the turn. The
softmax over the sums of their tokens' log-probabilities is the probability that one is named
rather than the other: nothing is sampled. What all questions about a state have in common, most of
the prompt, is computed once.

:class:`Judge` is all that measuring knows of a model, so that judges of whom all is known can be
measured as well (``python -m benchmarks.judges``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from act_data.errors import ModelNotFound
from act_data.models import engine_of, load_model, model_name
from act_data.prompts import (
    CLOSE_THOUGHT,
    OPEN_TAG,
    OPEN_THOUGHT,
    begun,
    critique_prompt,
    render_answer,
)
from act_data.shared_prefix import answer_log_probabilities
from act_data.types import AgentState
from act_train.errors import TrainingData


@dataclass(frozen=True, slots=True)
class Question:
    """Which of two actions is better?

    Attributes:
        candidates: the actions, in the order in which they are shown.
        rationale: reasoning that precedes the answer, as if the model had written it; ``""`` is an
            empty thinking block. None asks for an answer at once, without a thinking block but for
            the empty one of chat templates that know it.
    """

    candidates: tuple[str, str]
    rationale: str | None = None


class Judge(Protocol):
    """What can be asked which of two actions is better.

    Attributes:
        name: what it is.
        revision: which weights, ``""`` for a judge without.
    """

    name: str
    revision: str

    def weigh(self, state: AgentState, questions: Sequence[Question]) -> list[tuple[float, float]]:
        """For each question the log-probabilities (nats) of naming the first and the second."""
        ...

    def reason(self, state: AgentState, candidates: tuple[str, str]) -> str:
        """What it writes before it answers; may be empty. The same every time."""
        ...


class ModelJudge:
    """A causal language model as a judge.

    Args:
        model: folder of a model, or its id on the Hub.
        revision: branch, tag or commit on the Hub; a folder has none.
        history: past turns in the prompt.
        reasoning: False tells the model to answer at once where no rationale is asked for, as
            models are told that were trained without reasoning.
        rationale_tokens: budget of a rationale.

    Attributes:
        engine: how the model is computed.
        room: tokens that it takes; None where it does not say.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound: there is no such model, or it has no chat template.
    """

    def __init__(
        self,
        model: str,
        revision: str | None,
        *,
        history: int,
        reasoning: bool,
        rationale_tokens: int,
    ) -> None:
        self.name = model_name(model)
        self._model, self._tokenizer, self.revision = load_model(model, revision)
        if not self._tokenizer.chat_template:
            raise ModelNotFound(
                f"the tokenizer of {model} has no chat template. "
                "Take an instruction-tuned model, or save the tokenizer with one."
            )
        self.engine = engine_of(self._model)
        self._history, self._reasoning, self._budget = history, reasoning, rationale_tokens
        config = self._model.config.get_text_config()
        self.room: int | None = getattr(config, "max_position_embeddings", None)

    def weigh(self, state: AgentState, questions: Sequence[Question]) -> list[tuple[float, float]]:
        """For each question the log-probabilities (nats) of naming the first and the second.

        Raises:
            TrainingData: a prompt with its answer is too long for the model.
        """
        rows = [row for question in questions for row in self._rows(state, question)]
        for context, answer in rows:
            self._check_room(len(context) + len(answer))
        found = [sum(tokens) for tokens in answer_log_probabilities(self._model, rows)]
        return list(zip(found[::2], found[1::2], strict=True))

    def length(self, state: AgentState, question: Question) -> int:
        """Tokens of a prompt with the longer one of its answers."""
        return max(len(context) + len(answer) for context, answer in self._rows(state, question))

    @torch.inference_mode()
    def reason(self, state: AgentState, candidates: tuple[str, str]) -> str:
        """The likeliest tokens of a thinking block, until it ends or an answer begins.

        A block that the chat template does not open is opened for the model.

        Raises:
            TrainingData: the prompt with the budget is too long for the model.
        """
        from transformers import GenerationConfig

        prompt = torch.tensor([self._tokens(self._opened(state, candidates))])
        self._check_room(prompt.shape[1] + self._budget)
        prompt = prompt.to(self._model.device)
        end = self._tokenizer.eos_token
        written = self._model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            # Of its own: the checkpoint's advice (temperature, top_k) is for sampling.
            generation_config=GenerationConfig(
                max_new_tokens=self._budget,
                do_sample=False,
                eos_token_id=self._tokenizer.eos_token_id,
                pad_token_id=self._tokenizer.eos_token_id,
                stop_strings=[CLOSE_THOUGHT, OPEN_TAG],
            ),
            tokenizer=self._tokenizer,
        )
        text = self._tokenizer.decode(
            written[0, prompt.shape[1] :], clean_up_tokenization_spaces=False
        )
        for mark in (CLOSE_THOUGHT, OPEN_TAG, end):
            text = text.partition(mark)[0]
        return text.strip()

    def _rows(self, state: AgentState, question: Question) -> list[tuple[list[int], list[int]]]:
        """The tokens of the prompt and of either answer."""
        context = self._tokens(self._asked(state, question))
        # Tokenised apart, as generation meets them: the border is never merged over.
        return [
            (context, self._tokens(f"{render_answer(action)}{self._tokenizer.eos_token}"))
            for action in question.candidates
        ]

    def _asked(self, state: AgentState, question: Question) -> str:
        """All that precedes the answer."""
        if question.rationale is None:
            return self._prompt(state, question.candidates, thinking=False)
        opened = self._opened(state, question.candidates)
        return f"{opened}{question.rationale}\n{CLOSE_THOUGHT}\n\n"

    def _opened(self, state: AgentState, candidates: tuple[str, str]) -> str:
        """The prompt up to the first word of a thinking block."""
        prompt = self._prompt(state, candidates, thinking=True)
        return prompt if begun(prompt) else f"{prompt}{OPEN_THOUGHT}\n"

    def _prompt(self, state: AgentState, candidates: tuple[str, str], *, thinking: bool) -> str:
        return self._tokenizer.apply_chat_template(
            critique_prompt(
                state, candidates, history=self._history, reasoning=thinking or self._reasoning
            ),
            add_generation_prompt=True,
            enable_thinking=thinking,
            tokenize=False,
        )

    def _tokens(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def _check_room(self, length: int) -> None:
        if self.room is not None and length > self.room:
            raise TrainingData(
                f"a prompt with its answer has {length} tokens, and {self.name} takes "
                f"{self.room}. Show less history, or judge shorter states."
            )
