"""Who proposes actions: a policy turns queries into samples. It never sees an environment.

A policy is stateless: what it answers to a query depends on the query, ``k`` and the policy's
own parameters alone, never on other queries, on their order or on a global seed. A scripted
expert is no policy: it looks into the simulator (see ``act_data.rollout.play_expert``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from act_data.errors import ModelNotFound
from act_data.models import load_model
from act_data.prompts import action_prompt, parse_answer, render_answer
from act_data.types import AgentState
from act_envs.errors import UnknownArgument, nearest

__all__ = ["Policy", "Query", "Sample", "check_seed", "load_model", "make_policy", "seed_of"]

_SPECS = ("random-admissible", "transformers:<path or hub id>[@revision]")


@dataclass(frozen=True, slots=True)
class Query:
    """A situation in which an action is wanted.

    Attributes:
        state: what the agent knows.
        admissible_actions: what the simulator offers; () for policies that do not ask for it.
        seed: seeds the sampling of this query (see :func:`seed_of`).
    """

    state: AgentState
    admissible_actions: tuple[str, ...]
    seed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    Attributes:
        text: all that the policy said.
        action: the action in it, None when there is none to be read.
    """

    text: str
    action: str | None


class Policy(Protocol):
    """What can be sampled.

    Attributes:
        name: what it is, as :func:`make_policy` takes it, without the revision.
        revision: which weights, ``""`` for a scripted policy.
        sampling: the parameters that shape its answers, as JSON can hold them.
        needs_admissible: whether queries must carry ``admissible_actions``.
    """

    name: str
    revision: str
    sampling: dict[str, Any]
    needs_admissible: bool

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` independent samples for every query."""
        ...


def make_policy(
    spec: str,
    *,
    history: int = 2,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    top_p: float = 1.0,
    thinking: bool = False,
    also: tuple[str, ...] = (),
) -> Policy:
    """The policy that a specification names.

    Args:
        spec: ``random-admissible``, or ``transformers:`` with the path or Hub id of an
            instruction-tuned model and, for the Hub, ``@`` and a revision.
        history: past turns in the prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        max_new_tokens: budget of one answer.
        top_p: nucleus of the sampling (arXiv 1904.09751); 1 is the whole distribution.
        thinking: let chat templates that know ``enable_thinking`` open a thinking block, which
            the budget must leave room for.
        also: specifications that the caller knows besides, to be suggested as well.

    Raises:
        UnknownArgument: the specification or a parameter is none of the accepted ones.
        MissingExtra: the policy needs a package that is not installed.
        ModelNotFound: there is no such model.
    """
    for name, value, accepted in (
        ("history", history, history >= 0),
        ("temperature", temperature, temperature >= 0),
        ("max_new_tokens", max_new_tokens, max_new_tokens >= 1),
        ("top_p", top_p, 0 < top_p <= 1),
    ):
        if not accepted:
            raise UnknownArgument(f"{name}={value!r} is out of range.")
    if spec == "random-admissible":
        return RandomAdmissible()
    scheme, _, target = spec.partition(":")
    if scheme != "transformers" or not target:
        # The scheme alone must find its long form as well.
        specs = (*also, *_SPECS)
        known = [s for s in specs if scheme and s.startswith(scheme)] or specs
        hint = f"Did you mean {known[0]!r}?" if len(known) == 1 else nearest(spec, known)
        raise UnknownArgument(f"unknown policy {spec!r}. {hint}")
    path, _, revision = (target, "", "") if Path(target).is_dir() else target.partition("@")
    return LanguageModel(
        path,
        revision or None,
        history=history,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        top_p=top_p,
        thinking=thinking,
    )


def check_seed(seed: int) -> None:
    """Refuse a seed that rows cannot hold.

    Raises:
        UnknownArgument: it is negative, or needs more than 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise UnknownArgument(f"seed={seed} must lie between 0 and {2**63 - 1}.")


def seed_of(*parts: str | int) -> tuple[int, ...]:
    """Seed material from names and numbers, the same in every process and on every machine.

    Returns:
        Four 32-bit numbers: what ``numpy.random.default_rng`` takes.
    """
    # The length keeps ("ab", "c") and ("a", "bc") apart, the type 1 and "1".
    coded = "".join(f"{type(part).__name__}:{len(str(part))}:{part}" for part in parts)
    raw = hashlib.blake2b(coded.encode(), digest_size=16).digest()
    return tuple(int.from_bytes(raw[i : i + 4], "little") for i in range(0, 16, 4))


class RandomAdmissible:
    """Draws from the admissible actions with equal probability, with replacement."""

    name = "random-admissible"
    revision = ""
    needs_admissible = True

    def __init__(self) -> None:
        self.sampling: dict[str, Any] = {}

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` draws for every query; an empty answer where nothing is admissible."""
        return [self._draws(query, k) for query in queries]

    @staticmethod
    def _draws(query: Query, k: int) -> list[Sample]:
        offered = query.admissible_actions
        if not offered:
            return [Sample("", None)] * k
        drawn = np.random.default_rng(query.seed).integers(len(offered), size=k)
        return [Sample(render_answer(offered[i]), offered[i]) for i in drawn]


class LanguageModel:
    """Asks a causal language model for the next action, in its own chat template.

    Queries are generated one at a time, the samples of a query together: batches of several
    prompts need padding, and padding changes floating-point sums and with them the samples.

    Args:
        path: folder or Hub id.
        revision: of a model on the Hub.
        history: past turns in the prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        max_new_tokens: budget of one answer.
        top_p: nucleus of the sampling.
        thinking: value of the chat template's ``enable_thinking``.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound: there is no such model, or it has no chat template.
    """

    needs_admissible = False

    def __init__(
        self,
        path: str,
        revision: str | None = None,
        *,
        history: int,
        temperature: float,
        max_new_tokens: int,
        top_p: float,
        thinking: bool,
    ) -> None:
        self._model, self._tokenizer, self.revision = load_model(path, revision)
        if not self._tokenizer.chat_template:
            raise ModelNotFound(
                f"the tokenizer of {path} has no chat template. "
                "Take an instruction-tuned model, or save the tokenizer with one."
            )
        self.name = f"transformers:{path}"
        self.sampling: dict[str, Any] = {
            "history": history,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "thinking": thinking,
            "top_p": top_p,
        }
        self._history, self._thinking, self._greedy = history, thinking, temperature == 0
        self._ends = _end_tokens(self._model, self._tokenizer)
        from transformers import GenerationConfig

        # Every parameter is set: generate() would fill gaps with the checkpoint's own advice
        # (top_k 20, temperature 0.6), and the record of the sampling would be wrong.
        chosen = {"do_sample": False} if self._greedy else {
            "do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0,
        }  # fmt: skip
        self._model.generation_config = GenerationConfig(
            max_new_tokens=max_new_tokens,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
            repetition_penalty=1.0,
            **chosen,
        )

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` answers to every query; with temperature 0 the same one ``k`` times."""
        return [self._answers(query, k) for query in queries]

    def _answers(self, query: Query, k: int) -> list[Sample]:
        import torch

        prompt = self._tokenizer.apply_chat_template(
            action_prompt(query.state, history=self._history),
            add_generation_prompt=True,
            enable_thinking=self._thinking,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device)
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(query.seed[0] | query.seed[1] << 32)
            tokens = self._model.generate(
                input_ids=prompt["input_ids"],
                attention_mask=prompt["attention_mask"],
                num_return_sequences=1 if self._greedy else k,
            )
        new = tokens[:, prompt["input_ids"].shape[1] :].tolist()
        samples = [self._read(answer) for answer in new]
        return samples * k if self._greedy else samples

    def _read(self, tokens: list[int]) -> Sample:
        """The text up to the first end token, tags included."""
        end = next((i for i, token in enumerate(tokens) if token in self._ends), len(tokens))
        # skip_special_tokens would delete the action tags of tokenizers that know them as such.
        text = self._tokenizer.decode(
            tokens[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return Sample(text, parse_answer(text))


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer, the model's and the tokenizer's; never empty."""
    known = model.generation_config.eos_token_id
    ends = known if isinstance(known, list) else [known]
    found = sorted({token for token in (*ends, tokenizer.eos_token_id) if token is not None})
    if not found:
        raise ModelNotFound("neither the model nor its tokenizer has an end-of-text token.")
    return found
