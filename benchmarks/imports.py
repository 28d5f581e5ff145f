"""What importing costs: ``python -m benchmarks.imports``.

``import act_envs`` may load Gymnasium and numpy and nothing else; the ratio is against importing
those two alone, each in a fresh interpreter of the same run; a test holds the list of modules.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.script import call
from benchmarks.table import Row, cpu_seconds, publish


@dataclass(frozen=True)
class Imports:
    """Cost of imports and of the command line's help."""

    quick: bool = False
    """Fewer repeats."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        repeats = 3 if self.quick else 15

        def once(code: str) -> float:
            start = cpu_seconds()
            command = [sys.executable, "-c", code]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return cpu_seconds() - start

        # In turns, so that a change of the machine's mood meets both sides.
        rounds = [
            (once("import gymnasium, numpy"), once("import act_envs")) for _ in range(repeats)
        ]
        rows = [
            Row("import gymnasium and numpy, CPU", 1e3 * median(b for b, _ in rounds), "ms"),
            Row("import act_envs, CPU", 1e3 * median(o for _, o in rounds), "ms"),
            Row("act_envs over gymnasium and numpy", median(o / b for b, o in rounds), "x"),
        ]
        for program in ("act_envs", "act_data", "act_train"):
            code = f"from {program}.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
            spent = median(once(code) for _ in range(repeats))
            rows.append(Row(f"{program.replace('_', '-')} --help, CPU", 1e3 * spent, "ms"))
        return publish("Imports", rows, self.json)


if __name__ == "__main__":
    sys.exit(call(Imports))
