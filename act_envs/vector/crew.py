"""Rows of environments, here or in workers, that carry out orders and are brought back when lost.

What is known of them is one value, ``Crew.known``, that is replaced as a whole once it is clear
what came of orders. Where it does not come to that (an interrupt, an order that is refused), they
count as not given: the environments are brought back to what is known when they are next needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from act_envs.vector.known import Episode, Known
from act_envs.vector.process import Worker, WorkerDied
from act_envs.vector.row import Blueprint, Failed, Order, Refused, Reset, Revive, Row

logger = logging.getLogger(__name__)

_SLOWER = 10  # times as long as the first start another one may take
_TRIES = 2  # after the first, in which all were asked at once


class _Here:
    """A row of environments in this process."""

    process: int | None = None
    asleep = False

    def __init__(self, blueprint: Blueprint) -> None:
        self._row = Row(blueprint)
        self._answers: list[Any] = []

    def ready(self) -> None:
        """Wait until the environments are made."""

    def wake(self) -> None:
        """Never called: it is not asleep."""

    def ask(self, orders: Iterable[tuple[int, Order]]) -> None:
        """Carry out orders."""
        self._answers = self._row.carry_out(orders)

    def answers(self) -> list[Any]:
        """What they gave."""
        return self._answers

    def kill(self) -> None:
        """Close the environments, where others could not be made."""
        self._row.close()

    def leave(self) -> None:
        """Say that it will be closed."""

    def close(self) -> None:
        """Close the environments."""
        self._row.close()


class _There:
    """A row of environments in a worker process, and in another one when that has died."""

    def __init__(self, blueprint: Blueprint, timeout: float, folder: str) -> None:
        self._arguments = blueprint, timeout, folder
        self._began, self._start = time.monotonic(), timeout
        self._worker = Worker(*self._arguments)

    @property
    def process(self) -> int | None:
        """The number of the process, None where none runs."""
        return self._worker.pid if self._worker.alive else None

    @property
    def asleep(self) -> bool:
        """Whether there is no process that listens."""
        return not self._worker.alive or self._worker.busy

    def ready(self) -> None:
        """Wait until the environments are made."""
        self._worker.ready()
        took = time.monotonic() - self._began
        self._start = max(self._start, _SLOWER * took)  # for those that come after

    def wake(self) -> None:
        """Start another process in the place of one that does not listen."""
        self._worker.kill()
        try:
            self._worker = Worker(*self._arguments, self._start)
            self._worker.ready()
        except WorkerDied:
            raise
        except Exception as error:  # it went well before: whatever is wrong, it may pass
            raise WorkerDied(f"{type(error).__name__}: {error}") from error

    def ask(self, orders: Iterable[tuple[int, Order]]) -> None:
        """Send orders."""
        self._worker.ask([*orders])

    def answers(self) -> Any:
        """What they gave."""
        return self._worker.answers()

    def kill(self) -> None:
        """End the process."""
        self._worker.kill()

    def leave(self) -> None:
        """Say that it will be closed."""
        self._worker.leave()

    def close(self) -> None:
        """End the process when it has closed its environments."""
        self._worker.close()


class _Host(NamedTuple):
    """A row, and the places of its environments in the crew."""

    row: _Here | _There
    places: range


class Crew:
    """Some environments of one kind.

    Args:
        blueprint: of all of them.
        workers: how many processes; 0 for none but this.
        timeout: seconds that each has for an answer.

    Attributes:
        known: what is known of them.
        lost: places of those of which nobody knows where the environment itself is.
        attributes: values that were set, by place.

    Raises:
        WorkerDied: a process does not start.
        Exception: that of making an environment.
    """

    def __init__(self, blueprint: Blueprint, workers: int, timeout: float) -> None:
        size = blueprint.size
        nowhere = [Episode(None, None, ("", 0.0), 0)] * size
        self.known = Known(nowhere, [], 0, ("",) * size, [{}] * size, frozenset(range(size)))
        self.lost: set[int] = set()
        self.attributes: list[dict[str, Any]] = [{} for _ in range(size)]
        self._sent = 0
        self._hosts: list[_Host] = []
        try:
            self._start(blueprint, workers, timeout)
        except BaseException:  # whoever keeps the error keeps us, and we the processes
            for host in self._hosts:
                host.row.kill()
            raise

    def _start(self, blueprint: Blueprint, workers: int, timeout: float) -> None:
        size, folder = blueprint.size, str(Path.cwd())
        for number in range(workers or 1):
            first, end = (size * at // (workers or 1) for at in (number, number + 1))
            part = blueprint._replace(size=end - first)
            row = _There(part, timeout, folder) if workers else _Here(part)
            self._hosts.append(_Host(row, range(first, end)))
        for host in self._hosts:
            host.row.ready()  # all processes were started, now they are waited for

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the worker processes that run."""
        found = (host.row.process for host in self._hosts)
        return tuple(process for process in found if process is not None)

    def know(self, known: Known) -> None:
        """Note what came of all orders so far. For an interrupt it happens at once, or not."""
        self.known = known._replace(sent=self._sent)

    def carry_out(
        self, orders: Sequence[Order | None], *, moves: bool = True, goes_on: bool = False
    ) -> list[Any]:
        """Have orders carried out, each by its environment.

        Args:
            orders: one for each environment; None for nothing.
            moves: whether environments are elsewhere afterwards, which the caller must ``know``.
            goes_on: whether they belong to the orders before, of which nothing is known yet.

        Returns:
            What ``Row.carry_out`` says, ``Failed`` only after it was tried again and again.

        Raises:
            ActError: an order was refused.
            Exception: likewise, by a method that was called.
        """
        if self.known.sent != self._sent and not goes_on:
            self.lost.update(range(len(orders)))
            self._sent = self.known.sent  # those orders were never given
        self._sent += moves
        answers: list[Any] = [None] * len(orders)
        causes: dict[int, str] = {}
        asked: list[tuple[_Host, Sequence[int]]] = []
        everywhere = None not in orders
        for host in self._hosts:
            places: Sequence[int] = host.places
            if not everywhere:
                places = [place for place in places if orders[place] is not None]
            try:
                if places:
                    self._ask(host, places, orders)
                    asked.append((host, places))
            except WorkerDied as error:
                causes |= self._died(host, places, error)
        for host, places in asked:
            try:
                given = self._answers(host, places)
                if everywhere:
                    answers[places[0] : places[-1] + 1] = given
                    continue
                for place, answer in zip(places, given, strict=True):
                    answers[place] = answer
            except WorkerDied as error:
                causes |= self._died(host, places, error)
        if causes or not {Failed, Refused}.isdisjoint(map(type, answers)):
            causes |= {at: a.cause for at, a in enumerate(answers) if isinstance(a, Failed)}
            for place, cause in causes.items():
                answers[place] = self._again(place, orders, cause)
            for answer in answers:
                if isinstance(answer, Refused):
                    raise answer.error
        return answers

    def close(self) -> None:
        """Close the environments and end the processes."""
        for host in self._hosts:
            host.row.leave()
        for host in self._hosts:
            host.row.close()

    def _ask(self, host: _Host, places: Sequence[int], orders: Sequence[Any]) -> None:
        """Send orders to a row, with what brings lost environments back before."""
        if host.row.asleep:
            self.lost.update(host.places)
            host.row.wake()
        first = host.places.start
        given = orders[first : host.places.stop] if places is host.places else None
        sent: Iterable[tuple[int, Any]] = (
            zip(range(len(places)), given, strict=True)  # no tuple outlives its turn
            if given is not None
            else [(place - first, orders[place]) for place in places]
        )
        if self.lost:
            lost = [place for place in places if place in self.lost]
            sent = [*((at - first, self._revival(at, orders[at])) for at in lost), *sent]
        host.row.ask(sent)

    def _answers(self, host: _Host, places: Sequence[int]) -> list[Any]:
        """What came of the orders that were sent last."""
        answers = host.row.answers()[-len(places) :]
        if self.lost:
            self.lost.difference_update(places)
        if Failed in map(type, answers):
            self.lost |= {
                at for at, a in zip(places, answers, strict=True) if isinstance(a, Failed)
            }
        return answers

    def _revival(self, place: int, order: Order | None) -> Revive:
        """What brings an environment back for an order; without its episode before another."""
        episode = self.known.episodes[place]
        return Revive(
            origin=None if isinstance(order, Reset) else episode.origin,
            first=episode.first,
            turns=self.known.turns(place),
            numbers=episode.numbers,
            attributes=self.attributes[place],
        )

    def _again(self, place: int, orders: Sequence[Order | None], cause: str) -> Any:
        """Carry an order out alone after it has failed, or something beside it."""
        host = next(host for host in self._hosts if place in host.places)
        for _ in range(_TRIES):
            try:
                self._ask(host, [place], orders)
                (answer,) = self._answers(host, [place])
            except WorkerDied as error:
                cause = self._died(host, [place], error)[place]
                continue
            if not isinstance(answer, Failed):
                return answer
            cause = answer.cause
        return Failed(cause)

    def _died(self, host: _Host, places: Sequence[int], error: WorkerDied) -> dict[int, str]:
        """Note the death of a row: why the orders for these places have failed."""
        logger.warning(
            "the worker of environments %d to %d: %s. They go on in another one.",
            host.places.start,
            host.places.stop - 1,
            error,
        )
        host.row.kill()
        self.lost.update(host.places)
        return dict.fromkeys(places, f"worker process: {error}")
