"""Jobs that go wrong, for processes that have to import them. No test itself."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from act_data.runs.run import Result
from act_data.types import Trajectory
from act_envs.errors import UnknownTask


@dataclass(frozen=True)
class OddJob:
    """Makes a row of each item, and a note in ``diary`` of each process.

    Attributes:
        diary: a folder.
        fatal: the item that kills its process.
        deaths: how many processes it kills.
        wrong: the item that raises.
        gated: items wait until ``unlock``.
    """

    diary: Path
    fatal: int | None = None
    deaths: int = 0
    wrong: int | None = None
    gated: bool = False

    @contextmanager
    def open(self) -> Iterator[Callable[[int], Result]]:
        threads = os.environ.get("OMP_NUM_THREADS", "")
        (self.diary / f"opened-{os.getpid()}").write_text(threads)
        try:
            yield self._work
        finally:
            (self.diary / f"closed-{os.getpid()}").touch()

    def _work(self, item: int) -> Result:
        (self.diary / f"begun-{os.getpid()}").touch()
        while self.gated and not (self.diary / "unlocked").exists():
            time.sleep(0.01)
        if item == self.wrong:
            raise UnknownTask(f"there is no task {item}.")
        if item == self.fatal and len(list(self.diary.glob("died-*"))) < self.deaths:
            (self.diary / f"died-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        row = Trajectory(
            "e", "{}", f"{item}", "train", "k", "g", "p", 0, "", 1.0, True, False, "", ()
        )
        return Result([row], "k", Counter(seen=1))

    def unlock(self) -> None:
        """Let the items be done."""
        (self.diary / "unlocked").touch()

    def seen(self, what: str) -> set[int]:
        """Numbers of the processes of which this was noted."""
        return {int(path.name.partition("-")[2]) for path in self.diary.glob(f"{what}-*")}
