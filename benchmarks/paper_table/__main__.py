"""Runs the plan of this folder: ``python -m benchmarks.paper_table [--world W] [--seeds 0 1]``.

Makes the data, trains and evaluates the rows of ``rows.yaml`` for some seeds (hours; the same
command goes on where it was stopped), and writes what came of every task to ``RESULTS``, beside
what other calls have put there. Two calls with other seeds and folders may run at the same time,
one a core.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import gymnasium as gym
import yaml

import act_data.cli
from act_data.errors import DataNotFound
from act_data.models import NANO_BASE
from act_data.storage.files import write_text
from act_envs import TextEnv
from act_envs.errors import ActError, nearest
from act_train import pipeline
from act_train.arguments.running import PipelineArguments
from act_train.data import load_pairs, split_by_task
from act_train.errors import RecipeError
from act_train.pipelines.reading import named, read
from act_train.pipelines.steps import Step, steps
from act_train.recipe import find, load
from benchmarks.paper_table.results import RESULTS, compared, counted, keep, read_json
from benchmarks.paper_table.worlds import EXPLORED, HELD_OUT, UNJUDGED, WORLDS, World
from benchmarks.script import call

HERE = Path(__file__).parent
MADE = ("trajectories", "mined", "verified", "pairs", "assumed")  # folders of data


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
        kept = read_json(self.results / "data.json").get(self.world, {})
        if other := counted(kept) != counted(about):
            print(f"the data are not those that {self.results / 'data.json'} tells of")
        found = compared(known, stages, self.results, self.world)
        for what, differing, lines in found:
            print(f"{what}: {differing or 'none'} of {lines} lines differ")
        return int(other or any(differing for _, differing, _ in found))


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
        if stage["stage"] == "critique" and world.min_format_rate is not None:
            stage["min_format_rate"] = world.min_format_rate
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
    """What made the data of a world, and what came of it: manifests and counts by folder.

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


if __name__ == "__main__":
    sys.exit(call(PaperTable))
