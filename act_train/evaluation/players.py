"""Who plays: a policy, or an expert of the environment, which looks into the simulator."""

from __future__ import annotations

from dataclasses import fields

from act_data.policies.base import PACKAGES, Policy, RandomAdmissible, make_policy
from act_data.provenance import versions
from act_envs import TextEnv
from act_envs.errors import UnknownArgument
from act_envs.types import Expert
from act_train.arguments.measuring import EvaluateArguments
from act_train.errors import RecipeError

Player = Policy | Expert

EXPERT, SCORED = "expert", "scored"
_THOUGHTS = 2048  # tokens of an answer that begins with reasoning
_ANSWER = 64
_PACKAGES = {**PACKAGES, SCORED: PACKAGES["transformers"]}
_OF_MODELS = (
    "history", "temperature", "max_new_tokens", "thinking", "repeat_penalty", "base_url",
)  # fmt: skip


def find_player(arguments: EvaluateArguments, env: TextEnv) -> Player:
    """Who is to be evaluated.

    Raises:
        MissingExtra: it needs a package that is not installed.
        ModelNotFound: there is no such model.
        RecipeError: it cannot act, or not as it is asked to.
        UnknownArgument: there is no such policy and no such expert.
    """
    spec = arguments.policy
    scheme, _, target = spec.partition(":")
    names = [expert.name for expert in env.experts]
    if scheme == EXPERT or spec in names:
        expert = env.expert(spec if spec in names else target or None)
        _check_unused(arguments)
        return expert
    if scheme == SCORED and target:
        return _scored(target, arguments)
    if spec == RandomAdmissible.name:
        _check_unused(arguments)
    if arguments.repeat_penalty is not None:
        raise RecipeError(
            f"repeat_penalty={arguments.repeat_penalty} is of no use to {spec!r}. "
            "Leave it out, or take scored:PATH_OR_HUB_ID."
        )
    policy = make_policy(
        spec,
        history=arguments.history,
        temperature=arguments.temperature,
        max_new_tokens=budget(arguments),
        thinking=arguments.thinking,
        base_url=arguments.base_url,
        concurrency=arguments.envs,
        also=(EXPERT, *names, f"{SCORED}:<path or hub id>[@revision]"),
    )
    if policy.needs_effects:
        raise RecipeError(
            f"{spec} chooses by what the expert does and cannot be evaluated. "
            "Take random-admissible, or a model."
        )
    return policy


def _check_unused(arguments: EvaluateArguments) -> None:
    """Refuse what only a language model can heed."""
    for option in fields(arguments):
        value = getattr(arguments, option.name)
        if option.name in _OF_MODELS and value != option.default:
            raise RecipeError(
                f"{option.name}={value} is of no use to {arguments.policy!r}, which is no language "
                f"model. Leave it out (that is {option.default})."
            )


def budget(arguments: EvaluateArguments) -> int:
    """Tokens of an answer: as asked, or what suits the way of answering."""
    if arguments.max_new_tokens is not None:
        return arguments.max_new_tokens
    return _THOUGHTS if arguments.thinking else _ANSWER


def described(player: Player) -> dict[str, object]:
    """What a result says of who played."""
    if isinstance(player, Expert):
        return {
            "policy": f"{EXPERT}:{player.name}",
            "revision": "",
            "sampling": {},
            "engine": {},
            "versions": versions("numpy"),
        }
    packages = _PACKAGES.get(player.name.partition(":")[0], ())
    return {
        "policy": player.name,
        "revision": player.revision,
        "sampling": player.sampling,
        "engine": player.engine,
        "versions": versions("numpy", *packages),
    }


def _scored(target: str, arguments: EvaluateArguments) -> Policy:
    if arguments.thinking or arguments.temperature or arguments.max_new_tokens is not None:
        raise RecipeError(
            f"{SCORED}: generates nothing: thinking, temperature and max_new_tokens are of no use "
            "to it. Leave them out, or take transformers:PATH_OR_HUB_ID."
        )
    if arguments.base_url is not None:
        raise UnknownArgument(
            f"base_url={arguments.base_url!r} is of no use to {SCORED}:. Leave it out."
        )
    try:
        from act_train.scoring import (
            LikeliestAdmissible,
        )  # torch, which scripted players do without
    except ModuleNotFoundError as error:
        from act_envs.errors import MissingExtra

        raise MissingExtra(
            f'{error.name} is not installed. Run: pip install "agentic-critical-training[train]".'
        ) from error
    penalty = 1.0 if arguments.repeat_penalty is None else arguments.repeat_penalty
    return LikeliestAdmissible(target, history=arguments.history, repeat_penalty=penalty)
