"""Publishing a dataset: ``python -m benchmarks.publish [--quick]``, with a Hub on this machine.

A hundred thousand pairs of generated ALFWorld games are built by ``act-data build``, pushed by
``act-data push`` to :mod:`benchmarks.hub`, and every config is loaded back by
``datasets.load_dataset``, each in a process of its own. Then builds and pushes of fewer pairs are
killed (SIGKILL) at random moments, from their start to their end, and run again: in the end the
folder and the Hub must hold the same bytes, there in one commit with its tag, whatever happened
before.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from act_data.collect import Collect, collect
from act_data.mining import Mine, mine
from act_data.publish.manifest import Entry, read_manifest
from act_data.storage.tables import Table
from act_data.types import ContrastPair
from act_data.verify import Verify, verify
from benchmarks.hub import Hub
from benchmarks.script import call
from benchmarks.table import Row, publish

ENV = "ACT/ALFWorldGen-v0"
PAIRS, FEW = 100_000, 2_000
PER_GAME = 45  # pairs of a game, about
BAR = "<= 180"  # seconds
WORKERS = 2
REPO, TAG = "org/pairs", "v1"
KILLS = 50
MOST = 4  # kills of one command, which then goes on in peace
LATE = 1.1  # kills come until this share of the time that it takes in peace
_LOAD = f"""
import json, sys
from datasets import get_dataset_config_names, load_dataset
names = get_dataset_config_names("{REPO}", revision="{TAG}")
loaded = {{name: load_dataset("{REPO}", name, revision="{TAG}") for name in names}}
print(json.dumps({{name: its.num_rows for name, its in loaded.items()}}))
"""


@dataclass(frozen=True)
class Publish:
    """Build a dataset, push it to a Hub here, load it back, and kill builds and pushes."""

    count: int = KILLS
    """Kills of builds, and as many of pushes."""

    seed: int = 0
    """Of their moments."""

    quick: bool = False
    """Fewer pairs, and 5 kills each."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows: list[Row] = []
        count = 5 if self.quick else self.count
        with tempfile.TemporaryDirectory() as scratch, Hub(Path(scratch, "hub")) as hub:
            here, home = Path(scratch), Path(scratch, "home")
            large = _pairs(here / "large", FEW if self.quick else PAIRS)
            rows += _once(large, here / "dataset", hub, home, "" if self.quick else BAR)
            small = _pairs(here / "small", FEW)
            rows += _killed_builds(small, here, hub, home, count, self.seed)
            rows += _killed_pushes(here / "peace", hub, home, count, self.seed)
        return publish(f"Building and publishing (seed {self.seed})", rows, self.json)


@dataclass(frozen=True, slots=True)
class Ran:
    """A process that came to its end.

    Attributes:
        said: what it printed.
        seconds: how long it took.
        memory: the most that it held, in MB.
    """

    said: str
    seconds: float
    memory: float


