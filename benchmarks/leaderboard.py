"""Results of scripted players: ``python -m benchmarks.leaderboard``, which writes LEADERBOARD.md.

Every row is one ``act-train evaluate``. Its result file stays in a folder: an interrupted run goes
on where it was, and a row whose file is complete costs nothing, as long as the code is the same.
A row whose data are not here is left out, and said to be. Models are evaluated with the same
recipes; none is here yet.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from act_data.analysis.table import markdown_table
from act_data.provenance import version
from act_train.errors import ResultMismatch
from act_train.evaluate import read_results, summary
from benchmarks.script import call

PAGE = Path(__file__).with_name("LEADERBOARD.md")
SETTINGS = {
    "alfworld-id": ("--config", "alfworld_id_evaluate.yaml"),
    "alfworld-ood": ("--config", "alfworld_ood_evaluate.yaml"),
    "webshop-1k": (
        "--config", "webshop_evaluate.yaml",
        "--split", "test", "--benchmark", "WebShop, 1,000 products",
    ),
    "scienceworld-ood": (
        "--config", "scienceworld_evaluate.yaml",
        "--split", "ood-test", "--benchmark", "ScienceWorld, ood-test",
    ),
}  # fmt: skip
PLAYERS = {
    "alfworld-id": ("random-admissible", "explorer", "clairvoyant"),
    "alfworld-ood": ("random-admissible", "explorer", "clairvoyant"),
    "webshop-1k": ("random-admissible", "oracle"),
    "scienceworld-ood": ("random-admissible", "gold"),
}
COLUMNS = (
    "benchmark", "player", "success", "score", "actions", "at most", "tasks", "task list", "commit"
)  # fmt: skip
HEAD = """# Leaderboard

What scripted players reach under the protocol of this project: every task of a list once, in a
fixed order, one action an answer, cut off after the steps that are named. Percent, with 95 %
intervals: Wilson's where each task is a single yes or no, else by bootstrap over tasks. Scripted
players keep the format, so that both readers of answers agree. No example of a solved task is shown
to anybody (0-shot), models included; none is here yet. Written by `python -m
benchmarks.leaderboard`; rows can be compared where their task lists are the same. A `.dirty` commit
is one with changes that were not committed.

What they know: `random-admissible` draws from what the simulator offers, and knows nothing else (in
WebShop it takes the offered `search[...]` as it stands, and so finds nothing). `explorer` knows
what it has read. `clairvoyant`, `gold` and `oracle` know the hidden state: they are bounds, and no
agents. `gold` is upstream's path, which is longer than the cap for some tasks.

"""


@dataclass(frozen=True)
class Leaderboard:
    """Play every row, and write the page."""

    folder: Path = Path("runs/leaderboard")
    """Where the result files are kept."""

    only: tuple[str, ...] = ()
    """Settings to play; all if none. The page has the other rows if their files are there."""

    out: Path = PAGE
    """The page."""

    def __call__(self) -> int:
        rows, missing = [], []
        for setting, players in PLAYERS.items():
            for player in players:
                path = self.folder / f"{setting}-{player}.jsonl"
                command = [
                    "act-train", "evaluate", *SETTINGS[setting],
                    "--policy", player, "--output", str(path),
                ]  # fmt: skip
                if not self.only or setting in self.only:
                    _forget(path)
                    if not _played(command):
                        missing.append(f"{setting}, {player}")
                        continue
                if path.exists():
                    rows.append((summary(lines := read_results(path)), lines[0], command))
        page = HEAD + _page(rows)
        self.out.write_text(page, encoding="utf-8")
        print(page)
        for row in missing:
            print(f"left out: {row}", file=sys.stderr)
        return 1 if missing else 0


def _forget(path: Path) -> None:
    """Remove the results of other code, with which no run goes on."""
    if path.exists():
        try:
            theirs = read_results(path)[0]["versions"]["act-data"]
        except ResultMismatch:  # nothing in it was finished
            theirs = ""
        if theirs != version():
            path.unlink()


def _played(command: Sequence[str]) -> bool:
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    started = [sys.executable, "-m", "act_train.cli", *command[1:], "--progress"]
    return not subprocess.run(started, check=False, stdout=subprocess.DEVNULL).returncode


def _page(rows: Sequence[tuple[dict[str, Any], dict[str, Any], list[str]]]) -> str:
    lines: list[list[str]] = []
    for number, (report, first, _) in enumerate(rows, 1):
        whole = "" if report["episodes"] == report["asked"] else f" of {report['asked']}"
        cells = [
            str(number), report["benchmark"], report["policy"].removeprefix("expert:"),
            _percent(report, "success"), _percent(report, "mean_score"),
            f"{report['mean_steps']:.1f}", str(first["cap"]), f"{report['episodes']}{whole}",
            f"`{first['task_list']}`", f"`{first['versions']['act-data'].rpartition('+g')[2]}`",
        ]  # fmt: skip
        lines.append(cells)
    commands = [f"{number}. `{shlex.join(row[2])}`" for number, row in enumerate(rows, 1)]
    return "\n".join(
        [markdown_table(["", *COLUMNS], lines), "", "The commands:", "", *commands, ""]
    )


def _percent(report: dict[str, Any], name: str) -> str:
    low, high = report[f"{name}_95"]
    return f"{100 * report[name]:.1f} ({100 * low:.1f}-{100 * high:.1f})"


if __name__ == "__main__":
    sys.exit(call(Leaderboard))
