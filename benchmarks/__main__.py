"""Run every benchmark and refresh ``benchmarks/results/``: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from act_envs.alfworld.files import find_source
from act_envs.alfworld.stock import check_upstream
from act_envs.errors import ActError
from act_envs.scienceworld.jre import find_java, simulator_folder
from act_envs.webshop.catalogue import find_source as webshop
from benchmarks.parity_webshop import recorded
from benchmarks.script import call

HERE = Path(__file__).parent
RUNS = {
    "imports": ["imports"],
    "throughput-toy": ["throughput", "toy"],
    "throughput-scienceworld": ["throughput", "scienceworld"],
    "throughput-alfworld": ["throughput", "alfworld"],
    "throughput-webshop": ["throughput", "webshop"],
    "parity-alfworld": ["parity", "alfworld"],
    "parity-scienceworld": ["parity", "scienceworld"],
    "parity-webshop": ["parity", "webshop"],
    "kills-scienceworld": ["kills"],
    "pool": ["pool"],
    "pool-soak": ["pool", "--soak"],
    "mining": ["mining"],
    "noise": ["noise"],
    "resume": ["resume"],
    "publish": ["publish"],
    "explorer": ["explorer"],
    "evaluation": ["evaluation"],
    "judges": ["judges"],
    "nano": ["nano"],
    "shared-prefix": ["shared_prefix"],
    "experts-alfworld": ["experts"],
}
# They need what this project never installs by itself: the games, and some the original engine.
WITH_GAMES = ("throughput-alfworld", "parity-alfworld", "experts-alfworld", "mining", "noise")
WITH_PRODUCTS = ("parity-webshop", "mining", "noise")
BESIDE_UPSTREAM = ("throughput-alfworld", "parity-alfworld")
# They need what an extra brings: upstream's simulator and a Java.
WITH_JAVA = (
    "throughput-scienceworld", "parity-scienceworld", "kills-scienceworld",
    "pool", "pool-soak", "mining", "noise",
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Run every benchmark and refresh benchmarks/results/."""

    quick: bool = False
    """A minute or two each, and leave the published results alone."""

    def __call__(self) -> int:
        failed = []
        for name, (module, *arguments) in RUNS.items():
            if obstacle := _obstacle(name):
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


def _obstacle(name: str) -> str:
    """Why a benchmark cannot run here, "" where it can."""
    try:
        if name in WITH_GAMES:
            find_source()
        if name in BESIDE_UPSTREAM:
            check_upstream()
        if name in WITH_PRODUCTS:
            products = webshop().products
            if name == "parity-webshop":
                recorded(products.parent, "search")
        if name in WITH_JAVA:
            simulator_folder()
            find_java()
    except ActError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(call(Bench))
