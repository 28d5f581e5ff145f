"""What lies in the folders and files that a report is asked to show.

Results are told apart by what they hold, not by their names: lines of ``act-train evaluate``
and ``act-train reason``, the JSON of ``act-train judge``, and the logs of training stages.
Anything else is left alone.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from act_train.errors import RecipeError, ResultMismatch

Line = Mapping[str, Any]

_EVERY = frozenset({"metric", "policy", "task_id", "task_list", "tasks"})
_OF_METRIC = {
    "episodes": _EVERY | {"env", "split", "score", "won", "lenient", "turns"},
    "next-action": _EVERY | {"env", "split", "answers"},
    "reasoning": _EVERY | {"benchmark", "correct", "lenient_correct"},
}
_JUDGED = frozenset({"model", "pairs", "accuracy", "accuracy_95", "swap_consistent"})
# What must be equal for two results to be one experiment with other weights or another seed.
_PROTOCOL = (
    "metric", "env", "env_kwargs", "configuration", "split", "task_list", "step_limit", "history",
    "prompt_version", "sampling", "benchmark", "trajectories",
)  # fmt: skip

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """A file with one line per task or question.

    Attributes:
        label: name of its run.
        path: the file.
        lines: all complete lines.
    """

    label: str
    path: Path
    lines: tuple[Line, ...]

    @property
    def request(self) -> Line:
        """What all lines share: that of the first one."""
        return self.lines[0]

    @property
    def kind(self) -> str:
        """What was measured: ``episodes``, ``next-action`` or ``reasoning``."""
        return self.request["metric"]

    @property
    def protocol(self) -> str:
        """A name of how it was measured, the same for other weights and other seeds."""
        return json.dumps([*map(self.request.get, _PROTOCOL)], sort_keys=True)

    @property
    def whole(self) -> bool:
        """Whether every task that was asked for is there."""
        return len(self.lines) == self.request["tasks"]

    def values(self, measure: str) -> list[tuple[str, float]]:
        """Task and value of each observation, see :data:`act_train.reporting.experiments.MEASURES`.

        Raises:
            KeyError: there is no such measure of this kind of result.
        """
        of = _VALUES[measure]
        return [(line["task_id"], float(value)) for line in self.lines for value in of(line)]


def _meant(line: Line) -> Line:
    """The episode with the lenient reader of answers."""
    return line["lenient"] or line


_VALUES: Mapping[str, Callable[[Line], Iterable[float]]] = {
    "success": lambda line: [line["won"]],
    "score": lambda line: [line["score"]],
    "lenient success": lambda line: [_meant(line)["won"]],
    "lenient score": lambda line: [_meant(line)["score"]],
    "next-action": lambda line: [answer["right"] for answer in line["answers"]],
    "lenient next-action": lambda line: [answer["lenient_right"] for answer in line["answers"]],
    "accuracy": lambda line: [line["correct"]],
    "lenient accuracy": lambda line: [line["lenient_correct"]],
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of ``act-train judge``."""

    label: str
    path: Path
    found: Line


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
        return self.manifest.get("stage", "training")

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(step, value) wherever the log has a finite value."""
        return [
            (line["step"], line[key])
            for line in self.log
            if "step" in line
            and isinstance(line.get(key), int | float)
            and math.isfinite(line[key])
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a report shows."""

    results: tuple[Result, ...]
    judgements: tuple[Judgement, ...]
    trainings: tuple[Training, ...]


def find(runs: Sequence[str], rows: Iterable[str]) -> Found:
    """Read what is to be shown.

    Args:
        runs: ``PATH`` or ``NAME=PATH``, a folder or a file each. Two that share a name are runs of
            one experiment, such as two seeds.
        rows: names that stand for a row of the paper.

    Raises:
        RecipeError: a path does not exist or holds nothing to show, or a name is ambiguous.
        ResultMismatch: a result is damaged.
    """
    results: list[Result] = []
    unnamed: list[Result] = []
    judgements: list[Judgement] = []
    trainings: list[Training] = []
    rows = list(rows)
    for spec in runs:
        name, path = _split(spec)
        if not path.exists():
            raise RecipeError(f"run {spec!r}: {path} does not exist. Give PATH or NAME=PATH.")
        if name and name not in rows and (near := get_close_matches(name, rows, 1, 0.75)):
            logger.warning("run name %r is no row of the paper. Did you mean %r?", name, near[0])
        found = list(_look(path, name))
        if not found:
            raise RecipeError(
                f"run {spec!r}: nothing to show in {path}. A report shows what act-train evaluate, "
                "judge and reason have written, and folders of training stages."
            )
        new = [one for one in found if isinstance(one, Result)]
        _refuse_mixture(spec, new)
        _refuse_namesakes(new, unnamed if name else results)
        results += new
        unnamed += [] if name else new
        judgements += [one for one in found if isinstance(one, Judgement)]
        trainings += [one for one in found if isinstance(one, Training)]
    return Found(tuple(results), tuple(judgements), tuple(trainings))


