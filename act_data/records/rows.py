"""Trajectories as ``act-data export --to jsonl`` writes them, each a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from act_data.records.record import NotUnderstood, Record, Seen


def is_row(value: object) -> bool:
    """Whether a JSON value is such a trajectory, by the one field that nothing else has."""
    return isinstance(value, Mapping) and "transitions" in value


def read_row(value: Mapping[str, Any], place: str) -> Record:
    """The record in a row; one with a fault where fields are missing or of another kind."""
    try:
        steps = value["transitions"]
        seen = [Seen(_text(step, "observation")) for step in steps]
        seen.append(Seen(_text(value, "final_observation"), score=float(value["score"])))
        return Record(
            place,
            _text(value, "policy"),
            (_text(value, "task_id"),),
            _text(value, "goal"),
            tuple(seen),
            tuple(_text(step, "action") for step in steps),
            frozenset(at for at, step in enumerate(steps) if not step["action_valid"]),
        )
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        return Record(place, fault=f"no trajectory as act-data exports them ({error!r})")


def _text(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(value[name], str):
        raise NotUnderstood(f"{name} is {value[name]!r:.80}")
    value[name].encode()  # half of a surrogate pair is no text, and could not be stored
    return value[name]
