"""``act-data stats``: how many rows there are of what, and what is odd about them.

Rows are read a few at a time. What is kept of each is a digest, to find those that are the same.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import tyro

from act_data.analysis.alike import WORDING, wording
from act_data.analysis.noise import READINGS
from act_data.analysis.table import aligned
from act_data.options import check_once
from act_data.storage.files import write_json
from act_data.storage.holdings import Holding, find_rows
from act_data.storage.tables import stream
from act_envs.errors import UnknownArgument

_SHOWN = 20  # values of a count in a table; the others are in the JSON


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Count pairs and trajectories: of what there are how many, how long actions are, what is odd.

    Attributes:
        data: what act-data wrote: folders, with all folders in them, or files.
        json: also write the figures to this file.
    """

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    json: Path | None = None


@dataclass(slots=True)
class _Tally:
    """Figures of the rows of one kind."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    sizes: dict[str, Counter[int]] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)
    _met: dict[str, set[int]] = field(default_factory=dict)
    rows: int = 0

    def count(self, **values: str) -> None:
        for name, value in values.items():
            self.counts.setdefault(name, Counter())[value] += 1

    def size(self, name: str, value: int) -> None:
        self.sizes.setdefault(name, Counter())[value] += 1

    def action(self, name: str, text: str) -> None:
        self.size(f"{name}, characters", len(text))
        self.size(f"{name}, words", len(text.split()))

    def once(self, name: str, digest: int) -> None:
        """Count as odd what was met before."""
        met = self._met.setdefault(name, set())
        self.odd[name] += digest in met
        met.add(digest)

    def figures(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "counts": {name: dict(some.most_common()) for name, some in self.counts.items()},
            "sizes": {name: _spread(some) for name, some in self.sizes.items()},
            "odd": dict(self.odd),
        }


def stats(config: Stats) -> dict[str, Any]:
    """Count, and write the file that was asked for.

    Returns:
        For each of ``pairs`` and ``trajectories`` that is there: ``rows``; ``counts`` by name and
        value; ``sizes`` by name, each with ``least``, ``median``, ``mean``, ``p95`` and ``most``;
        and ``odd``, how many rows have what is unusual.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: data cannot be read.
        UnknownArgument: no data were named, or some twice.
    """
    if not config.data:
        raise UnknownArgument("no data were named. Give folders or files: act-data stats DIR.")
    check_once(config.data)
    tallies: dict[str, _Tally] = {}
    for holding in find_rows(config.data, "pairs", "trajectories"):
        tally = tallies.setdefault(holding.kind, _Tally())
        tally.rows += holding.rows.count
        add = _add_pairs if holding.kind == "pairs" else _add_trajectories
        add(holding, tally)
    found = {kind: tally.figures() for kind, tally in sorted(tallies.items())}
    if config.json is not None:
        write_json(config.json, found)
    return found


def stats_text(found: Mapping[str, Any]) -> str:
    """The figures as tables."""
    return "\n\n".join("\n".join(_told(kind, figures)) for kind, figures in found.items())


def _add_pairs(holding: Holding, tally: _Tally) -> None:
    names = ("pair_id", "env_id", "task_id", "kind", "split", "policy", "expert", "step",
             *WORDING, "verification.admissible",
             "verification.expert.action_valid", "verification.alternative.action_valid",
             "verification.expert.state_hash", "verification.alternative.state_hash",
             *(f"verification.{reading}.verdict" for reading in READINGS))  # fmt: skip
    for row in stream(holding.path, "pairs", *names):
        found = row["verification"]
        verdicts = {name: _verdict(found, name) for name in READINGS}
        tally.count(
            source=holding.name, environment=row["env_id"], kind=row["kind"], split=row["split"],
            policy=row["policy"], expert=row["expert"], **verdicts,
        )  # fmt: skip
        tally.size("step", row["step"])
        tally.action("expert's action", row["expert_action"])
        tally.action("alternative", row["alternative_action"])
        tally.once("id met before", _digest(row["pair_id"]))
        tally.once("reads like an earlier one", wording(row))
        tally.odd["not verified"] += found is None
        if found:
            expert, other = found["expert"], found["alternative"]
            tally.odd["expert's action refused"] += not expert["action_valid"]
            tally.odd["alternative refused"] += not other["action_valid"]
            tally.odd["alternative not admissible"] += not found["admissible"]
            tally.odd["both lead to the same state"] += expert["state_hash"] == other["state_hash"]


def _verdict(found: Mapping[str, Any] | None, reading: str) -> str:
    if found is None:
        return "not verified"
    return found[reading]["verdict"] if found[reading] else "not judged"


def _add_trajectories(holding: Holding, tally: _Tally) -> None:
    steps = "transitions.list.element"
    names = ("env_id", "task_id", "kind", "split", "policy", "won", "truncated",
             f"{steps}.action", f"{steps}.action_valid")  # fmt: skip
    for row in stream(holding.path, "trajectories", *names):
        outcome = "won" if row["won"] else "truncated" if row["truncated"] else "not won"
        tally.count(
            source=holding.name, environment=row["env_id"], kind=row["kind"], split=row["split"],
            policy=row["policy"], outcome=outcome,
        )  # fmt: skip
        actions = [step["action"] for step in row["transitions"]]
        refused = sum(not step["action_valid"] for step in row["transitions"])
        tally.size("steps", len(actions))
        for action in actions:
            tally.action("action", action)
        played = _digest(row["env_id"], row["task_id"], actions)
        tally.once("task and actions met before", played)
        tally.odd["with refused actions"] += refused > 0
        tally.odd["refused actions in all"] += refused


def _digest(*what: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(what).encode(), digest_size=16).digest())


def _spread(sizes: Counter[int]) -> dict[str, float]:
    values = sorted(sizes)
    upto = [*accumulate(sizes[value] for value in values)]  # how many are no greater
    mean = sum(value * number for value, number in sizes.items()) / upto[-1]
    return {
        "least": values[0],
        "median": values[bisect_left(upto, 0.5 * upto[-1])],
        "mean": round(mean, 2),
        "p95": values[bisect_left(upto, 0.95 * upto[-1])],
        "most": values[-1],
    }


def _told(kind: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{figures['rows']:,} {kind}"
    rows = max(1, figures["rows"])
    for name, counts in figures["counts"].items():
        table = [
            (value or "(none)", f"{number:,}", f"{100 * number / rows:.1f} %")
            for value, number in [*counts.items()][:_SHOWN]
        ]
        yield from ("", name, *_table(table))
        if len(counts) > _SHOWN:
            yield f"  and {len(counts) - _SHOWN:,} others"
    if figures["sizes"]:
        heads = ("least", "median", "mean", "p95", "most")
        table: list[tuple[str, ...]] = [("", *heads)]
        for name, spread in figures["sizes"].items():
            table.append((name, *(f"{spread[head]:,g}" for head in heads)))
        yield from ("", "sizes", *_table(table))
    odd = [(name, f"{number:,}") for name, number in figures["odd"].items()]
    yield from ("", "odd", *_table(odd))


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in aligned(rows, gap="  ")]
