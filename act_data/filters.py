"""``act-data filter``: leave out pairs for reasons that are named, and count each.

The paper keeps every pair (arXiv 2603.08706): ``--keep all`` says so. ``--drop`` names filters of
``REASONS`` instead. They are applied in the order that they have there, whatever order they were
named in, and a pair is counted at the first that drops it: first what would spoil an evaluation,
then facts about the alternative, then what a reading says, last what depends on the other pairs
that are left. Which pairs stay follows from the data and the options alone.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import tyro

from act_data.alternatives import verb
from act_data.analysis.alike import WORDING, wording
from act_data.errors import SchemaMismatch
from act_data.options import RunOptions
from act_data.provenance import versions
from act_data.runs.run import SUMMARY, Result, Run
from act_data.splits import made_from
from act_data.storage.files import write_json
from act_data.storage.pairs_by_task import PairsByTask
from act_data.storage.tables import content, data_files, kind_of, stream
from act_data.types import ContrastPair
from act_envs.errors import UnknownArgument, nearest

REASONS = {
    "leakage": "Its task or another of the same origin, its goal with the first observation, or "
    "its state is in the data that it was compared with.",
    "expert_refused": "The simulator does not take the expert's own action in this state.",
    "inadmissible": "The simulator does not offer the alternative in this state.",
    "same_state": "Both actions lead to the same state.",
    "equivalent": "By the reading, both actions are equally good.",
    "alternative_better": "By the reading, the alternative is better than the expert's action.",
    "unknown": "By the reading, nobody knows which action is better, or the pair was not judged.",
    "near_duplicates": "An earlier pair reads alike: same goal, observation and actions but for "
    "numbers and upper case.",
    "imbalance": "Its kind of task has too many pairs whose alternative begins with this verb.",
}
"""What each filter says of the pairs that it drops, in the order in which they are applied."""

_VERIFIED = (
    "expert_refused", "inadmissible", "same_state", "equivalent", "alternative_better", "unknown",
)  # fmt: skip
_JUDGED = ("equivalent", "alternative_better", "unknown")
_Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Filter(RunOptions):
    """Leave out contrast pairs for named reasons, or keep all of them.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        pairs: what act-data mine or verify wrote: a folder or a file.
        out: folder for the pairs that stay; new, or begun by the same command.
        drop: filters, separated by commas or spaces, applied in this order: leakage,
            expert_refused, inadmissible, same_state, equivalent, alternative_better, unknown,
            near_duplicates, imbalance. From the second to the seventh they need verified pairs.
        keep: all keeps every pair, as the paper does.
        reading: whose verdicts equivalent, alternative_better and unknown go by.
        against: for leakage: data of evaluation tasks, pairs or trajectories.
        times_median: for imbalance: pairs of the same kind of task whose alternatives begin with
            the same verb make a group, which keeps at most so many times the groups' median size.
    """

    pairs: Annotated[Path, tyro.conf.Positional]
    drop: tuple[str, ...] = ()
    keep: Literal["all"] | None = None
    reading: Literal["hindsight", "informed"] = "hindsight"
    against: tuple[Path, ...] = ()
    times_median: float = 4.0
    shard_size: int = 64


@dataclass(frozen=True, slots=True)
class _Task:
    """Pairs of one task, and for each the filter that drops it, None where it stays."""

    pairs: Sequence[ContrastPair]
    dropped: Sequence[str | None]


def filter_pairs(config: Filter) -> dict[str, Any]:
    """Filter the pairs and store what stays in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks done, rows stored, per kind of task the number of
        ``pairs``, of those ``kept`` and of those that each filter dropped, and in ``filters`` for
        each filter the ``count`` and the ``reason``.

    Raises:
        DataNotFound, DataCorrupt, UnfinishedRun: pairs, or what they are compared with, cannot be
            read.
        SchemaMismatch: likewise, or pairs are not verified that have to be.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    names = _names(config)
    request = {
        "command": "filter",
        "pairs": content(config.pairs),
        "drop": names,
        "reading": config.reading if set(names) & {*_JUDGED} else None,
        "against": sorted(map(content, config.against)),
        "times_median": config.times_median if "imbalance" in names else None,
        "versions": versions("pyarrow"),
    }
    dropped = _decided(config, names)
    tasks = PairsByTask(config.pairs, lambda pairs, at: _Task(pairs, dropped[at : at + len(pairs)]))
    run = Run(config.out, request, tasks, "pairs", config.shard_size)
    summary = run.execute(_Sorter(tuple(names)), progress=config.progress)
    counts = summary["counts"]
    summary["filters"] = {
        name: {"count": counts.get(name, 0), "reason": REASONS[name]} for name in names
    }
    write_json(config.out / SUMMARY, summary)
    return summary


def _names(config: Filter) -> list[str]:
    """The filters that are applied, in their order."""
    wanted = {name for text in config.drop for name in text.split(",") if name}
    if bool(wanted) == bool(config.keep):
        raise UnknownArgument(
            f"drop={','.join(sorted(wanted))!r} and keep={config.keep!r}: say which pairs stay. "
            f"Give either --keep all or --drop with some of: {', '.join(REASONS)}."
        )
    for name in sorted(wanted):
        if name not in REASONS:
            raise UnknownArgument(f"there is no filter {name!r}. {nearest(name, [*REASONS])}")
    if ("leakage" in wanted) != bool(config.against):
        raise UnknownArgument(
            f"against={[*map(str, config.against)]} and drop={','.join(sorted(wanted))!r}: "
            "leakage is found by comparing with other data. Give both or neither."
        )
    if not 1 <= config.times_median < math.inf:
        raise UnknownArgument(
            f"times_median must be a number of at least 1, not {config.times_median}."
        )
    return [name for name in REASONS if name in wanted]


