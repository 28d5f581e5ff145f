"""``openai:``: a model behind any endpoint that speaks OpenAI's chat completions.

vLLM and SGLang serve so, and so do most who sell tokens. The seed is sent, but no endpoint
promises to give the same answer twice, nor says which weights gave it: ``revision`` is empty.
The model's name stands in every row, the address in the results of evaluations alone, without a
user's name and password. Where a chat template opens the thought of a model, let its server part
thoughts from answers (a reasoning parser): nobody else can tell a thought that never ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from act_data.errors import RequestRefused
from act_data.policies.base import Query, Sample, Sampling
from act_data.policies.completions import Completions, PromptTooLong, public_address
from act_data.policies.too_long import unanswered
from act_data.prompts import Message, parse_answer
from act_envs.errors import UnknownArgument

OPENAI = "https://api.openai.com/v1"
TIMEOUT = 300.0  # seconds for one request; a busy server lets it wait
RETRIES = 6  # after the first attempt

# What an endpoint may not know. Without the first two a request means nearly the same; the third
# goes by another name at OpenAI.
_OPTIONAL = ("chat_template_kwargs", "seed", "max_tokens")

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Endpoint:
    """Asks an endpoint, for the next action where a query holds no prompt of its own.

    Args:
        model: the name under which the endpoint serves it.
        sampling: how it is asked and sampled.
        base_url: the address, up to ``/v1``; OpenAI's own by default.
        concurrency: how many requests are under way at most.
        timeout: seconds for one request.
        retries: how often a request is repeated that failed for a while.

    Raises:
        MissingExtra: httpx2 is not installed.
        UnknownArgument: the address, or the concurrency, cannot be used.
    """

    revision = ""
    needs_admissible = False
    needs_effects = False

    def __init__(
        self,
        model: str,
        sampling: Sampling,
        *,
        base_url: str | None = None,
        concurrency: int = 8,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
    ) -> None:
        if concurrency < 1:
            raise UnknownArgument(f"concurrency={concurrency} must be at least 1.")
        self._url = (OPENAI if base_url is None else base_url).rstrip("/")
        self.engine: dict[str, Any] = {"base_url": public_address(self._url)}
        self.name = f"openai:{model}"
        self.sampling: dict[str, Any] = sampling.record()
        self._model, self._chosen = model, sampling
        self._limits = {"concurrency": concurrency, "timeout": timeout, "retries": retries}
        self._unknown: set[str] = set()  # what the endpoint has refused to know

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` answers to every query; with temperature 0 the same one ``k`` times.

        Where the endpoint finds a prompt too long, they are ``k`` times that fault.

        Raises:
            EndpointError: no answer could be had, after all retries.
            ModelNotFound: the endpoint serves no such model.
        """
        from anyio.from_thread import start_blocking_portal  # what httpx2 itself stands on

        # A loop in a thread of its own: notebooks have one running in theirs. An exception here,
        # Ctrl-C above all, cancels all that is under way when the portal closes.
        with start_blocking_portal() as portal:
            return portal.start_task_soon(self._all, queries, k).result()

    async def _all(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        async with Completions(self._url, **self._limits) as client:
            return await _together(self._samples(client, query, k) for query in queries)

    async def _samples(self, client: Completions, query: Query, k: int) -> list[Sample]:
        try:
            texts = await self._answers(client, query, k)
        except PromptTooLong:
            return unanswered(self.name, k)
        return [Sample(text, parse_answer(text)) for text in texts]

    async def _answers(self, client: Completions, query: Query, k: int) -> list[str]:
        """``k`` answers with one request where the endpoint knows ``n``, else with one each."""
        messages = query.messages(self._chosen.history)

        def ask(index: int, n: int) -> Coroutine[Any, Any, list[str]]:
            return self._ask(client, messages, (query.seed[0] + index) % 2**31, n)

        if self._chosen.greedy:
            return (await ask(0, 1))[:1] * k
        texts: list[str] = []
        if k > 1 and "n" not in self._unknown:
            try:
                texts = (await ask(0, k))[:k]
            except PromptTooLong:
                raise
            except RequestRefused:
                pass  # if not for n, single requests will tell
            if len(texts) < k:
                self._unknown.add("n")
        rest = await _together(ask(index, 1) for index in range(len(texts), k))
        return texts + [answers[0] for answers in rest]

    async def _ask(
        self, client: Completions, messages: list[Message], seed: int, n: int
    ) -> list[str]:
        """One request, without what the endpoint does not know."""
        while True:
            body = self._body(messages, seed, n)
            try:
                return await client.complete(body)
            except PromptTooLong:
                raise
            except RequestRefused as error:
                named = [name for name in _OPTIONAL if name in body and name in error.said]
                if not named:
                    raise
                if named[0] not in self._unknown:
                    logger.warning("%s does not know %s, which is left out.", self._url, named[0])
                self._unknown.add(named[0])

    def _body(self, messages: list[Message], seed: int, n: int) -> dict[str, Any]:
        chosen, unknown = self._chosen, self._unknown
        budget = "max_completion_tokens" if "max_tokens" in unknown else "max_tokens"
        body = {
            "model": self._model,
            "messages": messages,
            "temperature": chosen.temperature,
            "top_p": chosen.top_p,
            budget: chosen.max_new_tokens,
            "seed": seed,
            "chat_template_kwargs": {"enable_thinking": chosen.thinking},
        }
        if n > 1:
            body["n"] = n
        return {name: value for name, value in body.items() if name not in unknown}


async def _together(jobs: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; the first error ends all."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in jobs]
    except BaseExceptionGroup as group:
        raise group.exceptions[0]  # noqa: B904 (it has a cause of its own)
    return [task.result() for task in running]
