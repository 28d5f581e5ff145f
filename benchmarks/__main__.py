"""Run every benchmark and refresh ``benchmarks/results/``: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from act_envs.alfworld.files import find_source
from act_envs.alfworld.stock import check_upstream
from act_envs.errors import ActError

HERE = Path(__file__).parent
RUNS = {
    "imports": ["imports"],
    "throughput-toy": ["throughput", "toy"],
    "throughput-scienceworld": ["throughput", "scienceworld"],
    "throughput-alfworld": ["throughput", "alfworld"],
    "parity-alfworld": ["parity", "alfworld"],
}
# They need what this project never installs by itself: the games, and the original engine.
BESIDE_UPSTREAM = ("throughput-alfworld", "parity-alfworld")


@dataclass(frozen=True)
class Bench:
    """Run every benchmark and refresh benchmarks/results/."""

    quick: bool = False
    """Under a minute each, and leave the published results alone."""

    def __call__(self) -> int:
        failed = []
        for name, (module, *arguments) in RUNS.items():
            if name in BESIDE_UPSTREAM and (obstacle := _obstacle()):
                print(f"left out: {name}. {obstacle}\n", file=sys.stderr, flush=True)
                continue
            command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
            if self.quick:
                command.append("--quick")
            else:
                command += ["--json", str(HERE / "results" / f"{name}.json")]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            print(flush=True)
        if failed:
            print(f"missed or failed: {', '.join(failed)}", file=sys.stderr)
        return 1 if failed else 0


def _obstacle() -> str:
    """Why ALFWorld cannot be compared with upstream here, "" where it can."""
    try:
        find_source()
        check_upstream()
    except ActError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(tyro.cli(Bench)())
