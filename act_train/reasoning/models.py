"""Who answers questions: the policies that are language models, asked in words of their own."""

from __future__ import annotations

from act_data.policies.base import Policy, Query, make_policy
from act_data.types import AgentState
from act_envs.errors import UnknownArgument, nearest

_SCHEMES = (
    "transformers:<path or hub id>[@revision]",
    "vllm:<path or hub id>[@revision]",
    "openai:<model>",
)
_AT_ONCE = {"transformers": 1, "vllm": 64, "openai": 8}


def find_model(
    spec: str, *, temperature: float, top_p: float, max_new_tokens: int, thinking: bool,
    base_url: str | None = None,
) -> Policy:  # fmt: skip
    """The model that a specification names.

    Raises:
        MissingExtra: it needs a package that is not installed.
        ModelNotFound: there is no such model, or it has no chat template.
        UnknownArgument: the specification or a parameter is none of the accepted ones.
    """
    scheme, _, target = spec.partition(":")
    if scheme not in _AT_ONCE or not target:
        raise UnknownArgument(
            f"{spec!r} names no language model that answers questions. {nearest(spec, _SCHEMES)}"
        )
    return make_policy(
        spec,
        history=0,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        thinking=thinking,
        base_url=base_url,
        concurrency=_AT_ONCE["openai"],
    )


def at_once(model: Policy) -> int:
    """How many questions a model gains from being asked together; they are lost together, too."""
    return _AT_ONCE.get(model.name.partition(":")[0], 1)


def asked(prompt: str, seed: tuple[int, ...]) -> Query:
    """A question, as a policy takes it: there is no state, and what is asked are these words."""
    return Query(AgentState("", ""), (), seed, prompt=({"role": "user", "content": prompt},))
