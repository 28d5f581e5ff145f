"""The 3,827 official games by name and content, and whether a source holds exactly these.

``manifest.txt.gz`` has a line for each, ``<task id> <hash>``. The hash covers what makes a game the
game it is, the PDDL problem and the task sentence; the rules and the text grammar, which differ
between releases, are checked when a game is compiled. Written once, from the official archive:

    python -m act_envs.alfworld.manifest json_2.1.1.tar.xz
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import SPLITS, read_games
from act_envs.alfworld.game import Game
from act_envs.errors import GameFileError
from act_envs.progress import Progress

FILE = Path(__file__).with_name("manifest.txt.gz")


@dataclass
class Findings:
    """What a check found out about one split. The lists are of task ids.

    Attributes:
        right: how many games are official ones, unchanged and playable.
        missing: official games that are not there.
        different: games of an official name with other content.
        unreadable: games that cannot be read or played, each with the reason.
        unsolved: official games whose walkthrough does not win, or that have none.
        extra: games that are no official ones.
    """

    right: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    unsolved: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every official game is there, as it should be."""
        return not (self.missing or self.different or self.unreadable or self.unsolved)


@dataclass(frozen=True)
class Report:
    """What a check found out about a source, by split."""

    splits: Mapping[str, Findings]

    @property
    def complete(self) -> bool:
        """Every official game is there, as it should be."""
        return all(found.complete for found in self.splits.values())

    @property
    def exact(self) -> bool:
        """The official games are there, and no others."""
        return self.complete and not any(found.extra for found in self.splits.values())

    def lines(self, examples: int = 3) -> list[str]:
        """The report for people: a line for each split, and one for each thing that is wrong."""
        said = []
        for split, found in self.splits.items():
            said.append(f"{split:<13} {found.right:>5,} of {_expected(split):,} games right")
            for name in ("missing", "different", "unreadable", "unsolved", "extra"):
                games = getattr(found, name)
                if games:
                    more = f", and {len(games) - examples:,} more" if len(games) > examples else ""
                    said.append(f"    {name}: {', '.join(list(games)[:examples])}{more}")
            said += [f"    {why}" for why in list(found.unreadable.values())[:examples]]
        return said


@cache
def official() -> Mapping[str, str]:
    """The hash of every official game, by task id."""
    with gzip.open(FILE, "rt", encoding="ascii") as lines:
        return dict(line.split() for line in lines)


def check(source: Path) -> Report:
    """Compare every game of a source with the official ones, and play its walkthrough.

    Takes some seconds, and shows progress on standard error.

    Args:
        source: from ``files.find_source``.

    Raises:
        GameFileError: the archive as a whole cannot be read.
    """
    report = Report({split: Findings() for split in SPLITS})
    missing = set(official())

    def unreadable(task_id: str, error: GameFileError) -> None:
        missing.discard(task_id)
        report.splits[task_id.partition("/")[0]].unreadable[task_id] = str(error)

    with Progress("checking games", len(missing)) as progress:
        for task_id, data in read_games(source, damaged=unreadable):
            progress.advance()
            missing.discard(task_id)
            try:
                game = read_game(data, task_id)
            except GameFileError as error:
                unreadable(task_id, error)
                continue
            found = report.splits[task_id.partition("/")[0]]
            if task_id not in official():
                found.extra.append(task_id)
            elif game.content != official()[task_id]:
                found.different.append(task_id)
            elif not _wins(game):
                found.unsolved.append(task_id)
            else:
                found.right += 1
    for task_id in sorted(missing):
        report.splits[task_id.partition("/")[0]].missing.append(task_id)
    return report


def write(source: Path, target: Path = FILE) -> int:
    """Write the manifest of a source. The same games give the same bytes.

    Returns:
        How many games it lists.
    """
    lines = [
        f"{task_id} {read_game(data, task_id).content}\n" for task_id, data in read_games(source)
    ]
    packed = io.BytesIO()
    # Neither a name nor a time goes into the file.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write("".join(sorted(lines)).encode("ascii"))
    target.write_bytes(packed.getvalue())
    return len(lines)


@cache
def _expected(split: str) -> int:
    return sum(task_id.startswith(f"{split}/") for task_id in official())


def _wins(game: Game) -> bool:
    engine = Engine(game)
    return all(engine.step(command)[1] for command in game.walkthrough) and engine.won()


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1])):,} games in {FILE}")  # noqa: T201
