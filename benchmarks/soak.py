"""Episodes under fire: the part of ``benchmarks.pool`` that breaks worker processes, 1,000 times.

Episodes are played by a vector environment in this process, in peace, and again by one with worker
processes while these are killed, stopped, made slow, and made to answer with garbage, and their
Java processes too, at random moments: mostly during a step, some between two, now and then the next
process as well while it starts or replays. Every episode must be there once, in its order, and go
turn by turn as in peace, or end with ``info["fault"]`` after turns that were right.

Workers import this module before they make environments (its name stands before the id), and then
listen to signals that make them misbehave; see ``PRANKS``. It checks how the pool behaves, not how
fast it is.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import logging
import os
import random
import signal
import struct
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any, TypeVar

import gymnasium as gym
import psutil
from gymnasium.vector import AutoresetMode

from act_envs.base import TextEnv
from act_envs.errors import SimulatorError
from act_envs.progress import Progress
from act_envs.vector import TextVectorEnv
from act_envs.vector.channel import _HEAD, _MARK
from benchmarks.lurking import beside
from benchmarks.table import Row

T = TypeVar("T")

FAULTS, QUICK = 1000, 40
SEED = 7
STRUCK = 0.3  # probability that there is a fault during a step
FURTHER = (0, 0, 0, 0, 1, 2, 3)  # how many processes after it are killed while they come back
SLOW = (0.05, 0.4)  # seconds
TRIES = 5  # for what raises SimulatorError, as the pool may where an episode begins
LEAVING = 10.0  # seconds that orphans have to notice, on a busy machine
ENDED = "soak: of those, by "
SHOWN = 5  # wrong transcripts that are printed
MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)
WORKER = "act_envs.vector.worker"
# Said in ScienceWorld, whose list of admissible actions costs more than a step.
ANYWHERE = ("look around", "inventory", "open door", "go to kitchen", "go to hallway", "0", "1")
ANYWHERE += ("wait1", "open cupboard", "pick up thermometer", "activate stove", "go to outside")


# -- where and with what --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """Episodes to play, and what befalls them.

    Attributes:
        env_id: what is played.
        kwargs: arguments of the environments.
        num_envs: how many there are, in two workers.
        episodes: how many each of them plays in a round.
        timeout: seconds that a worker has for a step, and for each environment to come back.
        start: seconds in which a process comes back, on a quiet one.
        share: of all the faults.
        weights: how often each kind of fault occurs.
    """

    env_id: str
    kwargs: Mapping[str, Any]
    num_envs: int
    episodes: int
    timeout: float
    start: float
    share: float
    weights: Mapping[str, float]

    def pool(self, mode: AutoresetMode, workers: int) -> TextVectorEnv:
        """The environments, in this process or in workers that misbehave when they are told to."""
        return TextVectorEnv(
            f"{__name__}:{self.env_id}",
            self.num_envs,
            workers=workers,
            timeout=self.timeout,
            autoreset_mode=mode,
            **self.kwargs,
        )


MARK = f"-Dbenchmarks.soak={uuid.uuid4().hex}"  # by which our Java processes are known
_LIGHT = {"kill": 30, "slow": 22, "stop": 4, "garbage": 14, "nonsense": 13, "cut": 13, "half": 4}
_JAVA = {"kill": 20, "slow": 8, "stop": 2, "garbage": 4, "nonsense": 4, "cut": 4, "half": 2}
_JAVA |= {"java: kill": 28, "java: slow": 8, "java: stop": 3, "java: exhaust": 17}
GROUNDS = (
    Ground("ACT/Toy-v0", {"admissible": True}, 8, 12, 1.5, 0.8, 0.5, _LIGHT),
    Ground(
        "ACT/ALFWorldGen-v0",
        {"admissible": True, "step_limit": 20, "games": 24},
        *(8, 8, 2, 1.2, 0.4, _LIGHT),
    ),
    Ground(
        "ACT/ScienceWorld-v0",
        {"step_limit": 12, "split": "test-10", "java_options": (MARK,)},
        *(4, 3, 8, 6, 0.1, _JAVA),
    ),
)


def rows(quick: bool) -> list[Row]:
    """Every figure.

    Args:
        quick: fewer faults.
    """
    # Each death is announced, and here they come by the hundred.
    logging.getLogger("act_envs").setLevel(logging.CRITICAL)
    wanted, counts, faults = QUICK if quick else FAULTS, Counter[str](), Counter[str]()
    rng = random.Random(SEED)
    peaceful: dict[tuple[str, AutoresetMode], Played] = {}
    with Progress("soak: faults", wanted) as progress:
        for ground, mode in _turns(wanted, faults):
            if (right := peaceful.get((ground.env_id, mode))) is None:
                right = peaceful[ground.env_id, mode] = in_peace(ground, mode)
            saboteur = Saboteur(ground, _left(ground, wanted, faults), rng, progress)
            under_fire(ground, mode, saboteur, right, counts)
            faults.update({f"{ground.env_id}: {k}": n for k, n in saboteur.struck.items()})
    return [
        Row("soak: faults", faults.total(), "", f">= {wanted}"),
        *(Row(f"soak: {kind}", number, "") for kind, number in sorted(faults.items())),
        Row("soak: steps", counts["steps"], ""),
        Row("soak: steps and resets that raised, taken again", counts["raised"], ""),
        Row("soak: episodes", counts["episodes"], ""),
        Row("soak: episodes missing, or twice", counts["missing"], "", "<= 0"),
        Row("soak: wrong transcripts", counts["wrong"], "", "<= 0"),
        Row("soak: episodes ended with a fault", counts["faults"], ""),
        *(Row(name, n, "") for name, n in sorted(counts.items()) if name.startswith(ENDED)),
        Row("soak: of those, without a cause", counts["unsaid"], "", "<= 0"),
        Row("soak: leaked processes", counts["leaked"], "", "<= 0"),
        Row("soak: leaked descriptors", counts["descriptors"], "", "<= 0"),
        Row("soak: growth of this process", counts["grown"] / 1e6, "MB", "" if quick else "<= 10"),
    ]


def _turns(wanted: int, faults: Counter[str]) -> Iterator[tuple[Ground, AutoresetMode]]:
    """Grounds in turns with their modes, until each has had its share of the faults."""
    for mode in itertools.cycle(MODES):
        for ground in GROUNDS:
            if _left(ground, wanted, faults) > 0:
                yield ground, mode
        if not any(_left(ground, wanted, faults) > 0 for ground in GROUNDS):
            return


def _left(ground: Ground, wanted: int, faults: Counter[str]) -> int:
    had = sum(number for kind, number in faults.items() if kind.startswith(ground.env_id))
    return round(ground.share * wanted) - had


# -- episodes -------------------------------------------------------------------------------------


@dataclass
class Episode:
    """An episode as it went.

    Attributes:
        task_id: what was played.
        turns: each in words, with a digest of its ``info``; the first is the beginning.
        over: whether it has ended.
        fault: the cause that was named where it ended with a fault.
    """

    task_id: str
    turns: list[str]
    over: bool = False
    fault: str | None = None


Played = list[list[Episode]]  # of each environment


def in_peace(ground: Ground, mode: AutoresetMode) -> Played:
    """The episodes, undisturbed and in this process."""
    with closing(ground.pool(mode, 0)) as pool:
        table = Table(ground, pool)
        table.play()
        return table.played


def under_fire(
    ground: Ground,
    mode: AutoresetMode,
    saboteur: Saboteur,
    peaceful: Played,
    counts: Counter[str],
) -> None:
    """The same episodes in workers that are disturbed; what differs is counted and shown."""
    files, memory = _descriptors(), _resident()
    with closing(ground.pool(mode, 2)) as pool:
        table = Table(ground, pool, saboteur)
        table.play()
    _compare(ground, mode, peaceful, table.played, counts)
    counts.update(steps=table.steps, raised=table.raised, leaked=_leaked())
    del table, pool
    counts["descriptors"] += _descriptors() - files
    if counts[f"rounds of {ground.env_id}"]:  # the first one warms up
        counts["grown"] += _resident() - memory
    counts[f"rounds of {ground.env_id}"] += 1


def _compare(
    ground: Ground, mode: AutoresetMode, peaceful: Played, played: Played, counts: Counter[str]
) -> None:
    for place, number in itertools.product(range(ground.num_envs), range(ground.episodes)):
        right, mine = peaceful[place][number], played[place][number]
        counts["episodes"] += 1
        if mine.fault is not None:
            counts["faults"] += 1
            counts["unsaid"] += not mine.fault
            counts[f"{ENDED}{mine.fault:.60}"] += 1
        if not mine.over or mine.task_id != right.task_id:
            counts["missing"] += 1
        elif mine.turns != right.turns[: None if mine.fault is None else len(mine.turns)]:
            counts["wrong"] += 1
        else:
            continue
        if counts["missing"] + counts["wrong"] <= SHOWN:
            _show(f"{ground.env_id}, {mode.value}, environment {place}", number, right, mine)


def _show(where: str, number: int, right: Episode, mine: Episode) -> None:
    pairs = itertools.zip_longest(right.turns, mine.turns)
    at, (expected, got) = next((p for p in enumerate(pairs) if p[1][0] != p[1][1]), (0, ("", "")))
    print(
        f"\n{where}, episode {number} of {mine.task_id} ({right.task_id}), turn {at}: "
        f"{got!r}, not {expected!r}; {mine.fault or 'no fault'}",
        file=sys.stderr,
    )


class Table:
    """Plays a round of episodes and writes down how they go.

    Args:
        ground: what is played.
        pool: the environments.
        saboteur: what befalls them; None for nothing.

    Attributes:
        played: the episodes so far.
        steps: how many were taken.
        raised: how many of them, and of the resets, had to be taken again.
    """

    def __init__(
        self, ground: Ground, pool: TextVectorEnv, saboteur: Saboteur | None = None
    ) -> None:
        self._ground, self._pool, self._saboteur = ground, pool, saboteur
        self.played: Played = [[] for _ in range(ground.num_envs)]
        self._admissible: list[Sequence[str]] = [ANYWHERE] * ground.num_envs
        self._names: list[str] = []
        self.steps = self.raised = 0

    def play(self) -> None:
        """Play until each environment has had its episodes."""
        if self._pool.autoreset_mode == AutoresetMode.DISABLED:
            env = gym.make(self._ground.env_id, **self._ground.kwargs)
            assert isinstance(env, TextEnv)
            self._names = [task.task_id for task in env.tasks()]
            env.close()
        self._reset([True] * self._ground.num_envs)
        while min(map(self._ended, range(self._ground.num_envs))) < self._ground.episodes:
            self._step()

    def _ended(self, place: int) -> int:
        return sum(episode.over for episode in self.played[place])

    def _reset(self, mask: list[bool]) -> None:
        """Begin drawn episodes; where autoreset is off, named ones, of pairs the same."""
        options: dict[str, Any] = {}
        if self._names:
            at = [place // 2 + 3 * self._ended(place) for place in range(len(mask))]
            options = {"task_id": [self._names[each % len(self._names)] for each in at]}
        seed = None if any(self.played) else SEED
        if seed is None:
            options["reset_mask"] = mask
        observations, infos = self._dare(lambda: self._pool.reset(seed=seed, options=options))
        for place, info in enumerate(_each(infos, len(mask))):
            if info is not None:
                self._begin(place, observations[place], info)

    def _step(self) -> None:
        actions = [*map(self._action, range(self._ground.num_envs))]
        observations, rewards, *flags, infos = self._dare(lambda: self._pool.step(actions))
        self.steps += 1
        terminated, truncated = (flag.tolist() for flag in flags)
        final = infos.pop("final_info", {})
        last = infos.pop("final_obs", None)
        for key in ("_final_info", "_final_obs"):
            infos.pop(key, None)
        turns = zip(
            *(rewards.tolist(), terminated, truncated),
            *(_each(infos, len(actions)), _each(final, len(actions))),
            strict=True,
        )
        for place, (reward, won, cut, info, ended) in enumerate(turns):
            if self.played[place][-1].over:  # it was reset
                self._begin(place, observations[place], info, reward)
            elif last is not None and (won or cut):  # and it was, too
                self._note(place, actions[place], last[place], reward, won, cut, ended)
                self._begin(place, observations[place], info)
            else:
                self._note(place, actions[place], observations[place], reward, won, cut, info)
        over = [episodes[-1].over for episodes in self.played]
        if self._names and any(over):
            self._reset(over)

    def _action(self, place: int) -> str:
        episode = self.played[place][-1]
        rng = random.Random(f"{place} {len(self.played[place])} {len(episode.turns)}")
        return rng.choice(self._admissible[place] or ANYWHERE)

    def _begin(self, place: int, observation: str, info: Any, reward: float = 0.0) -> None:
        self.played[place].append(Episode(info["task_id"], []))
        self._note(place, "", observation, reward, False, False, info)

    def _note(
        self, place: int, action: str, observation: str, reward: float, won: bool, cut: bool, i: Any
    ) -> None:
        """Write a turn down; the end by a fault is none, the episode has stayed where it was."""
        episode = self.played[place][-1]
        episode.over = won or cut
        self._admissible[place] = i.get("admissible_actions", ANYWHERE)
        if "fault" in i:
            episode.fault = i["fault"]
            return
        digest = hashlib.blake2b(repr(sorted(i.items())).encode(), digest_size=8).hexdigest()
        episode.turns.append(f"{action} -> {observation} {reward} {won} {cut} {digest}")

    def _dare(self, work: Callable[[], T]) -> T:
        """Do it under fire, and again where it raises: then it counts as not done."""
        for _ in range(TRIES):
            try:
                if self._saboteur is None:
                    return work()
                with self._saboteur.lurk(self._pool):
                    return work()
            except SimulatorError:
                self.raised += 1
        return work()


def _each(columns: Mapping[str, Any], count: int) -> list[dict[str, Any] | None]:
    """The ``info`` of each environment, None where there is none."""
    infos: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, values in columns.items():
        if key.startswith("_"):
            continue
        for info, value, there in zip(infos, values.tolist(), columns[f"_{key}"], strict=True):
            if there:
                info[key] = value
    return [info or None for info in infos]


# -- faults ---------------------------------------------------------------------------------------


@dataclass
class Saboteur:
    """Breaks the worker processes of a pool.

    Args:
        ground: which faults there are.
        left: how many of them.
        rng: chooses faults and moments.
        progress: counts the faults.

    Attributes:
        struck: how many there were of each kind.
    """

    ground: Ground
    left: int
    rng: random.Random
    progress: Progress
    struck: Counter[str] = field(default_factory=Counter)
    _calm: deque[float] = field(default_factory=lambda: deque([0.01], 9))  # seconds of a step

    @contextmanager
    def lurk(self, pool: TextVectorEnv) -> Iterator[None]:
        """Perhaps strike within the time that the block usually takes, or shortly after it."""
        rng, start = self.rng, time.monotonic()
        if rng.random() > STRUCK or self.left <= 0:
            yield
            self._calm.append(time.monotonic() - start)
            return
        usual = median(self._calm)  # some of these had to wait for a new process
        plan = [
            (rng.choices([*self.ground.weights], [*self.ground.weights.values()])[0],
             rng.uniform(0, 1.3 * usual)),
            *(("kill", rng.uniform(0, self.ground.start)) for _ in range(rng.choice(FURTHER))),
        ]  # fmt: skip
        victim, pause = rng.random(), rng.uniform(*SLOW)
        with beside(partial(self._hunt, pool, plan, victim, pause)):
            yield

    def _hunt(
        self,
        pool: TextVectorEnv,
        plan: Sequence[tuple[str, float]],
        victim: float,
        pause: float,
        over: threading.Event,
    ) -> None:
        (kind, delay), *further = plan
        time.sleep(delay)
        known = set(pool.processes)
        if known:
            self._strike(kind, sorted(known)[int(victim * len(known))], pause, over)
        for kind, delay in further:
            while not (fresh := set(pool.processes) - known):
                if over.wait(0.005):
                    return
            if over.wait(delay):
                return
            self._strike(kind, min(fresh), pause, over)
            known |= fresh

    def _strike(self, kind: str, worker: int, pause: float, over: threading.Event) -> None:
        if self.left <= 0:
            return
        name, pid = kind.removeprefix("java: "), worker
        with suppress(psutil.NoSuchProcess, ProcessLookupError):  # it has just been replaced
            if name != kind:
                java = [c.pid for c in psutil.Process(worker).children() if "java" in c.name()]
                if not java:
                    return
                pid = worker if name in PRANKS else java[0]
            os.kill(pid, SIGNALS[name])
            self.struck[kind] += 1
            self.left -= 1
            self.progress.advance()
            if name == "slow":
                time.sleep(pause)
            elif name == "stop":  # but a process that has only just started is given ten minutes
                over.wait(4 * self.ground.num_envs * self.ground.timeout)
            if name == "slow" or (name == "stop" and not over.is_set()):
                os.kill(pid, signal.SIGCONT)


# What a worker does when it is told to. The argument is the descriptor of its connection.


def _garbage(wire: int) -> None:
    os.write(wire, os.urandom(64))


def _nonsense(wire: int) -> None:
    """A frame that holds no message: no opcode of pickle is 255."""
    os.write(wire, _HEAD.pack(_MARK, 64) + b"\xff" + os.urandom(63))


def _cut(wire: int) -> None:
    """The beginning of a frame, and death."""
    os.write(wire, _HEAD.pack(_MARK, 1000) + b"\x80\x05")
    os._exit(0)


def _half(wire: int) -> None:
    """The beginning of a frame, and silence."""
    os.write(wire, _HEAD.pack(_MARK, 1000) + b"\x80\x05")
    time.sleep(3600)


def _exhaust(wire: int) -> None:
    """Ask each Java process for more than its heap holds: it ends of an OutOfMemoryError.

    It makes room for a request as soon as it knows its length, so it is told of a long one.
    """
    from act_envs.scienceworld import machine

    for each in machine._leases.values():
        os.write(each._requests, struct.pack(">i", 2_000_000_000))


PRANKS = {
    "garbage": _garbage,
    "nonsense": _nonsense,
    "cut": _cut,
    "half": _half,
    "exhaust": _exhaust,
}
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "slow": signal.SIGSTOP}
SIGNALS |= {name: signal.SIGRTMIN + number for number, name in enumerate(PRANKS, 1)}


def _arm() -> None:
    logging.getLogger("act_envs").setLevel(logging.CRITICAL)
    wire = int(sys.argv[1])

    def misbehave(number: int, frame: object) -> None:
        told[number](wire)

    told = {SIGNALS[name]: prank for name, prank in PRANKS.items()}
    for number in told:
        signal.signal(number, misbehave)


if WORKER in sys.modules:  # in a worker process, and nowhere else
    _arm()


# -- what is left over ----------------------------------------------------------------------------


def _leaked() -> int:
    """How many of our processes are still there, orphans too. They are ended."""
    deadline = time.monotonic() + LEAVING
    while (there := [*_ours()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in there:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(there)


def _ours() -> Iterator[psutil.Process]:
    """Workers that were started by this process, Java processes of such, and our zombies."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said, zombie = process.cmdline(), process.status() == psutil.STATUS_ZOMBIE
            worker = WORKER in " ".join(said) and str(os.getpid()) in said
            if MARK in said or worker or (zombie and process.ppid() == os.getpid()):
                yield process


def _descriptors() -> int:
    gc.collect()
    return psutil.Process().num_fds()


def _resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss
