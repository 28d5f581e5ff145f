"""What a step costs: ``python -m benchmarks.throughput toy`` (or ``scienceworld``, ``alfworld``).

Toy: the contract's own cost, ``env.unwrapped.step`` and ``gym.make(...).step`` over the bare
simulator. ScienceWorld: our adapter against the upstream package's ``env.step`` for the same
actions in the same run, both with deterministic hash codes. ALFWorld: see
:mod:`benchmarks.throughput_alfworld`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import gymnasium as gym
import tyro

import act_envs
from benchmarks.table import Row, cpu_seconds, publish

GOLD_TASKS = (
    "boil/0",
    "find-plant/3",
    "power-component/0",
    "grow-plant/2",
    "lifespan-longest-lived/1",
)


@dataclass(frozen=True)
class Throughput:
    """CPU cost of steps, resets, snapshots and hashes."""

    env: tyro.conf.Positional[Literal["toy", "scienceworld", "alfworld"]]
    """Which environment."""

    quick: bool = False
    """Fewer steps and repeats."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        measure = {"toy": _toy, "scienceworld": _scienceworld, "alfworld": _alfworld}[self.env]
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
    os.environ["JAVA_TOOL_OPTIONS"] = (
        "-XX:+UseSerialGC -XX:+UnlockExperimentalVMOptions -XX:hashCode=2"
    )
    from scienceworld import ScienceWorldEnv as Upstream

    tasks, repeats = (GOLD_TASKS[:1], 1) if quick else (GOLD_TASKS, 3)
    env, u = _make("ACT/ScienceWorld-v0", step_limit=None)
    paths = {task: _gold_path(u, task)[:40] for task in tasks}
    steps = sum(map(len, paths.values()))
    upstream = Upstream("", envStepLimit=10**6)

    def per_step(begin: Callable[[str], object], act: Callable[[str], object]) -> float:
        """CPU seconds of one action along the gold paths, the starts left out."""
        spent = 0.0
        for task, actions in paths.items():
            begin(task)
            start = cpu_seconds()
            for action in actions:
                act(action)
            spent += cpu_seconds() - start
        return spent / steps

    def load_upstream(task: str) -> None:
        name, _, variation = task.partition("/")
        upstream.load(name, int(variation), "")
        upstream.reset()

    def reset(task: str) -> object:
        return env.reset(options={"task_id": task})

    def ours() -> float:
        return per_step(reset, env.step)

    def with_admissible() -> float:
        return per_step(reset, lambda action: (env.step(action), u.admissible_actions()))

    def theirs() -> float:
        return per_step(load_upstream, upstream.step)

    for warm in (ours, theirs):  # let both virtual machines compile their hot code
        warm()
    rounds = [(ours(), with_admissible(), theirs()) for _ in range(repeats)]
    plain, offered, original = (median(column) for column in zip(*rounds, strict=True))
    env.reset(options={"task_id": tasks[0]})
    for action in paths[tasks[0]][:10]:
        env.step(action)
    snapshot = u.snapshot()

    def restore() -> None:
        env.reset(options={"task_id": tasks[0]})
        u.restore(snapshot)

    restored = _per_call(restore, 3, repeats)

    # A hash is kept until the next step, so each is taken after one, and the step subtracted.
    def step_and_hash() -> None:
        u.step("look around")
        u.state_hash()

    look = _per_call(lambda: u.step("look around"), 50, repeats)
    digest = _per_call(step_and_hash, 50, repeats) - look
    env.close()
    upstream.close()
    return [
        Row("step", 1e3 * plain, "ms"),
        Row("step with admissible actions", 1e3 * offered, "ms"),
        Row("upstream env.step (always lists admissible actions)", 1e3 * original, "ms"),
        Row("upstream over ours, without admissible actions", original / plain, "x"),
        Row("upstream over ours, with admissible actions", original / offered, "x"),
        Row("reset and restore ten steps by replay", 1e3 * restored, "ms"),
        Row("state_hash", 1e3 * digest, "ms"),
    ]


def _alfworld(quick: bool) -> list[Row]:
    from benchmarks import throughput_alfworld

    return throughput_alfworld.rows(quick)


def _gold_path(u: act_envs.TextEnv, task: str) -> list[str]:
    u.reset(options={"task_id": task})
    path = []
    while (action := u.expert_action()) is not None:
        path.append(action)
        u.step(action)
    return path


if __name__ == "__main__":
    sys.exit(tyro.cli(Throughput)())
