"""A prompt that does not fit the context of its model: a fault of its answers, not of the run."""

from __future__ import annotations

import functools
import logging
import re

from act_data.policies.base import Sample

TOO_LONG = "too_long"
"""The fault of an answer that was not given: it, with its prompt, does not fit."""

# OpenAI ("context_length_exceeded"), vLLM, SGLang and llama.cpp, of the prompt by itself or with
# the answer.
_SAID = re.compile(
    r"context.?(length|size|window)|maximum model length|too long to fit|prompt is too long",
    re.IGNORECASE,
)

logger = logging.getLogger(__name__)


def says_too_long(said: str) -> bool:
    """Whether what an engine or an endpoint says is that a prompt is too long for the model."""
    return _SAID.search(said) is not None


def unanswered(name: str, k: int) -> list[Sample]:
    """What ``k`` answers of a policy are to a prompt that is too long; told once in the log."""
    _tell(name)
    return [Sample("", None, TOO_LONG)] * k


@functools.cache
def _tell(name: str) -> None:
    logger.warning(
        "%s: a prompt with its answer is longer than the model's context. Such answers count as "
        "too_long; a smaller --history makes prompts shorter.",
        name,
    )
