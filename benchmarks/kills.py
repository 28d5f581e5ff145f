"""What becomes of an episode when its Java process is killed: ``python -m benchmarks.kills``.

A walk through ScienceWorld (starts, actions, lists of admissible actions, snapshots, restores,
hashes and questions to the expert) is taken once in peace. Then it is taken again while the Java
process is killed, at a random moment of every other operation or so; now and then the next one is
killed too, while it starts or replays. Every operation must give what it gave in peace, or raise
SimulatorError, after which the state before it is restored and the operation tried again.

Each kill costs the start of a Java process, 2 s of CPU, so a full run takes some 20 minutes.
"""

from __future__ import annotations

import itertools
import logging
import random
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from act_envs.errors import SimulatorError
from act_envs.progress import Progress
from act_envs.scienceworld import simulator as native
from act_envs.scienceworld.simulator import NativeSimulator
from benchmarks.lurking import beside
from benchmarks.restless import Restless
from benchmarks.script import call
from benchmarks.table import Row, publish

TASKS = ("find-animal/9", "grow-plant/2", "chemistry-mix/20", "power-component/10", "boil/3")
WALK = 40  # operations
KILLS = 300
KILLED = 0.5  # probability that there is a kill during an operation
TWICE = 0.3  # probability that the next process is killed too
START = 3.0  # seconds in which a process starts and replays, on a quiet machine
SHOWN = 5  # wrong transcripts that are printed


