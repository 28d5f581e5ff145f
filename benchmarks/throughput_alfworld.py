"""What ALFWorld costs: the part of ``benchmarks.throughput`` about it.

The same actions, walkthroughs and random walks, are taken by upstream's TextWorld and at three
levels of ours in one run: the engine with its list of admissible commands, ``env.unwrapped.step``,
and ``step`` of what ``gym.make`` returns. Upstream lists the admissible commands at every step,
whether anybody asks or not, so it is compared with ours listing them too.
"""

from __future__ import annotations

import gc
import json
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import gymnasium as gym

import act_envs
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.files import find_source
from act_envs.alfworld.game import Game, State
from act_envs.alfworld.planner import cost_to_go
from act_envs.alfworld.simulator import NativeSimulator
from act_envs.alfworld.stock import Stock
from act_envs.alfworld.store import GameStore
from benchmarks.parity import read_files, sample
from benchmarks.table import Row

EVALUATION = ("valid_seen", "valid_unseen")
WALK = 30  # actions of a random walk
Actions = dict[str, list[str]]  # by task id


def rows(quick: bool) -> list[Row]:
    """Every figure about ALFWorld.

    Args:
        quick: fewer games and repeats.
    """
    games, repeats = (6, 3) if quick else (24, 7)
    store = GameStore(find_source())
    drawn = [t.task_id for t in sample(_evaluation(store), games, seed=0)]
    compiled = {task_id: store.game(task_id) for task_id in drawn}
    walkthroughs = {task_id: list(game.walkthrough) for task_id, game in compiled.items()}
    walks = {task_id: _random_walk(game, task_id) for task_id, game in compiled.items()}
    figures = []
    for name, actions, bar in (("walkthroughs", walkthroughs, 1500), ("random walks", walks, 1000)):
        figures += _steps(store, compiled, name, actions, f">= {bar}", repeats)
    figures += _states(store, drawn[0], walks[drawn[0]], repeats)
    figures += [_load(store, repeats), _memory(store), _explorer(), _planner(compiled, walks)]
    return figures


# -- steps ----------------------------------------------------------------------------------------


def _steps(
    store: GameStore, games: dict[str, Game], name: str, actions: Actions, bar: str, repeats: int
) -> list[Row]:
    """A step at each level and upstream's, microseconds and ratios."""
    listing, listing_env = _make(admissible=True)
    silent, silent_env = _make()
    levels = {
        "engine, admissible listed": lambda: _engine(games, actions),
        "engine, admissible listed, game just loaded": lambda: _engine(_anew(games), actions),
        "env.unwrapped.step": lambda: _env(silent_env, silent_env, actions),
        "env.unwrapped.step, admissible listed": lambda: _env(listing_env, listing_env, actions),
        "gym.make(...).step": lambda: _env(silent, silent, actions),
        "gym.make(...).step, admissible listed": lambda: _env(listing, listing, actions),
    }
    for level in levels.values():
        level()  # every place was visited once, except where the game is loaded anew
    # In turns, so that a change of the machine's mood meets every level.
    rounds = [{name: level() for name, level in levels.items()} for _ in range(repeats)]
    ours = {level: median(one[level] for one in rounds) for level in levels}
    theirs = _upstream(store, actions)
    figures = [Row(f"{name}: upstream", 1e6 * theirs, "us")]
    figures += [Row(f"{name}: {level}", 1e6 * cost, "us") for level, cost in ours.items()]
    engine, made = "engine, admissible listed", "gym.make(...).step, admissible listed"
    figures += [
        Row(f"{name}: upstream over engine", theirs / ours[engine], "x", bar),
        Row(f"{name}: upstream over gym.make(...).step", theirs / ours[made], "x", ">= 500"),
    ]
    return figures


def _per_action(
    actions: Actions, begin: Callable[[str], object], act: Callable[[str], object]
) -> float:
    """CPU seconds of one action, the beginnings left out."""
    spent = 0.0
    for task_id, commands in actions.items():
        begin(task_id)
        start = time.process_time()
        for command in commands:
            act(command)
        spent += time.process_time() - start
    return spent / sum(map(len, actions.values()))


def _engine(games: dict[str, Game], actions: Actions) -> float:
    spent = 0.0
    for task_id, commands in actions.items():
        start = time.process_time()
        _engine_once(games[task_id], commands)
        spent += time.process_time() - start
    return spent / sum(map(len, actions.values()))


def _engine_once(game: Game, commands: Sequence[str]) -> None:
    engine = Engine(game)
    for command in commands:
        engine.step(command)
        engine.won()
        engine.admissible()


def _anew(games: dict[str, Game]) -> dict[str, Game]:
    """The games without the commands that they put together when a place is first visited."""
    return {task_id: Game.unpack(game.pack()) for task_id, game in games.items()}


