"""Running steps: one process after the other, and a record of each.

A step is done when its record says so, and is never run again. One that was stopped is run again:
every stage goes on from what it left. The processes of a step hold the lock of the folder as well
as the pipeline does. So if the pipeline alone is killed, the next one waits for the step that is
still at work, and finds it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from act_data.provenance import versions
from act_data.storage.files import write_json, write_text
from act_train.errors import PipelineFailed, RecipeError
from act_train.pipelines.steps import Step
from act_train.planning.hardware import launch_file, launch_of
from act_train.planning.reading import Planned, options_of
from act_train.recipe import read
from act_train.stages import STAGES, types_of

STEPS = "steps"  # folder of the records
_PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "deepspeed", "peft", "vllm")


def check(steps: Sequence[Step], out: Path) -> None:
    """Read the options of all steps as they will be read, so that a slip is found now.

    What trains is read as the processes that train would read it, wherever this is done.

    Raises:
        RecipeError: an option is unknown or its value not accepted.
    """
    for step in steps:
        stage = STAGES[step.stage]
        try:
            _command(step, out)
            if stage.trl_config:
                planned = Planned(
                    str(_recipe(step, out)), step.stage, step.options, step.launch, ""
                )
                options_of(planned, launch_of(step.launch, None))
            else:
                read(["--config", str(_recipe(step, out))], *types_of(stage))
        except RecipeError as error:
            raise RecipeError(f"{step.title} (act-train {step.stage}): {error}") from error


def record(step: Step, out: Path) -> dict[str, Any]:
    """What is known of a step; ``{}`` before it was run."""
    path = _record(step, out)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def is_done(step: Step, out: Path) -> bool:
    """Whether a step has ended well, and what it made is there."""
    return bool(record(step, out).get("done")) and step.output.exists()


def run(step: Step, out: Path, lock: int) -> None:
    """Run a step to its end.

    Args:
        step: whose inputs are there.
        out: folder of the pipeline.
        lock: descriptor of its lock, which the processes of the step inherit.

    Raises:
        PipelineFailed: it did not end well, and has said why.
    """
    command = _command(step, out)
    about = {
        "title": step.title,
        "stage": step.stage,
        "command": shlex.join(command),
        "options": step.options,
        "inputs": step.inputs,
        "after": step.after,
        "versions": versions(*_PACKAGES),
        "python": platform.python_version(),
        "hardware": _hardware(),
        "done": False,
    }
    write_json(_record(step, out), about)
    begun, spent = time.time(), _cpu_seconds()
    process = subprocess.Popen(command, pass_fds=[lock])
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the terminal has told the step as well
        process.wait()
        raise
    if status in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    if status:
        raise PipelineFailed(
            f"{step.title} ended with status {status}; what it said stands above. Its command: "
            f"{shlex.join(command)}. Mend it and give the same command again: what is done stays."
        )
    taken = {
        "seconds": round(time.time() - begun),
        "cpu_seconds": round(_cpu_seconds() - spent),
    }
    write_json(_record(step, out), {**about, "done": True, **taken})


@contextlib.contextmanager
def alone(out: Path, wait: Any) -> Iterator[int]:
    """The folder for this process and its steps; ``wait()`` is told if others are still at work.

    Yields:
        The descriptor of the lock.
    """
    (out / STEPS).mkdir(parents=True, exist_ok=True)
    with (out / STEPS / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _command(step: Step, out: Path) -> list[str]:
    words = [step.stage, "--config", str(_recipe(step, out))]
    if not step.launch:
        return [sys.executable, "-m", "act_train.cli", *words]
    launch = [sys.executable, "-m", "accelerate.commands.launch"]
    launch += ["--config_file", str(launch_file(step.launch))]
    return [*launch, "-m", "act_train.cli", *words]


def _recipe(step: Step, out: Path) -> Path:
    """The options of a step as a file: what its command reads, and anybody may read again."""
    path = out / STEPS / f"{step.id}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(dict(step.options), sort_keys=False, allow_unicode=True))
    return path


def _record(step: Step, out: Path) -> Path:
    return out / STEPS / f"{step.id}.json"


def _hardware() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"processor": _processor(), "cores": os.cpu_count(), "gpus": gpus}


def _processor() -> str:
    """Its name, which Linux alone tells; else its architecture."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpu_seconds() -> float:
    """Of all steps so far, with what they have started and waited for."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