@dataclass(frozen=True)
class Kills:
    """Episodes of ScienceWorld whose Java process is killed."""

    quick: bool = False
    """20 kills."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        # Each recovery is announced, and here they come by the hundred.
        logging.getLogger("act_envs.scienceworld").setLevel(logging.ERROR)
        rows = list(_rows(20 if self.quick else KILLS))
        return publish("Kills: scienceworld", rows, self.json)


@dataclass(frozen=True)
class Did:
    """An operation as it went in peace.

    Attributes:
        what: its name, and the action it takes if it is ``"act"``.
        gave: what came of it.
        before: the state that it met, None at a start.
        back: the state that ``"restore"`` goes back to.
        seconds: how long it took.
    """

    what: tuple[str, str]
    gave: object
    before: object
    back: object
    seconds: float


def _rows(wanted: int) -> Iterator[Row]:
    mark = f"-Dbenchmarks.kills={uuid.uuid4().hex}"  # by which our Java processes are known
    counts, killer, rng = Counter[str](), Killer(mark), random.Random(0)
    peaceful = NativeSimulator(own_process=True)
    tasks = TASKS if wanted == KILLS else TASKS[:1]
    walks = {task_id: in_peace(peaceful, task_id) for task_id in tasks}
    peaceful.close()
    simulator = NativeSimulator(java_options=(mark,), own_process=True)
    with Progress("kills", wanted) as progress:
        for task_id in itertools.cycle(walks):
            under_fire(simulator, task_id, walks[task_id], killer, counts, rng)
            progress.advance(killer.kills - progress.done)
            if killer.kills >= wanted:
                break
    simulator.close()
    zombies = [each for each in psutil.Process().children() if each.status() == "zombie"]
    yield Row("kills", killer.kills, "", f">= {wanted}")
    yield Row("operations", counts["operations"], "")
    yield Row("operations under fire that recovered by themselves", counts["under fire"], "")
    yield Row("operations under fire that raised", counts["under fire, error"], "")
    yield Row("typed errors, each gone on from", counts["errors"], "")
    yield Row("wrong transcripts", counts["wrong"], "", "<= 0")
    yield Row("orphans and zombies", len(marked(mark)) + len(zombies), "", "<= 0")


# -- the walk -------------------------------------------------------------------------------------


def in_peace(simulator: NativeSimulator, task_id: str) -> list[Did]:
    """A walk, drawn while it is taken."""
    rng, player = random.Random(task_id), Restless(task_id)
    done, saved = [], []
    for number in range(WALK):
        before = simulator.snapshot() if number else None
        luck = rng.random()
        if number == 0:
            what = ("start", "")
        elif luck < 0.6:
            what = ("act", player.choose(simulator.admissible_actions()))
        elif luck < 0.9:
            what = (rng.choice(("admissible", "snapshot", "hash", "expert")), "")
        else:
            what = (("restore" if saved else "snapshot"), "")
        back = rng.choice(saved) if what[0] == "restore" else None
        native._gold.clear()  # a search must be one each time
        start = time.perf_counter()
        gave = _do(simulator, task_id, what, back)
        done.append(Did(what, gave, before, back, time.perf_counter() - start))
        if what[0] == "snapshot":
            saved.append(gave)
    return done


def _do(simulator: NativeSimulator, task_id: str, what: tuple[str, str], back: object) -> object:
    """Carry out an operation. What it gives; of a restore the digest, of the expert the path."""
    name, action = what
    task = simulator.task(task_id)
    if name == "start":
        return simulator.start(task), simulator.goal()
    if name == "act":
        return simulator.act(action)
    if name == "restore":
        simulator.restore(task, back)
        return simulator.fingerprint()
    if name == "expert":
        return simulator.expert_action("gold"), list(native._gold.items())
    return {
        "admissible": simulator.admissible_actions,
        "snapshot": simulator.snapshot,
        "hash": simulator.fingerprint,
    }[name]()


def under_fire(
    simulator: NativeSimulator,
    task_id: str,
    walk: list[Did],
    killer: Killer,
    counts: Counter[str],
    rng: random.Random,
) -> None:
    """The same walk under fire; what differs is counted and shown."""
    for number, did in enumerate(walk):
        counts["operations"] += 1
        native._gold.clear()
        kills, error = killer.kills, None
        fire = killer.lurk(did.seconds, rng) if rng.random() < KILLED else nullcontext()
        try:
            with fire:
                gave = _do(simulator, task_id, did.what, did.back)
        except SimulatorError as raised:
            error = raised
            gave = _recover(simulator, task_id, did)
        if killer.kills > kills:
            counts["under fire, error" if error else "under fire"] += 1
        counts["errors"] += error is not None
        if gave != did.gave:
            counts["wrong"] += 1
            if counts["wrong"] <= SHOWN:
                said = [each.what for each in walk[: number + 1]]
                print(f"{task_id} after {said}: {gave!r}, not {did.gave!r}", file=sys.stderr)


def _recover(simulator: NativeSimulator, task_id: str, did: Did) -> object:
    """What an operation gives when it is tried again, with nobody shooting."""
    try:
        if did.before is not None:
            simulator.restore(simulator.task(task_id), did.before)
        return _do(simulator, task_id, did.what, did.back)
    except SimulatorError as error:
        return error


# -- the killer -----------------------------------------------------------------------------------


class Killer:
    """Kills the Java processes of this one that have a mark on their command line.

    Attributes:
        kills: how many were killed so far.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self.kills = 0

    @contextmanager
    def lurk(self, seconds: float, rng: random.Random) -> Iterator[None]:
        """Kill within about that time, or shortly after the block has ended; perhaps twice in it.

        Args:
            seconds: how long the block takes in peace.
            rng: chooses the moments.
        """
        first = rng.uniform(0, 1.2 * seconds)
        second = rng.uniform(0, START) if rng.random() < TWICE else None

        def hunt(over: threading.Event) -> None:
            time.sleep(first)
            self._kill()
            if second is not None and not over.wait(second):
                self._kill()

        with beside(hunt):
            yield

    def _kill(self) -> None:
        for process in marked(self._mark):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                self.kills += 1


def marked(mark: str) -> list[psutil.Process]:
    """Running processes, whoever's child they are, with a mark on their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended, or has ended and waits to be noticed
            if mark in process.cmdline():
                found.append(process)
    return found


if __name__ == "__main__":
    sys.exit(call(Kills))
