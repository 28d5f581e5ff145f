"""What came of the rows: kept beside what other calls have put there, or compared with it."""

from __future__ import annotations

import fcntl
import gzip
import itertools
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from act_data.errors import DataCorrupt
from act_data.models import NANO_BASE
from act_data.storage.files import replacing, write_json
from act_train.errors import ResultMismatch
from act_train.evaluate import read_results
from act_train.pipelines.running import is_done, record
from act_train.pipelines.steps import Step

RESULTS = Path(__file__).parent.parent / "results/paper_table"
KEPT = ("task_id", "won", "score", "steps", "invalid_actions", "format_failures")


def keep(
    known: Sequence[Step], out: Path, results: Path, name: str, data: Mapping[str, Any]
) -> None:
    """Put what came of finished steps, how they were run, and from what, into ``RESULTS``.

    Args:
        known: all steps of the world, done or not.
        out: their folder.
        results: ``NAME.jsonl.gz``, ``steps.json`` and ``data.json`` are written there.
        name: of the world.
        data: what they are made from: the manifest and the counts of each folder of data.

    Raises:
        ResultMismatch: what lies there was made from other data, or with other options.
    """
    results.mkdir(parents=True, exist_ok=True)
    folder = os.open(results, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # another call may be at its end too
        _check_data(results / "data.json", name, data)
        _merge(known, out, results / f"{name}.jsonl.gz", results / "steps.json")
    finally:
        os.close(folder)


def compared(
    known: Sequence[Step], out: Path, results: Path, name: str
) -> list[tuple[str, int, int]]:
    """How many lines of each finished evaluation are not as in ``RESULTS``.

    The names of steps may be others: they hold by whom the data were made.

    Args:
        known, out, results, name: as in :func:`keep`.

    Returns:
        Which evaluation, and of how many lines how many differ; lines that are on one side alone
        are counted among both.

    Raises:
        ResultMismatch: ``results`` holds nothing of one.
    """
    kept = _by_evaluation(read_lines(results / f"{name}.jsonl.gz"))
    told = []
    for where, found in sorted(_finished(known, out).items()):
        row, seed, what = where
        title = f"{row}, {what}" if seed == "None" else f"{row}, seed {seed}, {what}"
        if where not in kept:
            raise ResultMismatch(f"{results} holds nothing of {title}. Leave out --check.")
        first, second = ([_nameless(line) for line in lines] for lines in (found, kept[where]))
        pairs = list(itertools.zip_longest(first, second))
        told.append((title, sum(one != other for one, other in pairs), len(pairs)))
    return told


def counted(about: Mapping[str, Any]) -> dict[str, Any]:
    """What came of data, without how they were asked for: every commit makes data of its own.

    Of the same tasks and samples come the same counts.
    """
    return {folder: told["summary"] for folder, told in about.items()}


def _nameless(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("step", "model")}


def _check_data(path: Path, name: str, data: Mapping[str, Any]) -> None:
    """Note a world's data, or refuse results of others beside those that lie there."""
    before = read_json(path)
    if before.get(name, data) != data:
        raise ResultMismatch(
            f"{path} tells of other data of {name!r}; results of both cannot be compared. Give "
            "the data of the first with --data, or another folder with --results."
        )
    write_json(path, {**before, name: data})


def _merge(steps: Sequence[Step], out: Path, lines: Path, manifests: Path) -> None:
    # In place of what an earlier run of it has left.
    known = _by_evaluation(read_lines(lines)) | _finished(steps, out)
    done = [step for step in steps if is_done(step, out)]
    records = {**read_json(manifests), **{step.id: _record(step, out) for step in done}}
    _check_recipes(known.values(), records)
    with replacing(lines) as file:
        ordered = (line for place in sorted(known) for line in known[place])
        text = "".join(f"{json.dumps(line)}\n" for line in ordered)
        file.write(gzip.compress(text.encode(), mtime=0))  # equal results, equal bytes
    write_json(manifests, dict(sorted(records.items())))


def _by_evaluation(lines: Iterable[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    known: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        known.setdefault(_evaluation(line), []).append(line)
    return known


def _finished(steps: Sequence[Step], out: Path) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """The lines of all evaluations that are done."""
    seeds = {step.id: step.options["seed"] for step in steps if "seed" in step.options}
    found: list[dict[str, Any]] = []
    for step in steps:
        if step.row and is_done(step, out):
            seed = seeds[step.after[-1]] if step.after else None  # of a model that no stage made
            found.extend(_found(step, seed, out))
    return _by_evaluation(found)


def _check_recipes(
    evaluations: Iterable[Sequence[dict[str, Any]]], records: Mapping[str, dict[str, Any]]
) -> None:
    """Refuse seeds of a row that were trained or evaluated with other options than the others."""

    def made(name: str) -> Any:
        """A step without its seed, and so for those that it starts from."""
        if name not in records:  # a model that no step made
            return name
        told = records[name]
        options = {key: value for key, value in told["options"].items() if key != "seed"}
        # A policy is written scored:MODEL.
        inputs = {key: made(str(value).rpartition(":")[2]) for key, value in told["inputs"].items()}
        return told["stage"], options, inputs

    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for line, *_ in evaluations:
        row, seed, what = _evaluation(line)
        own = made(line["step"]), made(line["model"])
        other, known = first.setdefault((row, what), (seed, own))
        if own != known:
            raise ResultMismatch(
                f"{row}, {what}: seeds {other} and {seed} were not trained and evaluated with the "
                "same options. Run the older again, or give another folder with --results."
            )


def _record(step: Step, out: Path) -> dict[str, Any]:
    """How a step was run and, of a training, what it measured in its end.

    Places on this machine are left out: ``inputs`` tells by content what lay there.
    """
    told, measured = record(step, out), _metrics(step.output)
    told.pop("command", None)
    # A call for several seeds says which in the title.
    told["title"] = step.title.removesuffix(f", seed {step.options.get('seed')}")
    told["options"] = {
        name: value
        for name, value in step.options.items()
        if name not in step.inputs and not str(value).startswith(str(out))
    }
    return {**told, **({"metrics": measured} if measured else {})}


def _metrics(folder: Path) -> dict[str, Any]:
    """What a training measured, and of how many tokens TRL says that it has read them."""
    path = folder / "metrics.json"
    if not path.is_file():
        return {}
    logged = read_lines(folder / "log_history.jsonl")
    tokens = [line["num_tokens"] for line in logged if "num_tokens" in line]
    found = json.loads(path.read_text(encoding="utf-8"))
    return {**found, "num_tokens": tokens[-1]} if tokens else found


def _found(step: Step, seed: int | None, out: Path) -> Iterator[dict[str, Any]]:
    model = step.after[-1] if step.after else NANO_BASE
    named = {"row": step.row, "seed": seed, "model": model, "step": step.id}
    if step.stage == "judge":
        judged = json.loads(step.output.read_text(encoding="utf-8"))
        offered = {
            line["pair_id"]: line["admissible"]
            for line in read_lines(step.output.with_suffix(".jsonl"))
        }
        texts = {pair: right for pair, _, right in judged["text_verdicts"]}
        for reading, verdicts in (("state", "verdicts"), ("no_state", "no_state_verdicts")):
            for pair, task, *right in judged[verdicts]:
                # The classifier of texts is the same beside all judges, and told once.
                floor = {} if step.after or reading != "state" else {"texts": texts[pair]}
                yield {**named, "judge": reading, "pair": pair, "task_id": task,
                       "admissible": offered[pair], "right": sum(right) / 2, **floor}  # fmt: skip
        measured = _metrics(out / model)
        yield {**named, "judge": "texts", "right": judged["text_accuracy"],
               "above_floors": judged["above_floor"],
               "named": measured.get("after_judge/accuracy")}  # fmt: skip
        return
    for line in read_results(step.output):
        yield {**named, "split": line["split"], **{name: line[name] for name in KEPT}}


def _evaluation(line: dict[str, Any]) -> tuple[str, ...]:
    """Which evaluation a line belongs to: of a row, a seed, and a split or the judge."""
    return line["row"], str(line["seed"]), line.get("split", "judge")


def read_json(path: Path) -> dict[str, Any]:
    """What a file of results holds, or nothing if there is none.

    Raises:
        DataCorrupt: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataCorrupt(
            f"{path} cannot be read: {error}. Take it from the repository."
        ) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file of results, compressed or not, or none if there is none.

    Raises:
        DataCorrupt: they cannot be read.
    """
    if path.is_file():
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8") as file:
                yield from map(json.loads, file)
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataCorrupt(
                f"{path} cannot be read: {error}. Take it from the repository."
            ) from error
