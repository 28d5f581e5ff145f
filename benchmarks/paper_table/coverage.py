"""How often the plan's intervals hold the truth: ``python -m benchmarks.paper_table.coverage``.

Differences of zero are drawn for 100 tasks in three and in five seeds: one part of each seed, one
of each task, and one of each episode, all normal.
"""

from __future__ import annotations

import sys

import numpy as np
import tyro

from benchmarks.paper_table.paired import crossed

TASKS, OF_TASKS, OF_EPISODES = 100, 0.12, 0.36  # standard deviations


def coverage(trials: int = 300) -> int:
    """Print in what share of the trials the interval holds zero, and how far it reaches.

    Args:
        trials: of each setting.
    """
    print("seeds  deviation of a seed  holds zero  reaches, points")
    drawn = np.random.default_rng(1)
    for seeds in (3, 5):
        for of_seeds in (0.0, 0.025, 0.05):
            held, reach = 0, 0.0
            for _ in range(trials):
                values = drawn.normal(0, of_seeds, (seeds, 1)) + drawn.normal(
                    0, OF_TASKS, (1, TASKS)
                )
                values += drawn.normal(0, OF_EPISODES, values.shape)
                _, low, high = crossed(
                    {seed: dict(enumerate(one)) for seed, one in enumerate(values)}
                )
                held += low <= 0 <= high
                reach += (high - low) / 2 / trials
            print(f"{seeds:5}  {of_seeds:19.3f}  {held / trials:9.1%}  {100 * reach:15.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(coverage))
