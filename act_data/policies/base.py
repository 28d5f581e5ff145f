"""Who proposes actions: a policy turns queries into samples. It never sees an environment.

A policy is stateless: what it answers to a query depends on the query, ``k`` and the policy's
own parameters alone, never on other queries, on their order or on a global seed. (What servers
cannot promise is told in :mod:`act_data.policies.endpoint` and
:mod:`act_data.policies.vllm_engine`.) A scripted expert is no policy: it looks into the simulator
(see ``act_data.rollout.play_expert``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from act_data.prompts import PROMPT_VERSION, Message, action_prompt, render_answer
from act_data.provenance import versions
from act_data.types import AgentState
from act_envs.base import MAX_ACTION
from act_envs.errors import UnknownArgument, nearest
from act_envs.types import Consequence

_SPECS = (
    "random-admissible",
    "hard-negative",
    "transformers:<path or hub id>[@revision]",
    "vllm:<path or hub id>[@revision]",
    "openai:<model>",
)
_ALONE, _WITH_MODEL = _SPECS[:2], ("transformers", "vllm", "openai")

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "transformers": ("torch", "transformers", "tokenizers"),
    "vllm": ("torch", "transformers", "tokenizers", "vllm"),
}
"""Whose versions can change a policy's answers, by the scheme of its name."""


