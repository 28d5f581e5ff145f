"""The ``info`` of many environments as columns, in the form that Gymnasium gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

_PLAIN = (bool, int, float)  # types that have a dtype; all else is a column of objects


def columns(infos: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One array for each key, and under ``_key`` which environments have it.

    Unlike Gymnasium's own, a value that is a mapping stays one object: it may be None elsewhere.

    Args:
        infos: of the environments in their order; None where there is none.
    """
    full = [info for info in infos if info is not None]
    if len(full) == len(infos) and full:
        first = full[0]
        size = len(first)
        if {*map(len, full)} == {size}:
            try:
                rows = map(itemgetter(*first), full)
                there = np.ones((size, len(full)), np.bool_)
                found = {}
                for key, mask, values in zip(first, there, zip(*rows, strict=True), strict=True):
                    found[key] = column(values)
                    found[f"_{key}"] = mask
                return found
            except KeyError:
                pass  # as many keys, but others
    keys = dict.fromkeys(key for info in full for key in info)
    return {
        name: values
        for key in keys
        for name, values in _partial(key, [info and info.get(key) for info in infos], infos)
    }


def column(values: Sequence[Any]) -> np.ndarray:
    """Values of one type as an array of that type, others as objects, (values,)."""
    kind, count = type(values[0]), len(values)
    if kind in _PLAIN and [*map(type, values)].count(kind) == count:
        return np.fromiter(values, kind, count)
    return np.fromiter(values, object, count)


def _partial(
    key: str, values: Sequence[Any], infos: Sequence[Mapping[str, Any] | None]
) -> list[tuple[str, np.ndarray]]:
    """A column that not every environment has: zeros, or None, where there is nothing."""
    has = [info is not None and key in info for info in infos]
    there = [value for value, is_there in zip(values, has, strict=True) if is_there]
    kind = type(there[0])
    if kind in _PLAIN and len(set(map(type, there))) == 1:
        filled = np.zeros(len(values), kind)
        filled[has] = there
    else:
        filled = np.fromiter(values, object, len(values))
    return [(key, filled), (f"_{key}", np.array(has, np.bool_))]
