"""Rows of environments, here or in workers, and what is known of each: enough to bring it back.

The caller keeps the seats: after orders were carried out it notes there what came of them, and
says so (``settle``). Where it does not come to that (an interrupt, an order that is refused), the
environments are brought back to what the seats say, when they are next needed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from act_envs.types import Snapshot
from act_envs.vector.process import Worker, WorkerDied
from act_envs.vector.row import Began, Blueprint, Failed, Order, Refused, Reset, Revive, Row

logger = logging.getLogger(__name__)

_TRIES = 2  # after the first, in which all were asked at once


@dataclass(slots=True)
class Seat:
    """What is known of one environment.

    Attributes:
        origin: where its episode began, options of ``reset`` or a snapshot; None before the first.
        actions: those that were taken since.
        numbers: the state of its random numbers, None before the first ``reset``.
        attributes: values that were set.
        observation: the last.
        info: the last.
    """

    origin: Mapping[str, Any] | Snapshot | None = None
    actions: list[str] = field(default_factory=list)
    numbers: Mapping[str, Any] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    observation: str = ""
    info: dict[str, Any] = field(default_factory=dict)

    def begin(self, origin: Mapping[str, Any] | Snapshot, observation: str, info: Any) -> None:
        """Note that an episode has begun, or was gone back to."""
        self.origin, self.actions = origin, []
        self.observation, self.info = observation, info

    def began(self, reset: Reset, answer: Began) -> None:
        """Note what came of a reset. A task that was drawn is named from now on."""
        options = {n: v for n, v in (reset.options or {}).items() if v is not None}
        origin = options or {"task_id": answer.info["task_id"]}
        self.begin(origin, answer.observation, answer.info)
        self.numbers = answer.numbers

    def revival(self, order: Order | None) -> Revive:
        """What brings the environment back for an order; without its episode before another."""
        return Revive(
            None if isinstance(order, Reset) else self.origin,
            tuple(self.actions),
            (self.observation, self.info.get("score", 0.0)),
            self.numbers,
            self.attributes,
        )


class _Here:
    """A row of environments in this process."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._row = Row(blueprint)
        self._answers: list[Any] = []

    def wake(self) -> bool:
        """Whether it had to be made anew: never."""
        return False

    def ask(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Carry out orders."""
        self._answers = self._row.carry_out(orders)

    def answers(self) -> list[Any]:
        """What they gave."""
        return self._answers

    def kill(self) -> None:
        """There is nothing to kill."""

    def close(self) -> None:
        """Close the environments."""
        self._row.close()


class _There:
    """A row of environments in a worker process, and in another one when that has died."""

    def __init__(self, blueprint: Blueprint, timeout: float) -> None:
        self._blueprint, self._timeout = blueprint, timeout
        self.worker = Worker(blueprint, timeout)

    def wake(self) -> bool:
        """See to it that there is a process that listens. Whether it had to be a new one."""
        if self.worker.alive and not self.worker.busy:
            return False
        self.worker.kill()
        self.worker = Worker(self._blueprint, self._timeout)
        self.worker.answers()
        return True

    def ask(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Send orders."""
        self.worker.ask(orders)

    def answers(self) -> Any:
        """What they gave."""
        return self.worker.answers()

    def kill(self) -> None:
        """End the process."""
        self.worker.kill()

    def close(self) -> None:
        """End the process when it has closed its environments."""
        self.worker.close()


@dataclass(frozen=True, slots=True)
class _Host:
    """A row, and which seats it has: place ``first`` of the crew is its own place 0."""

    row: _Here | _There
    places: range


class Crew:
    """Some environments of one kind.

    Args:
        blueprint: of all of them.
        workers: how many processes; 0 for none but this.
        timeout: seconds that each has for an answer.

    Attributes:
        seats: what is known of each.
        lost: those of which nobody knows where the environment itself is.

    Raises:
        WorkerDied: a process does not start.
        Exception: that of making an environment.
    """

    def __init__(self, blueprint: Blueprint, workers: int, timeout: float) -> None:
        self.seats = [Seat() for _ in range(blueprint.size)]
        self.lost: set[int] = set()
        self._settled = True
        self._hosts: list[_Host] = []
        for number in range(workers or 1):
            first, end = (blueprint.size * at // (workers or 1) for at in (number, number + 1))
            part = blueprint._replace(size=end - first)
            row = _There(part, timeout) if workers else _Here(part)
            self._hosts.append(_Host(row, range(first, end)))
        for host in self._hosts:
            host.row.answers()  # all processes were started, now they are waited for

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the worker processes that run."""
        rows = (host.row for host in self._hosts)
        return tuple(r.worker.pid for r in rows if isinstance(r, _There) and r.worker.alive)

    def carry_out(self, orders: Sequence[Order | None], *, moves: bool = True) -> list[Any]:
        """Have orders carried out, each by its environment.

        Args:
            orders: one for each environment; None for nothing.
            moves: whether environments are somewhere else afterwards.

        Returns:
            What ``Row.carry_out`` says, ``Failed`` only after it was tried again and again.

        Raises:
            ActError: an order was refused.
            Exception: likewise, by a method that was called.
        """
        if not self._settled:
            self.lost.update(range(len(self.seats)))
        self._settled = not moves
        answers: list[Any] = [None] * len(orders)
        causes: dict[int, str] = {}
        asked: list[tuple[_Host, list[int]]] = []
        for host in self._hosts:
            places = [place for place in host.places if orders[place] is not None]
            try:
                if places:
                    self._ask(host, places, orders)
                    asked.append((host, places))
            except WorkerDied as error:
                causes.update(self._died(host, places, error))
        for host, places in asked:
            try:
                for place, answer in zip(places, self._answers(host, places), strict=True):
                    answers[place] = answer
            except WorkerDied as error:
                causes.update(self._died(host, places, error))
        if causes or not {Failed, Refused}.isdisjoint(map(type, answers)):
            causes |= {at: a.cause for at, a in enumerate(answers) if isinstance(a, Failed)}
            for place, cause in causes.items():
                answers[place] = self._again(place, orders, cause)
            for answer in answers:
                if isinstance(answer, Refused):
                    raise answer.error
        return answers

    def settle(self) -> None:
        """Say that the seats tell what came of the orders that were carried out last."""
        self._settled = True

    def close(self) -> None:
        """Close the environments and end the processes."""
        for host in self._hosts:
            host.row.close()

    def _ask(self, host: _Host, places: list[int], orders: Sequence[Order | None]) -> None:
        """Send orders to a row, with what brings lost environments back before."""
        if host.row.wake():
            self.lost.update(host.places)
        first = host.places.start
        sent: list[tuple[int, Any]] = [(place - first, orders[place]) for place in places]
        if self.lost:
            lost = [place for place in places if place in self.lost]
            revivals = [(at - first, self.seats[at].revival(orders[at])) for at in lost]
            sent = [*revivals, *sent]
        host.row.ask(sent)

    def _answers(self, host: _Host, places: list[int]) -> list[Any]:
        """What came of the orders that were sent last."""
        answers = host.row.answers()[-len(places) :]
        self.lost.difference_update(places)
        if Failed in map(type, answers):
            self.lost |= {
                at for at, a in zip(places, answers, strict=True) if isinstance(a, Failed)
            }
        return answers

    def _again(self, place: int, orders: Sequence[Order | None], cause: str) -> Any:
        """Carry an order out alone after it has failed, or something beside it."""
        host = next(host for host in self._hosts if place in host.places)
        for _ in range(_TRIES):
            try:
                self._ask(host, [place], orders)
                (answer,) = self._answers(host, [place])
            except WorkerDied as error:
                self._died(host, [place], error)
                cause = str(error)
                continue
            if not isinstance(answer, Failed):
                return answer
            cause = answer.cause
        return Failed(cause)

    def _died(self, host: _Host, places: list[int], error: WorkerDied) -> dict[int, str]:
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
