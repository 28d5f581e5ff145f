"""Run every benchmark and refresh ``benchmarks/results/``: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

HERE = Path(__file__).parent
RUNS = {
    "imports": ["imports"],
    "throughput-toy": ["throughput", "toy"],
    "throughput-scienceworld": ["throughput", "scienceworld"],
}


@dataclass(frozen=True)
class Bench:
    """Run every benchmark and refresh benchmarks/results/."""

    quick: bool = False
    """Under a minute each, and leave the published results alone."""

    def __call__(self) -> int:
        failed = []
        for name, (module, *arguments) in RUNS.items():
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


if __name__ == "__main__":
    sys.exit(tyro.cli(Bench)())