def _pairs(folder: Path, count: int) -> Path:
    """About so many pairs, with both actions executed, and the trajectories that they are from."""
    env_kwargs = json.dumps({"games": count // PER_GAME})
    collect(Collect(env=ENV, env_kwargs=env_kwargs, out=folder / "collected", workers=WORKERS))
    mine(Mine(trajectories=folder / "collected", out=folder / "mined", k=8, workers=WORKERS))
    verify(
        Verify(
            pairs=folder / "mined", out=folder / "verified", hindsight=False, informed=False,
            workers=WORKERS,
        )
    )  # fmt: skip
    return folder


def _once(data: Path, folder: Path, hub: Hub, home: Path, bar: str) -> Iterator[Row]:
    """What it takes to build a dataset, push it and load it back."""
    built = _ran(_build(data, folder), hub, home)
    hub.clear()
    entries = read_manifest(folder)
    pairs = Table[ContrastPair](data / "verified", "pairs").count
    push = _ran(_push(folder), hub, home)
    if _there(hub) != entries:
        raise RuntimeError(f"{folder} is not what came to the Hub")
    again = _ran(_push(folder), hub, home)
    load = _ran([sys.executable, "-c", _LOAD], hub, home)
    counts = json.loads(load.said.splitlines()[-1])
    whole = built.seconds + push.seconds + load.seconds
    yield Row("pairs", pairs, "")
    yield Row("files of the dataset", len(entries), "")
    yield Row("bytes of the dataset", sum(entry.size for entry in entries.values()) / 1e6, "MB")
    yield Row("rows loaded back", sum(sum(its.values()) for its in counts.values()), "")
    yield Row("build, card included", built.seconds, "s")
    yield Row("push and read back", push.seconds, "s")
    yield Row("the same push again", again.seconds, "s")
    yield Row("load every config back", load.seconds, "s")
    yield Row("build, push and load, for each 100,000 pairs", whole * PAIRS / pairs, "s", bar)
    yield Row("most memory of the build", built.memory, "MB")
    yield Row("most memory of the push", push.memory, "MB")


def _killed_builds(
    data: Path, here: Path, hub: Hub, home: Path, count: int, seed: int
) -> Iterator[Row]:
    """Kill builds so many times; each must end with the bytes of one that ran in peace."""
    peace = _ran(_build(data, here / "peace"), hub, home).seconds
    entries, counts, folder = read_manifest(here / "peace"), Counter[str](), here / "killed"

    def begin() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    for _ in _killed(_build(data, folder), begin, peace, hub, home, count, seed, counts):
        counts["other bytes"] += read_manifest(folder) != entries
    yield from _told("builds", counts)


def _killed_pushes(folder: Path, hub: Hub, home: Path, count: int, seed: int) -> Iterator[Row]:
    """Kill pushes so many times; each must end with the folder on the Hub, in one commit."""
    entries, counts = read_manifest(folder), Counter[str]()
    hub.clear()
    peace = _ran(_push(folder), hub, home).seconds
    for _ in _killed(_push(folder), hub.clear, peace, hub, home, count, seed, counts):
        counts["other bytes"] += _there(hub) != entries
        counts["published twice"] += len(hub.dataset(REPO).commits) != 2  # the first one is empty
    yield from _told("pushes", counts)
    yield Row("pushes that published twice", counts["published twice"], "", "<= 0")


def _killed(
    command: Sequence[str], begin: Callable[[], object], peace: float, hub: Hub, home: Path,
    count: int, seed: int, counts: Counter[str],
) -> Iterator[None]:  # fmt: skip
    """Kill a command a few times, let it go on to its end, yield, and begin anew."""
    rng = random.Random(seed)
    while counts["kills"] < count:
        begin()
        for _ in range(min(rng.randint(1, MOST), count - counts["kills"])):
            process = _start(command, hub, home)
            try:
                process.communicate(timeout=rng.uniform(0, LATE * peace))
                break  # it was too fast to be killed
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                counts["kills"] += 1
        process = _start(command, hub, home)
        said, _ = process.communicate()
        counts["ended"] += 1
        if process.returncode:
            counts["errors"] += 1
            print(said, file=sys.stderr)
        else:
            yield


def _told(what: str, counts: Counter[str]) -> Iterator[Row]:
    yield Row(f"{what}: kills", counts["kills"], "")
    yield Row(f"{what} that got to their end", counts["ended"], "", ">= 1")
    yield Row(f"{what} that ended with other bytes", counts["other bytes"], "", "<= 0")
    yield Row(f"{what}: errors on going on", counts["errors"], "", "<= 0")


def _there(hub: Hub) -> dict[str, Entry]:
    """The files that the Hub holds under the tag, hidden ones aside."""
    repo = hub.dataset(REPO)
    commit = next(commit for commit in repo.commits if commit.oid == repo.tags[TAG])
    found: dict[str, Entry] = {}
    for path, blob in commit.files.items():
        if path.startswith("."):
            continue
        if blob.sha256:
            with (hub.objects / blob.sha256).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = (hub.objects / blob.sha256).stat().st_size
        else:
            digest, size = hashlib.sha256(blob.data or b"").hexdigest(), len(blob.data or b"")
        found[path] = Entry(size, digest)
    return found


def _build(data: Path, out: Path) -> list[str]:
    program = [sys.executable, "-m", "act_data.cli", "build", str(data / "verified")]
    return [*program, "--trajectories", str(data / "collected"), "--out", str(out)]


def _push(folder: Path) -> list[str]:
    program = [sys.executable, "-m", "act_data.cli", "push"]
    return [*program, str(folder), "--repo", REPO, "--tag", TAG]


def _start(command: Sequence[str], hub: Hub, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, **hub.environment(home)},
    )  # fmt: skip


def _ran(command: Sequence[str], hub: Hub, home: Path) -> Ran:
    """Run a command to its end.

    Raises:
        RuntimeError: it fails.
    """
    begun = time.monotonic()
    with _start(command, hub, home) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said}")
    return Ran(said, time.monotonic() - begun, usage.ru_maxrss / 1e3)


if __name__ == "__main__":
    sys.exit(call(Publish, description=__doc__))
