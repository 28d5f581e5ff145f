"""``act-train demo``: the whole pipeline on ScienceWorld with a tiny model, and its report.

Every step is a command that a user could type; it is shown, run in this process, and remembered,
so that a demo that was interrupted goes on where it stopped. It shows that the parts work
together. It is no experiment: see :data:`CAVEATS`.
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

from act_data.storage.files import write_json
from act_train.arguments.running import DemoArguments
from act_train.demo_report import HELD_OUT, HISTORY, write_report
from act_train.errors import DemoFailed

ENV = ("--env", "ACT/ScienceWorld-v0", "--env-kwargs", '{"simplifications": "easy"}')
KINDS = (
    "find-animal", "find-non-living-thing", "find-plant",
    "lifespan-longest-lived", "lifespan-shortest-lived",
)  # fmt: skip
TRAIN_TASKS, TEST_TASKS = 10, 3  # of each kind
PLAYERS = {
    "random": "random-admissible",
    "policy": "transformers:{out}/policy",
    "imitate": "transformers:{out}/imitate",
    "act-imitate": "transformers:{out}/act-imitate",
    "expert": "expert",
}

UNASKED = (
    "--env", "ACT/ScienceWorld-v0", "--env_kwargs", '{"simplifications": "easy"}',
    "--split", "test", "--step_limit", "18",
)  # fmt: skip

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

    def train(stage: str, start: str, data: str, to: str, *more: str) -> Command:
        recipe = f"scienceworld_tiny_{stage.replace('-', '_')}.yaml"
        return (
            "act-train", stage, "--config", recipe, "--model", f"{out}/{start}",
            f"--{data}", f"{out}/{data}", "--output_dir", f"{out}/{to}", *more,
        )  # fmt: skip

    def judge(model: str) -> Command:
        return (
            "act-train", "judge", "--model", f"{out}/{model}", "--pairs", f"{out}/pairs",
            "--history", f"{HISTORY}", "--validation_share", f"{HELD_OUT}",
            "--output", f"{out}/judge/{model}.json",
        )  # fmt: skip

    def play(player: str) -> Command:
        # The recipe also says how a model is asked, which others have no use for.
        recipe = ("--config", "scienceworld_tiny_evaluate.yaml")
        return (
            "act-train", "evaluate", *(recipe if ":" in PLAYERS[player] else UNASKED),
            "--policy", PLAYERS[player].format(out=out),
            "--tasks", *(f"{kind}:{TEST_TASKS}" for kind in KINDS),
            "--output", f"{out}/evaluation/{player}.jsonl",
        )  # fmt: skip

    return [
        (
            "act-data", "collect", *ENV, "--split", "train",
            "--tasks", *(f"{kind}:{TRAIN_TASKS}" for kind in KINDS),
            "--out", f"{out}/trajectories", "--progress",
        ),
        ("act-train", "tiny", "--texts", f"{out}/trajectories", "--out", f"{out}/base"),
        # A model from random weights proposes nothing worth judging: what stands for the paper's
        # instruct model is one that has imitated for a moment.
        train("imitate", "base", "trajectories", "policy"),
        (
            "act-data", "mine", "--trajectories", f"{out}/trajectories",
            "--policy", f"transformers:{out}/policy", "--k", "4", "--history", f"{HISTORY}",
            "--max-new-tokens", "24", "--limit", "240", "--out", f"{out}/pairs", "--progress",
        ),
        train("warm-start", "policy", "pairs", "warm-start"),
        judge("warm-start"),
        train("critique", "warm-start", "pairs", "critique"),
        judge("critique"),
        train("imitate", "warm-start", "trajectories", "imitate"),
        train("imitate", "critique", "trajectories", "act-imitate"),
        *map(play, PLAYERS),
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
        i for i, word in enumerate(command) if word in ("--out", "--output_dir", "--output")
    )
    return Path(command[place + 1])


def _code() -> str:
    """A name of the installed code and recipes by their content."""
    total = hashlib.sha256()
    for package in ("act_envs", "act_data", "act_train"):
        root = Path(str(files(package)))
        for path in sorted([*root.rglob("*.py"), *root.rglob("*.yaml"), *root.rglob("*.jar")]):
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def _quiet() -> None:
    """Keep the libraries' notes for developers off the newcomer's terminal."""
    import datasets
    from transformers.utils import logging as transformers_logging

    # Of tokenising, loading and saving, milliseconds each; the training bars stay.
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # as the recipes; DeepSpeed warns of it else
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate|datasets)\b")
    for name in ("transformers", "trl", "accelerate", "datasets", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