def _env(resets: gym.Env[str, str], steps: gym.Env[str, str], actions: Actions) -> float:
    return _per_action(
        actions, lambda task_id: resets.reset(options={"task_id": task_id}), steps.step
    )


def _upstream(store: GameStore, actions: Actions) -> float:
    files = read_files(store.source, set(actions))
    spent = 0.0
    for task_id, commands in actions.items():
        stock = Stock(json.loads(files[task_id]))
        start = time.process_time()
        for command in commands:
            stock.step(command)
        spent += time.process_time() - start
        stock.close()
    return spent / sum(map(len, actions.values()))


def _random_walk(game: Game, seed: str) -> list[str]:
    """Random admissible commands, up to the win if there is one."""
    rng, engine, walk = random.Random(seed), Engine(game), []
    while len(walk) < WALK and not engine.won():
        walk.append(rng.choice(engine.admissible()))
        engine.step(walk[-1])
    return walk


# -- the rest -------------------------------------------------------------------------------------


def _states(store: GameStore, task_id: str, walk: Sequence[str], repeats: int) -> list[Row]:
    """Snapshots of the simulator and of the environment, amid an episode."""
    _, u = _make()
    u.reset(options={"task_id": task_id})
    simulator, task = NativeSimulator("alfworld", store), store.task(task_id)
    simulator.start(task)
    for command in walk[:10]:
        u.step(command)
        simulator.act(command)
    snapshot, state = u.snapshot(), simulator.snapshot()
    calls: dict[str, Callable[[], object]] = {
        "simulator.snapshot": simulator.snapshot,
        "simulator.restore": lambda: simulator.restore(task, state),
        "env.unwrapped.snapshot": u.snapshot,
        "env.unwrapped.restore": lambda: u.restore(snapshot),
        "env.unwrapped.state_hash": u.state_hash,
    }
    costs = {name: 1e6 * _per_call(call, repeats) for name, call in calls.items()}
    return [Row(name, cost, "us", "" if "hash" in name else "<= 2") for name, cost in costs.items()]


def _per_call(work: Callable[[], object], repeats: int, calls: int = 20_000) -> float:
    """Median CPU seconds of one call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            work()
        times.append((time.process_time() - start) / calls)
    return median(times)


def _load(store: GameStore, repeats: int) -> Row:
    """The first reset of a game, its compiled form lying in the cache."""
    tasks = _evaluation(store)

    def once() -> float:
        env, u = _make(split=EVALUATION[0])
        for split in EVALUATION:
            u.tasks(split)
        start = time.process_time()
        for task in tasks:
            env.reset(options={"task_id": task.task_id})
        return (time.process_time() - start) / len(tasks)

    return Row(
        "load and reset a new game", 1e3 * median(once() for _ in range(repeats)), "ms", "<= 1.5"
    )


def _memory(store: GameStore) -> Row:
    """What a game takes that was loaded and played once to its end, walkthrough and all."""
    packed = [store.game(task.task_id).pack() for task in _evaluation(store)]
    gc.collect()
    tracemalloc.start()
    games = [Game.unpack(data) for data in packed]
    for game in games:
        _engine_once(game, game.walkthrough)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Row("memory of a compiled game, played", taken / len(games) / 1e3, "kB", "<= 100")


def _explorer() -> Row:
    """All evaluation games played by the explorer, 50 actions at most."""
    start = time.process_time()
    for split in EVALUATION:
        env, u = _make(split=split, step_limit=50, expert="explorer")
        for task in u.tasks():
            env.reset(options={"task_id": task.task_id})
            over = False
            while not over and (action := u.expert_action()) is not None:
                _, _, terminated, truncated, _ = env.step(action)
                over = terminated or truncated
    return Row("the explorer plays 274 games", time.process_time() - start, "s", "<= 10")


def _planner(games: dict[str, Game], walks: Actions) -> Row:
    """The cost to go from states of the random walks."""
    times = []
    for task_id, game in games.items():
        for state in _visited(game, walks[task_id])[::5]:
            start = time.process_time()
            cost_to_go(game, state)
            times.append(time.process_time() - start)
    return Row("cost_to_go, median", 1e3 * median(times), "ms", "<= 5")


def _visited(game: Game, commands: Sequence[str]) -> list[State]:
    engine, states = Engine(game), [game.start]
    for command in commands:
        engine.step(command)
        states.append(engine.state)
    return states


def _evaluation(store: GameStore) -> list[act_envs.Task]:
    return [task for split in EVALUATION for task in store.tasks(split)]


def _make(
    split: str = EVALUATION[0], *, step_limit: int | None = None, **kwargs: Any
) -> tuple[gym.Env[str, str], act_envs.TextEnv]:
    env = gym.make("ACT/ALFWorld-v0", split=split, step_limit=step_limit, **kwargs)
    assert isinstance(env.unwrapped, act_envs.TextEnv)
    return env, env.unwrapped
