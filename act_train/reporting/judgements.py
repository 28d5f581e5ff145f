"""Results of ``act-train judge`` as a report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_train.errors import ResultMismatch
from act_train.evaluation.measures import Line
from act_train.shapes import Shape, misfit

_BOUNDS: Shape = (float, float)
_TELLING = frozenset({"model", "pairs", "accuracy", "swap_consistent"})


def _figures(*names: str) -> Mapping[str, Shape]:
    """Each a number with its interval, or open."""
    return {f"{name}?": float for name in names} | {f"{name}_95?": _BOUNDS for name in names}


_BIN: Shape = {
    "from": float, "to": float, "prompts": int, **_figures("confidence", "accuracy"),
}  # fmt: skip
_SHAPE: Shape = {
    "model": str, "pairs": int, "part?": str, "split?": str, "subset?": str, "tasks?": int,
    "above_floor?": bool,
    **_figures(
        "accuracy", "swap_consistent", "position_bias", "no_state_accuracy", "text_accuracy", "ece",
        "brier",
    ),
    "verified?": [{"reading": str, "pairs": int, **_figures("auroc", "decided_accuracy")}],
    "reliability?": [_BIN],
    "rationales?": {
        "pairs": int, **_figures("free_accuracy", "removed_accuracy", "wrong_accuracy"),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of ``act-train judge``."""

    label: str
    path: Path
    found: Line


def read_judgement(label: str, path: Path, *, named: bool) -> Judgement | None:
    """What a JSON file tells of a judge; None where it is about something else.

    Args:
        label: name of its run.
        path: the file.
        named: whether it was asked for by itself: then it must be JSON.

    Raises:
        ResultMismatch: it is damaged.
    """
    try:
        found: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if not named:
            return None
        raise ResultMismatch(f"{path} is no JSON: {error}. Run act-train judge again.") from error
    if not isinstance(found, dict) or not found.keys() >= _TELLING:
        return None
    if wrong := misfit(found, _SHAPE):
        raise ResultMismatch(f"{path} is damaged: {wrong}. Run act-train judge again.")
    return Judgement(label, path, found)
