"""What each kind of result measures: one value per task, state or question, in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from act_train.errors import ResultMismatch
from act_train.shapes import Shape, misfit

Line = Mapping[str, Any]

EPISODES, NEXT_ACTION, REASONING = "episodes", "next-action", "reasoning"  # kinds of results
MEASURES = {
    EPISODES: ("success", "score"),
    NEXT_ACTION: ("next-action",),
    REASONING: ("accuracy",),
}
"""What is measured of each kind of result."""

READINGS = {
    EPISODES: ("", "lenient "),
    NEXT_ACTION: ("", "exact ", "lenient "),
    REASONING: ("", "lenient "),
}
"""Prefixes of its measures: answers read strictly, compared letter by letter, read leniently."""

_EVERY = {"task_id": str, "task_list": str, "tasks": int, "policy": str, "revision": str,
          "seed": int, "versions?": dict,
          "sampling": {"temperature?": float, "repeat_penalty?": float}}  # fmt: skip
_PLAYED = {
    **_EVERY, "benchmark": str, "env": str, "env_kwargs": dict, "split": str, "history": int,
    "prompt_version": int, "goal": str,
}  # fmt: skip
_TURN = {"observation": str, "action": str, "valid": bool, "answer?": str, "fault?": str}
_SHAPES: Mapping[str, Shape] = {
    EPISODES: {
        **_PLAYED, "won": bool, "score": float, "cap": int,
        "lenient?": {"won": bool, "score": float}, "turns": [{"observation": str}, _TURN],
    },
    NEXT_ACTION: {
        **_PLAYED,
        "answers": [{"expert": str, "right": bool, "exact": bool, "lenient_right": bool}],
    },
    REASONING: {
        **_EVERY, "benchmark": str, "correct": bool, "lenient_correct": bool, "undecided": bool,
        "fault": str, "subject": str, "level": str,
    },
}  # fmt: skip


def values(line: Line, measure: str) -> list[float]:
    """One value per observation of a line: its episode or question, or each of its states.

    Raises:
        KeyError: there is no such measure of this kind of result.
    """
    return [float(value) for value in _VALUES[measure](line)]


def check_line(place: str, line: Line) -> None:
    """Refuse a line that does not hold what is measured.

    Args:
        place: of the line, such as ``line 3 of a.jsonl``.
        line: any JSON object.

    Raises:
        ResultMismatch: a value is missing or is none that can be.
    """
    kind = line.get("metric")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise ResultMismatch(
            f"{place} is no line of act-train evaluate or reason: it has the keys "
            f"{', '.join(sorted(line))[:80]}. Choose another file."
        )
    if wrong := misfit(line, _SHAPES[kind]) or _without_fault(line):
        raise ResultMismatch(
            f"{place} is damaged: {wrong}. Delete the file, and run the same command again."
        )


def _without_fault(line: Line) -> str:
    """Where an answer does not say what was wrong with it, or that nothing was."""
    for at, turn in enumerate(line.get("turns", ())):
        if "answer" in turn and "fault" not in turn:
            return f"turns[{at}].fault is missing"
    return ""


def _meant(line: Line) -> Line:
    """The episode with the lenient reader of answers."""
    return line.get("lenient") or line


_VALUES: Mapping[str, Callable[[Line], Iterable[float]]] = {
    "success": lambda line: [line["won"]],
    "score": lambda line: [line["score"]],
    "lenient success": lambda line: [_meant(line)["won"]],
    "lenient score": lambda line: [_meant(line)["score"]],
    "next-action": lambda line: [answer["right"] for answer in line["answers"]],
    "exact next-action": lambda line: [answer["exact"] for answer in line["answers"]],
    "lenient next-action": lambda line: [answer["lenient_right"] for answer in line["answers"]],
    "accuracy": lambda line: [line["correct"]],
    "lenient accuracy": lambda line: [line["lenient_correct"]],
}
