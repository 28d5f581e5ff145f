"""Collecting, mining and verifying: ``python -m benchmarks.mining [--quick]``.

What the stages of act-data cost on the real games, tasks and products. Rates are per second of
CPU, that of Java processes included, over trajectories and pairs made by the same commands that
users give; the one figure by the clock says so. What the labels are worth is in
:mod:`benchmarks.noise`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from act_data.collect import Collect, collect
from act_data.mining import Mine, mine
from act_data.verify import Verifier, Verify, to_verify, verify
from benchmarks.script import call
from benchmarks.table import Row, cpu_seconds, publish

K = 4
PAIRS = 100_000
KINDS = (
    "boil",
    "find-plant",
    "chemistry-mix",
    "lifespan-longest-lived",
    "grow-plant",
    "use-thermometer",
)


@dataclass(frozen=True)
class Mining:
    """CPU cost of collecting, mining and verifying."""

    quick: bool = False
    """Fewer tasks and rounds."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for row in _rows(Path(folder), self.quick):
                print(f"measured: {row.name}", file=sys.stderr, flush=True)
                rows.append(row)
        return publish("Collecting, mining and verifying", rows, self.json)


def _rows(folder: Path, quick: bool) -> Iterator[Row]:
    yield from _collecting(folder, quick)
    yield from _at_once(folder, quick)
    games, tasks = (40, 1) if quick else (400, 4)
    alfworld = _pairs("ACT/ALFWorld-v0", folder / "alfworld", limit=games)
    yield from _next_states("ALFWorld", alfworld, quick, ">= 20000")
    yield from _regrets(alfworld, quick)
    webshop = _pairs("ACT/WebShop-v0", folder / "webshop", limit=games)
    yield from _next_states("WebShop", webshop, quick, ">= 5000")
    science = _pairs(
        "ACT/ScienceWorld-v0", folder / "scienceworld", tasks=[f"{kind}:{tasks}" for kind in KINDS]
    )
    yield from _next_states("ScienceWorld", science, quick, ">= 70")


def _pairs(env: str, out: Path, *, tasks: Sequence[str] = (), limit: int | None = None) -> Path:
    """Pairs of random admissible actions, made as users make them."""
    collect(Collect(env=env, out=out / "collected", tasks=tuple(tasks), limit=limit))
    mine(Mine(trajectories=out / "collected", out=out / "mined", k=K))
    return out / "mined"


def _collecting(folder: Path, quick: bool) -> Iterator[Row]:
    """All trajectories of ALFWorld's experts."""
    limit = 100 if quick else None
    spent = 0.0
    for expert in ("explorer", "clairvoyant"):
        out = folder / expert
        begun = cpu_seconds()
        summary = collect(Collect(env="ACT/ALFWorld-v0", out=out, expert=expert, limit=limit))
        spent += cpu_seconds() - begun
        yield Row(
            f"ALFWorld train: games of {summary['items']:,} won by {expert}", summary["rows"], ""
        )
    bar = "" if quick else "<= 60"
    yield Row("ALFWorld train: all trajectories of both experts, CPU", spent, "s", bar)


def _at_once(folder: Path, quick: bool) -> Iterator[Row]:
    """Mining and verifying with two processes, by the clock."""
    limit = 2_000 if quick else None  # states
    begun = time.perf_counter()
    mined, verified = folder / "many", folder / "verified"
    mine(Mine(trajectories=folder / "explorer", out=mined, k=2 * K, limit=limit, workers=2))
    between = time.perf_counter()
    summary = verify(Verify(pairs=mined, out=verified, hindsight=False, informed=False, workers=2))
    ended = time.perf_counter()
    title = f"ALFWorld, {summary['rows']:,} pairs, 2 processes, by the clock"
    yield Row(f"{title}: mined and written", between - begun, "s")
    yield Row(f"{title}: both actions executed and written", ended - between, "s")
    whole = (ended - begun) * PAIRS / summary["rows"]
    bar = "" if quick else "<= 120"
    yield Row("ALFWorld, both for each 100,000 pairs, by the clock", whole, "s", bar)


def _next_states(name: str, pairs: Path, quick: bool, bar: str) -> Iterator[Row]:
    """Both actions executed from each state, with the hashes of what follows."""
    rate, number = _rate(
        Verifier(hindsight=False, informed=False, worlds=2, seed=0, program=""), pairs, quick
    )
    yield Row(f"{name}: pairs a second with both next states, of {number:,}", rate, "/s", bar)


def _regrets(pairs: Path, quick: bool) -> Iterator[Row]:
    """Readings of ALFWorld."""
    exact = Verifier(hindsight=True, informed=False, worlds=2, seed=0, program="")
    yield Row(
        "ALFWorld: pairs a second with exact regrets", _rate(exact, pairs, quick)[0], "/s", ">= 100"
    )
    seen = Verifier(hindsight=False, informed=True, worlds=32, seed=0, program="")
    yield Row(
        "ALFWorld: pairs a second judged by what was observed", _rate(seen, pairs, True)[0], "/s"
    )


def _rate(job: Verifier, pairs: Path, quick: bool) -> tuple[float, int]:
    """Pairs a second of CPU in a process that has done them before, and their number."""
    tasks = to_verify(Verify(pairs=pairs, out=pairs))[:]
    number = sum(len(task.pairs) for task in tasks)
    spent = []
    with job.open() as work:
        for _ in range(2 if quick else 6):
            begun = cpu_seconds()
            for task in tasks:
                work(task)
            spent.append(cpu_seconds() - begun)
    return number / median(spent[1:]), number


if __name__ == "__main__":
    sys.exit(call(Mining, description=__doc__))
