"""The ids that ``gym.make`` knows. Entry points are strings: registering imports no simulator."""

from __future__ import annotations

import gymnasium as gym

NAMESPACE = "ACT"

_ENTRY_POINTS = {
    f"{NAMESPACE}/Toy-v0": "act_envs.toy:ToyEnv",
    f"{NAMESPACE}/ScienceWorld-v0": "act_envs.scienceworld.env:ScienceWorldEnv",
}


def register_all() -> None:
    """Register every id with Gymnasium. No id carries a TimeLimit: see ``step_limit``."""
    for env_id, entry_point in _ENTRY_POINTS.items():
        gym.register(id=env_id, entry_point=entry_point)


def env_ids() -> list[str]:
    """The registered ids, in their documented order."""
    return list(_ENTRY_POINTS)
