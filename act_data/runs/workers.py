"""Parts of a run in processes of their own on this machine.

Each process opens the job once and does one part at a time. It writes no file: it sends the bytes
of a part to the process that started it, and ends with that process, however that ends.

This is no ``concurrent.futures``: a process that is killed while it sends a result through the
queue which all of a pool share leaves the pool waiting for ever. Here each has a pipe of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from act_data.errors import WorkerDied
from act_data.runs.work import Advance, Done, Job, Part, done, packed
from act_envs.errors import UnknownArgument
from act_envs.vector.arguments import processors
from act_envs.vector.lifeline import end_with, portable

_LIVES = 2  # workers that may die of a part
_CLOSING = 5.0  # seconds that a worker has to close what its job has opened
_NEWS = 0.1  # seconds between two messages about progress


def done_by_workers(
    job: Job[Any], parts: Iterable[Part], advance: Advance, workers: int
) -> Generator[Done, None, None]:
    """Do parts in processes of their own, at most one part in each at a time.

    The processes are spawned: they import the main module again, so that a script which calls
    this needs ``if __name__ == "__main__"``. A part whose process dies is done once more.

    Args:
        job: what is done with each item.
        parts: taken from only when a worker is free.
        advance: told of progress.
        workers: how many processes.

    Yields:
        The parts in the order in which they get done. Close the iterator to end the processes.

    Raises:
        UnknownArgument: the job cannot be sent to another process, or the script that calls this
            cannot be imported by one.
        WorkerDied: two processes died of the same part.
        Exception: what the job raises.
    """
    _check_script()
    request, deaths, parts = packed(job), Counter[int](), iter(parts)
    crew: list[_Worker] = []
    try:
        for _ in range(workers):
            crew.append(_Worker(request, workers))
        for worker in crew:  # which may wait until it can take the part, while the others start
            worker.give(next(parts, None))
        while crew:
            ready = wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                try:
                    answer = worker.answer()
                except EOFError:
                    crew.remove(worker)
                    how, part = worker.end(time.monotonic() + _CLOSING), worker.part
                    if part is None:  # it had done all that there was to do
                        continue
                    advance(-worker.counted)
                    deaths[part.index] += 1
                    if deaths[part.index] == _LIVES:
                        raise _died(how, part) from None
                    crew.append(_Worker(request, workers))
                    crew[-1].give(part)
                    continue
                match answer:
                    case int():
                        worker.counted += answer
                        advance(answer)
                    case Done():
                        advance(answer.notes["items"] - worker.counted)
                        # It goes on with the next part while this one is written.
                        worker.give(next(parts, None))
                        yield answer
                    case Exception():
                        raise answer
    finally:
        for worker in crew:
            worker.tell_to_end()
        deadline = time.monotonic() + _CLOSING
        for worker in crew:
            worker.end(deadline)


def _check_script() -> None:
    """Refuse a script that new processes could not import again: they would die of it.

    Raises:
        UnknownArgument: there is no file of it, as of one that was read from stdin.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and not Path(script).exists():
        raise UnknownArgument(
            f"worker processes import the running script again, and {script} is no file. Save the "
            "script in a file, or take workers=1."
        )


class _Worker:
    """A process that does parts, one at a time.

    Attributes:
        pipe: what it sends through.
        part: what it does, None when there is nothing left.
        counted: how many of the part's items it has told of.
    """

    def __init__(self, request: bytes, workers: int) -> None:
        self.part: Part | None = None
        self.counted = 0
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_main, args=(theirs, request, workers, os.getpid()), daemon=True
        )
        # Ctrl-C is for this process. A worker starts with it blocked, until it can ignore it. What
        # multiprocessing starts before its first process unblocks it, and is started here for that.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that the pipe ends with the process

    def give(self, part: Part | None) -> None:
        """Send it a part, or None for no more."""
        self.part, self.counted = part, 0
        with contextlib.suppress(OSError):  # it has died, which is noticed where it is waited for
            self.pipe.send(part)

    def answer(self) -> int | Done | Exception:
        """What it has to say: how many more items are done, a part, or what went wrong.

        Raises:
            EOFError: it has ended.
        """
        try:
            return self.pipe.recv()
        except OSError as error:  # in the middle of a message, or with our part unread
            raise EOFError from error

    def tell_to_end(self) -> None:
        """Let it close what its job has opened, whatever it is doing."""
        self._process.terminate()

    def end(self, deadline: float) -> str:
        """Wait for its end until then, by ``time.monotonic``, and bring it about.

        Returns:
            How it ended.
        """
        self._process.join(max(0.0, deadline - time.monotonic()))
        self._process.kill()
        self._process.join()
        self.pipe.close()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"status {code}"
        known = {number.value: number.name for number in signal.Signals}
        return f"killed by {known.get(-code, f'signal {-code}')}"


def _died(how: str, part: Part) -> WorkerDied:
    return WorkerDied(
        f"{_LIVES} worker processes have died of part {part.index}, the last one: {how}. If it was "
        "short of memory (SIGKILL), take fewer --workers or a smaller --shard-size; else see what "
        "it has printed. Finished parts are kept: the same command goes on from here."
    )


# -- in the worker -------------------------------------------------------------------------------


def _main(pipe: Connection, request: bytes, workers: int, parent: int) -> None:
    """Do parts until there are no more, or the parent is gone."""
    # Read when a model's libraries are loaded, with the request. Each worker would take a thread
    # for every core, and most of the time wait for the threads of the others.
    os.environ.setdefault("OMP_NUM_THREADS", f"{max(1, processors() // workers)}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGTERM, _leave)
    end_with(parent, by_signal=True)  # the thread that started us waits for our end
    with contextlib.suppress(BrokenPipeError, EOFError):  # the parent is gone
        try:
            _serve(pipe, request)
        except Exception as error:  # noqa: BLE001 - the parent raises it
            pipe.send(portable(error))


def _serve(pipe: Connection, request: bytes) -> None:
    with pickle.loads(request).open() as work:
        while (part := pipe.recv()) is not None:
            pipe.send(done(work, part, _Teller(pipe)))


class _Teller:
    """Sends how many items are done, but not so often that it costs anything."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._count, self._told = pipe, 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self._count += count
        if time.monotonic() - self._told > _NEWS:
            self._pipe.send(self._count)
            self._count, self._told = 0, time.monotonic()


def _leave(*_: object) -> None:
    sys.exit(1)
