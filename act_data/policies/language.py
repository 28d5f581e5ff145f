"""``transformers:``: a causal language model in this process, in its own chat template.

Queries are generated one at a time, the samples of a query together: batches of several prompts
need padding, and padding changes floating-point sums and with them the samples. The samples of a
query share its prompt: it is computed once, and its cache repeated for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from act_data.errors import ModelNotFound
from act_data.models import engine_of, load_model, model_name, packaged, split_revision
from act_data.policies.base import Policy, Query, Sample, Sampling
from act_data.policies.too_long import unanswered
from act_data.prompts import begun, parse_answer

Model = TypeVar("Model", bound=Policy)


class LanguageModel:
    """Asks a causal language model, for the next action where a query holds no prompt of its own.

    It can be pickled: the process that opens it loads the same weights again, or refuses others.

    Args:
        target: folder or Hub id, of the latter with ``@`` and a revision if wanted.
        sampling: how it is asked and sampled.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound: there is no such model, or it has no chat template.
    """

    needs_admissible = False
    needs_effects = False

    def __init__(self, target: str, sampling: Sampling) -> None:
        path, revision = split_revision(target)
        self._model, self._tokenizer, self.revision = load_model(path, revision)
        if not self._tokenizer.chat_template:
            raise ModelNotFound(
                f"the tokenizer of {path} has no chat template. "
                "Take an instruction-tuned model, or save the tokenizer with one."
            )
        self.name = f"transformers:{model_name(path)}"
        self.sampling: dict[str, Any] = sampling.record()
        self.engine: dict[str, Any] = engine_of(self._model)
        self._path, self._chosen = path, sampling
        self._ends = _end_tokens(self._model, self._tokenizer)
        from transformers import GenerationConfig

        # Every parameter is set: generate() would fill gaps with the checkpoint's own advice
        # (top_k 20, temperature 0.6), and the record of the sampling would be wrong.
        drawn = {
            "do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "top_k": 0,
        }  # fmt: skip
        self._model.generation_config = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
            repetition_penalty=1.0,
            **({"do_sample": False} if sampling.greedy else drawn),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        target = pinned(self._path, self.revision)
        return reopen, (LanguageModel, target, self._chosen, self.revision)

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` answers to every query; with temperature 0 the same one ``k`` times.

        Where a prompt with its answer is too long for the model, they are ``k`` times that fault.
        """
        return [self._answers(query, k) for query in queries]

    def _answers(self, query: Query, k: int) -> list[Sample]:
        import torch

        from act_data import shared_prefix

        rendered = self._tokenizer.apply_chat_template(
            query.messages(self._chosen.history),
            add_generation_prompt=True,
            enable_thinking=self._chosen.thinking,
            tokenize=False,
        )
        encoded = self._tokenizer(rendered, add_special_tokens=False, return_tensors="pt")
        prompt = encoded["input_ids"].to(self._model.device)
        room = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if room is not None and prompt.shape[1] + self._chosen.max_new_tokens > room:
            return unanswered(self.name, k)
        rows = 1 if self._chosen.greedy else k
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(query.seed[0] | query.seed[1] << 32)
            repeated = prompt.expand(rows, -1)
            tokens = shared_prefix.generate(self._model, repeated, torch.ones_like(repeated))
        answers = tokens[:, prompt.shape[1] :].tolist()
        samples = [self._read(answer, begun(rendered)) for answer in answers]
        return samples * k if self._chosen.greedy else samples

    def _read(self, tokens: list[int], before: str = "") -> Sample:
        """What the prompt has begun, and the text up to the first end token, tags included."""
        end = next((i for i, token in enumerate(tokens) if token in self._ends), len(tokens))
        # skip_special_tokens would delete the action tags of tokenizers that know them as such.
        text = self._tokenizer.decode(
            tokens[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        text = f"{before}{text}"
        return Sample(text, parse_answer(text))


def pinned(path: str, revision: str) -> str:
    """What to give a policy in another process so that it finds the same model."""
    folder = packaged(path)
    # The process may have another working directory; a branch may have moved meanwhile.
    return str(folder.resolve()) if folder.is_dir() else f"{path}@{revision}"


def reopen(
    kind: Callable[[str, Sampling], Model], target: str, sampling: Sampling, revision: str
) -> Model:
    """The policy that was pickled.

    Raises:
        ModelNotFound: the model is no longer there, or is another by now.
    """
    policy = kind(target, sampling)
    if policy.revision != revision:
        raise ModelNotFound(
            f"{target} has changed: it was {revision}, and is {policy.revision}. "
            "Begin a new run, and leave the model as it is meanwhile."
        )
    return policy


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer, the model's and the tokenizer's; never empty."""
    known = model.generation_config.eos_token_id
    ends = known if isinstance(known, list) else [known]
    found = sorted({token for token in (*ends, tokenizer.eos_token_id) if token is not None})
    if not found:
        raise ModelNotFound("neither the model nor its tokenizer has an end-of-text token.")
    return found
