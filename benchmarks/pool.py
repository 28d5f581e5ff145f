"""What many environments cost together: ``python -m benchmarks.pool [--quick] [--soak]``.

The vector environment that ``gym.make_vec("ACT/...")`` makes, over the same environments without
it, and over Gymnasium's ``AsyncVectorEnv``; then how long it takes to start, and its memory. Both
sides of a pair take the same actions in the same episodes, in turns, in one run. What becomes of
episodes when processes die is in :mod:`benchmarks.soak`, which takes a quarter of an hour.

CPU time is that of this process, of the workers, and of their Java processes. All of them live on,
so it is read from the clock that Linux keeps for each process, in nanoseconds: what psutil reads
comes in hundredths of a second, too coarse for 64 processes that step for a moment each.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import gymnasium as gym
import psutil
from gymnasium.vector import AsyncVectorEnv, VectorEnv

from act_envs.alfworld.files import find_source as find_games
from act_envs.errors import AssetsNotFound
from act_envs.webshop.catalogue import find_source as find_products
from benchmarks import soak
from benchmarks.script import call
from benchmarks.table import Row, publish

LENGTH = 30  # actions of a walk
MANY = 64
SCIENCE, SCIENCES = "ACT/ScienceWorld-v0", 4
ENDS = ("eat", "give", "drop", "click[buy now]", "focus", "reset task")  # what can end an episode
_SPAWN = get_context("spawn")  # a fork would share memory, and inherit what is measured


@dataclass(frozen=True)
class Pool:
    """CPU cost, speed, start and memory of many environments together."""

    quick: bool = False
    """Fewer rounds, fewer rows and fewer faults."""

    soak: bool = False
    """Break worker processes instead, 1,000 times."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        if self.soak:
            return publish("Many environments under fire", soak.rows(self.quick), self.json)
        rows = []
        for measure in (_here, _beside_async, _in_workers, _footprints):
            for row in measure(self.quick):
                print(f"measured: {row.name}", file=sys.stderr, flush=True)
                rows.append(row)
        return publish("Many environments", rows, self.json)


# -- what is played -------------------------------------------------------------------------------


class Walk(NamedTuple):
    """Episodes of several environments, of random admissible actions that do not end them.

    Attributes:
        seed: what all are reset with together, which also draws their tasks.
        actions: of each step, one for each environment.
    """

    seed: int
    actions: list[list[str]]


def _alfworld() -> str:
    """With its own games where they are, else with generated ones."""
    try:
        find_games()
    except AssetsNotFound:
        return "ACT/ALFWorldGen-v0"
    return "ACT/ALFWorld-v0"


def _webshop() -> str:
    """With the real products where they are, else with generated ones."""
    try:
        find_products()
    except AssetsNotFound:
        return "ACT/WebShopGen-v0"
    return "ACT/WebShop-v0"


def _pool(env_id: str, number: int, workers: int) -> Any:
    return gym.make_vec(env_id, num_envs=number, workers=workers, step_limit=None)


def _walk(env_id: str, number: int, seed: int = 0) -> Walk:
    """A walk, drawn while it is taken."""
    with closing(_pool(env_id, number, 0)) as pool:
        while True:
            _, infos = pool.reset(seed=seed)
            actions, over, rng = [], False, random.Random(seed)
            while len(actions) < LENGTH and not over:
                actions.append(_choices(pool, infos["goal"], rng))
                _, _, terminated, truncated, _ = pool.step(actions[-1])
                over = terminated.any() or truncated.any()
            if not over:
                return Walk(seed, actions)
            seed += number


def _choices(pool: Any, goals: Sequence[str], rng: random.Random) -> list[str]:
    """An action for each environment."""
    chosen = []
    for goal, offered in zip(goals, pool.call("admissible_actions"), strict=True):
        action = rng.choice([one for one in offered if not one.startswith(ENDS)])
        chosen.append(action.replace("search[...]", f"search[{goal.lower()[:60]}]"))
    return chosen


def _alone(
    envs: Sequence[gym.Env[str, str]], places: Iterable[int], walk: Walk, *, each: bool = False
) -> Iterator[None]:
    """Take the part of a walk that some environments have, in a bare loop.

    Yields before it begins, and with ``each`` after each step too.
    """
    places = list(places)
    for env, place in zip(envs, places, strict=True):
        env.reset(seed=walk.seed + place)
    shares = [[actions[place] for place in places] for actions in walk.actions]
    yield
    for actions in shares:
        for env, action in zip(envs, actions, strict=True):
            env.step(action)
        if each:
            yield


