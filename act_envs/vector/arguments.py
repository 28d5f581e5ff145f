"""What users give to vector environments, read and refused. Knows no environment that runs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode

from act_envs.base import TextEnv
from act_envs.errors import InvalidAction, SnapshotMismatch, UnknownArgument, nearest

MASK = "reset_mask"
"""The option of ``reset`` that says which environments are meant, as Gymnasium has it."""

_LONGEST = 1e9  # seconds


def kind_of(env_id: str) -> type[TextEnv]:
    """The class of an id, which may have a module to import in front (``"module:Id-v0"``).

    Raises:
        UnknownArgument: it is no text environment.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    entry = gym.spec(name).entry_point
    kind = load_env_creator(entry) if isinstance(entry, str) else entry
    if not (isinstance(kind, type) and issubclass(kind, TextEnv)):
        raise UnknownArgument(f"{env_id} is no TextEnv. Take gym.vector.SyncVectorEnv for it.")
    return kind


def autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """The mode of that name.

    Raises:
        UnknownArgument: there is none.
    """
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = [mode.value for mode in AutoresetMode]
        raise UnknownArgument(f"unknown autoreset_mode {mode!r}. {nearest(mode, known)}") from None


def whole(value: int, name: str, least: int) -> int:
    """A whole number from ``least`` on.

    Raises:
        UnknownArgument: it is none.
    """
    if type(value) is not int or value < least:
        raise UnknownArgument(f"{name}={value!r:.80}. Give a whole number from {least} on.")
    return value


def seconds(value: float, name: str) -> float:
    """A number of seconds.

    Raises:
        UnknownArgument: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LONGEST:
        raise UnknownArgument(
            f"{name}={value!r:.80}. Give seconds, more than 0 and less than {_LONGEST:g}."
        )
    return value


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seeds(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    """A seed for each environment: those given, or the number given and those after it.

    Raises:
        UnknownArgument: one is no seed, or there are more or fewer.
    """
    if seed is None:
        return [None] * count
    if isinstance(seed, int | np.integer):
        found: list[Any] = [int(seed) + place for place in range(count)]
    else:
        found = [*seed] if isinstance(seed, Iterable) else [seed]
        found = [int(one) if isinstance(one, np.integer) else one for one in found]
    if len(found) != count:
        raise UnknownArgument(
            f"{len(found)} seeds for {count} environments. Give one for each, or one number for "
            "all."
        )
    for one in found:
        if one is not None and (type(one) is not int or one < 0):
            raise UnknownArgument(f"seed {one!r:.80} is no whole number from 0 on, nor None.")
    return found


def options_of_each(
    options: Mapping[str, Any] | None, count: int
) -> list[dict[str, Any]] | list[None]:
    """The options of each environment: a list or tuple has a value for each.

    Raises:
        UnknownArgument: it has more or fewer, or the options are no mapping.
    """
    if options is None:
        return [None] * count
    if not isinstance(options, Mapping):
        raise UnknownArgument(f"options must be a mapping, not {options!r:.80}.")
    each: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, value in options.items():
        if name == MASK:
            continue
        values = value if isinstance(value, list | tuple) else [value] * count
        if len(values) != count:
            raise UnknownArgument(
                f"option {name!r} has {len(values)} values for {count} environments. Give one for "
                "each, or one that is no list for all."
            )
        for own, its in zip(each, values, strict=True):
            own[name] = its
    return each


def wanted(options: Mapping[str, Any] | None, count: int) -> list[bool]:
    """Which environments are to be reset.

    Raises:
        UnknownArgument: the mask is none, or all of it is False.
    """
    given = (options or {}).get(MASK)
    if given is None:
        return [True] * count
    mask = np.asarray(given)
    if mask.shape != (count,) or mask.dtype != np.bool_ or not mask.any():
        raise UnknownArgument(
            f"{MASK} must be {count} truth values, one of them True at least, not {given!r:.80}."
        )
    return mask.tolist()


def one_for_each(given: object, count: int, name: str) -> list[Any]:
    """Actions or snapshots, as many as there are environments.

    Raises:
        InvalidAction, SnapshotMismatch: there are more or fewer, or they are no list.
    """
    error = InvalidAction if name == "actions" else SnapshotMismatch
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise error(f"{given!r:.80} are no {name}. Give a list with one for each environment.")
    found = [*given]
    if len(found) != count:
        raise error(f"{len(found)} {name} for {count} environments. Give one for each.")
    return found
