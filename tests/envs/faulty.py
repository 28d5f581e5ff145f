"""``tests/Faulty-v0``: Toy, whose process comes to harm when and how a test says. No product code.

A test arms an occasion with a harm, a number of times or for good. The harms are files in a folder
that the environments are given, so they reach other processes and are done exactly that often,
however often processes are started anew. Without armed harms it is Toy.

Occasions: ``"make"`` (an environment is made), ``"start TASK"``, ``"expert"`` (``expert_action``),
``"close"``, and the name behind an exclamation mark in an action (``"wait !a"`` is occasion "a").
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym

from act_envs.base import TextEnv
from act_envs.errors import SimulatorError
from act_envs.toy import ToySimulator
from act_envs.types import Outcome, Task

FAULTY = "tests.envs.faulty:tests/Faulty-v0"
SLOW = 0.3  # seconds; for tests whose timeout is well above

Harm = Callable[[], object]


def arm(folder: Path, occasion: str, harm: str, times: int | None = 1) -> None:
    """Have harm done at the next ``times`` occasions, or at all of them with None."""
    assert harm in HARMS
    name = f"{occasion.replace('/', '_')}#{harm}"
    for number in range(times or 0):
        (folder / f"{name}#{number}").touch()
    if times is None:
        (folder / f"{name}#always").touch()


def disarm(folder: Path) -> None:
    """Do no harm any more."""
    for file in folder.iterdir():
        file.unlink()


def undone(folder: Path) -> list[str]:
    """Harms that were to be done some times, and were not yet."""
    return [path.name for path in folder.iterdir() if not path.name.endswith("always")]


def write(data: bytes) -> None:
    """Write to the socket of a worker past its channel."""
    os.write(int(sys.argv[1]), data)


def fail(kind: type[Exception]) -> None:
    raise kind("broken on purpose")


HARMS: Mapping[str, Harm] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: sys.exit(3),
    "exit at once": lambda: os._exit(4),
    "close the connection": lambda: os.close(int(sys.argv[1])),
    "runtime error": lambda: fail(RuntimeError),
    "memory error": lambda: fail(MemoryError),
    "simulator error": lambda: fail(SimulatorError),
    "hang": lambda: time.sleep(3600),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "garbage": lambda: write(b"garbage" * 30),
    "half a frame": lambda: write(struct.pack(">4sQ", b"ACT\x01", 1000) + b"half"),
    "no pickle": lambda: write(struct.pack(">4sQ", b"ACT\x01", 7) + b"garbage"),
    "another answer": lambda: write(framed(42)),
    "too few answers": lambda: write(framed([])),
    "the same answer": lambda: write(framed([("", 0.0, False, False, {"score": 0.0})] * 2)),
    "slow": lambda: time.sleep(SLOW),
}


def framed(message: object) -> bytes:
    data = pickle.dumps(message)
    return struct.pack(">4sQ", b"ACT\x01", len(data)) + data


class FaultySimulator(ToySimulator):
    """Toy with a die (``roll``, ``show``), and harms.

    Args:
        folder: where the harms are.
        fickle: no throw of the die can be repeated.
    """

    name = "faulty"

    def __init__(self, folder: Path, fickle: bool) -> None:
        super().__init__()
        self._folder, self._fickle, self._die = folder, fickle, 0
        self._occasion("make")

    def start(self, task: Task) -> Outcome:
        self._die = 0
        self._occasion(f"start {task.task_id}")
        return super().start(task)

    def act(self, action: str) -> Outcome:
        action, _, occasion = action.partition(" !")
        if occasion:
            self._occasion(occasion)
        outcome = super().act(action)
        if action == "roll":
            self._die = int.from_bytes(os.urandom(7), "big") if self._fickle else self._die + 1
        if action in ("roll", "show"):
            outcome = outcome._replace(observation=f"The die shows {self._die}.")
        return outcome

    def expert_action(self, expert: str) -> str | None:
        self._occasion("expert")
        return super().expert_action(expert)

    def snapshot(self) -> object:
        return super().snapshot(), self._die

    def restore(self, task: Task, state: object) -> None:
        assert isinstance(state, tuple)
        super().restore(task, state[0])
        self._die = state[1]

    def twin(self) -> FaultySimulator:
        return type(self)(self._folder, self._fickle)

    def fingerprint(self) -> bytes:
        return repr(self.snapshot()).encode()

    def close(self) -> None:
        self._occasion("close")

    def _occasion(self, occasion: str) -> None:
        """Do the harms of an occasion; each file that stands for one time is used up first."""
        for file in sorted(self._folder.glob(f"{occasion.replace('/', '_')}#*")):
            _, harm, times = file.name.split("#")
            if times != "always":
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    file.unlink()
                    HARMS[harm]()
                    return
            else:
                HARMS[harm]()


class FaultyEnv(TextEnv):
    """Toy that comes to harm. Arguments: ``folder`` and ``fickle``, see ``FaultySimulator``."""

    slow = True

    def __init__(
        self,
        split: str = "train",
        *,
        folder: str,
        fickle: bool = False,
        step_limit: int | None = 20,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            FaultySimulator(Path(folder), fickle),
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            unknown=unknown,
        )


gym.register(
    id="tests/Faulty-v0",
    entry_point="tests.envs.faulty:FaultyEnv",
    order_enforce=False,
    disable_env_checker=True,
)
