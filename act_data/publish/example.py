"""The pair that a card shows: one that tells at a glance what a pair is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from act_data.analysis.noise import READINGS
from act_data.publish.counts import NEVER
from act_data.storage.tables import stream


def example(paths: Sequence[Path]) -> dict[str, Any]:
    """The first pair that shows best what a pair is; the first of all where none is better."""
    columns = ("step", "state.goal", "state.observation", "expert_action", "alternative_action",
               "env_id", "task_id", "pair_id", "verification")  # fmt: skip
    best: tuple[int, dict[str, Any]] = (-1, {})
    for row in _first(paths, columns):
        verified = row["verification"] or {}
        said = [verified.get(reading) or {} for reading in READINGS]
        known = [one["verdict"] for one in said if one]
        points = sum(verdict == "expert_better" for verdict in known)
        points += bool(known) and bool(verified["admissible"])
        points += row["step"] > 0 and 30 < len(row["state"]["observation"]) < 300
        points += any(1 < (one.get("regret") or 0) < NEVER for one in said)
        if points > best[0]:
            best = (points, row)
    return best[1]


def _first(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The first pairs: enough to choose an example from."""
    for path in paths:
        for number, row in enumerate(stream(path, "pairs", *columns)):
            if number == 256:
                return
            yield row
