"""What labels are worth that nobody has checked: ``python -m benchmarks.noise [--quick]``.

Collects, mines and verifies pairs of the real games, tasks and products, and tells per
environment, expert and policy how often the expert's action was not the better one, by either
reading, and how far a judge gets that sees the two actions and no state. The tables are those of
``act-data noise`` and ``act-data floor``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym

from act_data.analysis.floor import Floor, floor
from act_data.analysis.noise import Noise, NoiseRow, noise
from act_data.collect import Collect, collect
from act_data.mining import Mine, mine
from act_data.storage.tables import read_pairs
from act_data.verify import Verify, verify
from act_envs import TextEnv
from act_envs.alfworld.game import KINDS
from benchmarks.script import call
from benchmarks.table import Row, publish

POLICIES = ("random-admissible", "hard-negative")
K = 4
WORKERS = 2


@dataclass(frozen=True)
class NoiseOfLabels:
    """Label noise and candidates-only floors of pairs on the real benchmarks."""

    quick: bool = False
    """Fewer tasks."""

    keep: Path | None = None
    """Work in this folder and keep it; a run that was broken off goes on in it."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            rows = [*_rows(self.keep or Path(folder), self.quick)]
        return publish("Label noise", rows, self.json)


@dataclass(frozen=True)
class _Set:
    """Tasks that an expert plays.

    Attributes:
        name: of its folder.
        env: id of the environment.
        expert: who plays, None for the only one.
        tasks: kinds with the number of tasks of each.
        limit: of the tasks, where kinds do not tell them apart.
        states: how many are mined.
        sample: how many pairs are judged.
    """

    name: str
    env: str
    expert: str | None = None
    tasks: Sequence[str] = ()
    limit: int | None = None
    states: int | None = None
    sample: int | None = None


def _sets(quick: bool) -> list[_Set]:
    games = 2 if quick else 30
    houses = [f"{kind}:{games}" for kind in KINDS]
    science = ("boil:1", "find-plant:1") if quick else _two_of_each_kind("ACT/ScienceWorld-v0")
    return [
        _Set("explorer", "ACT/ALFWorld-v0", "explorer", houses),
        _Set("clairvoyant", "ACT/ALFWorld-v0", "clairvoyant", houses),
        _Set("webshop", "ACT/WebShop-v0", limit=20 if quick else 300),
        _Set(
            "scienceworld", "ACT/ScienceWorld-v0", tasks=science,
            states=20 if quick else 200, sample=20 if quick else 300,
        ),
    ]  # fmt: skip


def _two_of_each_kind(env_id: str) -> list[str]:
    with closing(gym.make(env_id)) as env:
        assert isinstance(env.unwrapped, TextEnv)
        kinds = dict.fromkeys(task.kind for task in env.unwrapped.tasks("train"))
    return [f"{kind}:2" for kind in kinds]


def _rows(folder: Path, quick: bool) -> Iterator[Row]:
    verified = []
    for one in _sets(quick):
        out = folder / one.name
        collect(
            Collect(
                env=one.env, out=out / "collected", expert=one.expert, tasks=tuple(one.tasks),
                limit=one.limit, workers=WORKERS, progress=True,
            )
        )  # fmt: skip
        for policy in POLICIES:
            mined, checked = out / f"{policy}-mined", out / f"{policy}-verified"
            mine(
                Mine(
                    trajectories=out / "collected", out=mined, policy=policy, k=K,
                    limit=one.states, workers=WORKERS, progress=True,
                )
            )  # fmt: skip
            verify(
                Verify(pairs=mined, out=checked, sample=one.sample, workers=WORKERS, progress=True)
            )
            verified.append(checked)
    yield from _noise(verified)
    yield from _floors(verified)
    strange = sum(pair.split != "train" for path in verified for pair in read_pairs(path))
    yield Row("pairs of tasks outside the train splits", strange, "", "<= 0")


def _noise(verified: Sequence[Path]) -> Iterator[Row]:
    for row in noise(Noise(pairs=tuple(verified))):
        if not row.judged or row.alternatives != "all":
            continue
        title = f"{row.env_id} {row.expert} vs {row.policy}, {row.reading}"
        of = f"of {row.judged:,} pairs judged"
        for share, words in (
            ("noise", "the expert's action is not better"),
            ("wrong", "the expert's action is worse"),
        ):
            if share in row.shares:
                yield from _estimates(f"{title}: {words}, {of}", row, share)
        yield Row(f"{title}: unknown, {of}", 100 * row.shares["unknown"].value, "%")


def _estimates(name: str, row: NoiseRow, share: str) -> Iterator[Row]:
    found = row.shares[share]
    yield Row(name, 100 * found.value, "%")
    yield Row(f"{name}: 95 % from", 100 * found.low, "%")
    yield Row(f"{name}: 95 % to", 100 * found.high, "%")


def _floors(verified: Sequence[Path]) -> Iterator[Row]:
    for row in floor(Floor(pairs=tuple(verified))):
        if row.accuracy is None:
            continue
        title = f"{row.env_id} {row.expert} vs {row.policy}, {row.label} labels"
        name = f"{title}: {row.judge} without the state are right, of {row.pairs:,} pairs"
        yield Row(name, 100 * row.accuracy.value, "%")


if __name__ == "__main__":
    sys.exit(call(NoiseOfLabels, description=__doc__))