def _together(pool: VectorEnv[Any, Any, Any], walk: Walk) -> Iterator[None]:
    """The same for a vector environment."""
    pool.reset(seed=walk.seed)
    yield
    for actions in walk.actions:
        pool.step(actions)


# -- clocks ---------------------------------------------------------------------------------------


class Spent(NamedTuple):
    """Seconds: of the processors, of these for this process, and by the clock."""

    cpu: float
    here: float
    wall: float


def _measured(work: Iterator[None], processes: Sequence[int] = (), *, here: bool = True) -> Spent:
    """What the second half of a piece of work takes, after its ``yield``.

    Args:
        work: the work.
        processes: others that count.
        here: whether this one does.
    """
    next(work)
    before, own, wall = _cpu(processes), time.process_time(), time.perf_counter()
    next(work, None)
    own, wall = time.process_time() - own, time.perf_counter() - wall
    return Spent(_cpu(processes) - before + own * here, own, wall)


def _cpu(processes: Sequence[int]) -> float:
    """CPU seconds so far of other processes: of all their threads, those that have ended too."""
    # The number of a process's clock is what clock_getcpuclockid(3) makes of its own.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in processes)


def _with_descendants(processes: Iterable[int]) -> list[int]:
    tops = [psutil.Process(pid) for pid in processes]
    return [each.pid for top in tops for each in (top, *top.children(recursive=True))]


def _in_turns(
    sides: Mapping[str, Callable[[], Spent]], *, warm: int, rounds: int
) -> dict[str, Spent]:
    """The median of several rounds for each side, after some that do not count."""
    for _ in range(warm):
        for side in sides.values():
            side()
    taken = [{name: side() for name, side in sides.items()} for _ in range(rounds)]
    return {
        name: Spent(*(median(each) for each in zip(*(one[name] for one in taken), strict=True)))
        for name in sides
    }


# -- in this process ------------------------------------------------------------------------------


def _here(quick: bool) -> Iterator[Row]:
    """Stepping together over a bare loop."""
    kinds = (
        ("ALFWorld", _alfworld(), "<= 1.25"),
        ("WebShop", _webshop(), ""),
        ("Toy", "ACT/Toy-v0", ""),
    )
    for name, env_id, bar in kinds:
        walk = _walk(env_id, MANY)
        with closing(_pool(env_id, MANY, 0)) as pool:
            envs = [gym.make(env_id, step_limit=None).unwrapped for _ in range(MANY)]
            taken = _in_turns(
                {
                    "pool": lambda p=pool, w=walk: _measured(_together(p, w)),
                    "bare": lambda e=envs, w=walk: _measured(_alone(e, range(MANY), w)),
                },
                warm=2,
                rounds=7 if quick else 51,
            )
            for env in envs:
                env.close()
        pooled, bare = (taken[side].cpu for side in ("pool", "bare"))
        steps, title = MANY * LENGTH, f"{MANY} {name} environments in this process"
        yield Row(f"{title}: bare env.unwrapped.step", 1e6 * bare / steps, "us")
        yield Row(f"{title}: pool.step, of each", 1e6 * pooled / steps, "us")
        yield Row(f"{title}: pool.step over bare", pooled / bare, "x", bar)


# -- beside Gymnasium's ---------------------------------------------------------------------------


