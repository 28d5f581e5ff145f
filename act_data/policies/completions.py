"""The client of OpenAI's chat completions, as anybody serves them: one POST, repeated with care.

This takes httpx2 (which the Hub's client and OpenAI's own bring anyway) and not OpenAI's package:
that one hands out a page of HTML as if it were an answer, and ignores a ``Retry-After`` of over a
minute. It knows nothing of actions, see :mod:`act_data.policies.endpoint`.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import functools
import itertools
import json
import logging
import math
import os
import random
import ssl
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Self

from act_data.errors import EndpointError, ModelNotFound, RequestRefused
from act_data.policies.too_long import says_too_long
from act_envs.errors import MissingExtra, UnknownArgument, nearest

KEY = "OPENAI_API_KEY"
CONNECT = 10.0  # seconds until there is a connection
DELAY, MAX_DELAY = 0.5, 30.0  # seconds before the first retry, and before any
MAX_RETRY_AFTER = 600.0  # seconds that a server may ask us to wait

_TRANSIENT = {408, 409, 425, 429}  # and all of 500 and more

logger = logging.getLogger(__name__)


class PromptTooLong(RequestRefused):
    """The prompt, or the prompt with its answer, does not fit the model's context."""


class _Transient(Exception):
    """What may pass.

    Attributes:
        retry_after: seconds that the server asks us to wait, None where it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def public_address(url: str) -> str:
    """The address of an endpoint as records may hold it: without user, password and query.

    Raises:
        MissingExtra: httpx2 is not installed.
        UnknownArgument: it is none.
    """
    httpx = _httpx()
    with contextlib.suppress(httpx.InvalidURL):
        address = httpx.URL(url)
        if address.scheme in ("http", "https") and address.host:
            return str(address.copy_with(userinfo=b"", query=None, fragment=None))
    raise UnknownArgument(
        f"base_url={url!r} is no address. Give one like http://localhost:8000/v1."
    )


class Completions:
    """A client in an event loop, as an asynchronous context.

    Args:
        url: the address of the endpoint, up to ``/v1``.
        concurrency: how many requests are under way at most.
        timeout: seconds for one attempt.
        retries: how often a request is repeated that failed for a while (429, 5xx, no answer in
            time, no connection, no completion in the answer).

    Raises:
        EndpointError: the environment holds a key that cannot be one.
    """

    def __init__(self, url: str, *, concurrency: int, timeout: float, retries: int) -> None:
        httpx = _httpx()
        self._url, self._timeout, self._retries = url, timeout, retries
        self._gate = asyncio.Semaphore(concurrency)
        self._told: set[str] = set()
        self._client = httpx.AsyncClient(
            headers=_headers(),
            limits=httpx.Limits(),  # none: the gate holds, and waiting before it is not being late
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT)),
            verify=_trusted(),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._client.__aexit__(*raised)

    async def complete(self, body: Mapping[str, Any]) -> list[str]:
        """The answers to a request, at least one; repeated after what may pass.

        Raises:
            EndpointError: there is no answer, after all retries.
            ModelNotFound: the endpoint serves no such model.
            PromptTooLong: the prompt does not fit the model's context.
            RequestRefused: the request must be changed otherwise.
        """
        for attempt in itertools.count(1):
            try:
                async with self._gate:  # and not while it waits
                    return await self._post(body)
            except _Transient as error:
                if attempt > self._retries:
                    raise EndpointError(
                        f"{error} It was tried {attempt} times. Look after the endpoint and its "
                        "address, then repeat the command: it goes on from here."
                    ) from error
                pause = error.retry_after
                if pause is None:  # jitter, lest all come back at once
                    pause = min(DELAY * 2 ** (attempt - 1), MAX_DELAY) * random.uniform(0.5, 1)
                known = str(error) in self._told  # an outage says the same to every request
                self._told.add(str(error))
                level = logging.DEBUG if known else logging.WARNING
                logger.log(level, "%s Again in %.1f s.", error, pause)
            await asyncio.sleep(pause)
        raise AssertionError  # the loop has no end

    async def _post(self, body: Mapping[str, Any]) -> list[str]:
        try:
            async with asyncio.timeout(self._timeout):  # httpx2 limits each wait, not their sum
                response = await self._client.post(f"{self._url}/chat/completions", json=body)
        except (TimeoutError, _httpx().TimeoutException) as error:
            raise _Transient(f"{self._url} gave no answer within {self._timeout:g} s.") from error
        except _httpx().RequestError as error:
            reason = str(error) or type(error).__name__
            raise _Transient(f"{self._url} cannot be reached ({reason}).") from error
        status, said = response.status_code, _said(response)
        if response.is_success:
            if texts := _texts(response):
                return texts
            raise _Transient(f"{self._url} answered with no chat completion ({said}).")
        if status in (400, 422):
            refused = PromptTooLong if says_too_long(response.text) else RequestRefused
            raise refused(
                f"{self._url} refuses the request ({status}: {said}). Change the option that it "
                "speaks of; a smaller --history makes prompts shorter.",
                response.text,
            )
        if (status in _TRANSIENT or status >= 500) and "insufficient_quota" not in response.text:
            pause = _retry_after(response)
            if pause is None or pause <= MAX_RETRY_AFTER:
                raise _Transient(f"{self._url} failed ({status}: {said}).", pause)
        if status == 404:
            await self._check_model(str(body["model"]))
        remedy = "Give the address of an endpoint, up to /v1, as --base-url."
        if status in (401, 403):
            remedy = f"Put a valid key into the environment variable {KEY}."
        elif status in _TRANSIENT or status >= 500:
            remedy = "Come back later, or ask for a higher limit."
        raise EndpointError(f"{self._url} refuses ({status}: {said}). {remedy}")

    async def _check_model(self, model: str) -> None:
        """Tell apart what 404 stands for, a model or an address that is not there."""
        try:
            response = await self._client.get(f"{self._url}/models")
            served = [entry["id"] for entry in response.json()["data"]]
        except (_httpx().RequestError, ValueError, LookupError, TypeError, RecursionError):
            return
        if model not in served:
            raise ModelNotFound(f"{self._url} serves no model {model!r}. {nearest(model, served)}")


def _headers() -> dict[str, str]:
    key = os.environ.get(KEY, "").strip()
    if not key:
        return {}  # servers of one's own need none
    if not (key.isascii() and key.isprintable()):
        raise EndpointError(f"{KEY} holds characters that no key can have. Set it again.")
    return {"Authorization": f"Bearer {key}"}


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are taken: reading them costs more than a request."""
    return _httpx().create_ssl_context()


def _texts(response: Any) -> list[str]:
    """The answers in a chat completion, [] when it is none; "" where a model only thought."""
    try:
        messages = [choice["message"] for choice in json.loads(response.content)["choices"]]
        texts = [message.get("content") or "" for message in messages]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    if not all(isinstance(text, str) for text in texts):
        return []
    return [_encodable(text) for text in texts]


def _encodable(text: str) -> str:
    """A text with U+FFFD for each half of a character: JSON can say it, and no file can hold it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _said(response: Any) -> str:
    """What a response says, in short."""
    said = response.text
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(response.content)
        for name in ("error", "message", "detail"):
            if isinstance(found, dict):
                found = found.get(name) or found
        said = found if isinstance(found, str) else said
    return " ".join(said.split())[:200] or "nothing said"


def _retry_after(response: Any) -> float | None:
    """Seconds that the server asks us to wait: a number, or a date (RFC 9110, 10.2.3)."""
    told = response.headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return seconds if math.isfinite(seconds := float(told)) and seconds >= 0 else None
    try:
        date = email.utils.parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def _httpx() -> ModuleType:
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra(
            'httpx2 is not installed. Run: pip install "agentic-critical-training[openai]".'
        ) from error
    return httpx2
