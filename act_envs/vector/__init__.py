"""Many environments behind one ``gymnasium.vector.VectorEnv``, in this process or in workers.

``gym.make_vec("ACT/...", num_envs=n)`` makes a :class:`TextVectorEnv`. The ids are registered with
``act_envs.vector:<id>`` as their vector entry point, a text that Gymnasium can write into a spec.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from act_envs.vector.env import TextVectorEnv

__all__ = ["TextVectorEnv"]


def __getattr__(name: str) -> Any:
    if "/" in name:  # an id
        return partial(TextVectorEnv, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
