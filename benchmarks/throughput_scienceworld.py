"""What ScienceWorld costs: the part of ``benchmarks.throughput`` about it.

The same gold paths are played by our environment and by upstream's, in turns, in one run. Both run
with deterministic hash codes; upstream otherwise with its own default flags, and once more with
the serial collector that ours uses. A Java process compiles its hot code for some hundred steps;
everything is warm before it is measured. CPU time is that of Python and Java together.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from statistics import median

import gymnasium as gym
import psutil

import act_envs
from act_envs.scienceworld import catalogue
from benchmarks.restless import Restless
from benchmarks.table import Row, cpu_seconds
from benchmarks.upstream_scienceworld import Upstream

TASKS = (
    "boil/0",
    "find-plant/3",
    "power-component/0",
    "grow-plant/2",
    "lifespan-longest-lived/1",
)
LONGEST = 40  # actions of a gold path that are played
SERIAL = "-XX:+UseSerialGC"
LEVELS = ("ours", "ours, with admissible", "upstream", "upstream, serial")


def rows(quick: bool) -> list[Row]:
    """Every figure about ScienceWorld.

    Args:
        quick: fewer steps and repeats.
    """
    return [*_steps(quick), *_states(quick), *_starts(quick), *_memory(quick)]


# -- steps ----------------------------------------------------------------------------------------


def _steps(quick: bool) -> list[Row]:
    """A step of either side, milliseconds and ratios."""
    env, u = _make()
    paths = {task_id: _gold_path(u, task_id) for task_id in (TASKS[1:3] if quick else TASKS)}

    def reset(task_id: str) -> object:
        return env.reset(options={"task_id": task_id})

    with closing(Upstream()) as stock, closing(Upstream(SERIAL)) as serial:
        levels: dict[str, Callable[[], float]] = {
            "ours": lambda: _per_step(paths, reset, env.step),
            "ours, with admissible": lambda: _per_step(
                paths, reset, lambda action: (env.step(action), u.admissible_actions())
            ),
            "upstream": lambda: _per_step(paths, stock.begin, stock.step),
            "upstream, serial": lambda: _per_step(paths, serial.begin, serial.step),
        }
        for level in levels.values():
            for _ in range(1 if quick else 5):
                level()
        # In turns, so that a change of the machine's mood meets every level.
        rounds = [
            {name: level() for name, level in levels.items()} for _ in range(1 if quick else 5)
        ]
    env.close()

    def bar(times: int) -> str:
        return "" if quick else f">= {times}"  # cold code has no speed yet

    plain, offered, original, quiet = (median(one[name] for one in rounds) for name in LEVELS)
    return [
        Row("step", 1e3 * plain, "ms"),
        Row("step with admissible actions", 1e3 * offered, "ms"),
        Row("upstream env.step (always lists admissible actions)", 1e3 * original, "ms"),
        Row("upstream env.step, serial collector", 1e3 * quiet, "ms"),
        Row("upstream over ours, without admissible actions", original / plain, "x", bar(12)),
        Row("upstream over ours, with admissible actions", original / offered, "x", bar(5)),
        Row("upstream, serial, over ours, without admissible actions", quiet / plain, "x"),
        Row("upstream, serial, over ours, with admissible actions", quiet / offered, "x"),
    ]


def _per_step(
    paths: dict[str, list[str]], begin: Callable[[str], object], act: Callable[[str], object]
) -> float:
    """CPU seconds of one action along the paths, the starts left out."""
    spent = 0.0
    for task_id, actions in paths.items():
        begin(task_id)
        start = cpu_seconds()
        for action in actions:
            act(action)
        spent += cpu_seconds() - start
    return spent / sum(map(len, paths.values()))


def _gold_path(u: act_envs.TextEnv, task_id: str) -> list[str]:
    u.reset(options={"task_id": task_id})
    path = []
    while len(path) < LONGEST and (action := u.expert_action()) is not None:
        path.append(action)
        u.step(action)
    return path


# -- resets, snapshots, hashes --------------------------------------------------------------------


def _states(quick: bool) -> list[Row]:
    env, u = _make()
    env.reset(options={"task_id": TASKS[0]})

    def look() -> None:
        u.step("look around")

    # What was saved or hashed is not again before the next step, so each follows a step, and the
    # step is subtracted.
    def save() -> None:
        look()
        u.snapshot()

    def save_and_restore() -> None:
        look()
        u.restore(u.snapshot())

    def digest() -> None:
        look()
        u.state_hash()

    def reset() -> None:
        env.reset(options={"task_id": TASKS[0]})

    calls, repeats = (20, 1) if quick else (100, 7)
    work = (reset, look, save, save_and_restore, digest)
    for call in work:
        _per_call(call, calls if quick else 5 * calls)
    rounds = [[_per_call(call, calls) for call in work] for _ in range(repeats)]
    again, step, saved, restored, hashed = (median(each) for each in zip(*rounds, strict=True))
    fresh = [f"{kind}/{n}" for n in range(1 if quick else 3) for kind in catalogue.kinds()]
    start = cpu_seconds()
    for task_id in fresh:
        env.reset(options={"task_id": task_id})
    first = (cpu_seconds() - start) / len(fresh)
    env.close()
    return [
        Row("reset to a task that was loaded before", 1e3 * again, "ms", "" if quick else "<= 3"),
        Row("reset to a new task, mean over all kinds", 1e3 * first, "ms"),
        Row("snapshot", 1e3 * (saved - step), "ms"),
        Row("snapshot and restore", 1e3 * (restored - step), "ms", "" if quick else "<= 5"),
        Row("state_hash", 1e3 * (hashed - step), "ms"),
    ]


def _per_call(work: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call."""
    start = cpu_seconds()
    for _ in range(calls):
        work()
    return (cpu_seconds() - start) / calls


