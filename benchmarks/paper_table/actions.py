"""What agents do most: ``python -m benchmarks.paper_table.actions STAGES...`` counts it.

Results hold how an episode ended, and not its steps. From the transcripts, in the folders of
stages that the rows were run in, this takes the commonest actions of every model into
``actions.json`` beside the results, if the transcripts are of these results.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from act_data.storage.files import write_json
from act_train.errors import ResultMismatch
from act_train.evaluate import read_results
from act_train.reporting.sections import Section, Table
from benchmarks.paper_table.naming import title
from benchmarks.paper_table.results import KEPT, RESULTS, read_json, read_lines
from benchmarks.paper_table.worlds import WORLDS
from benchmarks.script import call

KEPT_OF, SHOWN = 20, 3  # of the commonest actions

Counted = Mapping[str, Mapping[str, Any]]  # by world and step, as in ``actions.json``


@dataclass(frozen=True)
class Actions:
    """Count the commonest actions of the rows that were run in some folders."""

    stages: tyro.conf.Positional[tuple[Path, ...]]
    """Folders "stages" of the runs."""

    world: str = "scienceworld"
    """Which world's."""

    results: Path = RESULTS
    """Folder of the results."""

    def __call__(self) -> int:
        counted = count(self.world, self.stages, self.results)
        path = self.results / "actions.json"
        write_json(path, {**read_json(path), self.world: counted})
        print(f"actions  {path}")
        return 0


def count(world: str, stages: Iterable[Path], results: Path) -> dict[str, Any]:
    """Of each evaluation by play: row, seed, split, and the commonest actions with their number.

    Raises:
        ResultMismatch: a transcript is missing, or is not the one of the results.
    """
    known: dict[str, list[dict[str, Any]]] = {}
    for line in read_lines(results / f"{world}.jsonl.gz"):
        if "won" in line:
            known.setdefault(line["step"], []).append(line)
    if not known:
        raise ResultMismatch(f"{results} holds nothing of {world!r}. Worlds: {', '.join(WORLDS)}.")
    places = list(stages)
    return {
        step: {
            **{name: lines[0][name] for name in ("row", "seed", "split")},
            **_counts(_transcript(step, places), lines),
        }
        for step, lines in sorted(known.items())
    }


def _transcript(step: str, places: Iterable[Path]) -> Path:
    for place in places:
        if (path := place / step / "results.jsonl").is_file():
            return path
    raise ResultMismatch(f"no transcript of {step}. Name the folder of stages that it was run in.")


def _counts(path: Path, lines: list[dict[str, Any]]) -> dict[str, Any]:
    played = list(read_results(path))
    if [{name: one[name] for name in KEPT} for one in played] != [
        {name: one[name] for name in KEPT} for one in lines
    ]:
        raise ResultMismatch(f"{path} is not what the results are of. Name the folder that is.")
    episodes = [[turn["action"] for turn in one["turns"] if "action" in turn] for one in played]
    return {
        "actions": sum(map(len, episodes)),
        "commonest": dict(_commonest(action for one in episodes for action in one)),
        "episodes": len(episodes),
        "first": dict(_commonest(one[0] for one in episodes if one)),
    }


def _commonest(actions: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(actions).items(), key=lambda item: (-item[1], item[0]))[:KEPT_OF]


def habits(world: str, rows: Iterable[str], counted: Counted) -> Iterator[Section]:
    """A table of the commonest actions of a world's models, if they were counted."""
    found = counted.get(world, {}).values()
    cells = [
        [
            title(row), "–" if one["seed"] is None else f"{one['seed']}",
            f"{one['actions'] / one['episodes']:.1f}",
            f"{100 * sum(n for _, n in _shown(one['commonest'])) / one['actions']:.0f}",
            _told(one["commonest"], one["actions"]), _told(one["first"], one["episodes"]),
        ]
        for row in rows
        for one in sorted(found, key=lambda one: str(one["seed"]))
        if one["row"] == row
    ]  # fmt: skip
    if cells:
        yield Section(
            f"{world}: what agents do most",
            ("In percent of a model's actions, and of its episodes.",),
            (
                Table(
                    f"The {SHOWN} commonest actions",
                    ("row", "seed", "actions an episode", f"these {SHOWN}, %",
                     "which", "the commonest first actions"),
                    cells,
                ),
            ),
        )  # fmt: skip


def _told(counts: Mapping[str, int], of: int) -> str:
    return ", ".join(f"{action or '(empty)'} {100 * n / of:.0f}" for action, n in _shown(counts))


def _shown(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:SHOWN]


if __name__ == "__main__":
    sys.exit(call(Actions))
