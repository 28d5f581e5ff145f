"""What WebShop costs: the part of ``benchmarks.throughput`` about it.

Steps and searches are timed with 1,000 products: the real ones where they are, else generated ones.
The original cannot be run beside it (see :mod:`benchmarks.parity_webshop`); what it was measured to
cost stands as recorded. Then a curve over sizes of generated catalogues, up to the real one's: each
is written in upstream's format, compiled, opened and searched, each in a process of its own. The
files of the largest take gigabytes of disk until it is compiled.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
import psutil

from act_envs.base import TextEnv
from act_envs.errors import AssetsNotFound
from act_envs.webshop.analysis import terms
from act_envs.webshop.catalogue import find_source
from act_envs.webshop.generator import write
from act_envs.webshop.goals import SPLITS
from act_envs.webshop.shop import Shop, open_shop
from act_envs.webshop.simulator import NativeSimulator
from benchmarks.table import Row, cpu_seconds

SIZES = (1_000, 10_000, 100_000, 1_180_000)
EPISODES, STEPS = 200, 10
QUERIES = 300
REPEATS = 7
RECORDED_STEP, RECORDED_SEARCH = 17.5, (6.0, 9.5)  # ms of CPU: the original, on another machine
Walks = list[tuple[str, list[str]]]


def rows(quick: bool) -> list[Row]:
    """Every figure about WebShop.

    Args:
        quick: fewer repeats, and small catalogues only.
    """
    repeats = 3 if quick else REPEATS
    figures = _steps(repeats)
    for size in SIZES[: 2 if quick else None]:
        figures += _scale(size)
    return figures


# -- 1,000 products -------------------------------------------------------------------------------


def _steps(repeats: int) -> list[Row]:
    made = gym.make("ACT/WebShop-v0", **_thousand())
    env = made.unwrapped
    assert isinstance(env, TextEnv)
    bare = env._simulator
    assert isinstance(bare, NativeSimulator)
    walks = _walks(env, bare)
    steps = sum(len(actions) for _, actions in walks)

    def engine() -> tuple[float, float]:
        return _timed(walks, lambda task: bare.start(bare.task(task)), bare.act)

    def through(e: Any) -> tuple[float, float]:
        return _timed(walks, lambda task: e.reset(options={"task_id": task}), e.step)

    levels: dict[str, Callable[[], tuple[float, float]]] = {
        "engine": engine,
        "env.unwrapped": lambda: through(env),
        "gym.make(...)": lambda: through(made),
    }
    for level in levels.values():
        level()
    rounds = [{name: level() for name, level in levels.items()} for _ in range(repeats)]
    bars = {"engine": ("<= 0.08", "<= 0.05"), "gym.make(...)": ("<= 0.15", "")}
    figures = []
    for name in levels:
        step, reset = bars.get(name, ("", ""))
        cost = median(r[name][0] for r in rounds) / steps
        begin = median(r[name][1] for r in rounds) / len(walks)
        figures += [
            Row(f"{name}: step", 1e3 * cost, "ms", step),
            Row(f"{name}: reset", 1e3 * begin, "ms", reset),
        ]
        if name == "engine":
            figures.append(Row("the original's step, as recorded", RECORDED_STEP, "ms"))
            figures.append(
                Row("the original's over the engine's", RECORDED_STEP / (1e3 * cost), "x")
            )
    figures += _states(env, walks, repeats)
    shop = open_shop(_thousand()["data_dir"])
    figures.append(Row("search", 1e3 * _search_cost(shop, repeats), "ms", "<= 0.15"))
    for name, value in zip(("fastest", "slowest"), RECORDED_SEARCH, strict=True):
        figures.append(Row(f"the original's search, as recorded, {name}", value, "ms"))
    return figures


def _thousand() -> dict[str, Any]:
    """Arguments of a catalogue of 1,000 products: the real one, or a generated one."""
    try:
        return {"data_dir": find_source().products}
    except AssetsNotFound:
        folder = Path(tempfile.mkdtemp(prefix="act-webshop-"))
        write(0, 1000, folder)
        return {"data_dir": folder}


def _walks(env: TextEnv, bare: NativeSimulator) -> Walks:
    """Episodes as an agent that learns plays them: mostly at random, now and then the oracle's."""
    rng = random.Random(0)
    tasks = [task.task_id for split in SPLITS for task in env.tasks(split)]
    walks = []
    for task_id in rng.sample(tasks, EPISODES):
        outcome, actions = bare.start(bare.task(task_id)), []
        while len(actions) < STEPS and not (outcome.won or outcome.failed):
            expert = bare.expert_action("oracle") if rng.random() < 0.2 else None
            action = expert or rng.choice(bare.admissible_actions())
            if action == "search[...]":
                words = bare.goal().replace(",", " ").split()
                action = f"search[{' '.join(rng.sample(words, 4)).lower()}]"
            actions.append(action)
            outcome = bare.act(action)
        walks.append((task_id, actions))
    return walks


def _timed(
    walks: Walks, reset: Callable[[str], object], step: Callable[[str], object]
) -> tuple[float, float]:
    """CPU seconds of all steps and of all resets."""
    steps = resets = 0.0
    for task_id, actions in walks:
        start = time.process_time()
        reset(task_id)
        begun = time.process_time()
        for action in actions:
            step(action)
        steps += time.process_time() - begun
        resets += begun - start
    return steps, resets


