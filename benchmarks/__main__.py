"""Run every benchmark and refresh ``benchmarks/results/``: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = {
    "imports": ["imports"],
    "throughput-toy": ["throughput", "toy"],
    "throughput-scienceworld": ["throughput", "scienceworld"],
}


def main() -> int:
    """Run all; quick runs leave the published results alone. Returns 1 if any target was missed."""
    quick = "--quick" in sys.argv[1:]
    failed = []
    for name, (module, *arguments) in RUNS.items():
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        if quick:
            command.append("--quick")
        else:
            command += ["--json", str(HERE / "results" / f"{name}.json")]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print()
    if failed:
        print(f"missed or failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
