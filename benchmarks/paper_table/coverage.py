"""How often the plan's intervals hold the truth: ``python -m benchmarks.paper_table.coverage``.

Differences of zero are drawn for 100 tasks in three and in five seeds: one part of each seed, one
of each task, and one of each episode, all normal.
"""

from __future__ import annotations

import sys

import numpy as np
import tyro

from benchmarks.paper_table.paired import Changes, by_seeds, crossed

TASKS, OF_TASKS, OF_EPISODES = 100, 0.12, 0.36  # standard deviations


def coverage(trials: int = 300) -> int:
    """Print in what share of the trials the intervals hold zero, and how far they reach.

    Both: the plan's, and Student's t over seeds.

    Args:
        trials: of each setting.
    """
    print("                                 the plan's          by seeds alone")
    print("seeds  deviation of a seed    holds zero  reaches    holds zero  reaches  (points)")
    drawn = np.random.default_rng(1)
    for seeds in (3, 5):
        for of_seeds in (0.0, 0.025, 0.05, 0.075, 0.1, 0.15):
            held, reach = np.zeros(2), np.zeros(2)
            for _ in range(trials):
                values = drawn.normal(0, of_seeds, (seeds, 1)) + drawn.normal(
                    0, OF_TASKS, (1, TASKS)
                )
                values += drawn.normal(0, OF_EPISODES, values.shape)
                changes: Changes = {
                    seed: dict(zip(map(str, range(TASKS)), one, strict=True))
                    for seed, one in enumerate(values)
                }
                low, high = np.transpose([crossed(changes)[1:], by_seeds(changes)])
                held += (low <= 0) & (high >= 0)
                reach += (high - low) / 2
            told = "".join(
                f"  {one / trials:12.1%}  {100 * far / trials:7.1f}"
                for one, far in zip(held, reach, strict=True)
            )
            print(f"{seeds:5}  {of_seeds:19.3f}{told}")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(coverage))
