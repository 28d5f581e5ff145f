"""``act-train demo``: the whole method in generated houses with act-nano-base, and its report.

Every step is a command that a user could type; it is shown, run, and remembered, so that a demo
that was interrupted goes on where it stopped. What needs no critique is run beside it, where there
is a second core. One seed of a small model is no experiment: see
:data:`act_train.demo_report.CAVEATS`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from act_data.models import NANO_BASE
from act_envs.vector.arguments import processors
from act_train.arguments.running import DemoArguments
from act_train.demo_report import HISTORY, write_report
from act_train.demo_steps import (
    SAID,
    Command,
    Plan,
    Steps,
    covered,
    in_own_process,
    quiet,
    spans,
)

ENV = "ACT/ALFWorldGen-v0"
GAMES, STATES = 800, 1600  # games that the expert plays, states at which the base is asked
SHARES = ("0.7", "0.05", "0.25")  # of the tasks: to train on, to validate with, to judge
SPLITS = ("seen", "unseen")  # rooms that training games have, and rooms that they never have
MODELS = {
    "base": NANO_BASE,
    "critique": "{out}/critique",
    "imitate": "{out}/imitate",
    "act-imitate": "{out}/act-imitate",
}
TASKS = 40  # that each of them plays of each split


def run(arguments: DemoArguments) -> dict[str, Any]:
    """Run what has not been run yet, and write the report.

    Returns:
        Where the report is, and how long the steps took.

    Raises:
        DemoFailed: a step failed; it has said why.
    """
    out = Path(arguments.out)
    quiet()
    plan = commands(out)
    steps = Steps(plan, out, sys.stderr)
    steps.run(plan.data)
    if processors() > 1 and steps.left(plan.rest):
        sys.stderr.write(f"\nFrom here on another core works as well: {out / SAID}\n")
        with in_own_process(partial(_run_beside, out), out) as wait:
            steps.run(plan.act)
            wait()
    else:
        steps.run([*plan.act, *plan.rest])
    times = spans(plan, out)
    seconds = round(covered(times))
    durations = {line: times[line][1] - times[line][0] for line in plan.lines}
    return {"report": str(write_report(out, seconds, durations).resolve()), "seconds": seconds}


def _run_beside(out: Path, terminal: TextIO) -> None:
    plan = commands(out)
    Steps(plan, out, terminal, beside=True).run(plan.rest)


def commands(out: Path) -> Plan:
    """The steps, as the commands that do them."""

    def model(name: str) -> str:
        return MODELS[name].format(out=out)

    def train(stage: str, start: str, data: str, to: str, steps: int) -> Command:
        share = "0.1" if stage == "critique" else "0.02"  # a task has many rows to imitate
        return (
            "act-train", stage, "--config", f"nano_{stage}.yaml", "--model", model(start),
            f"--{data}", f"{out}/dataset", "--split", "train", "--validation_share", share,
            "--max_steps", f"{steps}", "--output_dir", f"{out}/{to}",
        )  # fmt: skip

    def judge(name: str) -> Command:
        return (
            "act-train", "judge", "--model", model(name), "--pairs", f"{out}/dataset",
            "--split", "test", "--history", f"{HISTORY}", "--output", f"{out}/judge/{name}.json",
        )  # fmt: skip

    def plays(name: str) -> list[Command]:
        return [
            (
                "act-train", "evaluate", "--config", "nano_evaluate.yaml", "--split", split,
                "--limit", f"{TASKS}", "--policy", f"scored:{model(name)}",
                "--output", f"{out}/evaluation/{split}/{name}.jsonl",
            )
            for split in SPLITS
        ]  # fmt: skip

    data = (
        (
            "act-data", "collect", "--env", ENV, "--split", "train", "--limit", f"{GAMES}",
            "--out", f"{out}/trajectories", "--progress",
        ),
        (
            "act-data", "mine", "--trajectories", f"{out}/trajectories",
            "--policy", f"transformers:{NANO_BASE}", "--k", "4", "--history", f"{HISTORY}",
            "--max-new-tokens", "24", "--limit", f"{STATES}", "--workers", "2",
            "--out", f"{out}/mined", "--progress",
        ),
        ("act-data", "verify", f"{out}/mined", "--no-informed", "--out", f"{out}/verified"),
        ("act-data", "noise", f"{out}/verified", "--json", f"{out}/noise.json"),
        (
            "act-data", "filter", f"{out}/verified",
            "--drop", "same_state,equivalent,alternative_better,near_duplicates",
            "--out", f"{out}/pairs",
        ),
        (
            "act-data", "build", f"{out}/pairs", "--trajectories", f"{out}/trajectories",
            "--mined", f"{out}/mined", "--history", f"{HISTORY}", "--shares", *SHARES,
            "--name", "Pairs of the demo", "--out", f"{out}/dataset",
        ),
    )  # fmt: skip
    act = (
        train("critique", "base", "pairs", "critique", 130),
        judge("critique"),
        train("imitate", "critique", "trajectories", "act-imitate", 45),
        *plays("act-imitate"),
    )
    rest = (
        judge("base"),
        *plays("base"),
        train("imitate", "base", "trajectories", "imitate", 45),
        *plays("imitate"),
    )
    return Plan(data, act, rest)
