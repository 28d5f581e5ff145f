"""Environments of one process, and the orders that they carry out. Knows no other process."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import gymnasium as gym

from act_envs.base import TextEnv
from act_envs.errors import (
    ActError,
    CatalogueError,
    GameFileError,
    SimulatorError,
    UnknownArgument,
)
from act_envs.types import Snapshot

logger = logging.getLogger(__name__)

_FAILURES = (SimulatorError, GameFileError, CatalogueError)


class Blueprint(NamedTuple):
    """What a row consists of.

    Attributes:
        env_id: a registered id, which may have a module to import in front.
        kwargs: arguments of the environments.
        size: how many there are.
        same_step: where an action ends an episode, the next begins at once.
    """

    env_id: str
    kwargs: Mapping[str, Any]
    size: int
    same_step: bool


class Reset(NamedTuple):
    """Start an episode.

    Attributes:
        seed: as for ``TextEnv.reset``.
        options: as for ``TextEnv.reset``.
    """

    seed: int | None = None
    options: Mapping[str, Any] | None = None


class Revive(NamedTuple):
    """Come to a state, in an environment made anew.

    Attributes:
        origin: where the episode began, options of ``reset`` or a snapshot; None for no episode.
        first: the observation and the score there.
        turns: the actions that were taken since, each with the observation and reward it gave.
        numbers: the state of its random numbers, None where it does not matter.
        attributes: values that were set since it was made.
    """

    origin: Mapping[str, Any] | Snapshot | None
    first: tuple[str, float]
    turns: Sequence[tuple[str, str, float]]
    numbers: Mapping[str, Any] | None
    attributes: Mapping[str, Any]


class Restore(NamedTuple):
    """Go back to a snapshot."""

    snapshot: Snapshot


class Call(NamedTuple):
    """Call a method or read an attribute, or set it where ``value`` holds one."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    value: tuple[Any, ...] = ()


Order = str | Reset | Revive | Restore | Call
"""What one environment is asked to do. A string is an action to step with."""


class Began(NamedTuple):
    """An episode has begun.

    Attributes:
        observation: the first.
        info: that of ``reset``.
        numbers: the state of the environment's random numbers after it.
    """

    observation: str
    info: Any
    numbers: Mapping[str, Any]


class Failed(NamedTuple):
    """The simulator could not do it, and where the environment is now nobody knows."""

    cause: str


class Refused(NamedTuple):
    """The caller asked for what there is not. Nothing has changed."""

    error: Exception


