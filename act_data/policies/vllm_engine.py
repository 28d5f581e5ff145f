"""``vllm:``: a causal language model on vLLM's engine in this process, many queries at once.

Every query has a seed of its own. That its samples do not depend on the others in the batch
holds as far as vLLM's kernels hold it: ``VLLM_BATCH_INVARIANT=1`` makes them, at some cost
(see "Reproducibility" in vLLM's documentation). Without it, rounding may differ with the batch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from act_data.errors import ModelNotFound
from act_data.models import find_model, model_name, split_revision
from act_data.policies.base import Query, Sample, Sampling
from act_data.policies.language import pinned, reopen
from act_data.policies.too_long import says_too_long, unanswered
from act_data.prompts import begun, parse_answer
from act_envs.errors import MissingExtra


class Vllm:
    """Asks a causal language model, for the next action where a query holds no prompt of its own.

    Args:
        target: folder or Hub id, of the latter with ``@`` and a revision if wanted.
        sampling: how it is asked and sampled.

    Raises:
        MissingExtra: vllm is not installed.
        ModelNotFound: there is no such model.
    """

    needs_admissible = False
    needs_effects = False

    def __init__(self, target: str, sampling: Sampling) -> None:
        try:
            import vllm
        except ImportError as error:
            raise MissingExtra(
                f"{error.name} is not installed. "
                'Run: pip install "agentic-critical-training[vllm]".'
            ) from error
        path, revision = split_revision(target)
        # A folder, never a Hub id: what is loaded is exactly what the revision names.
        folder, self.revision = find_model(path, revision)
        try:
            self._engine = vllm.LLM(model=str(folder))
        except (OSError, ValueError) as error:
            raise ModelNotFound(
                f"{path} holds no language model that vLLM {vllm.__version__} can load: {error}"
            ) from error
        self.name = f"vllm:{model_name(path)}"
        self.sampling: dict[str, Any] = sampling.record()
        found = self._engine.llm_engine.model_config
        self.engine: dict[str, Any] = {
            "dtype": str(found.dtype).removeprefix("torch."),
            "max_model_len": found.max_model_len,
            "batch_invariant": os.environ.get("VLLM_BATCH_INVARIANT", "0") == "1",
        }
        # The template ends every prompt alike: what it begins of the answers is known from one.
        self._begun = begun(
            self._engine.get_tokenizer().apply_chat_template(
                [{"role": "user", "content": ""}],
                add_generation_prompt=True,
                enable_thinking=sampling.thinking,
                tokenize=False,
            )
        )
        self._path, self._chosen, self._params = path, sampling, vllm.SamplingParams

    def __reduce__(self) -> tuple[Any, ...]:
        target = pinned(self._path, self.revision)
        return reopen, (Vllm, target, self._chosen, self.revision)

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` answers to every query; with temperature 0 the same one ``k`` times.

        Where the engine finds a prompt too long, they are ``k`` times that fault.
        """
        if not queries:
            return []
        try:
            return self._answers(queries, k)
        except ValueError as error:
            if not says_too_long(str(error)):
                raise
        if len(queries) == 1:
            return [unanswered(self.name, k)]
        # One prompt that is too long refuses all: halves, until it stands alone.
        half = len(queries) // 2
        return self.sample(queries[:half], k) + self.sample(queries[half:], k)

    def _answers(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        chosen = self._chosen
        params = [
            self._params(
                n=1 if chosen.greedy else k,
                temperature=chosen.temperature,
                top_p=chosen.top_p,
                max_tokens=chosen.max_new_tokens,
                seed=query.seed[0] % 2**31,
                # Tokenizers may know the action tags as special tokens.
                skip_special_tokens=False,
                spaces_between_special_tokens=False,
            )
            for query in queries
        ]
        answers = self._engine.chat(
            [query.messages(chosen.history) for query in queries],
            params,
            use_tqdm=False,
            chat_template_kwargs={"enable_thinking": chosen.thinking},
        )
        texts = [[f"{self._begun}{one.text}" for one in answer.outputs] for answer in answers]
        samples = [[Sample(text, parse_answer(text)) for text in some] for some in texts]
        return [some * k for some in samples] if chosen.greedy else samples
