"""``act-train pipeline FILE ...``: stages one after the other, each made once.

A pipeline lists stages, what each starts from, and the rows of a report that their models stand for
(:mod:`act_train.pipelines.reading`). Before the first one runs, the options of all are read, so
that a slip in the last is found now and not in two days. Each stage is a process of its own, with
the command that a user could type, under accelerate if the pipeline says so. What is made from the
same things is made once (:mod:`act_train.pipelines.steps`); after a kill, the same command goes on
where the work stopped. In the end the evaluations stand in a report beside the published numbers.

``OUT/steps`` holds for each step its options and its record: inputs, seeds, commit, versions,
hardware and time. The same options give the same bytes on the same kind of machine.

Left out: stages at the same time, and several machines: a cluster's own scheduler does that better.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from act_train import report
from act_train.arguments.measuring import ReportArguments
from act_train.arguments.running import PipelineArguments
from act_train.errors import RecipeError
from act_train.pipelines.reading import read
from act_train.pipelines.running import alone, check, is_done, record
from act_train.pipelines.running import run as run_step
from act_train.pipelines.steps import Step, steps


def run(arguments: PipelineArguments) -> dict[str, Any]:
    """Run what has not been run yet.

    Returns:
        How many steps there are and how long they took, and where the report is.

    Raises:
        RecipeError: the pipeline, or an option of one of its stages, cannot be run.
        PipelineFailed: a step failed; it has said why.
    """
    told = [read(path, arguments.set, arguments.out) for path in arguments.pipelines]
    folders = {one.out for one in told}
    if len(folders) > 1:
        raise RecipeError(
            f"the pipelines have folders of their own, {', '.join(map(str, sorted(folders)))}, and "
            "share nothing. Give --out FOLDER for all, or run them one by one."
        )
    (out,) = folders
    if len(backbones := {one.backbone for one in told}) > 1:
        raise RecipeError(
            f"the pipelines have several backbones, {', '.join(sorted(backbones))}, and would "
            "have one report. Set the same in all, or run them one by one."
        )
    todo = steps(told)
    check(todo, out)
    if arguments.dry_run:
        return _listed(todo, out)
    with alone(out, lambda: _say(f"waiting for the steps that are at work in {out} ...")) as lock:
        for number, step in enumerate(todo, 1):
            done = is_done(step, out)
            _say(f"[{number}/{len(todo)}] {step.title}: {step.id}{' (done before)' * done}")
            if not done:
                run_step(step, out, lock)
    seconds = {step.id: record(step, out)["seconds"] for step in todo}  # two rows may share one
    found = {"steps": len(seconds), "seconds": sum(seconds.values())}
    runs = [f"{step.row}={step.output}" for step in todo if step.row]
    if runs:
        (backbone,) = backbones
        asked = ReportArguments(runs=runs, out=str(out / "report"), backbone=backbone)
        written = report.run(asked)
        found["report"] = written["html"]
    return found


def words(found: dict[str, Any]) -> str:
    """What is printed in the end."""
    if "listed" in found:
        return "\n".join(found["listed"])
    lines = [f"{found['steps']} steps, {found['seconds']} s in all"]
    return "\n".join([*lines, *([found["report"]] if "report" in found else [])])


def _listed(todo: Sequence[Step], out: Path) -> dict[str, Any]:
    width = max(len(step.id) for step in todo)
    return {
        "listed": [
            f"{'done' if is_done(step, out) else 'to do':<6} {step.id:<{width}}  {step.title}"
            for step in todo
        ]
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
