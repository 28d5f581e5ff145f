"""``act-data`` with a Toy house slow enough to be killed while it works. No test itself."""

from __future__ import annotations

import sys
import time
from typing import Any

import gymnasium as gym
import pyarrow.parquet  # noqa: F401  (the imports are over when "ready" is printed)

from act_data.cli import main
from act_envs.toy import ToyEnv


class SlowToy(ToyEnv):
    """Takes its time for every step."""

    def step(self, action: str) -> Any:
        time.sleep(0.004)
        return super().step(action)


if __name__ == "__main__":
    gym.register("Slow/Toy-v0", entry_point=SlowToy)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.exit(main())
