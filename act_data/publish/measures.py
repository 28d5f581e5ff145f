"""What a dataset's card says of its rows, counted from the files. It judges and words nothing.

One pass over the pairs of each config reads the columns it needs, a few rows at a time. What it
keeps grows with the numbers of tasks, and by 16 bytes a pair, for equal ones to be found.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from act_data.alternatives import FAULTS
from act_data.analysis.floor import Floor, FloorRow, floor
from act_data.analysis.noise import READINGS, Noise, NoiseRow, noise
from act_data.errors import DataNotFound
from act_data.publish.derived import DERIVED
from act_data.publish.plan import SPLITS, TRAJECTORIES
from act_data.runs.run import REQUEST, SUMMARY
from act_data.storage.schema import parquet
from act_data.storage.tables import data_files, stream
from act_envs.errors import MissingExtra

NEVER = math.inf  # regret of an alternative that nothing wins after

_FLOOR_PAIRS = 2000  # a source; more would change little, and take minutes
_ACTORS = ("expert", "alternative")
_COLUMNS = (
    "env_id", "task_id", "kind", "step", "state_hash", "expert_action", "alternative_action",
    "expert", "policy", "policy_revision", "sampling", "seed", "generator",
    "state.goal", "state.observation", "verification.admissible", "verification.verifier",
    "verification.expert.action_valid", "verification.expert.state_hash",
    "verification.alternative.state_hash",
    *(f"verification.{name}.{part}" for name in READINGS for part in ("method", "regret")),
    *(f"verification.{name}.verdict" for name in READINGS),
)  # fmt: skip


@dataclass(slots=True)
class Found:
    """What the pairs of one environment hold.

    Attributes:
        config: where they are.
        pairs: how many, by split of the dataset.
        kinds: pairs of each kind of task.
        tasks: names of the tasks of each kind.
        steps: pairs by index of the step.
        lengths: for ``"expert"`` and ``"alternative"``, actions by their number of characters.
        words: likewise, by their number of words.
        regrets: for each reading, pairs by regret in actions, rounded to hundredths; without those
            that neither action wins.
        methods: for each reading, pairs by method.
        verified: pairs of which both actions were executed.
        decided: of these, those of which some reading says how they compare.
        admissible: of these, those whose alternative the simulator offers.
        refused: of these, those whose expert's action it did not take.
        same_state: of these, those whose two actions lead to the same state.
    """

    config: str
    pairs: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, set[str]] = field(default_factory=dict)
    steps: Counter[int] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=lambda: _counters(_ACTORS))
    words: dict[str, Counter[int]] = field(default_factory=lambda: _counters(_ACTORS))
    regrets: dict[str, Counter[float]] = field(default_factory=lambda: _counters(READINGS))
    methods: dict[str, Counter[str]] = field(default_factory=lambda: _counters(READINGS))
    verified: int = 0
    decided: int = 0
    admissible: int = 0
    refused: int = 0
    same_state: int = 0

    @property
    def total(self) -> int:
        """All pairs."""
        return sum(self.pairs.values())

    def judged(self, reading: str) -> int:
        """Pairs with this reading."""
        return sum(self.methods[reading].values())


@dataclass(frozen=True, slots=True)
class Proposals:
    """Pairs that were made in one way.

    How often the policy did as the expert cannot be told from them: states where all samples were
    the expert's action have no pair, and of equal pairs only the first is kept. See
    :func:`mining`.

    Attributes:
        env_id: the environment.
        expert: name of the expert.
        policy: name of the policy.
        revision: which weights.
        sampling: parameters of the sampling, as JSON.
        seed: of the mining.
        pairs: how many there are.
        states: how many states have one.
    """

    env_id: str
    expert: str
    policy: str
    revision: str
    sampling: str
    seed: int
    pairs: int
    states: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """Pairs that read alike: same goal, same observation, same two actions.

    Attributes:
        pairs: pairs that an earlier one of the dataset reads like.
        held_out: pairs outside of train.
        in_train: of these, those that a pair of train reads like.
    """

    pairs: int
    held_out: int
    in_train: int


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that a card says of the rows.

    Attributes:
        rows: of each config, by split.
        sizes: bytes of the files of each config.
        environments: what the pairs of each environment hold, in order of their ids.
        proposals: what they were made of.
        noise: label noise of the configs that were verified, kinds of task included.
        unverified: configs in which pairs were not verified, of which there is no noise.
        floor: what the words of two actions tell; None where scikit-learn is not installed.
        repeats: pairs that read alike.
        programs: what made and verified the pairs, in order.
        episodes: trajectories, by environment and policy.
        steps: their steps, likewise.
        example: a pair.
    """

    rows: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, int]
    environments: Mapping[str, Found]
    proposals: Sequence[Proposals]
    noise: Sequence[NoiseRow]
    unverified: Sequence[str]
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


