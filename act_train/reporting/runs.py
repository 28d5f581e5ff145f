"""What lies in the folders and files that a report is asked to show.

Results are told apart by what they hold, not by their names: lines of ``act-train evaluate``
and ``act-train reason``, the JSON of ``act-train judge``, and the logs of training stages.
Anything else is left alone in a folder, and refused where it is named.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from act_train.errors import RecipeError
from act_train.evaluation.results import read_results
from act_train.reporting.judgements import Judgement, read_judgement
from act_train.reporting.results import Result
from act_train.reporting.trainings import LOGS, Training, folder_of, read_training

_TRAINED = ("transformers", "scored", "vllm")  # schemes of folders, which each seed has its own of

logger = logging.getLogger(__name__)


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
            one experiment, such as two seeds: of one player, or of models that are asked alike.
        rows: names that stand for a row of the paper.

    Raises:
        RecipeError: a path does not exist or holds nothing to show, or a name is ambiguous or
            shared by different players.
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
    _refuse_others(results)
    _refuse_repeats(results)
    return Found(tuple(results), tuple(judgements), tuple(trainings))


def _split(spec: str) -> tuple[str, Path]:
    name, equals, path = spec.partition("=")
    if not equals or Path(spec).exists():
        return "", Path(spec)
    return name, Path(path)


def _look(path: Path, name: str) -> Iterator[Result | Judgement | Training]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    logged: set[Path] = set()
    for file in filter(Path.is_file, files):
        label = name or _label(path, file)
        if file.name in LOGS:
            folder = folder_of(file)
            if folder not in logged:
                logged.add(folder)
                yield read_training(name or _label(path, folder), folder)
        elif file.suffix == ".jsonl":
            if file == path or _has_results(file):
                yield Result(label, file, tuple(read_results(file)))
        elif (
            file.suffix == ".json"
            and (file == path or not (file.parent / "config.json").exists())
            and (found := read_judgement(label, file, named=file == path))
        ):
            yield found


def _has_results(path: Path) -> bool:
    """Whether any complete line looks like a result; none does in other files, or before one."""
    with path.open("rb") as file:
        return any(
            b'"metric"' in line and b'"task_list"' in line and line.endswith(b"\n") for line in file
        )


def _label(root: Path, path: Path) -> str:
    if path == root:
        return path.resolve().stem
    return str(path.relative_to(root).with_suffix("") if path.is_file() else path.relative_to(root))


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


def _refuse_others(results: Sequence[Result]) -> None:
    """One name, two players: their mean would be nobody's, and their spread not that of seeds."""
    seen: dict[tuple[str, str], Result] = {}
    for result in results:
        other = seen.setdefault((result.label, result.protocol), result)
        if _player(other) != _player(result):
            raise RecipeError(
                f"{other.path} is of {other.request['policy']} and {result.path} of "
                f"{result.request['policy']}: these are no runs of one experiment "
                f"{result.label!r}. Give one of them another name: NAME={result.path}"
            )


def _player(result: Result) -> str:
    """Whom two runs must share: the way a model is asked, or all of a name that no seed changes."""
    name = result.request["policy"]
    scheme, _, _ = name.partition(":")
    return scheme if scheme in _TRAINED else name


def _refuse_repeats(results: Sequence[Result]) -> None:
    """One run twice is not two runs: it would look as if nothing varied between them."""
    seen: dict[tuple[str, str, str], Result] = {}
    for result in results:
        other = seen.setdefault((result.label, result.protocol, result.run), result)
        if other is not result:
            raise RecipeError(
                f"{other.path} and {result.path} are one run of {result.label!r}: policy, weights "
                "and seed are the same. Give one of them."
            )
