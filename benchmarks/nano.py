"""What act-nano can do: ``python -m benchmarks.nano [--quick] [--model FOLDER]``.

Success, score and refused actions on generated houses that it has never seen, on ALFWorld's own
games where they are here, in a generated shop and in ScienceWorld; playing freely (greedy) and
choosing among the admissible actions; beside a random player and, outside of houses, a model with
random weights that plays in the same two ways.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from act_data.models import NANO, find_model
from act_envs.errors import AssetsNotFound, MissingExtra
from act_train.arguments.measuring import EvaluateArguments
from act_train.evaluate import run
from act_train.scratch import make_model
from benchmarks.script import call
from benchmarks.table import Row, publish

RANDOM, SCORED, FREE = "random", "scored", "free"
UNTRAINED = {name: f"{name}, untrained" for name in (SCORED, FREE)}
GAMES: dict[str, Any] = {"step_limit": 50, "history": 60}
WORLDS: Mapping[str, dict[str, Any]] = {
    "generated houses": {"env": "ACT/ALFWorldGen-v0", "split": "unseen", "limit": 100, **GAMES},
    "ALFWorld unseen": {"env": "ACT/ALFWorld-v0", "split": "valid_unseen", **GAMES},
    "generated shop": {
        "env": "ACT/WebShopGen-v0", "split": "test", "limit": 50, "step_limit": 15, "history": 2,
    },
    "ScienceWorld": {
        "env": "ACT/ScienceWorld-v0", "split": "test", "limit": 30, "step_limit": 30, "history": 2,
    },
}  # fmt: skip
_HOUSES = ("ACT/ALFWorldGen-v0", "ACT/ALFWorld-v0")
BARS = {
    ("generated houses", SCORED, "success"): ">= 0.75",
    ("ALFWorld unseen", SCORED, "success"): ">= 0.65",
    ("generated houses", FREE, "success"): ">= 0.55",
    ("generated houses", FREE, "refused"): "<= 0.08",
}


@dataclass(frozen=True)
class Nano:
    """What act-nano can do."""

    quick: bool = False
    """Ten tasks of each world."""

    model: str = NANO
    """Folder of another model of this kind."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows = []
        for row in measured(self.model, quick=self.quick):
            print(f"measured: {row.name}", file=sys.stderr, flush=True)
            rows.append(row)
        return publish("act-nano", rows, self.json)


def measured(model: str, *, quick: bool) -> Iterator[Row]:
    """The figures of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        untrained = str(Path(folder) / "untrained")
        _random_weights(model, untrained)
        players: dict[str, dict[str, Any]] = {RANDOM: {"policy": "random-admissible"}}
        for names, played in ((UNTRAINED, untrained), ({SCORED: SCORED, FREE: FREE}, model)):
            players[names[SCORED]] = {"policy": f"scored:{played}"}
            players[names[FREE]] = {"policy": f"transformers:{played}", "max_new_tokens": 64}
        for number, (world, told) in enumerate(WORLDS.items()):
            for name, player in players.items():
                if name in UNTRAINED.values() and told["env"] in _HOUSES:
                    continue  # 50 steps each, and nothing won in any that was tried
                asked = {**told, **player, "output": str(Path(folder) / f"{number} {name}.jsonl")}
                if name == RANDOM:
                    del asked["history"]  # it reads nothing
                if quick:
                    asked["limit"] = 10
                try:
                    found = run(EvaluateArguments(**asked))
                except (AssetsNotFound, MissingExtra) as error:
                    print(f"not measured: {world}: {error}", file=sys.stderr, flush=True)
                    break
                yield from _rows(world, name, found)


def _rows(world: str, player: str, found: Mapping[str, Any]) -> Iterator[Row]:
    figures = {"success": found["success"], "score": found["mean_score"]}
    if player == FREE:
        figures["refused"] = found["invalid_share"]
    for figure, value in figures.items():
        bar = BARS.get((world, player, figure), "")
        name = f"{world}, {found['episodes']} tasks, {player}: {figure}"
        yield Row(name, value, "of actions" if figure == "refused" else "", bar)


def _random_weights(model: str, folder: str) -> None:
    trained, _ = find_model(model, None)
    tokenizer, config = AutoTokenizer.from_pretrained(trained), AutoConfig.from_pretrained(trained)
    made = make_model(tokenizer, hidden=config.hidden_size, layers=config.num_hidden_layers, seed=0)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(call(Nano))
