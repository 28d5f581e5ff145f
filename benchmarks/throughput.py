"""What a step costs: ``python -m benchmarks.throughput toy`` (or ``scienceworld``, ``alfworld``).

Toy: the contract's own cost, ``env.unwrapped.step`` and ``gym.make(...).step`` over the bare
simulator. The others: see :mod:`benchmarks.throughput_scienceworld`,
:mod:`benchmarks.throughput_alfworld` and :mod:`benchmarks.throughput_webshop`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import gymnasium as gym
import tyro

import act_envs
from benchmarks.script import call
from benchmarks.table import Row, cpu_seconds, publish


@dataclass(frozen=True)
class Throughput:
    """CPU cost of steps, resets, snapshots and hashes."""

    env: tyro.conf.Positional[Literal["toy", "scienceworld", "alfworld", "webshop"]]
    """Which environment."""

    quick: bool = False
    """Fewer steps and repeats."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        measure = {
            "toy": _toy,
            "scienceworld": _scienceworld,
            "alfworld": _alfworld,
            "webshop": _webshop,
        }[self.env]
        return publish(f"Throughput: {self.env}", measure(self.quick), self.json)


def _make(env_id: str, **kwargs: Any) -> tuple[gym.Env[str, str], act_envs.TextEnv]:
    env = gym.make(env_id, **kwargs)
    assert isinstance(env.unwrapped, act_envs.TextEnv)
    return env, env.unwrapped


def _per_call(work: Callable[[], object], calls: int, repeats: int) -> float:
    """Median CPU seconds of one call."""
    times = []
    for _ in range(repeats):
        start = cpu_seconds()
        for _ in range(calls):
            work()
        times.append((cpu_seconds() - start) / calls)
    return median(times)


def _toy(quick: bool) -> list[Row]:
    from act_envs.toy import ToySimulator

    calls, repeats = (2_000, 3) if quick else (20_000, 7)
    env, u = _make("ACT/Toy-v0", step_limit=None)
    env.reset(options={"task_id": "fetch/3"})
    bare = ToySimulator()
    bare.start(bare.task("fetch/3"))
    simulator = _per_call(lambda: bare.act("wait"), calls, repeats)
    unwrapped = _per_call(lambda: u.step("wait"), calls, repeats)
    made = _per_call(lambda: env.step("wait"), calls, repeats)
    snapshot = u.snapshot()
    restore = _per_call(lambda: u.restore(snapshot), calls, repeats)
    env.close()
    return [
        Row("simulator alone, step", 1e6 * simulator, "us"),
        Row("env.unwrapped.step, step", 1e6 * unwrapped, "us"),
        Row("gym.make(...).step, step", 1e6 * made, "us"),
        Row("env.unwrapped.step over the simulator", unwrapped / simulator, "x"),
        Row("gym.make(...).step over the simulator", made / simulator, "x"),
        Row("restore", 1e6 * restore, "us"),
    ]


def _scienceworld(quick: bool) -> list[Row]:
    from benchmarks import throughput_scienceworld

    return throughput_scienceworld.rows(quick)


def _alfworld(quick: bool) -> list[Row]:
    from benchmarks import throughput_alfworld

    return throughput_alfworld.rows(quick)


def _webshop(quick: bool) -> list[Row]:
    from benchmarks import throughput_webshop

    return throughput_webshop.rows(quick)


if __name__ == "__main__":
    sys.exit(call(Throughput))
