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
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
import yaml

import act_data.cli
from act_data.models import NANO_BASE
from act_data.storage.files import replacing, write_json, write_text
from act_envs.errors import nearest
from act_train import pipeline
from act_train.arguments.running import PipelineArguments
from act_train.errors import RecipeError
from act_train.evaluate import read_results
from act_train.pipelines.reading import named, read
from act_train.pipelines.running import record
from act_train.pipelines.steps import Step, steps
from benchmarks.paper_table.worlds import WORLDS, World

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results/paper_table"
KEPT = ("task_id", "won", "score", "steps", "invalid_actions", "format_failures")


@dataclass(frozen=True)
class PaperTable:
    """Train and evaluate the rows of the plan."""

    world: Literal["houses", "alfworld", "webshop", "scienceworld"] = "houses"
    """Which world."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Which of the seeds."""

    rows: tuple[str, ...] = ()
    """Only these rows, and the base; those that the plan has for the world if none."""

    out: Path = Path("runs/paper_table")
    """Folder of the data and of all stages; goes on with what it holds."""

    results: Path = RESULTS
    """Folder for the results."""

    dry_run: bool = False
    """Make the data, and only list what would be trained and evaluated."""

    def __call__(self) -> int:
        world, folder = WORLDS[self.world], self.out / self.world
        data = folder / "data"
        for command in data_commands(world, data):
            if status := act_data.cli.main(command):
                return status
        path = folder / "pipeline.yaml"
        write_text(path, yaml.safe_dump(planned(world, self.seeds, self.rows), sort_keys=False))
        asked = PipelineArguments(
            pipelines=[str(path)], set=[f"data={data}"], out=str(folder / "stages"),
            dry_run=self.dry_run,
        )  # fmt: skip
        print(pipeline.words(pipeline.run(asked)))
        if not self.dry_run:
            done = steps([read(str(path), asked.set, asked.out)])
            keep(done, folder / "stages", self.results, self.world)
        return 0


def planned(world: World, seeds: Sequence[int], only: Sequence[str] = ()) -> dict[str, Any]:
    """The pipeline of a world: its rows, and no stages but those that they need."""
    told = yaml.safe_load((HERE / "rows.yaml").read_text(encoding="utf-8"))
    for row in only:
        if row not in told["rows"]:
            raise RecipeError(f"rows.yaml has no row {row!r}. {nearest(row, told['rows'])}")
    wanted = only or world.rows or tuple(told["rows"])
    rows = {
        row: made for row, made in told["rows"].items() if row in wanted or isinstance(made, dict)
    }
    needed = {made for made in rows.values() if isinstance(made, str)}
    for name, stage in reversed(told["stages"].items()):
        if name in needed:
            needed.update(named(stage.get("model", "")))
    stages = {name: stage for name, stage in told["stages"].items() if name in needed}
    return {
        **told, "seeds": list(seeds), "stages": stages, "evaluate": world.evaluations(),
        "rows": rows,
    }  # fmt: skip


def data_commands(world: World, data: Path) -> list[list[str]]:
    """What makes trajectories and verified pairs of a world, as the plan says."""
    history = ("--history", "2")
    return [
        [
            "collect", "--env", world.env, "--env-kwargs", world.env_kwargs, "--split", "train",
            "--limit", f"{world.trajectories}", "--out", f"{data}/trajectories",
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
    ]  # fmt: skip


def keep(done: Sequence[Step], out: Path, results: Path, name: str) -> None:
    """Put what came of the steps into ``NAME.jsonl``, how they were run into ``steps.json``."""
    results.mkdir(parents=True, exist_ok=True)
    folder = os.open(results, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # another call may be at its end too
        _merge(done, out, results / f"{name}.jsonl", results / "steps.json")
    finally:
        os.close(folder)


def _merge(done: Sequence[Step], out: Path, lines: Path, manifests: Path) -> None:
    known = {_key(line): line for line in _lines(lines)}
    seeds = {step.id: step.options["seed"] for step in done if "seed" in step.options}
    for step in done:
        if step.row:
            seed = seeds[step.after[-1]] if step.after else None  # of a model that no stage made
            known |= {_key(line): line for line in _found(step, seed)}
    with replacing(lines) as file:
        file.write("".join(f"{json.dumps(known[key])}\n" for key in sorted(known)).encode())
    before = json.loads(manifests.read_text(encoding="utf-8")) if manifests.is_file() else {}
    now = {step.id: record(step, out) for step in done}
    write_json(manifests, dict(sorted({**before, **now}.items())))


def _found(step: Step, seed: int | None) -> Iterator[dict[str, Any]]:
    model = step.after[-1] if step.after else NANO_BASE
    named = {"row": step.row, "seed": seed, "model": model, "step": step.id}
    if step.stage == "judge":
        judged = json.loads(step.output.read_text(encoding="utf-8"))
        for reading, verdicts in (("state", "verdicts"), ("no_state", "no_state_verdicts")):
            for pair, task, *right in judged[verdicts]:
                yield {**named, "judge": reading, "pair": pair, "task_id": task,
                       "right": sum(right) / 2}  # fmt: skip
        yield {**named, "judge": "texts", "right": judged["text_accuracy"],
               "above_floors": judged["above_floor"]}  # fmt: skip
        return
    for line in read_results(step.output):
        yield {**named, "split": line["split"], **{name: line[name] for name in KEPT}}


def _key(line: dict[str, Any]) -> tuple[str, ...]:
    names = ("row", "step", "split", "judge", "task_id", "pair")
    return tuple(str(line.get(name, "")) for name in names)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    sys.exit(tyro.cli(PaperTable)())
