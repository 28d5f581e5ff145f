"""What the pairs of a dataset hold, counted in one pass that reads the columns it needs.

A few rows are in memory at a time. What is kept grows with the numbers of tasks, and by 16 bytes a
pair, for equal ones to be found.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from act_data.analysis.alike import WORDING, wording
from act_data.analysis.noise import READINGS
from act_data.storage.tables import stream

NEVER = math.inf  # regret of an alternative that nothing wins after

_ACTORS = ("expert", "alternative")
_COLUMNS = (
    "env_id", "task_id", "kind", "step", "state_hash", "expert", "policy", "policy_revision",
    "sampling", "seed", "generator", *WORDING, "verification.admissible", "verification.verifier",
    "verification.expert.action_valid", "verification.expert.state_hash",
    "verification.alternative.state_hash",
    *(f"verification.{name}.{part}" for name in READINGS for part in ("method", "regret")),
    *(f"verification.{name}.verdict" for name in READINGS),
)  # fmt: skip


@dataclass(slots=True)
class Found:
    """What the pairs of one environment hold.

    Attributes:
        pairs: how many, by split of the dataset.
        kinds: pairs of each kind of task.
        tasks: names of the tasks of each kind.
        steps: pairs by index of their step, from 0.
        lengths: for ``"expert"`` and ``"alternative"``, pairs by that action's number of
            characters.
        words: likewise, by its number of words.
        regrets: for each reading, judged pairs by regret in actions, rounded to hundredths; without
            those in which neither action leads to a win.
        methods: for each reading, judged pairs by method.
        verified: pairs of which both actions were executed.
        decided: verified pairs of which some reading says how the actions compare.
        admissible: verified pairs whose alternative the simulator offers.
        refused: verified pairs whose expert's action it did not take.
        same_state: verified pairs whose two actions lead to the same state.
    """

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
    :mod:`act_data.publish.mined`.

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
    """Pairs that read alike, see :func:`act_data.analysis.alike.wording`.

    Attributes:
        pairs: how many read like an earlier one of the dataset.
        held_out: how many are outside of train.
        in_train: how many of these read like one in train.
    """

    pairs: int
    held_out: int
    in_train: int


_Source = tuple[str, str, str, str, str, int]
"""Environment, expert, policy, revision, sampling and seed."""


class Counts:
    """What all pairs of a dataset hold.

    Args:
        paths: a folder for each split of each config of pairs, named as the split.

    Attributes:
        environments: what the pairs of each environment hold, by its id.
        programs: names of what made and verified the pairs.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: pairs cannot be read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.environments: dict[str, Found] = {}
        self.programs: set[str] = set()
        self._states: dict[_Source, array[int]] = {}  # names of the pairs' states
        self._wordings: dict[str, array[int]] = {}  # of the pairs, by split
        for path in paths:
            for row in stream(path, "pairs", *_COLUMNS):
                self._add(path.name, row)

    def _add(self, split: str, row: Mapping[str, Any]) -> None:
        if (found := self.environments.get(row["env_id"])) is None:
            found = self.environments[row["env_id"]] = Found()
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
        self._wordings.setdefault(split, array("Q")).append(wording(row))

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
        """What they were made of, in order."""
        return [
            Proposals(*source, len(states), int(np.unique(np.array(states, np.uint64)).size))
            for source, states in sorted(self._states.items())
        ]

    def repeats(self) -> Repeats:
        """How many of them read alike."""
        texts = {split: np.array(names, np.uint64) for split, names in self._wordings.items()}
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


def quantiles(counts: Mapping[int, int]) -> str:
    """Median, 90th percentile and maximum, as text.

    Args:
        counts: how often each number occurs; at least one does.
    """
    total, below, found = sum(counts.values()), 0, []
    ordered = sorted(counts)
    for value in ordered:
        below += counts[value]
        while len(found) < 2 and below >= (0.5, 0.9)[len(found)] * total:
            found.append(value)
    return " / ".join(map(str, [*found, ordered[-1]]))