class Row:
    """Some environments of one kind."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._same_step = blueprint.same_step
        self.envs: list[TextEnv] = []
        try:
            for _ in range(blueprint.size):
                self.envs.append(self._make())
        except BaseException:
            self.close()
            raise

    def carry_out(self, orders: Iterable[tuple[int, Order]]) -> list[Any]:
        """Carry out orders one after the other.

        Where several environments start the same named task, it is loaded once, and the others
        start from a snapshot.

        Args:
            orders: each with the number of its environment.

        Returns:
            For each order: what ``step`` returns, with what followed it as a sixth where the next
            episode begins at once; ``Began`` for a reset; for ``Restore`` observation, info, and
            whether the episode is over; the value for a call; None for ``Revive``; or ``Failed``
            or ``Refused``. What follows the failure of an environment fails with it.
        """
        envs, same_step = self.envs, self._same_step
        answers: list[Any] = []
        begun: dict[str, tuple[TextEnv, Snapshot | None]] = {}
        failed: dict[int, Failed] = {}
        for place, order in orders:
            if failed and place in failed:
                answers.append(failed[place])
                continue
            try:
                if type(order) is str:
                    answer = envs[place].step(order)
                    if same_step and (answer[2] or answer[3]):
                        answer = (*answer, self._began_again(place))
                elif isinstance(order, Reset):
                    answer = self._reset(place, order, begun)
                elif isinstance(order, Restore):
                    env = self.envs[place]
                    answer = (*env.restore(order.snapshot), env.terminated or env.truncated)
                elif isinstance(order, Revive):
                    answer = self._revive(place, order)
                else:
                    assert isinstance(order, Call)  # an action is a plain string
                    answer = _call(self.envs[place], order)
            except Exception as error:  # noqa: BLE001 - said in the answer
                answer = _answer_to(error, order)
                if isinstance(answer, Failed):
                    failed[place] = answer
            answers.append(answer)
        return answers

    def close(self) -> None:
        """Close all environments, also where one of them fails to."""
        with ExitStack() as stack:
            for env in self.envs:
                stack.callback(env.close)

    def _make(self) -> TextEnv:
        env = gym.make(self._blueprint.env_id, **self._blueprint.kwargs)
        if not isinstance(env, TextEnv):
            raise UnknownArgument(
                f"{self._blueprint.env_id} gives a {type(env).__name__} and no bare TextEnv. "
                "Limit steps with step_limit=, and wrap the vector environment."
            )
        return env

    def _reset(
        self, place: int, order: Reset, begun: dict[str, tuple[TextEnv, Snapshot | None]]
    ) -> Began:
        env = self.envs[place]
        options = order.options or {}
        task_id = options.get("task_id") if options.keys() == {"task_id"} else None
        if isinstance(task_id, str) and task_id in begun:
            first, snapshot = begun[task_id]
            snapshot = first.snapshot() if snapshot is None else snapshot
            begun[task_id] = first, snapshot
            gym.Env.reset(env, seed=order.seed)  # no more than its random numbers
            observation, info = env.restore(snapshot)
        else:
            observation, info = env.reset(seed=order.seed, options=order.options)
            if isinstance(task_id, str):
                begun[task_id] = env, None
        return Began(observation, info, env.np_random.bit_generator.state)

    def _began_again(self, place: int) -> Began | Failed:
        try:
            return self._reset(place, Reset(), {})
        except Exception as error:  # noqa: BLE001 - said in the answer
            return _failure(error)

    def _revive(self, place: int, order: Revive) -> None:
        env = self._renewed(place)
        for name, value in order.attributes.items():
            setattr(env, name, value)
        if order.numbers is not None:
            env.np_random.bit_generator.state = order.numbers
        if order.origin is None:
            return
        if isinstance(order.origin, Snapshot):
            observation, info = env.restore(order.origin)
        else:
            observation, info = env.reset(options=order.origin)
        _compare(order.first, (observation, info["score"]), info["task_id"], 0)
        for number, (action, *then) in enumerate(order.turns, 1):
            observation, reward, _, _, info = env.step(action)
            _compare(tuple(then), (observation, reward), info["task_id"], number)

    def _renewed(self, place: int) -> TextEnv:
        """A new environment in the place of one of which nobody knows where it is."""
        try:
            self.envs[place].close()
        except Exception:
            logger.warning("environment %d could not be closed", place, exc_info=True)
        self.envs[place] = self._make()
        return self.envs[place]


def _compare(then: object, now: object, task_id: str, number: int) -> None:
    if now != then:
        raise SimulatorError(
            f"a replay of {task_id!r} led to another state than before: after {number} actions it "
            f"gave {now!r:.200}, not {then!r:.200}"
        )


def _call(env: TextEnv, order: Call) -> Any:
    if order.value:
        return setattr(env, order.name, order.value[0])
    found = getattr(env, order.name)
    return found(*order.args, **order.kwargs) if callable(found) else found


def _answer_to(error: Exception, order: Order) -> Failed | Refused:
    """Whether it was the simulator's fault or the caller's."""
    simulators = not isinstance(error, ActError) or isinstance(error, _FAILURES)
    if isinstance(order, Call) or not (simulators or isinstance(order, Revive)):
        return Refused(error)
    return _failure(error)


def _failure(error: Exception) -> Failed:
    logger.warning("an environment failed: %s", "".join(traceback.format_exception(error)))
    return Failed(f"{type(error).__name__}: {error}")
