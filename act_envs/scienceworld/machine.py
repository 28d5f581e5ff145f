"""One Java process with the ScienceWorld simulator in it: started, asked, shared and ended.

The protocol (see ``Worker.java``): a request is a length and operations, the answer a length and
for each operation what it gives. Requests go through the standard input of the process, whose end
ends it, however this process dies. Answers come through a pipe of their own, so that nothing a JVM
prints can come between. Nothing in this module knows what an episode is.
"""

from __future__ import annotations

import itertools
import logging
import os
import select
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from act_envs.errors import SimulatorError
from act_envs.scienceworld.jre import HELPER_JAR, find_java, major_version, simulator_folder

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 120.0  # seconds; a step takes milliseconds, on a busy machine some tens of them
# Seconds; a start takes two of CPU. An archive of loaded classes (AppCDS) would save a quarter of
# that, once per process, for 12 MB on disk that fit one build of Java only: not worth it.
START_TIMEOUT = 300.0
FLAGS = (
    "-XX:+UseSerialGC",  # less CPU than the default collector, and a heap that stays small
    "-Xmx256m",  # an episode takes 0.4 MB; the rest is for saved states
    "-Xms16m",  # or it begins with a 64th of all memory, and grows before it collects
    "-XX:MinHeapFreeRatio=20",  # and gives back what a search for the expert's path took
    "-XX:MaxHeapFreeRatio=40",
    "-Xss8m",  # upstream's search of connected components is recursive
    # Half a step may have been taken when memory runs out. Better no process than such a world.
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    # Lower case and number formats must not depend on where the user lives.
    "-Duser.language=en",
    "-Duser.country=US",
    "-Dfile.encoding=UTF-8",
    "-Djava.awt.headless=true",
)
# The simulator iterates over sets that are ordered by identity hash. By default that hash is a
# random number, and the order of objects and events depends on what ran before. These come last:
# without them nothing here is repeatable.
HASHES = ("-XX:+UnlockExperimentalVMOptions", "-XX:hashCode=2")
_POLL = 500  # milliseconds between looks at whether the process still runs


class MachineDied(SimulatorError):
    """The process ended, or had to be ended, before it answered."""


