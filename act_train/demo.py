"""``act-train demo``: the whole method in generated houses with act-nano-base, and its report.

Every step is a command that a user could type; it is shown, run in this process, and remembered,
so that a demo that was interrupted goes on where it stopped. One seed of a small model is no
experiment: see :data:`act_train.demo_report.CAVEATS`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from act_data.models import NANO_BASE
from act_data.storage.files import write_json
from act_train.arguments.running import DemoArguments
from act_train.demo_report import HISTORY, write_report
from act_train.errors import DemoFailed

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
PLAYING = ("base", "imitate", "act-imitate")
TASKS = 40  # that each of them plays of each split

Command = tuple[str, ...]


def run(arguments: DemoArguments) -> dict[str, Any]:
    """Run what has not been run yet, and write the report.

    Returns:
        Where the report is, and how long the steps took.

    Raises:
        DemoFailed: a step failed; it has said why.
    """
    out = Path(arguments.out)
    _quiet()
    done = _done(out)
    plan = commands(out)
    for number, command in enumerate(plan, 1):
        line = shlex.join(command)
        sys.stderr.write(f"\n\x1b[1m[{number}/{len(plan)}]\x1b[0m $ {line}\n")
        if line in done and _output(command).exists():
            sys.stderr.write(f"done before ({done[line]:.0f} s)\n")
            continue
        start = time.perf_counter()
        _execute(command)
        done[line] = round(time.perf_counter() - start, 1)
        write_json(out / "demo.json", {"code": _code(), "seconds": done})
    report = write_report(out, {line: done[line] for line in map(shlex.join, plan)})
    return {"report": str(report.resolve()), "seconds": sum(done.values())}


def commands(out: Path) -> list[Command]:
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

    def play(split: str, name: str) -> Command:
        return (
            "act-train", "evaluate", "--config", "nano_evaluate.yaml", "--split", split,
            "--limit", f"{TASKS}", "--policy", f"scored:{model(name)}",
            "--output", f"{out}/evaluation/{split}/{name}.jsonl",
        )  # fmt: skip

    return [
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
        judge("base"),
        train("critique", "base", "pairs", "critique", 130),
        judge("critique"),
        train("imitate", "base", "trajectories", "imitate", 45),
        train("imitate", "critique", "trajectories", "act-imitate", 45),
        *(play(split, name) for split in SPLITS for name in PLAYING),
    ]  # fmt: skip


def _execute(command: Command) -> None:
    import act_data.cli
    import act_train.cli

    programs: dict[str, Callable[[Sequence[str]], int]] = {
        "act-data": act_data.cli.main,
        "act-train": act_train.cli.main,
    }
    status = programs[command[0]](command[1:])
    if status == 130:
        raise KeyboardInterrupt
    if status:
        raise DemoFailed(
            f"`{shlex.join(command)}` ended with status {status}. "
            "Mend what it says and run the demo again: it goes on with this step."
        )


def _done(out: Path) -> dict[str, float]:
    """Steps that this very code has finished in ``out``, with their seconds."""
    path = out / "demo.json"
    if not path.exists():
        return {}
    remedy = f"Delete it (rm -r {out}), or choose another folder with --out."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        code, seconds = found["code"], found["seconds"]
    except (ValueError, TypeError, KeyError) as error:
        raise DemoFailed(f"{path} is not what the demo wrote ({error}). {remedy}") from error
    if code != _code():
        raise DemoFailed(f"{out} holds a demo of another version of this package. {remedy}")
    return seconds


def _output(command: Command) -> Path:
    """What the step leaves behind."""
    (place,) = (
        i
        for i, word in enumerate(command)
        if word in ("--out", "--output_dir", "--output", "--json")
    )
    return Path(command[place + 1])


def _code() -> str:
    """A name of the installed code and recipes by their content."""
    total = hashlib.sha256()
    for package in ("act_envs", "act_data", "act_train"):
        root = Path(str(files(package)))
        for path in sorted(
            [*root.rglob("*.py"), *root.rglob("*.yaml"), *root.rglob("*.safetensors")]
        ):
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def _quiet() -> None:
    """Keep the libraries' notes for developers off the newcomer's terminal."""
    import datasets
    import torch
    from transformers.utils import logging as transformers_logging

    # Of tokenising, loading and saving, milliseconds each; the training bars stay.
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # as the recipes; DeepSpeed warns of it else
    if "OMP_NUM_THREADS" not in os.environ:  # more cost a model this small more than they do
        torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate|datasets)\b")
    for name in ("transformers", "trl", "accelerate", "datasets", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