def _starts(quick: bool) -> list[Row]:
    """From nothing to the first observation."""

    def ours() -> None:
        env, _ = _make(own_process=True)
        env.reset(options={"task_id": TASKS[0]})
        env.close()

    def theirs() -> None:
        with closing(Upstream()) as upstream:
            upstream.begin(TASKS[0])

    rounds = [(_per_call(ours, 1), _per_call(theirs, 1)) for _ in range(1 if quick else 5)]
    mine, original = (median(each) for each in zip(*rounds, strict=True))
    return [
        Row("process started to first observation", mine, "s"),
        Row("upstream: process started to first observation", original, "s"),
    ]


# -- memory ---------------------------------------------------------------------------------------


def _memory(quick: bool) -> list[Row]:
    """What the Java processes hold after walks over many tasks, everything asked for on the way."""
    steps = 100 if quick else 2_000
    own, single = _make(own_process=True)
    _walk([single], steps, quick)
    one = _resident(_java())
    own.close()
    eight = [_make()[1] for _ in range(8)]
    _walk(eight, steps, quick)
    shared = _resident(_java())
    for u in eight:
        u.close()
    with closing(Upstream()) as upstream:
        _walk_upstream(upstream, steps)
        original = _resident(upstream.pid)
    return [
        Row(f"memory of the Java process after {steps:,} steps", one, "MB", "<= 350"),
        Row(f"the same for 8 environments in one process, {steps:,} steps", shared, "MB"),
        Row(f"upstream: memory of the Java process after {steps:,} steps", original, "MB"),
    ]


def _walk(environments: list[act_envs.TextEnv], steps: int, quick: bool) -> None:
    """Walk in turns, over all kinds of task; ask, list, save, hash and restore on the way."""
    tasks = [f"{kind}/1" for kind in catalogue.kinds()]
    players = {}
    for step in range(steps):
        at = step % len(environments)
        u = environments[at]
        if at not in players or u.terminated or step // len(environments) % 25 == 0:
            task_id = tasks[(step // 25 + at) % len(tasks)]
            u.reset(options={"task_id": task_id})
            if not quick:
                u.expert_action()  # the search takes memory
            players[at] = Restless(f"{task_id} {step}")
        snapshot = u.snapshot()
        u.step(players[at].choose(u.admissible_actions()))
        if step % 10 == 0:
            u.state_hash()
            u.restore(snapshot)


def _walk_upstream(upstream: Upstream, steps: int) -> None:
    """The same for upstream, which has no more to offer."""
    tasks = [f"{kind}/1" for kind in catalogue.kinds()]
    over, player, offered = True, Restless(""), []
    for step in range(steps):
        if over or step % 25 == 0:
            player = Restless(f"{tasks[step // 25 % len(tasks)]} {step}")
            offered = upstream.begin(tasks[step // 25 % len(tasks)])[1]["valid"]
        _, _, over, info = upstream.step(player.choose(offered))
        offered = info["valid"]


def _java() -> int:
    """The Java process of this one, the youngest if there are several."""
    running = [child for child in psutil.Process().children() if "java" in child.name()]
    return max(running, key=lambda child: child.create_time()).pid


def _resident(pid: int) -> float:
    """Megabytes of memory of a process."""
    return psutil.Process(pid).memory_info().rss / 1e6


def _make(*, own_process: bool = False) -> tuple[gym.Env[str, str], act_envs.TextEnv]:
    env = gym.make("ACT/ScienceWorld-v0", step_limit=None, own_process=own_process)
    assert isinstance(env.unwrapped, act_envs.TextEnv)
    return env, env.unwrapped
