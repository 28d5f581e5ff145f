"""Publishing a dataset: ``python -m benchmarks.publish FOLDER``, with a Hub on this machine.

A folder that ``act-data build`` wrote is pushed by ``act-data push`` to :mod:`benchmarks.hub`, and
every config of it loaded back by ``datasets.load_dataset``, each in a process of its own. Then the
push is killed (SIGKILL) at random moments, from its start to its end, and run again: in the end the
Hub must hold the folder, byte for byte, in one commit with its tag, whatever happened before.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from act_data.publish.manifest import Entry, read_manifest
from benchmarks.hub import Hub
from benchmarks.table import Row, publish

REPO, TAG = "org/pairs", "v1"
KILLS = 50
MOST = 4  # kills of one push, which then goes on in peace
LATE = 1.1  # kills come until this share of the time that a push takes in peace
_LOAD = f"""
import json, sys
from datasets import get_dataset_config_names, load_dataset
names = get_dataset_config_names("{REPO}", revision="{TAG}")
loaded = {{name: load_dataset("{REPO}", name, revision="{TAG}") for name in names}}
print(json.dumps({{name: its.num_rows for name, its in loaded.items()}}))
"""


@dataclass(frozen=True)
class Publish:
    """Push a dataset to a Hub on this machine, load it back, and kill pushes."""

    folder: Annotated[Path, tyro.conf.Positional]
    """What act-data build wrote."""

    count: int = KILLS
    """Kills."""

    seed: int = 0
    """Of their moments."""

    quick: bool = False
    """5 kills."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        with tempfile.TemporaryDirectory() as scratch, Hub(Path(scratch)) as hub:
            rows = [*_pushing(self.folder, hub, Path(scratch) / "home")]
            count = 5 if self.quick else self.count
            rows += _killed(self.folder, hub, Path(scratch) / "home", count, self.seed)
        return publish(f"Publishing {self.folder.name} (seed {self.seed})", rows, self.json)


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


def _pushing(folder: Path, hub: Hub, home: Path) -> Iterator[Row]:
    """What it takes to push a folder and load it back."""
    hub.clear()
    entries = read_manifest(folder)
    push = _ran(_push(folder), hub, home)
    if _there(hub) != entries:
        raise RuntimeError(f"{folder} is not what came to the Hub")
    again = _ran(_push(folder), hub, home)
    load = _ran([sys.executable, "-c", _LOAD], hub, home)
    counts = json.loads(load.said.splitlines()[-1])
    yield Row("files", len(entries), "")
    yield Row("bytes", sum(entry.size for entry in entries.values()) / 1e6, "MB")
    yield Row("rows loaded back", sum(sum(its.values()) for its in counts.values()), "")
    yield Row("push and read back", push.seconds, "s")
    yield Row("the same push again", again.seconds, "s")
    yield Row("load every config back", load.seconds, "s")
    yield Row("most memory of the push", push.memory, "MB")


def _killed(folder: Path, hub: Hub, home: Path, count: int, seed: int) -> Iterator[Row]:
    """Kill pushes so many times, a few times each, and let each go on to its end."""
    rng = random.Random(seed)
    entries, counts = read_manifest(folder), Counter[str]()
    hub.clear()
    peace = _ran(_push(folder), hub, home).seconds
    while counts["kills"] < count:
        hub.clear()
        for _ in range(min(rng.randint(1, MOST), count - counts["kills"])):
            process = _start(_push(folder), hub, home)
            try:
                process.communicate(timeout=rng.uniform(0, LATE * peace))
                break  # it was too fast to be killed
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                counts["kills"] += 1
        process = _start(_push(folder), hub, home)
        said, _ = process.communicate()
        counts["pushes"] += 1
        if process.returncode:
            counts["errors"] += 1
            print(said, file=sys.stderr)
            continue
        counts["other bytes"] += _there(hub) != entries
        counts["published twice"] += len(hub.dataset(REPO).commits) != 2  # the first one is empty
    yield Row("kills", counts["kills"], "")
    yield Row("pushes that got to their end", counts["pushes"], "", ">= 1")
    yield Row("pushes that ended with other bytes", counts["other bytes"], "", "<= 0")
    yield Row("pushes that published twice", counts["published twice"], "", "<= 0")
    yield Row("errors on going on", counts["errors"], "", "<= 0")


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
    sys.exit(tyro.cli(Publish)())