def _states(env: TextEnv, walks: Walks, repeats: int) -> list[Row]:
    task_id, actions = max(walks, key=lambda walk: len(walk[1]))
    env.reset(options={"task_id": task_id})
    for action in actions[:-1]:
        env.step(action)
    snapshot = env.snapshot()

    def cost(work: Callable[[], object]) -> float:
        times = []
        for _ in range(repeats):
            start = time.process_time()
            for _ in range(1000):
                work()
            times.append((time.process_time() - start) / 1000)
        return 1e6 * median(times)

    return [
        Row("snapshot and restore", cost(lambda: env.restore(env.snapshot())), "us"),
        Row("state_hash", cost(env.state_hash), "us"),
        Row("size of a snapshot", len(json.dumps(repr(snapshot.state))), "bytes"),
        Row("admissible_actions", cost(env.admissible_actions), "us"),
    ]


def _search_cost(shop: Shop, repeats: int) -> float:
    """CPU seconds of a search that is not remembered, the median over queries."""
    times = []
    for query in _queries(shop):
        terms(query)
        best = []
        for _ in range(repeats):
            start = time.process_time()
            shop.index.search(query)
            best.append(time.process_time() - start)
        times.append(median(best))
    return median(times)


def _queries(shop: Shop) -> list[str]:
    """Queries such as agents write, of each kind as many; six terms in the median, as recorded.

    They are an instruction without its price, an attribute with the kind of thing, a title, and
    the kind of thing alone.
    """
    goals, rng = shop.goals("synthetic"), random.Random(1)
    queries = []
    for number in range(QUERIES):
        goal = goals[rng.randrange(len(goals))]
        told = goal.instruction.partition(", and price lower")[0]
        wanted = f"{goal.attributes[0]} {goal.query}"
        queries.append((told, wanted, goal.name, goal.query)[number % 4])
    return queries


# -- a curve over sizes ---------------------------------------------------------------------------


def _scale(size: int) -> list[Row]:
    """Compile a generated catalogue of that many products, open it, search it."""
    whole = size == SIZES[-1]
    folder = Path(tempfile.mkdtemp(prefix="act-webshop-"))
    try:
        made = _in_child("write", size, folder)
        compiled = _in_child("compile", size, folder)
        (folder / "items_shuffle.json").unlink()
        used = _in_child("use", size, folder)
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    def row(name: str, value: float, unit: str, bar: str = "") -> Row:
        return Row(f"{size:,} products: {name}", value, unit, bar if whole else "")

    return [
        row("written, CPU", made["cpu"] / 60, "min"),
        row("compiled, by the clock", compiled["wall"] / 60, "min", "<= 25"),
        row("compiled, CPU", compiled["cpu"] / 60, "min"),
        row("memory while it is compiled", compiled["peak"] / 2**30, "GiB", "<= 4"),
        row("compiled size", disk / 2**30, "GiB"),
        row("opened", used["opened"], "s", "<= 2"),
        row("memory of a process that uses it", used["private"] / 2**20, "MiB"),
        row(
            "private memory of another process beside it",
            used["beside"]["private"] / 2**20,
            "MiB",
            "<= 300",
        ),
        row("search, median", 1e3 * used["search"], "ms", "<= 12"),
        row("search, 95 %", 1e3 * used["slow"], "ms"),
        row("step, random walks", 1e3 * used["step"], "ms"),
    ]


def _in_child(what: str, size: int, folder: Path) -> dict[str, Any]:
    """Do one part in a process of its own, and what it says of it."""
    command = [sys.executable, "-m", "benchmarks.throughput_webshop", what, str(size), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _child(what: str, size: int, folder: Path) -> dict[str, Any]:
    wall, cpu = time.monotonic(), cpu_seconds()
    if what == "write":
        write(0, size, folder)
    elif what == "compile":
        from act_envs.cli import main

        assert main(["compile", "webshop", "--data-dir", str(folder)]) in (0, None)
    else:
        used = _use(folder)
        if what == "use":  # what both have mapped is now shared
            used["beside"] = _in_child("use beside", size, folder)
        return used
    # Children count: compiling may use several processes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "wall": time.monotonic() - wall,
        "cpu": cpu_seconds() - cpu,
        "peak": peak * (1 if sys.platform == "darwin" else 1024),
    }


def _use(folder: Path) -> dict[str, Any]:
    """Open a compiled catalogue and use it as an environment does."""
    before = _private()
    start = time.monotonic()
    made = gym.make("ACT/WebShop-v0", data_dir=folder)
    made.reset(seed=0)
    opened = time.monotonic() - start
    env = made.unwrapped
    assert isinstance(env, TextEnv)
    bare = env._simulator
    assert isinstance(bare, NativeSimulator)
    shop = open_shop(folder)
    rng, times = random.Random(1), []
    for query in _queries(shop):
        start = time.process_time()
        shop.index.search(query)
        times.append(time.process_time() - start)
    steps, spent = 0, 0.0
    for number in range(50):
        made.reset(seed=number)
        for _ in range(STEPS):
            action = rng.choice(env.admissible_actions() or ["search[...]"])
            action = action.replace("search[...]", f"search[{bare.goal().lower()[:60]}]")
            if action == "click[buy now]":
                continue
            start = time.process_time()
            made.step(action)
            spent, steps = spent + time.process_time() - start, steps + 1
    return {
        "opened": opened,
        "private": _private() - before,
        "search": median(times),
        "slow": sorted(times)[int(0.95 * len(times))],
        "step": spent / steps,
    }


def _private() -> float:
    """Bytes of memory that this process shares with nobody."""
    return float(psutil.Process().memory_full_info().uss)


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