def _split(spec: str) -> tuple[str, Path]:
    name, equals, path = spec.partition("=")
    if not equals or Path(spec).exists():
        return "", Path(spec)
    return name, Path(path)


def _look(path: Path, name: str) -> Iterator[Result | Judgement | Training]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    logged: set[Path] = set()
    for file in files:
        label = name or _label(path, file)
        if file.name in ("log_history.jsonl", "trainer_state.json"):
            folder = _stage_folder(file)
            if folder not in logged:
                logged.add(folder)
                own = name or _label(path, folder)
                yield Training(own, folder, tuple(_log(folder)), _manifest(folder))
        elif file.suffix == ".jsonl" and file.is_file():
            if lines := _lines(file):
                yield Result(label, file, lines)
        elif file.suffix == ".json" and not (file.parent / "config.json").exists():
            content = _json(file)
            if isinstance(content, dict) and content.keys() >= _JUDGED:
                yield Judgement(label, file, content)


def _label(root: Path, path: Path) -> str:
    if path == root:
        return path.resolve().stem
    return str(path.relative_to(root).with_suffix("") if path.is_file() else path.relative_to(root))


def _kind(line: Line) -> str:
    kind = line.get("metric", "")
    return kind if kind in _OF_METRIC and line.keys() >= _OF_METRIC[kind] else ""


def _lines(path: Path) -> tuple[Line, ...]:
    """The complete lines of a result file, () where it is another kind of file."""
    lines: list[Line] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):  # torn by a kill
                break
            line = _object(raw)
            if number == 1 and not _kind(line):
                return ()
            if not _kind(line) or _kind(line) != _kind(lines[0] if lines else line):
                raise ResultMismatch(
                    f"line {number} of {path} is no result: {raw[:40]!r}. Make the file anew."
                )
            lines.append(line)
    return tuple(lines)


def _object(raw: bytes) -> Line:
    """A line of JSON, {} where it is none."""
    try:
        line = json.loads(raw)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _stage_folder(file: Path) -> Path:
    folder = file.parent
    return folder.parent if folder.name.startswith("checkpoint-") else folder


def _log(folder: Path) -> list[Line]:
    """The log of a finished stage, else that of its newest checkpoint."""
    finished = folder / "log_history.jsonl"
    if finished.is_file():
        lines = map(json.loads, finished.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if isinstance(line, dict)]
    states = [_json(path) for path in (folder.glob("checkpoint-*/trainer_state.json"))]
    states.append(_json(folder / "trainer_state.json"))
    logs = [state["log_history"] for state in states if state and "log_history" in state]
    return max(logs, key=len, default=[])


def _manifest(folder: Path) -> Line:
    return _json(folder / "run.json") or {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _refuse_mixture(spec: str, results: Sequence[Result]) -> None:
    """One name, two results of one protocol: another policy would pass for another seed."""
    seen: dict[tuple[str, str], Result] = {}
    for result in results:
        other = seen.setdefault((result.label, result.protocol), result)
        if other is not result:
            raise RecipeError(
                f"run {spec!r} holds two results of the same tasks, {other.path} and "
                f"{result.path}. Give each of them a name of its own: NAME={result.path}"
            )


def _refuse_namesakes(new: Sequence[Result], known: Sequence[Result]) -> None:
    places = {result.label: result.path for result in known}
    for result in new:
        if result.label in places:
            raise RecipeError(
                f"{places[result.label]} and {result.path} would both be called {result.label!r}. "
                f"Name them: NAME={result.path}"
            )
