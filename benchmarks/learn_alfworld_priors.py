"""Where things lie in ALFWorld's games: ``python -m benchmarks.learn_alfworld_priors``.

Writes ``act_envs/alfworld/priors.json``, which the explorer expert searches by: for each kind of
room and type of receptacle how many there were, how many were closed, and how many held an object
of each type, in the start states of the games of ``train``. Aggregates only: no game, no room and
no position can be told from them. The same games give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.explorer import room_kind
from act_envs.alfworld.files import find_source, read_games
from act_envs.alfworld.game import Game, bits
from benchmarks.script import call

PRIORS = Path(str(resources.files("act_envs.alfworld"))) / "priors.json"


@dataclass
class Counts:
    """Receptacles of one type in rooms of one kind."""

    instances: int = 0
    closed: int = 0
    holding: Counter[str] = field(default_factory=Counter)


class Tally:
    """Counts by kind of room and type of receptacle."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))

    def add(self, game: Game) -> None:
        """Count the start of one game."""
        room = self._rooms[room_kind(game.receptacle_types)]
        for r, kind in enumerate(game.receptacle_types):
            counts = room[kind]
            counts.instances += 1
            counts.closed += game.openable >> r & 1 & ~(game.start.opened >> r)
            counts.holding.update({game.object_types[o] for o in bits(game.start.inside[r])})

    def text(self) -> str:
        """The counts as JSON, a line for each type of receptacle."""
        rooms = []
        for room, kinds in sorted(self._rooms.items()):
            lines = [
                f"    {json.dumps(kind)}: "
                + json.dumps({**vars(counts), "holding": dict(sorted(counts.holding.items()))})
                for kind, counts in sorted(kinds.items())
            ]
            rooms.append(f"  {json.dumps(room)}: {{\n" + ",\n".join(lines) + "\n  }")
        return "{\n" + ",\n".join(rooms) + "\n}\n"


@dataclass(frozen=True)
class Learn:
    """Count where things lie in the training games."""

    data_dir: Path | None = None
    """Where the games are; otherwise where ``act-envs download alfworld`` puts them."""

    out: Path = PRIORS
    """Where to write."""

    def __call__(self) -> int:
        tally = Tally()
        count = 0
        for task_id, content in read_games(find_source(self.data_dir), ["train"]):
            tally.add(read_game(content, task_id))
            count += 1
        self.out.write_text(tally.text())
        print(f"{count} games -> {self.out}, {self.out.stat().st_size} bytes")
        return 0


if __name__ == "__main__":
    sys.exit(call(Learn))
