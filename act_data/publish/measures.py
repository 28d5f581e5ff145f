"""What a dataset's card says of its rows, measured in the files. It judges and words nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_data.analysis.floor import Floor, FloorRow, floor
from act_data.analysis.noise import Noise, NoiseRow, noise
from act_data.publish.counts import Counts, Found, Proposals, Repeats
from act_data.publish.example import example
from act_data.publish.plan import BESIDE_PAIRS, TRAJECTORIES, layout
from act_data.storage.schema import parquet
from act_data.storage.tables import stream
from act_envs.errors import MissingExtra

_FLOOR_PAIRS = 2000  # a source; more would change little, and take minutes


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that a card says of the rows.

    Attributes:
        rows: how many each config has, by split.
        sizes: bytes of the files of each config.
        environments: what the pairs of each environment hold, sorted by id.
        proposals: how many pairs were made in which way.
        noise: label noise of the pairs that were verified, kinds of task included; empty where none
            was.
        floor: what the words of two actions tell, of a sample where there are many; None where
            scikit-learn is not installed.
        repeats: pairs that read alike.
        programs: what made and verified the pairs, sorted.
        episodes: how many trajectories, by environment and policy.
        steps: how many steps these have, likewise.
        example: a pair, see :func:`act_data.publish.example.example`.
    """

    rows: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, int]
    environments: Mapping[str, Found]
    proposals: Sequence[Proposals]
    noise: Sequence[NoiseRow]
    floor: Sequence[FloorRow] | None
    repeats: Repeats
    programs: Sequence[str]
    episodes: Mapping[tuple[str, str], int]
    steps: Mapping[tuple[str, str], int]
    example: Mapping[str, Any]

    def proposer(self, env_id: str, expert: str, policy: str) -> str:
        """Who proposed, and against which expert where the environment has several."""
        experts = {one.expert for one in self.proposals if one.env_id == env_id}
        return policy if len(experts) == 1 else f"{policy} against {expert}"

    @property
    def played(self) -> list[str]:
        """Ids of the environments of its pairs and of its trajectories."""
        return sorted({*self.environments, *(env_id for env_id, _ in self.episodes)})


def measure(folder: Path) -> Measures:
    """Measure all that the card of a built folder says.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the folder is not what act-data
            build leaves.
    """
    files = layout(folder)
    rows = {
        config: {split: sum(map(_count, paths)) for split, paths in splits.items()}
        for config, splits in files.items()
    }
    sizes = {
        config: sum(path.stat().st_size for paths in splits.values() for path in paths)
        for config, splits in files.items()
    }
    pairs = tuple(
        folder / "data" / config / split
        for config, splits in files.items()
        if config not in BESIDE_PAIRS
        for split in splits
    )
    counts = Counts(pairs)
    verified = any(one.verified for one in counts.environments.values())
    episodes, steps = _episodes(files.get(TRAJECTORIES, {}))
    return Measures(
        rows=rows,
        sizes=sizes,
        environments=dict(sorted(counts.environments.items())),
        proposals=counts.proposals(),
        noise=noise(Noise(pairs=pairs, by_kind=True)) if verified else (),
        floor=_floor(pairs),
        repeats=counts.repeats(),
        programs=sorted(counts.programs),
        episodes=episodes,
        steps=steps,
        example=example(pairs),
    )


def _floor(paths: Sequence[Path]) -> list[FloorRow] | None:
    try:
        return floor(Floor(pairs=tuple(paths), limit=_FLOOR_PAIRS))
    except MissingExtra:
        return None


def _episodes(
    splits: Mapping[str, Sequence[Path]],
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Trajectories, and their steps, by environment and policy."""
    episodes: Counter[tuple[str, str]] = Counter()
    steps: Counter[tuple[str, str]] = Counter()
    for paths in splits.values():
        for path in paths:
            columns = ("env_id", "policy", "transitions.list.element.reward")
            for row in stream(path, "trajectories", *columns):
                source = (row["env_id"], row["policy"])
                episodes[source] += 1
                steps[source] += len(row["transitions"])
    return dict(sorted(episodes.items())), dict(sorted(steps.items()))


def _count(path: Path) -> int:
    return parquet().read_metadata(path).num_rows
