"""Training stages as a report shows them: what they logged, and what they were made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_train.errors import ResultMismatch
from act_train.evaluation.measures import Line
from act_train.shapes import Shape, misfit

LOGS = ("log_history.jsonl", "trainer_state.json")
"""Files that tell of a stage: that of its end, and those of its checkpoints."""

_LOGGED: Shape = {"step?": int}
_STATE: Shape = {"log_history?": [_LOGGED]}
_MANIFEST: Shape = {"stage?": str, "versions?": dict, "sampling?": dict, "data?": dict}
_DATA: Shape = {"rows": int, "fingerprint": str}


@dataclass(frozen=True, slots=True)
class Training:
    """A training stage.

    Attributes:
        label: name of its run.
        path: its folder.
        log: what was logged, in order.
        manifest: its ``run.json``; {} where there is none.
    """

    label: str
    path: Path
    log: tuple[Line, ...]
    manifest: Line

    @property
    def stage(self) -> str:
        """Name of the stage, ``training`` where nothing tells."""
        return self.manifest.get("stage") or "training"

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(step, value) wherever the log has a finite value."""
        return [
            (line["step"], line[key])
            for line in self.log
            if isinstance(line.get("step"), int)
            and isinstance(line.get(key), int | float)
            and math.isfinite(line[key])
        ]


def folder_of(log: Path) -> Path:
    """The folder of the stage that one of the :data:`LOGS` tells of."""
    folder = log.parent
    return folder.parent if folder.name.startswith("checkpoint-") else folder


def read_training(label: str, folder: Path) -> Training:
    """A stage from its folder.

    Raises:
        ResultMismatch: a file of it is damaged.
    """
    return Training(label, folder, tuple(_log(folder)), _manifest(folder / "run.json"))


def _log(folder: Path) -> list[Line]:
    """The log of a finished stage, else that of its newest checkpoint."""
    finished = folder / "log_history.jsonl"
    if finished.is_file():
        return list(_logged(finished))
    states = [*folder.glob("checkpoint-*/trainer_state.json"), folder / "trainer_state.json"]
    found = [_object(path, _STATE) for path in sorted(states) if path.is_file()]
    return max((state.get("log_history") or [] for state in found), key=len, default=[])


def _logged(path: Path) -> Iterator[Line]:
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        yield _fitting(f"line {number} of {path}", raw, _LOGGED)


def _manifest(path: Path) -> Line:
    if not path.is_file():
        return {}
    manifest = _object(path, _MANIFEST)
    for name, about in (manifest.get("data") or {}).items():
        if wrong := misfit(about, _DATA):
            raise ResultMismatch(f"{path} is damaged: data of {name}: {wrong}. Leave it out.")
    return manifest


def _object(path: Path, shape: Shape) -> Line:
    return _fitting(str(path), path.read_bytes(), shape)


def _fitting(place: str, raw: bytes, shape: Shape) -> Line:
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ResultMismatch(
            f"{place} is no JSON: {error}. Leave it out, or make it anew."
        ) from error
    if wrong := misfit(found, shape):
        raise ResultMismatch(f"{place} is damaged: {wrong}. Leave it out, or make it anew.")
    return found