def _beside_async(quick: bool) -> Iterator[Row]:
    """64 environments in this process over 64 in processes of their own."""
    env_id, steps = _alfworld(), MANY * LENGTH
    walk = _walk(env_id, MANY)
    make = partial(gym.make, env_id, step_limit=None)
    theirs = AsyncVectorEnv([make] * MANY, shared_memory=False)
    with closing(theirs), closing(_pool(env_id, MANY, 0)) as ours:
        different = _differences(ours, theirs, walk)
        processes = _with_descendants(process.pid or 0 for process in theirs.processes)
        taken = _in_turns(
            {
                "ours": lambda: _measured(_together(ours, walk)),
                "theirs": lambda: _measured(_together(theirs, walk), processes),
            },
            warm=1,
            rounds=3 if quick else 9,
        )
    mine, other = taken["ours"], taken["theirs"]
    title = f"{MANY} ALFWorld environments"
    yield Row(f"{title}: pool, steps by the clock", steps / mine.wall, "/s")
    yield Row(f"{title}: AsyncVectorEnv, steps by the clock", steps / other.wall, "/s")
    yield Row(f"{title}: pool over AsyncVectorEnv", other.wall / mine.wall, "x", ">= 5")
    yield Row(f"{title}: CPU of AsyncVectorEnv over pool", other.cpu / mine.cpu, "x")
    yield Row(f"{title}: turns that differ between the two", different, "", "<= 0")


def _differences(ours: Any, theirs: Any, walk: Walk) -> int:
    """Turns in which an environment says or gives something else, the first included."""
    (mine, _), (other, _) = ours.reset(seed=walk.seed), theirs.reset(seed=walk.seed)
    found = sum(a != b for a, b in zip(mine, other, strict=True))
    for actions in walk.actions:
        mine, other = ours.step(actions), theirs.step(actions)
        found += sum(a != b for a, b in zip(mine[0], other[0], strict=True))
        found += sum(int((a != b).sum()) for a, b in zip(mine[1:4], other[1:4], strict=True))
    return found


# -- in worker processes --------------------------------------------------------------------------


def _in_workers(quick: bool) -> Iterator[Row]:
    """The same share of environments in as many processes, asked at each step or not at all."""
    walks = [_walk(SCIENCE, SCIENCES, 100 * seed) for seed in range(1 if quick else 3)]
    steps = SCIENCES * LENGTH * len(walks)
    for workers in (2,) if quick else (2, 4):
        with closing(_pool(SCIENCE, SCIENCES, workers)) as pool, _bare(workers, walks) as bare:
            pool.reset(seed=0)  # starts the Java processes
            pooled = _with_descendants(pool.processes)
            plain = _with_descendants(bare.processes)

            def together(pool: Any = pool, processes: Sequence[int] = pooled) -> Spent:
                return _sum(_measured(_together(pool, walk), processes) for walk in walks)

            taken = _in_turns(
                {
                    # Twice, as the bare ones: Java must have compiled as much on both sides.
                    "pool": together,
                    "pool again": together,
                    "bare": lambda b=bare, o=plain: _sum(
                        _measured(b.walk(number), o, here=False) for number in range(len(walks))
                    ),
                    "waiting": lambda b=bare, o=plain: _sum(
                        _measured(b.walk(number, waiting=True), o, here=False)
                        for number in range(len(walks))
                    ),
                },
                warm=3 if quick else 25,  # Java compiles its hot code for some hundred steps
                rounds=3 if quick else 21,
            )
        title = f"{SCIENCES} ScienceWorld environments in {workers} workers"
        cost = (taken["pool"].cpu + taken["pool again"].cpu) / 2
        least, waiting = taken["bare"].cpu, taken["waiting"].cpu
        yield Row(f"{title}: bare, a step", 1e3 * least / steps, "ms")
        yield Row(f"{title}: bare, all wait for the last, a step", 1e3 * waiting / steps, "ms")
        yield Row(f"{title}: pool.step, of each", 1e3 * cost / steps, "ms")
        yield Row(f"{title}: of that, here", 1e3 * taken["pool"].here / steps, "ms")
        bar = "" if quick else "<= 1.1"
        yield Row(f"{title}: pool.step over bare", cost / least, "x", bar)
        yield Row(f"{title}: pool.step over bare that wait", cost / waiting, "x", bar)


def _sum(parts: Iterable[Spent]) -> Spent:
    return Spent(*map(sum, zip(*parts, strict=True)))


class Bare(NamedTuple):
    """Plain processes that take their shares of walks.

    Attributes:
        processes: their numbers.
        pipes: to each of them.
    """

    processes: list[int]
    pipes: list[Connection]

    def walk(self, number: int, *, waiting: bool = False) -> Iterator[None]:
        """Have that walk taken by all at the same time, in one go or step by step.

        Args:
            number: of the walk.
            waiting: at each step, until the slowest has taken it. That alone costs CPU time: what
                has slept finds its caches cold, and the processor's clock lowered.
        """
        self._tell((number, waiting))
        yield
        for _ in range(LENGTH if waiting else 1):
            self._tell(None)

    def _tell(self, message: object) -> None:
        """Tell all, and wait until they have done it."""
        for pipe in self.pipes:
            pipe.send(message)
        for pipe in self.pipes:
            pipe.recv()