MAX_SAMPLES = 100_000
"""Of one state. Those of thirty states fill some 300 MB; rows could count more (32 bits)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A situation in which an action is wanted.

    Attributes:
        state: what the agent knows.
        admissible_actions: what the simulator offers; () for policies that do not ask for it.
        seed: seeds the sampling of this query (see :func:`seed_of`).
        expert_action: what the expert does here; None but for policies with ``needs_effects``.
        effects: what ``expert_action`` and some of the admissible actions give, by action; as
            ``expert_action`` for scripted policies alone, never for a language model.
        prompt: what a language model is asked; None asks for the next action.
    """

    state: AgentState
    admissible_actions: tuple[str, ...]
    seed: tuple[int, ...]
    expert_action: str | None = None
    effects: Mapping[str, Consequence] = field(default_factory=dict)
    prompt: tuple[Message, ...] | None = None

    def messages(self, history: int) -> list[Message]:
        """The conversation that a language model answers.

        Args:
            history: past turns to show of the state.
        """
        if self.prompt is not None:
            return list(self.prompt)
        return action_prompt(self.state, history=history)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    Attributes:
        text: all that the policy said.
        action: the action in it, None when there is none to be read.
        fault: why there is no answer at all, None where there is one
            (see :mod:`act_data.policies.too_long`).
    """

    text: str
    action: str | None
    fault: str | None = None


def played(sample: Sample) -> str:
    """What an answer does: one without a readable action is played as text, on one short line.

    It goes into the history, and from there into prompts and rows: what cannot be encoded there
    (lone surrogates, which a policy of one's own may say) must not get that far.
    """
    text = sample.text if sample.action is None else sample.action
    return "".join(c if c.isprintable() else "\ufffd" for c in text[: MAX_ACTION + 1])


class Policy(Protocol):
    """What can be sampled.

    Attributes:
        name: what it is, as :func:`make_policy` takes it, without the revision; of a folder the
            last name alone.
        revision: which weights, ``""`` for a scripted policy, or where nobody can tell.
        sampling: the parameters that shape its answers, as JSON can hold them.
        engine: what computes them, on which rounding depends, as JSON can hold it; {} for a
            scripted policy.
        needs_admissible: whether queries must carry ``admissible_actions``.
        needs_effects: whether queries must carry ``expert_action`` and ``effects``.
    """

    name: str
    revision: str
    sampling: dict[str, Any]
    engine: dict[str, Any]
    needs_admissible: bool
    needs_effects: bool

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """``k`` independent samples for every query; from a policy that ranks, the ``k`` first."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a language model is asked and sampled.

    Attributes:
        history: past turns in the prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        max_new_tokens: budget of one answer.
        top_p: nucleus of the sampling (arXiv 1904.09751); 1 is the whole distribution.
        thinking: let chat templates that know ``enable_thinking`` open a thinking block, which
            the budget must leave room for.

    Raises:
        UnknownArgument: a value is out of range.
    """

    history: int = 2
    temperature: float = 1.0
    max_new_tokens: int = 32
    top_p: float = 1.0
    thinking: bool = False

    def __post_init__(self) -> None:
        for name, accepted, range_ in (
            ("history", self.history >= 0, "0 or more"),
            ("temperature", 0 <= self.temperature < math.inf, "0 or more"),
            ("max_new_tokens", self.max_new_tokens >= 1, "1 or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
        ):
            if not accepted:
                raise UnknownArgument(f"{name}={getattr(self, name)!r} must be {range_}.")

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn: all answers to a query are the same."""
        return self.temperature == 0

    def record(self) -> dict[str, Any]:
        """The parameters by name."""
        return dataclasses.asdict(self)


def make_policy(
    spec: str,
    *,
    history: int = 2,
    temperature: float = 1.0,
    max_new_tokens: int = 32,
    top_p: float = 1.0,
    thinking: bool = False,
    base_url: str | None = None,
    concurrency: int = 8,
    also: tuple[str, ...] = (),
) -> Policy:
    """The policy that a specification names.

    Args:
        spec: ``random-admissible``; ``hard-negative``; ``transformers:`` or ``vllm:`` with the
            path or Hub id of an instruction-tuned model and, for the Hub, ``@`` and a revision;
            ``openai:`` with the name under which an endpoint serves a model.
        history: past turns in the prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        max_new_tokens: budget of one answer.
        top_p: nucleus of the sampling; 1 is the whole distribution.
        thinking: let chat templates that know ``enable_thinking`` open a thinking block.
        base_url: where ``openai:`` finds its endpoint (``http://localhost:8000/v1``); OpenAI's own
            by default.
        concurrency: how many requests ``openai:`` keeps under way.
        also: specifications that the caller knows besides, to be suggested as well.

    Raises:
        UnknownArgument: the specification or a parameter is none of the accepted ones.
        MissingExtra: the policy needs a package that is not installed.
        ModelNotFound: there is no such model.
    """
    sampling = Sampling(
        history=history,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        top_p=top_p,
        thinking=thinking,
    )
    check_policy(spec, also)
    scheme, _, target = spec.partition(":")
    if base_url is not None and scheme != "openai":
        raise UnknownArgument(
            f"base_url={base_url!r} is of no use to {spec!r}. Leave it out, or take openai:<model>."
        )
    if spec == "random-admissible":
        return RandomAdmissible()
    if spec == "hard-negative":
        from act_data.policies.hard_negative import HardNegative

        return HardNegative()
    # Each of them imports what is optional, and imports this module.
    if scheme == "transformers":
        from act_data.policies.language import LanguageModel

        return LanguageModel(target, sampling)
    if scheme == "vllm":
        from act_data.policies.vllm_engine import Vllm

        return Vllm(target, sampling)
    from act_data.policies.endpoint import Endpoint

    return Endpoint(target, sampling, base_url=base_url, concurrency=concurrency)


def check_policy(spec: str, also: tuple[str, ...] = ()) -> None:
    """Refuse what names no policy, before one is loaded.

    Args:
        spec: as for :func:`make_policy`.
        also: specifications that the caller knows besides, to be suggested as well.

    Raises:
        UnknownArgument: the specification is none of the accepted ones.
    """
    scheme, _, target = spec.partition(":")
    if spec in _ALONE or (target and scheme in _WITH_MODEL):
        return
    # The scheme alone must find its long form as well.
    specs = (*also, *_SPECS)
    known = [s for s in specs if scheme and s.startswith(scheme)] or specs
    hint = f"Did you mean {known[0]!r}?" if len(known) == 1 else nearest(spec, known)
    raise UnknownArgument(f"unknown policy {spec!r}. {hint}")


def described(policy: Policy) -> dict[str, Any]:
    """A policy as the request of a run knows it: these must tell two policies apart."""
    return {
        "name": policy.name, "revision": policy.revision, "engine": policy.engine,
        **policy.sampling,
    }  # fmt: skip


def versions_with(policy: Policy) -> dict[str, object]:
    """Versions that can change the bytes of a run that asks a policy.

    See :func:`act_data.provenance.versions`.
    """
    packages = PACKAGES.get(policy.name.partition(":")[0], ())
    return {"prompt": PROMPT_VERSION, **versions("numpy", "pyarrow", *packages)}


def check_samples(k: int) -> None:
    """Refuse a number of samples that cannot be held.

    Raises:
        UnknownArgument: it is not at least 1, or more than ``MAX_SAMPLES``.
    """
    if not 1 <= k <= MAX_SAMPLES:
        raise UnknownArgument(
            f"k={k} must be at least 1 and at most {MAX_SAMPLES:,}: all answers to the states of "
            "an episode are in memory at once."
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
    needs_effects = False

    def __init__(self) -> None:
        self.sampling: dict[str, Any] = {}
        self.engine: dict[str, Any] = {}

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
