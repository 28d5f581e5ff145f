"""The ids that ``gym.make`` knows. Entry points are strings: registering imports no simulator."""

from __future__ import annotations

import difflib

import gymnasium as gym

from act_envs.errors import UnknownArgument

NAMESPACE = "ACT"

_ENTRY_POINTS = {
    f"{NAMESPACE}/Toy-v0": "act_envs.toy:ToyEnv",
    f"{NAMESPACE}/ALFWorld-v0": "act_envs.alfworld.env:ALFWorldEnv",
    f"{NAMESPACE}/ALFWorldGen-v0": "act_envs.alfworld.env:ALFWorldGenEnv",
    f"{NAMESPACE}/ScienceWorld-v0": "act_envs.scienceworld.env:ScienceWorldEnv",
    f"{NAMESPACE}/WebShop-v0": "act_envs.webshop.env:WebShopEnv",
    f"{NAMESPACE}/WebShopGen-v0": "act_envs.webshop.env:WebShopGenEnv",
    f"{NAMESPACE}/WebShopBrowser-v0": "act_envs.webshop.env:WebShopBrowserEnv",
}

COMMANDS = {
    "alfworld": "act_envs.alfworld.commands",
    "webshop": "act_envs.webshop.commands",
}
"""Modules with commands of one environment (``Download``, ``CheckData``, ...), by name."""


def register_all() -> None:
    """Register every id with Gymnasium. No id carries a TimeLimit: see ``step_limit``.

    Gymnasium's checking wrappers stay off: ``TextEnv`` refuses a step out of order in its own
    words, a wrapper could not know of ``restore``, and the checker is of no use any more once a
    first ``reset`` has failed (on a mistyped task, say).
    """
    for env_id, entry_point in _ENTRY_POINTS.items():
        gym.register(
            id=env_id,
            entry_point=entry_point,
            vector_entry_point=f"act_envs.vector:{env_id}",
            order_enforce=False,
            disable_env_checker=True,
        )


def env_ids() -> list[str]:
    """The registered ids, in their documented order."""
    return list(_ENTRY_POINTS)


def full_id(name: str) -> str:
    """The registered id that a user's shorthand means: ``toy``, ``Toy-v0``, ``ACT/toy``.

    Raises:
        UnknownArgument: none does.
    """
    known = {}
    for env_id in env_ids():
        bare = env_id.removeprefix(f"{NAMESPACE}/")
        for alias in (env_id, bare, env_id.rpartition("-v")[0], bare.rpartition("-v")[0]):
            known[alias.lower()] = env_id
    if found := known.get(name.lower()):
        return found
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    likely = ", ".join(dict.fromkeys(repr(known[alias]) for alias in close))
    hint = f"Did you mean {likely}?" if likely else f"Known: {', '.join(env_ids())}."
    raise UnknownArgument(f"unknown environment {name!r}. {hint}")