@contextmanager
def _bare(workers: int, walks: list[Walk]) -> Iterator[Bare]:
    """As many plain processes as workers, each with the environments that a worker would have."""
    ends = [SCIENCES * number // workers for number in range(workers + 1)]
    shares = [range(*pair) for pair in pairwise(ends)]
    pairs = [_SPAWN.Pipe() for _ in shares]
    processes = [
        _SPAWN.Process(target=_plain, args=(theirs, share, walks))
        for (_, theirs), share in zip(pairs, shares, strict=True)
    ]
    bare = Bare([], [ours for ours, _ in pairs])
    try:
        for process, (_, theirs) in zip(processes, pairs, strict=True):
            process.start()
            theirs.close()
            bare.processes.append(process.pid or 0)
        for _ in bare.walk(0):  # starts the Java processes
            pass
        yield bare
    finally:
        for pipe in bare.pipes:
            pipe.close()
        for process in processes:
            process.join()


def _plain(pipe: Connection, places: range, walks: list[Walk]) -> None:
    """What a plain process does, until nobody asks any more."""
    envs = [gym.make(SCIENCE, step_limit=None).unwrapped for _ in places]
    try:
        while True:
            number, waiting = pipe.recv()
            work = _alone(envs, places, walks[number], each=waiting)
            next(work)
            pipe.send(None)
            for _ in range(LENGTH if waiting else 1):
                pipe.recv()
                next(work, None)
                pipe.send(None)
    except EOFError:
        for env in envs:
            env.close()


# -- start and memory -----------------------------------------------------------------------------


def _footprints(quick: bool) -> Iterator[Row]:
    """How long it takes to start, and what one more takes; each in a process of its own."""
    repeats = 1 if quick else 3
    kinds = (
        ("ALFWorld", _alfworld(), MANY),
        ("WebShop", _webshop(), MANY),
        ("ScienceWorld", SCIENCE, 8),
    )
    for name, env_id, many in kinds[: 1 if quick else None]:
        settings = ((1, 0), (many, 0), (2, 1), (2, 2), (many, 2))
        took = [{each: _in_child(env_id, *each) for each in settings} for _ in range(repeats)]
        seconds, held = (
            {each: median(one[each][part] for one in took) for each in settings}
            for part in range(2)
        )
        title = f"{name}: first observations of"
        yield Row(f"{title} 1 environment, in this process", seconds[1, 0], "s")
        yield Row(f"{title} {many} environments, in this process", seconds[many, 0], "s")
        yield Row(f"{title} {many} environments, in 2 workers", seconds[many, 2], "s")
        here, there = held[many, 0] - held[1, 0], held[many, 2] - held[2, 2]
        title = f"{name}: private memory of"
        yield Row(f"{title} 1 environment, in this process", held[1, 0], "MB")
        yield Row(f"{title} another environment, in this process", here / (many - 1), "MB")
        yield Row(f"{title} another environment, in a worker", there / (many - 2), "MB")
        yield Row(f"{title} another worker and what it starts", held[2, 2] - held[2, 1], "MB")


def _in_child(env_id: str, number: int, workers: int) -> tuple[float, float]:
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as child:
        return child.submit(_footprint, env_id, number, workers).result()


def _footprint(env_id: str, number: int, workers: int) -> tuple[float, float]:
    """Seconds to the first observations, and megabytes of private memory after a few steps."""
    before, start, rng = _private(), time.perf_counter(), random.Random(0)
    with closing(_pool(env_id, number, workers)) as pool:
        _, infos = pool.reset(seed=0)
        seconds = time.perf_counter() - start
        for _ in range(10):
            pool.step(_choices(pool, infos["goal"], rng))
        return seconds, (_private() - before) / 1e6


def _private() -> float:
    """Bytes of memory that this process and those below it share with nobody."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return float(sum(process.memory_full_info().uss for process in processes))


if __name__ == "__main__":
    sys.exit(call(Pool))
