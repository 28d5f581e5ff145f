"""What the plan says of tasks that are alike: ``python -m benchmarks.paper_table.overlaps``.

Two tasks of the houses have one goal where kind, object and place are the same; rooms may differ.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import gymnasium as gym

from act_envs import TextEnv
from act_train.data import load_pairs, split_by_task
from act_train.evaluate import part
from benchmarks.paper_table.worlds import HELD_OUT, WORLDS
from benchmarks.script import call

PILOTED = 0  # seed of the games that the pilots were run in


@dataclass(frozen=True)
class Overlaps:
    """Print how many tasks of the evaluation have a goal that was seen before."""

    data: Path | None = None
    """Data of the houses, as a call of the plan has made them; without them a line less."""

    def __call__(self) -> int:
        games = int(json.loads(WORLDS["houses"].env_kwargs)["seed_of_games"])
        ours, piloted = _evaluated(games), {*_evaluated(PILOTED)}
        print(f"{_in(ours, piloted)} of {len(ours)} unseen tasks have a goal of the pilots' tasks")
        if self.data:
            trained, held_out = split_by_task(load_pairs(str(self.data / "pairs")), HELD_OUT)
            tasks = sorted({pair.task_id for pair in held_out})
            goals = {_goal(pair.task_id) for pair in trained}
            judged = [_goal(task) for task in tasks]
            print(f"{_in(judged, goals)} of {len(judged)} judged tasks have a goal trained on")
        return 0


def _evaluated(seed_of_games: int) -> list[str]:
    world = WORLDS["houses"]
    env = gym.make(world.env, split="unseen", seed_of_games=seed_of_games)
    try:
        tasks = part(list(cast(TextEnv, env.unwrapped).tasks()), world.splits["unseen"])
    finally:
        env.close()
    return [_goal(task.task_id) for task in tasks]


def _goal(task_id: str) -> str:
    """Kind, object, tool and place: what stands before the room in ``SPLIT/GOAL-ROOM/TRIAL``."""
    return task_id.split("/")[1].rpartition("-")[0]


def _in(goals: list[str], known: set[str]) -> int:
    return sum(goal in known for goal in goals)


if __name__ == "__main__":
    sys.exit(call(Overlaps))