def layout(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """The files of each split of each config of a built folder; configs of pairs first.

    Raises:
        DataNotFound, DataCorrupt, UnfinishedRun: the folder is not what act-data build leaves.
    """
    own = (*DERIVED, TRAJECTORIES)
    configs = sorted(
        (path.name for path in (folder / "data").iterdir() if path.is_dir()),
        key=lambda name: (name in own, name),
    )
    return {
        config: {
            split: data_files(path)
            for split in SPLITS
            if (path := folder / "data" / config / split).is_dir()
        }
        for config in configs
    }


def measure(folder: Path) -> Measures:
    """Count all that the card of a built folder says.

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
    pass_ = _Pass()
    unverified: list[str] = []
    judged: list[Path] = []
    pairs = [config for config in files if config not in (*DERIVED, TRAJECTORIES)]
    folders = {name: [folder / "data" / name / split for split in files[name]] for name in pairs}
    for config in pairs:
        whole = True
        for path in folders[config]:
            for row in stream(path, "pairs", *_COLUMNS):
                pass_.add(config, path.name, row)
                whole = whole and row["verification"] is not None
        if whole:
            judged += folders[config]
        else:
            unverified.append(config)
    everything = tuple(path for config in pairs for path in folders[config])
    episodes, steps = _episodes(files.get(TRAJECTORIES, {}))
    return Measures(
        rows=rows,
        sizes=sizes,
        environments=dict(sorted(pass_.found.items())),
        proposals=pass_.proposals(),
        noise=noise(Noise(pairs=tuple(judged), by_kind=True)) if judged else (),
        unverified=unverified,
        floor=_floor(everything),
        repeats=pass_.repeats(),
        programs=sorted(pass_.programs),
        episodes=episodes,
        steps=steps,
        example=_example(everything),
    )


def mining(run: Path) -> dict[str, Any]:
    """What became of all samples of an ``act-data mine`` run.

    Returns:
        As JSON can hold it, for the request of a build: ``env_ids``; ``policy``, ``revision`` and
        ``k``, the samples per state; and how many ``states`` were mined, with how many
        ``samples``, of which ``as_expert`` were the expert's action and ``faulty`` held none.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: its pairs cannot be read, or it
            is no folder of such a run that has ended.
    """
    try:
        request, summary = (
            json.loads((run / name).read_text(encoding="utf-8")) for name in (REQUEST, SUMMARY)
        )
        if request["command"] != "mine":
            raise ValueError(f"a run of {request['command']}")
    except (OSError, ValueError, KeyError) as error:
        raise DataNotFound(
            f"{run} is no finished run of act-data mine ({error}). Give --mined such a folder."
        ) from error
    counts, policy = summary["counts"], request["policy"]
    return {
        "env_ids": sorted({row["env_id"] for row in stream(run, "pairs", "env_id")}),
        "policy": policy["name"],
        "revision": policy["revision"],
        "k": request["k"],
        "states": counts.get("states", 0),
        "samples": counts.get("samples", 0),
        "as_expert": counts.get("as_expert", 0),
        "faulty": sum(counts.get(name, 0) for name in FAULTS),
    }


def quantiles(counts: Mapping[int, int]) -> str:
    """Median, 90th percentile and maximum."""
    total, below, found = sum(counts.values()), 0, []
    ordered = sorted(counts)
    for value in ordered:
        below += counts[value]
        while len(found) < 2 and below >= (0.5, 0.9)[len(found)] * total:
            found.append(value)
    return " / ".join(map(str, [*found, ordered[-1]]))


# -- one pass over the pairs ---------------------------------------------------------------------

_Source = tuple[str, str, str, str, str, int]
"""Environment, expert, policy, revision, sampling and seed."""


class _Pass:
    def __init__(self) -> None:
        self.found: dict[str, Found] = {}
        self.programs: set[str] = set()
        self._states: dict[_Source, array[int]] = {}  # names of the pairs' states
        self._texts: dict[str, array[int]] = {}  # names of what the pairs read, by split

    def add(self, config: str, split: str, row: Mapping[str, Any]) -> None:
        if (found := self.found.get(row["env_id"])) is None:
            found = self.found[row["env_id"]] = Found(config)
        found.pairs[split] += 1
        found.kinds[row["kind"]] += 1
        found.tasks.setdefault(row["kind"], set()).add(row["task_id"])
        found.steps[row["step"]] += 1
        actions = (row["expert_action"], row["alternative_action"])
        for name, action in zip(_ACTORS, actions, strict=True):
            found.lengths[name][len(action)] += 1
            found.words[name][len(action.split())] += 1
        self.programs.add(row["generator"])
        if verified := row["verification"]:
            self._verified(found, verified)
        source = (row["env_id"], row["expert"], row["policy"], row["policy_revision"],
                  row["sampling"], row["seed"])  # fmt: skip
        state = _name(row["task_id"], str(row["step"]), row["state_hash"], actions[0])
        self._states.setdefault(source, array("Q")).append(state)
        text = _name(row["state"]["goal"], row["state"]["observation"], *actions)
        self._texts.setdefault(split, array("Q")).append(text)

    def _verified(self, found: Found, verified: Mapping[str, Any]) -> None:
        self.programs.add(verified["verifier"])
        ends = [verified[name]["state_hash"] for name in _ACTORS]
        found.verified += 1
        found.admissible += verified["admissible"]
        found.refused += not verified["expert"]["action_valid"]
        found.same_state += ends[0] == ends[1]
        said = [verified[reading] for reading in READINGS if verified[reading]]
        found.decided += any(one["verdict"] != "unknown" for one in said)
        for reading in READINGS:
            if said := verified[reading]:
                found.methods[reading][said["method"]] += 1
                if said["regret"] is not None:
                    found.regrets[reading][round(said["regret"], 2)] += 1

    def proposals(self) -> list[Proposals]:
        return [
            Proposals(*source, len(states), int(np.unique(np.array(states, np.uint64)).size))
            for source, states in sorted(self._states.items())
        ]

    def repeats(self) -> Repeats:
        texts = {split: np.array(names, np.uint64) for split, names in self._texts.items()}
        known = np.unique(texts.get("train", np.array([], np.uint64)))
        others = [names for split, names in texts.items() if split != "train"]
        both = [*texts.values()]
        unique = np.unique(np.concatenate(both)).size if both else 0
        return Repeats(
            pairs=sum(map(len, both)) - int(unique),
            held_out=sum(map(len, others)),
            in_train=sum(int(np.isin(names, known).sum()) for names in others),
        )


def _name(*texts: str) -> int:
    """64 bits that name some texts."""
    joined = "\0".join(texts).encode()
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest())


def _counters(names: Iterable[str]) -> dict[str, Counter[Any]]:
    return {name: Counter() for name in names}


# -- besides -------------------------------------------------------------------------------------


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


def _example(paths: Sequence[Path]) -> dict[str, Any]:
    """The first pair that shows best what a pair is; the first of all where none is better."""
    columns = ("step", "state.goal", "state.observation", "expert_action", "alternative_action",
               "env_id", "task_id", "pair_id", "verification")  # fmt: skip
    best: tuple[int, dict[str, Any]] = (-1, {})
    for row in _first(paths, columns):
        verified = row["verification"] or {}
        said = [verified.get(reading) or {} for reading in READINGS]
        known = [one["verdict"] for one in said if one]
        points = sum(verdict == "expert_better" for verdict in known)
        points += bool(known) and bool(verified["admissible"])
        points += row["step"] > 0 and 30 < len(row["state"]["observation"]) < 300
        points += any(1 < (one.get("regret") or 0) < NEVER for one in said)
        if points > best[0]:
            best = (points, row)
    return best[1]


def _first(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The first pairs: enough to choose an example from."""
    for path in paths:
        for number, row in enumerate(stream(path, "pairs", *columns)):
            if number == 256:
                return
            yield row


def _count(path: Path) -> int:
    return parquet().read_metadata(path).num_rows
