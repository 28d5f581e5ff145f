"""What importing costs: ``python -m benchmarks.imports``.

``import act_envs`` may load Gymnasium and numpy and nothing else; the ratio is against importing
those two alone, each in a fresh interpreter of the same run.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.table import Row, median_cpu, publish


@dataclass(frozen=True)
class Imports:
    """Cost of imports and of the command line's help."""

    quick: bool = False
    """Fewer repeats."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        repeats = 3 if self.quick else 11

        def cost(code: str) -> float:
            command = [sys.executable, "-c", code]
            return median_cpu(
                lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
                repeats=repeats,
            )

        base = cost("import gymnasium, numpy")
        ours = cost("import act_envs")
        rows = [
            Row("import act_envs over gymnasium and numpy", ours / base, "x", "<= 1.1"),
            Row("import act_envs, CPU", 1000 * ours, "ms"),
        ]
        for program in ("act_envs", "act_data", "act_train"):
            code = f"from {program}.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
            rows.append(Row(f"{program.replace('_', '-')} --help, CPU", 1000 * cost(code), "ms"))
        return publish("Imports", rows, self.json)


if __name__ == "__main__":
    sys.exit(tyro.cli(Imports)())
