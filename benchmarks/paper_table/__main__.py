"""Runs the plan of this folder: ``python -m benchmarks.paper_table [--world W] [--seeds 0 1]``.

Makes the data, trains and evaluates the rows of ``rows.yaml`` for some seeds (hours; the same
command goes on where it was stopped), and writes what came of every task to ``RESULTS``, beside
what other calls have put there. Two calls with other seeds and folders may run at the same time,
one a core.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import fcntl
import gzip
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import gymnasium as gym
import tyro
import yaml

import act_data.cli
from act_data.errors import DataNotFound
from act_data.models import NANO_BASE
from act_data.storage.files import replacing, write_json, write_text
from act_envs import TextEnv
from act_envs.errors import ActError, nearest
from act_train import pipeline
from act_train.arguments.running import PipelineArguments
from act_train.data import load_pairs, split_by_task
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluate import read_results
from act_train.pipelines.reading import named, read
from act_train.pipelines.running import is_done, record
from act_train.pipelines.steps import Step, steps
from act_train.recipe import find, load
from benchmarks.paper_table.worlds import EXPLORED, HELD_OUT, UNJUDGED, WORLDS, World

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results/paper_table"
MADE = ("trajectories", "mined", "verified", "pairs", "assumed")  # folders of data
KEPT = ("task_id", "won", "score", "steps", "invalid_actions", "format_failures")


@dataclass(frozen=True)
class PaperTable:
    """Train and evaluate the rows of the plan."""

    world: Literal["houses", "alfworld", "webshop", "scienceworld"] = "houses"
    """Which world."""

    seeds: tuple[int, ...] = ()
    """Which of the seeds; all that the plan has for the world if none."""

    rows: tuple[str, ...] = ()
    """Only these rows, and the base; those that the plan has for the world if none."""

    out: Path = Path("runs/paper_table")
    """Folder of the data and of all stages; goes on with what it holds."""

    data: Path | None = None
    """Data that an earlier call has made, at whatever commit; made in ``out`` if none."""

    results: Path = RESULTS
    """Folder for the results."""

    dry_run: bool = False
    """Make the data, and only list what would be trained and evaluated."""

    check: bool = False
    """Tell whether what is run comes out as ``results`` has it, and write nothing there."""

    def __call__(self) -> int:
        try:
            return self.run()
        except ActError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    def run(self) -> int:
        """Do it."""
        world, folder = WORLDS[self.world], self.out / self.world
        data = self.data or folder / "data"
        if not self.data:
            for command in data_commands(world, data):
                if status := act_data.cli.main(command):
                    return status
        about = described(data)
        folder.mkdir(parents=True, exist_ok=True)
        seeds = self.seeds or range(world.seeds)
        verified, _ = split_by_task(load_pairs(str(data / "pairs")), HELD_OUT)
        paths = []
        for name, told in planned(world, seeds, self.rows, len(verified)).items():
            paths.append(str(folder / f"{name}.yaml"))
            write_text(Path(paths[-1]), yaml.safe_dump(told, sort_keys=False))
        asked = PipelineArguments(
            pipelines=paths, set=[f"data={data}"], out=str(folder / "stages"),
            dry_run=self.dry_run,
        )  # fmt: skip
        stages = folder / "stages"
        known = steps([read(path, asked.set, asked.out) for path in paths])
        try:
            print(pipeline.words(pipeline.run(asked)))
        except BaseException:  # what was done before a step failed counts as well
            try:
                self._keep(known, stages, about)
            except ActError as error:
                print(f"error: {error}", file=sys.stderr)
            raise
        self._keep(known, stages, about)
        return self._differ(known, stages, about) if self.check and not self.dry_run else 0

    def _keep(self, known: Sequence[Step], stages: Path, about: Mapping[str, Any]) -> None:
        if not self.dry_run and not self.check:
            keep(known, stages, self.results, self.world, about)

    def _differ(self, known: Sequence[Step], stages: Path, about: Mapping[str, Any]) -> int:
        if _json(self.results / "data.json").get(self.world) != about:
            print(f"the data are not those that {self.results / 'data.json'} tells of")
        found = compared(known, stages, self.results, self.world)
        for what, differing, lines in found:
            print(f"{what}: {differing or 'none'} of {lines} lines differ")
        return int(any(differing for _, differing, _ in found))


def planned(
    world: World, seeds: Sequence[int], only: Sequence[str], verified: int
) -> dict[str, dict[str, Any]]:
    """The pipelines of a world by name: its rows, and no stages but those that they need.

    Rows that are not judged have one of their own.

    Args:
        world: where.
        seeds: of all rows but the base.
        only: these rows, and the base; those of the world if none.
        verified: how many verified pairs there are to train on, and so how many assumed ones are.
    """
    told = yaml.safe_load((HERE / "rows.yaml").read_text(encoding="utf-8"))
    for row in only:
        if row not in told["rows"]:
            raise RecipeError(f"rows.yaml has no row {row!r}. {nearest(row, told['rows'])}")
    wanted = only or world.rows or tuple(row for row in told["rows"] if row not in EXPLORED)
    if not any(isinstance(told["rows"][row], str) for row in wanted):
        raise RecipeError("the base is evaluated with any other row. Name one of these.")
    rows = {
        row: made for row, made in told["rows"].items() if row in wanted or isinstance(made, dict)
    }
    needed = {made for made in rows.values() if isinstance(made, str)}
    for name, stage in reversed(told["stages"].items()):
        if name in needed:
            needed.update(named(stage.get("model", "")))
    stages = {name: stage for name, stage in told["stages"].items() if name in needed}
    for stage in stages.values():
        if stage["stage"] == "imitate":
            stage["max_length"] = world.max_length
        if world.share != 1:
            whole = load(find(stage["config"]))["max_steps"]
            stage["max_steps"] = round(whole * world.share)
        if stage["stage"] == "env-rl":
            stage |= {"env": world.env, "env_kwargs": world.env_kwargs}
    if "assumed" in stages:
        stages["assumed"]["max_pairs"] = verified
    every = {**told, "seeds": list(seeds), "stages": stages}
    unjudged = {row: made for row, made in rows.items() if row in UNJUDGED}
    rows = {row: made for row, made in rows.items() if row not in UNJUDGED}
    played, judged = world.played(), world.judging()
    found = {"pipeline": {**every, "evaluate": [*played, *judged], "rows": rows}}
    if unjudged:
        found["unjudged"] = {**every, "evaluate": played, "rows": unjudged}
    return found


def data_commands(world: World, data: Path) -> list[list[str]]:
    """What makes trajectories and verified pairs of a world, as the plan says."""
    history = ("--history", "2")
    # The first of a split may be of a few kinds.
    env = cast(
        TextEnv, gym.make(world.env, split="train", **json.loads(world.env_kwargs)).unwrapped
    )
    try:
        kinds = sorted({task.kind for task in env.tasks()})
    finally:
        env.close()
    each = -(-world.trajectories // len(kinds))
    return [
        [
            "collect", "--env", world.env, "--env-kwargs", world.env_kwargs, "--split", "train",
            "--tasks", *(f"{kind}:{each}" for kind in kinds), "--out", f"{data}/trajectories",
        ],
        [
            "mine", "--trajectories", f"{data}/trajectories", "--policy",
            f"transformers:{NANO_BASE}", "--k", "4", *history, "--max-new-tokens", "24",
            "--limit", f"{world.states}", "--out", f"{data}/mined",
        ],
        ["verify", f"{data}/mined", "--no-informed", "--out", f"{data}/verified"],
        [
            "filter", f"{data}/verified", "--out", f"{data}/pairs",
            "--drop", "same_state,equivalent,alternative_better,near_duplicates",
        ],
        ["filter", f"{data}/verified", "--out", f"{data}/assumed", "--drop", "near_duplicates"],
    ]  # fmt: skip


def described(data: Path) -> dict[str, Any]:
    """What made the data of a world, and what came of it: the manifests and counts of ``DATA``.

    Raises:
        DataNotFound: a command of :func:`data_commands` has not ended there.
    """
    found = {}
    for name in MADE:
        run, summary = data / name / "run.json", data / name / "summary.json"
        if not summary.is_file():
            raise DataNotFound(f"{summary} is missing. Give no --data, and it is made.")
        found[name] = {
            "request": json.loads(run.read_text(encoding="utf-8")),
            "summary": json.loads(summary.read_text(encoding="utf-8")),
        }
    return found


def keep(
    known: Sequence[Step], out: Path, results: Path, name: str, data: Mapping[str, Any]
) -> None:
    """Put what came of finished steps, how they were run, and from what, into ``RESULTS``.

    Args:
        known: all steps of the world, done or not.
        out: their folder.
        results: ``NAME.jsonl.gz``, ``steps.json`` and ``data.json`` are written there.
        name: of the world.
        data: what they are made from, as :func:`described` tells.

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
    kept = _by_evaluation(_lines(results / f"{name}.jsonl.gz"))
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


