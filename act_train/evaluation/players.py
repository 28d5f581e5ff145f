"""Who plays: a policy, or an expert of the environment, which looks into the simulator."""

from __future__ import annotations

from act_data.policies.base import Policy, make_policy
from act_data.provenance import versions
from act_envs import TextEnv
from act_envs.errors import UnknownArgument
from act_envs.types import Expert
from act_train.errors import RecipeError
from act_train.recipe import EvaluateArguments

Player = Policy | Expert

EXPERT, SCORED = "expert", "scored"
_THOUGHTS = 2048  # tokens of an answer that begins with reasoning
_ANSWER = 64
_PACKAGES = {
    "transformers": ("torch", "transformers"),
    SCORED: ("torch", "transformers"),
    "vllm": ("torch", "transformers", "vllm"),
}  # whose versions can change the answers, by the scheme of the policy


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
    if scheme == EXPERT:
        return env.expert(target or None)
    if spec in names:
        return env.expert(spec)
    if scheme == SCORED and target:
        return _scored(target, arguments)
    if arguments.repeat_penalty:
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
            "versions": versions("numpy"),
        }
    packages = _PACKAGES.get(player.name.partition(":")[0], ())
    return {
        "policy": player.name,
        "revision": player.revision,
        "sampling": player.sampling,
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