class Machine:
    """A running Java process, ended by ``close``, by garbage collection, or with this process.

    Args:
        options: further options of Java, which come after ``FLAGS`` and before ``HASHES``.

    Attributes:
        process: the process.
        numbers: numbers for episodes in it that nobody else has.
        users: leases that were not given back, see :func:`lease`.

    Raises:
        MissingExtra: the simulator is not installed.
        AssetsNotFound: there is no Java.
        SimulatorError: Java does not start.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        folder, java = simulator_folder(), find_java()
        self.numbers = itertools.count(1)
        self.users = 0
        self._before: deque[bytes] = deque()
        self._lock = threading.Lock()
        # The simulator reads this table from its working directory, and would write it there if
        # it met an object of a new class. Hence a directory of its own, with a copy.
        with ExitStack() as failing:
            home = Path(tempfile.mkdtemp(prefix="act-scienceworld-"))
            failing.callback(shutil.rmtree, home, ignore_errors=True)
            table = Path(shutil.copy(folder / "object_type_ids.tsv", home))
            self._log = home / "stderr.log"
            self._answers, answers = os.pipe()
            failing.callback(os.close, self._answers)
            jars = os.pathsep.join((str(folder / "scienceworld.jar"), str(HELPER_JAR)))
            version = major_version(java)
            # States are copied by ways that some versions have to be asked for: older ones use the
            # headers of objects for locks, newer ones warn of Unsafe and later will refuse it.
            older = ["-XX:-UseBiasedLocking"] if version < 15 else []
            newer = ["--sun-misc-unsafe-memory-access=allow"] if version >= 24 else []
            # fmt: off
            command = [java, *FLAGS, *older, *newer, *options, *HASHES, "-classpath", jars,
                       "actenvs.scienceworld.Worker", f"/dev/fd/{answers}",
                       str(table), str(self._log), str(home)]
            # fmt: on
            try:
                with self._log.open("wb") as log:
                    self.process = subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        pass_fds=(answers,),
                        cwd=home,
                        start_new_session=True,  # Ctrl-C is for Python
                        bufsize=0,
                    )
            finally:
                os.close(answers)
            failing.pop_all()
        assert self.process.stdin is not None
        self._requests = self.process.stdin.fileno()
        os.set_blocking(self._requests, False)  # a write must not outlast the deadline
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _end, self.process, self._answers, home, self._owner)
        logger.debug("ScienceWorld runs in process %d (%s)", self.process.pid, java)
        try:
            self.ask(b"", START_TIMEOUT)
        except MachineDied as error:
            raise SimulatorError(
                f"{java} does not run ScienceWorld: {error} java_options are "
                f"{' '.join(options) or 'none'}; the variable JAVA_TOOL_OPTIONS counts too."
            ) from None

    @property
    def alive(self) -> bool:
        """Whether the process runs and is ours: a fork of its owner must not talk to it."""
        return self._end.alive and os.getpid() == self._owner and self.process.poll() is None

    def ask(self, request: bytes, timeout: float | None = None) -> bytes:
        """Send operations and wait for what they give. Threads take turns.

        Args:
            request: the operations, encoded.
            timeout: seconds to wait for the answer, None for ``ANSWER_TIMEOUT``.

        Returns:
            The answer without its length.

        Raises:
            MachineDied: the process died.
            SimulatorError: it did not answer in time, and was ended.
        """
        timeout = ANSWER_TIMEOUT if timeout is None else timeout
        with self._lock:
            if not self.alive:
                last = self._last_words() if self._end.alive else ""
                self.close()
                raise MachineDied(f"the Java process of ScienceWorld has died.{last}")
            try:
                while self._before:
                    self._exchange(self._before.popleft(), time.monotonic() + timeout)
                return self._exchange(request, time.monotonic() + timeout)
            except TimeoutError:
                self.close()
                raise SimulatorError(
                    f"the Java process of ScienceWorld did not answer for {timeout:g} seconds. "
                    "Call reset() or restore() to go on."
                ) from None
            except OSError as error:
                try:
                    last = self._last_words()
                finally:
                    self.close()
                raise MachineDied(f"the Java process of ScienceWorld has died.{last}") from error
            except BaseException:
                # An interrupt: the answer would be taken for that of the next request.
                self.close()
                raise

    def before_next(self, request: bytes) -> None:
        """Send operations with the next request, and forget their answer."""
        self._before.append(request)

    def close(self) -> None:
        """End the process and wait for it. May be called twice."""
        self._end()

    def _exchange(self, request: bytes, deadline: float) -> bytes:
        message = memoryview(struct.pack(">i", len(request)) + request)
        while message:
            self._wait(self._requests, select.POLLOUT, deadline)
            message = message[os.write(self._requests, message) :]
        (length,) = struct.unpack(">i", self._read(4, deadline))
        return self._read(length, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            self._wait(self._answers, select.POLLIN, deadline)
            parts.append(os.read(self._answers, count))
            if not parts[-1]:
                raise BrokenPipeError
            count -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        while not poll.poll(_POLL):
            # The end of a pipe could be hidden from us by another process that inherited it.
            if self.process.poll() is not None:
                raise BrokenPipeError
            if time.monotonic() > deadline:
                raise TimeoutError

    def _last_words(self) -> str:
        """What the process wrote last, for an error message."""
        try:
            self.process.wait(timeout=5)
            lines = self._log.read_text(errors="replace").splitlines()
        except (OSError, subprocess.TimeoutExpired):
            return ""
        said = [line for line in lines if line and not line.startswith("Picked up")]
        return f" It said: {' '.join(said)[-400:].rstrip('.')}." if said else ""


def _end(process: subprocess.Popen[bytes], answers: int, home: Path, owner: int) -> None:
    """Leave neither a process, nor a zombie, nor a file. In a fork of the owner: let go of it."""
    assert process.stdin is not None
    with ExitStack() as last_first:  # all of them, also when one is interrupted
        if os.getpid() == owner:
            last_first.callback(shutil.rmtree, home, ignore_errors=True)
            last_first.callback(process.wait)
            last_first.callback(process.kill)
        last_first.callback(os.close, answers)
        last_first.callback(process.stdin.close)


# -- sharing --------------------------------------------------------------------------------------

_leases: dict[tuple[object, ...], Machine] = {}
_registry = threading.RLock()  # a garbage collection may release while its thread leases


def lease(options: Sequence[str] = (), *, own: bool = False) -> Machine:
    """A machine with those options, shared with all who asked for the same; ``release`` it.

    Args:
        options: further options of Java.
        own: one that nobody else gets.

    Raises:
        MissingExtra: the simulator is not installed.
        AssetsNotFound: there is no Java.
        SimulatorError: Java does not start.
    """
    if os.name != "posix":
        raise SimulatorError(
            f"ScienceWorld runs on Linux and macOS, not on {os.name!r}. "
            "Use Windows Subsystem for Linux."
        )
    with _registry:
        key = (*options, object()) if own else tuple(options)
        machine = _leases.get(key)
        if machine is None or not machine.alive:
            machine = _leases[key] = Machine(options)
        machine.users += 1
        return machine


def release(machine: Machine) -> None:
    """Give a lease back; the last one ends the process."""
    with _registry:
        machine.users -= 1
        if machine.users == 0:
            machine.close()
            for key in [key for key, leased in _leases.items() if leased is machine]:
                del _leases[key]


def _leave_to_parent() -> None:
    """In a fork, the parent's processes are not ours, and their pipes must not be held open."""
    global _registry
    _registry = threading.RLock()
    for machine in _leases.values():
        machine.close()
    _leases.clear()


if os.name == "posix":  # elsewhere there are no forks, and lease() explains
    os.register_at_fork(after_in_child=_leave_to_parent)
