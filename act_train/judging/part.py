"""Which of all pairs a judgement is of, in words, and whether it may claim anything.

This reads results and asks no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("part", "split", "subset")


def part_of(result: Mapping[str, Any]) -> str:
    """What was asked for, such as ``part: held-out, split: test``; "" where nothing tells."""
    return ", ".join(f"{name}: {result[name]}" for name in _NAMES if result.get(name))


def may_be_known(result: Mapping[str, Any]) -> bool:
    """Whether pairs were not held out: a judge that was trained on them need not judge them."""
    return result.get("part") in ("train", "all")
