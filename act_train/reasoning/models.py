"""Language models that are asked a question in words of its own, one answer each.

They are named and sampled as policies are (``transformers:PATH``, ``openai:MODEL``). Those ask for
the next action in a state (:mod:`act_data.policies`); here the prompt is the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from act_data.errors import ModelNotFound
from act_data.models import load_model, split_revision
from act_data.policies.base import Query, Sample, Sampling
from act_data.policies.too_long import unanswered
from act_data.types import AgentState
from act_envs.errors import UnknownArgument, nearest

_THINK = "<think>"
_SCHEMES = ("transformers:<path or hub id>[@revision]", "openai:<model>")


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and what seeds its answer."""

    prompt: str
    seed: tuple[int, ...]


class Chat(Protocol):
    """What can be asked.

    Attributes:
        name: what it is, without the revision.
        revision: which weights, ``""`` where nobody can tell.
        sampling: the parameters that shape its answers.
        at_once: how many questions it gains from being asked together.
    """

    name: str
    revision: str
    sampling: dict[str, Any]
    at_once: int

    def ask(self, questions: Sequence[Asked]) -> list[Sample]:
        """One answer each; it does not depend on the others."""
        ...


def make_chat(
    spec: str, *, temperature: float, top_p: float, max_new_tokens: int, thinking: bool,
    base_url: str | None = None,
) -> Chat:  # fmt: skip
    """The model that a specification names.

    Raises:
        MissingExtra: it needs a package that is not installed.
        ModelNotFound: there is no such model, or it has no chat template.
        UnknownArgument: the specification or a parameter is none of the accepted ones.
    """
    sampling = Sampling(
        history=0, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens,
        thinking=thinking,
    )  # fmt: skip
    scheme, _, target = spec.partition(":")
    if base_url is not None and scheme != "openai":
        raise UnknownArgument(
            f"base_url={base_url!r} is of no use to {spec!r}. Leave it out, or take openai:<model>."
        )
    if target and scheme == "transformers":
        return _Transformers(target, sampling)
    if target and scheme == "openai":
        return _endpoint(target, sampling, base_url)
    raise UnknownArgument(
        f"{spec!r} names no language model that answers questions. {nearest(spec, _SCHEMES)} "
        "A model on vLLM is served by `vllm serve`, and is openai:<model> then."
    )


def _recorded(sampling: Sampling) -> dict[str, Any]:
    """The parameters without the history of episodes."""
    return {name: value for name, value in sampling.record().items() if name != "history"}


class _Transformers:
    """A model in this process, one question at a time: padding would change the sums."""

    at_once = 1

    def __init__(self, target: str, sampling: Sampling) -> None:
        from transformers import GenerationConfig

        path, revision = split_revision(target)
        self._model, self._tokenizer, self.revision = load_model(path, revision)
        if not self._tokenizer.chat_template:
            raise ModelNotFound(
                f"the tokenizer of {path} has no chat template. "
                "Take an instruction-tuned model, or save the tokenizer with one."
            )
        self.name = f"transformers:{path}"
        self.sampling = _recorded(sampling)
        self._chosen = sampling
        known = self._model.generation_config.eos_token_id
        ends = {*(known if isinstance(known, list) else [known]), self._tokenizer.eos_token_id}
        self._ends = sorted(ends - {None})
        # Every parameter is set: generate() would fill gaps with the checkpoint's own advice.
        drawn = {
            "do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "top_k": 0,
        }  # fmt: skip
        self._model.generation_config = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0] if self._ends else 0,
            repetition_penalty=1.0,
            **({"do_sample": False} if sampling.greedy else drawn),
        )

    def ask(self, questions: Sequence[Asked]) -> list[Sample]:
        """One answer each."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: Asked) -> Sample:
        import torch

        rendered = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question.prompt}],
            add_generation_prompt=True,
            enable_thinking=self._chosen.thinking,
            tokenize=False,
        )
        prompt = self._tokenizer(rendered, add_special_tokens=False, return_tensors="pt")[
            "input_ids"
        ].to(self._model.device)
        room = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if room is not None and prompt.shape[1] + self._chosen.max_new_tokens > room:
            return unanswered(self.name, 1)[0]
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(question.seed[0] | question.seed[1] << 32)
            tokens = self._model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt))[
                0, prompt.shape[1] :
            ].tolist()
        end = next((at for at, token in enumerate(tokens) if token in self._ends), len(tokens))
        # Thinking tags may be special tokens, and must stay: they part reasoning and answer.
        text = self._tokenizer.decode(
            tokens[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        # Some templates open the block for the model: without its end there is no answer.
        opened = _THINK if rendered.rstrip().endswith(_THINK) else ""
        return Sample(f"{opened}{text}", None)


def _endpoint(target: str, sampling: Sampling, base_url: str | None) -> Chat:
    from act_data.policies.completions import Completions
    from act_data.policies.endpoint import Endpoint

    class Asking(Endpoint):
        """The policy with questions in place of states: retries and all stay as they are."""

        at_once = 8

        async def _answers(self, client: Completions, query: Query, k: int) -> list[str]:
            messages = [{"role": "user", "content": query.state.goal}]
            return (await self._ask(client, messages, query.seed[0] % 2**31, 1))[:1] * k

        def ask(self, questions: Sequence[Asked]) -> list[Sample]:
            queries = [Query(AgentState(one.prompt, ""), (), one.seed) for one in questions]
            return [sample for [sample] in self.sample(queries, 1)]

    made = Asking(target, sampling, base_url=base_url, concurrency=Asking.at_once)
    made.sampling = _recorded(sampling)
    return made
