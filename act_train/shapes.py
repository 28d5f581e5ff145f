"""Whether JSON of a file holds what is needed of it, all the way down.

A shape is written like what it stands for: ``bool``, ``str``, ``int``, ``float`` (any finite
number), ``dict`` (any object), ``{"name": shape}`` (an object that has these names, among others;
``"name?"`` may be missing or null), ``[shape]`` (a list of any length) and ``[first, rest]`` (a
list whose first item is of a shape of its own), ``(shape, shape)`` (a list of this length).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any, cast

Shape = type | Mapping[str, Any] | list[Any] | tuple[Any, ...]

_NAMES = {bool: "true or false", str: "a text", int: "a whole number", float: "a finite number",
          dict: "an object"}  # fmt: skip


def misfit(value: object, shape: Shape) -> str:
    """What does not fit, as in ``turns[2].valid is 1, not true or false``; "" where all does.

    Args:
        value: as ``json.loads`` gives it.
        shape: what it should be.
    """
    return next(_misfits(value, shape, ""), "")


def _misfits(value: object, shape: Shape, place: str) -> Iterator[str]:
    if isinstance(shape, type):
        if not _is(value, shape):
            yield f"{place or 'it'} is {value!r:.40}, not {_NAMES[shape]}"
    elif isinstance(shape, Mapping):
        yield from _in_object(value, shape, place)
    elif not isinstance(value, list):
        yield f"{place or 'it'} is {value!r:.40}, not a list"
    else:
        yield from _in_list(cast("list[object]", value), shape, place)


def _in_object(value: object, shape: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place or 'it'} is {value!r:.40}, not an object"
        return
    known = cast("dict[str, object]", value)
    for name, inner in shape.items():
        key = name.removesuffix("?")
        at = f"{place}.{key}" if place else key
        if key != name and known.get(key) is None:
            continue
        if key not in known:
            yield f"{at} is missing"
        else:
            yield from _misfits(known[key], inner, at)


def _in_list(value: list[object], shape: list[Any] | tuple[Any, ...], place: str) -> Iterator[str]:
    if isinstance(shape, tuple) and len(value) != len(shape):
        yield f"{place or 'it'} holds {len(value)} items, not {len(shape)}"
        return
    if isinstance(shape, list) and len(value) < len(shape) - 1:
        yield f"{place or 'it'} is empty"
    each = shape if isinstance(shape, tuple) else chain(shape[:-1], repeat(shape[-1]))
    for at, (item, inner) in enumerate(zip(value, each, strict=False)):
        yield from _misfits(item, inner, f"{place}[{at}]")


def _is(value: object, kind: type) -> bool:
    if kind is float:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