def _nameless(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("step", "model")}


def _check_data(path: Path, name: str, data: Mapping[str, Any]) -> None:
    """Note a world's data, or refuse results of others beside those that lie there."""
    before = _json(path)
    if before.get(name, data) != data:
        raise ResultMismatch(
            f"{path} tells of other data of {name!r}; results of both cannot be compared. Give "
            "the data of the first with --data, or another folder with --results."
        )
    write_json(path, {**before, name: data})


def _merge(steps: Sequence[Step], out: Path, lines: Path, manifests: Path) -> None:
    # In place of what an earlier run of it has left.
    known = _by_evaluation(_lines(lines)) | _finished(steps, out)
    done = [step for step in steps if is_done(step, out)]
    records = {**_json(manifests), **{step.id: _record(step, out) for step in done}}
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
    logged = _lines(folder / "log_history.jsonl")
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
            for line in _lines(step.output.with_suffix(".jsonl"))
        }
        for reading, verdicts in (("state", "verdicts"), ("no_state", "no_state_verdicts")):
            for pair, task, *right in judged[verdicts]:
                yield {**named, "judge": reading, "pair": pair, "task_id": task,
                       "admissible": offered[pair], "right": sum(right) / 2}  # fmt: skip
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


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


if __name__ == "__main__":
    sys.exit(tyro.cli(PaperTable)())
