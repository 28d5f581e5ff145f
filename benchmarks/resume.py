"""Whether ``act-data`` can be killed at any moment: ``python -m benchmarks.resume [--count 50]``.

Each command runs once in peace. Then it is killed (SIGKILL) at a random moment of that time, from
its start to its end, run again, perhaps killed again, and let go on to its end. Every file must
then be the same, byte for byte. After each kill no process may be left over, and what is run again
may not stumble over what was left.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.script import call
from benchmarks.table import Row, publish

COMMANDS = {  # each may name the folder that one before it has written
    "collect": "collect --env {env} --tasks {tasks} --shard-size 2",
    "mine": "mine --trajectories {collect} --shard-size 2",
    "verify": "verify {mine} --worlds 8 --shard-size 2",
}
ENVS = {
    "ACT/Toy-v0": "fetch:60 feed:60",
    "ACT/ALFWorldGen-v0": "pick_and_place_simple:30 pick_two_obj_and_place:30",
}
WORKERS = (1, 2)
KILLS = 50  # of each command with each environment and number of workers
MOST = 4  # kills of one run, which then goes on in peace
LATE = 1.1  # kills come until this share of the time that the command takes in peace
GOING = 5.0  # seconds that the other processes of a killed command have to end
_MARK = "BENCHMARKS_RESUME"  # a variable that all processes of a command inherit


@dataclass(frozen=True)
class Resume:
    """Runs of act-data that are killed at random moments."""

    count: int = KILLS
    """Kills of each command with each environment and number of workers."""

    seed: int = 0
    """Of the moments."""

    quick: bool = False
    """5 kills each."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            rows = list(_rows(Path(folder), 5 if self.quick else self.count, self.seed))
        return publish(f"Resume: act-data, killed (seed {self.seed})", rows, self.json)


@dataclass(frozen=True)
class Peace:
    """A command that ran in peace.

    Attributes:
        arguments: of ``act-data``, but for the folder and the workers.
        out: the folder that it wrote.
        seconds: how long it took, by number of workers.
    """

    arguments: tuple[str, ...]
    out: Path
    seconds: Mapping[int, float]


def _rows(folder: Path, count: int, seed: int) -> Iterator[Row]:
    total: Counter[str] = Counter()
    for env, tasks in ENVS.items():
        peaceful = in_peace(env, tasks, folder / env)
        for name, peace in peaceful.items():
            for workers in WORKERS:
                counts = killed(peace, workers, count, seed)
                total.update(counts)
                title = f"{env} {name}, {workers} worker{'s' * (workers > 1)}"
                print(f"{title}: {dict(counts)}", file=sys.stderr, flush=True)
    yield Row("kills", total["kills"], "")
    yield Row("runs that got to their end", total["runs"], "", ">= 1")
    yield Row("runs that gave other bytes", total["other bytes"], "", "<= 0")
    yield Row("errors on going on", total["errors"], "", "<= 0")
    yield Row("kills after which a process was left over", total["left over"], "", "<= 0")


def in_peace(
    env: str, tasks: str, folder: Path, numbers: Sequence[int] = WORKERS
) -> dict[str, Peace]:
    """Run every command once with each number of workers, undisturbed.

    Args:
        env: id of an environment.
        tasks: which of its tasks, as ``act-data collect --tasks`` takes them.
        folder: where everything is written.
        numbers: of workers.

    Raises:
        RuntimeError: a command fails, or its bytes depend on the number of workers.
    """
    done: dict[str, Peace] = {}
    written = {"env": env, "tasks": tasks}
    for name, template in COMMANDS.items():
        arguments = tuple(template.format(**written).split())
        outs = [folder / f"{name}-{workers}" for workers in numbers]
        seconds: dict[int, float] = {}
        for workers, out in zip(numbers, outs, strict=True):
            begun = time.monotonic()
            process = _start(arguments, out, workers, mark="")
            _, errors = process.communicate()
            seconds[workers] = time.monotonic() - begun
            if process.returncode:
                raise RuntimeError(f"act-data {' '.join(arguments)} failed in peace: {errors}")
            if digests(out) != digests(outs[0]):
                raise RuntimeError(f"act-data {' '.join(arguments)}: other bytes, {workers=}")
        done[name] = Peace(arguments, outs[0], seconds)
        written[name] = str(outs[0])
    return done


def killed(peace: Peace, workers: int, count: int, seed: int) -> Counter[str]:
    """Kill a command so many times, a few times each run, and let the run go on to its end.

    Args:
        peace: the command.
        workers: its number of workers.
        count: how many kills.
        seed: of their moments.

    Returns:
        How many ``kills`` there were, ``runs`` that got to their end, of these ``other bytes``;
        ``errors`` of a command that was run again, and kills after which processes were
        ``left over``.
    """
    rng = random.Random(f"{seed} {workers} {peace.arguments}")
    counts: Counter[str] = Counter(dict.fromkeys(("kills", "runs", "other bytes"), 0))
    counts.update(dict.fromkeys(("errors", "left over"), 0))
    expected, out = digests(peace.out), peace.out.with_name("killed")
    while counts["kills"] < count:
        lives = min(rng.randint(1, MOST), count - counts["kills"])  # that this run will lose
        while True:
            mark = uuid.uuid4().hex
            process = _start(peace.arguments, out, workers, mark)
            moment = rng.uniform(0, LATE * peace.seconds[workers]) if lives else None
            try:
                _, errors = process.communicate(timeout=moment)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            lives -= 1
            counts["kills"] += 1
            counts["left over"] += bool(_left(mark))
        counts["runs"] += 1
        if process.returncode:
            counts["errors"] += 1
            print(f"{peace.arguments}: {errors}", file=sys.stderr)
        elif digests(out) != expected:
            counts["other bytes"] += 1
            print(f"{peace.arguments}: other bytes", file=sys.stderr)
        shutil.rmtree(out)
    return counts


def digests(folder: Path) -> dict[str, str]:
    """Every file of a folder with the hash of its bytes."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _start(arguments: tuple[str, ...], out: Path, workers: int, mark: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "act_data.cli", *arguments,
            "--out", str(out), "--workers", str(workers),
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, _MARK: mark},
    )  # fmt: skip


def _left(mark: str) -> list[int]:
    """The processes that bear a mark and do not end by themselves; they are ended then."""
    deadline = time.monotonic() + GOING
    while found := list(_marked(mark)):
        if time.monotonic() > deadline:
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            return [process.pid for process in found]
        time.sleep(0.02)
    return []


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended, or is somebody else's
            if process.environ().get(_MARK) == mark:
                yield process


if __name__ == "__main__":
    sys.exit(call(Resume))