@dataclass(frozen=True)
class _Sorter:
    """The work: keep what stays of a task, and count the rest."""

    names: tuple[str, ...]

    @contextmanager
    def open(self) -> Iterator[Callable[[_Task], Result]]:
        yield self._sort

    def _sort(self, task: _Task) -> Result:
        kept = [pair for pair, dropped in zip(task.pairs, task.dropped, strict=True) if not dropped]
        counts = Counter(pairs=len(task.pairs), kept=len(kept), **dict.fromkeys(self.names, 0))
        counts.update(name for name in task.dropped if name)
        return Result(kept, task.pairs[0].kind, counts)


# -- decisions -----------------------------------------------------------------------------------


def _decided(config: Filter, names: Sequence[str]) -> list[str | None]:
    """For each pair the filter that drops it."""
    rules = _rules(config, names)
    dropped: list[str | None] = []
    groups: dict[tuple[str, str], array[int]] = {}
    lots = array("Q")  # of each pair
    for at, row in enumerate(stream(config.pairs, "pairs", *_columns(names))):
        found = next((name for name, drops in rules.items() if drops(row)), None)
        dropped.append(found)
        if found is None and "imbalance" in names:
            group = (row["kind"], verb(row["alternative_action"]))
            groups.setdefault(group, array("Q")).append(at)
        lots.append(int.from_bytes(_digest(row["pair_id"])[:8]))
    if groups:
        most = int(config.times_median * median(map(len, groups.values())))
        for group in groups.values():
            for at in sorted(group, key=lambda at: (lots[at], at))[most:]:
                dropped[at] = "imbalance"
    return dropped


def _columns(names: Sequence[str]) -> list[str]:
    columns = ["pair_id", "kind", "alternative_action"]
    if "leakage" in names:
        columns += ["task_id", "origin", "state", "state_hash"]
    if "near_duplicates" in names:
        columns += WORDING
    if set(names) & {*_VERIFIED}:
        columns += ["verification.admissible", "verification.expert.action_valid"]
        columns += [f"verification.{action}.state_hash" for action in ("expert", "alternative")]
        columns += [f"verification.{reading}.verdict" for reading in ("hindsight", "informed")]
    return columns


def _rules(config: Filter, names: Sequence[str]) -> dict[str, Callable[[_Row], bool]]:
    """Whether each filter drops a pair; all but imbalance, which needs the others' outcome."""

    def facts(row: _Row) -> _Row:
        if row["verification"] is None:
            needing = [name for name in names if name in _VERIFIED]
            raise SchemaMismatch(
                f"{config.pairs} holds pairs that were not verified, such as {row['pair_id']}, "
                f"and these filters need that: {', '.join(needing)}. Run act-data verify first."
            )
        return row["verification"]

    def same_state(row: _Row) -> bool:
        found = facts(row)
        return found["expert"]["state_hash"] == found["alternative"]["state_hash"]

    def verdict(row: _Row) -> str:
        if reading := facts(row)[config.reading]:
            return reading["verdict"]
        if "unknown" in names:
            return "unknown"
        raise UnknownArgument(
            f"{config.pairs} holds pairs without reading {config.reading!r}, such as "
            f"{row['pair_id']}. Drop unknown as well, take another --reading, or judge all pairs "
            "with act-data verify."
        )

    rules: dict[str, Callable[[_Row], bool]] = {
        "leakage": _Seen(config.against).holds,
        "expert_refused": lambda row: not facts(row)["expert"]["action_valid"],
        "inadmissible": lambda row: not facts(row)["admissible"],
        "same_state": same_state,
        "equivalent": lambda row: verdict(row) == "equivalent",
        "alternative_better": lambda row: verdict(row) == "alternative_better",
        "unknown": lambda row: verdict(row) == "unknown",
        "near_duplicates": _Earlier().holds,
    }
    return {name: rules[name] for name in names if name in rules}


class _Seen:
    """What is in the data that pairs are compared with.

    Args:
        paths: pairs or trajectories.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._origins: set[str] = set()
        self._beginnings: set[bytes] = set()
        self._states: set[str] = set()
        for path in paths:
            self._add(path)

    def holds(self, pair: _Row) -> bool:
        """Whether the pair's task, a task of its origin, its beginning or its state is there."""
        return (
            made_from(pair["task_id"], pair["origin"]) in self._origins
            or pair["state_hash"] in self._states
            or _beginning(pair) in self._beginnings
        )

    def _add(self, path: Path) -> None:
        if kind_of(data_files(path)[0]) != "trajectories":  # reading refuses what is neither
            for row in stream(path, "pairs", "task_id", "origin", "state", "state_hash"):
                self._origins.add(made_from(row["task_id"], row["origin"]))
                self._states.add(row["state_hash"])
                self._beginnings.add(_beginning(row))
            return
        for row in stream(path, "trajectories", "task_id", "origin", "goal", "transitions"):
            self._origins.add(made_from(row["task_id"], row["origin"]))
            self._states.update(step["state_hash"] for step in row["transitions"])
            for step in row["transitions"][:1]:
                self._beginnings.add(_digest(row["goal"], step["observation"]))
        self._states.discard("")  # of trajectories without hashes


@dataclass(slots=True)
class _Earlier:
    """The wordings that were met so far."""

    _met: set[int] = field(default_factory=set)

    def holds(self, pair: _Row) -> bool:
        """Whether a pair that reads like it was met before; it is met now."""
        name = wording(pair)
        before = name in self._met
        self._met.add(name)
        return before


def _beginning(pair: _Row) -> bytes:
    """A name of the pair's goal and its episode's first observation."""
    state = pair["state"]
    first = state["history"][0] if state["history"] else state
    return _digest(state["goal"], first["observation"])


def _digest(*texts: str) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).digest()
