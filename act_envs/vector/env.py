"""``TextVectorEnv``: many environments as one. The class docstring is the documentation."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from act_envs.base import TextEnv
from act_envs.errors import (
    EpisodeNotRunning,
    InvalidAction,
    SimulatorError,
    SnapshotMismatch,
    UnknownArgument,
    nearest,
)
from act_envs.spaces import FreeText
from act_envs.types import Snapshot
from act_envs.vector.columns import columns
from act_envs.vector.crew import Crew
from act_envs.vector.process import WorkerDied
from act_envs.vector.row import Began, Blueprint, Call, Failed, Order, Reset, Restore

TIMEOUT = 60.0  # seconds; the slowest steps take a tenth of one
_OWN = {"step": "step()", "reset": "reset()", "close": "close()", "fork": "call('snapshot')"}

_Texts = tuple[str, ...]
_Infos = dict[str, Any]


class TextVectorEnv(VectorEnv[_Texts, Iterable[str], np.ndarray]):
    """Any number of text environments of one id, stepped together.

    ## Description

    What ``gym.make_vec("ACT/...", num_envs=n, ...)`` makes. Environments whose steps take
    microseconds are stepped in this process, one after the other. Others live in worker processes,
    several in each, which get one message a step. Either way each environment does what it would
    do alone, observation by observation.

    When a worker dies, hangs or answers nonsense, or a simulator fails, the environments concerned
    are made anew and brought back to where they were, by replay of their actions, and the step is
    taken again; the others do not notice. An environment that fails three times on one action ends
    its episode, truncated, with the cause in ``info["fault"]``.

    ## Action Space

    ``num_envs`` strings. Those of environments that are being reset are not read.

    ## Observation Space

    A tuple of ``num_envs`` strings.

    ## Starting State

    ``reset(seed=s)`` seeds environment i with s + i, ``seed=[...]`` gives one for each. Values of
    ``options`` that are lists or tuples have one value for each environment, so
    ``options={"task_id": [...]}`` names their tasks (None for a drawn one); other values are for
    all. Environments of a process that start the same named task load it once.
    ``options={"reset_mask": mask}``, (num_envs,) bool, resets some alone.

    ## Rewards

    (num_envs,) float64, each as that of the environment.

    ## Episode End

    ``autoreset_mode``, as Gymnasium defines it: ``"NextStep"`` (the step after the last resets,
    and ignores the action), ``"SameStep"`` (the last step returns the first observation of the
    next episode, with ``final_obs`` and ``final_info`` in ``info``) or ``"Disabled"`` (``reset``
    with a mask). Episodes begun by an autoreset are drawn from the split.

    ## Information

    For every key one array of ``num_envs`` values, and under ``_key`` which of them are there.

    ## Arguments

    - ``num_envs`` (1).
    - ``workers`` (None): how many worker processes; 0 for none. None stands for 0 where steps are
      fast, else for as many as there are processors.
    - ``timeout`` (60): seconds after which a worker that does not answer to a step is ended;
      resets and calls have as many for each environment.
    - ``autoreset_mode`` (``"NextStep"``).
    - all others: those of the environments.

    Methods of the environments are reached by ``call("snapshot")`` and the like.

    ## Version History

    - v0: first version.

    Raises:
        UnknownArgument: an argument is unknown, or its value not one of the accepted ones.
        SimulatorError: a worker process does not start.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int = 1,
        *,
        workers: int | None = None,
        timeout: float = TIMEOUT,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        self.closed = True  # until there is something to close
        self.num_envs = _whole(num_envs, "num_envs", 1)
        self.autoreset_mode = _mode(autoreset_mode)
        kind = _kind(env_id)
        if workers is None:
            workers = _processors() if kind.slow else 0
        workers = min(_whole(workers, "workers", 0), self.num_envs)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise UnknownArgument(f"timeout={timeout!r} is no number of seconds above 0.")
        self.metadata = {**kind.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = kwargs.get("render_mode")
        self.single_observation_space, self.single_action_space = FreeText(), FreeText()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._idle = set(range(self.num_envs))  # those without an episode that goes on
        self._same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        blueprint = Blueprint(env_id, kwargs, self.num_envs, self._same_step)
        try:
            self._crew = Crew(blueprint, workers, timeout)
        except WorkerDied as error:
            raise SimulatorError(
                f"a worker process of {env_id} does not start ({error}); what it said is above. "
                "With workers=0 there is none."
            ) from None
        self.closed = False

    # -- Gymnasium ---------------------------------------------------------------------------

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[_Texts, _Infos]:
        """Start an episode in every environment, or in those of a mask.

        Args:
            seed: see the class.
            options: see the class.

        Returns:
            The observations of all, and ``info`` of those that were reset.

        Raises:
            UnknownTask: no task has that name. All environments are then as they were.
            UnknownArgument: there is no option of that name, or its value is not understood.
            SimulatorError: an environment could not be reset.
        """
        self._check_open()
        seeds, given, wanted = self._seeds(seed), self._each(options), self._wanted(options)
        orders = [
            Reset(*each) if asked else None
            for each, asked in zip(zip(seeds, given, strict=True), wanted, strict=True)
        ]
        self._reset(orders)
        return self._seen(wanted)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, actions: Iterable[str]
    ) -> tuple[_Texts, np.ndarray, np.ndarray, np.ndarray, _Infos]:
        """Take one action in every environment. Interrupted, it counts as not taken.

        Args:
            actions: one string for each environment.

        Returns:
            observations, rewards, terminations, truncations, info.

        Raises:
            InvalidAction: there are more or fewer actions, or one is not a string.
            EpisodeNotRunning: there is no episode in an environment, or it has ended and
                autoreset is disabled.
            SimulatorError: an environment could not be reset.
        """
        self._check_open()
        seats = self._crew.seats
        orders: list[Any] = self._orders(actions)
        turns = self._crew.carry_out(orders)
        if set(map(type, turns)) == {tuple}:
            for seat, order in zip(seats, orders, strict=True):
                seat.actions.append(order)
        else:
            turns = [*map(self._turn, range(len(turns)), orders, turns)]
        observations, rewards, terminated, truncated, infos = [*zip(*turns, strict=False)][:5]
        for seat, observation, info in zip(seats, observations, infos, strict=True):
            seat.observation, seat.info = observation, info
        self._crew.settle()
        final: dict[str, Any] = {}
        if True in terminated or True in truncated:
            ended = [place for place, turn in enumerate(turns) if turn[2] or turn[3]]
            self._idle.update(ended)
            if self._same_step:
                final = _final(ended, observations, infos)
                self._begin_again({place: turns[place][5:] for place in ended})
                observations = tuple([seat.observation for seat in seats])
                infos = [seat.info for seat in seats]
        return (
            observations,
            np.array(rewards, np.float64),
            np.array(terminated, np.bool_),
            np.array(truncated, np.bool_),
            columns(infos) | final,
        )

    def render(self) -> tuple[Any, ...] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What ``render`` of every environment returns."""
        return self.call("render")

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments and end the worker processes."""
        self._crew.close()

    # -- what the environments can do --------------------------------------------------------

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or read an attribute.

        Args:
            name: of the method, for example ``"snapshot"`` or ``"admissible_actions"``.
            args: its arguments, the same for all.
            kwargs: likewise.

        Returns:
            (num_envs,) values.

        Raises:
            UnknownArgument: this class has a method of that name for itself.
            SimulatorError: an environment failed three times.
            Exception: what the method raises.
        """
        self._check_open()
        if name == "restore":
            return self._restore([*args, *kwargs.values()] * self.num_envs)
        if name in _OWN:
            raise UnknownArgument(f"call({name!r}) would hide a move. Use {_OWN[name]} instead.")
        return tuple(self._ask([Call(name, args, kwargs)] * self.num_envs))

    def restore(self, snapshots: Sequence[Snapshot | None]) -> tuple[_Texts, _Infos]:
        """Go back to snapshots, each environment to its own.

        Args:
            snapshots: one for each environment, None for those that stay where they are.

        Returns:
            The observations of all, and ``info`` of those that went back.

        Raises:
            SnapshotMismatch: one belongs to another kind of environment, or there are more or
                fewer. All environments are then as they were.
            SimulatorError: an environment could not go back.
        """
        self._check_open()
        self._restore(snapshots)
        return self._seen([snapshot is not None for snapshot in snapshots])

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every environment.

        Args:
            name: of the attribute.
            values: a list or tuple of one for each environment, or one value for all.

        Raises:
            UnknownArgument: there are more or fewer values.
        """
        self._check_open()
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise UnknownArgument(
                f"{len(each)} values for {self.num_envs} environments. Give one for each."
            )
        self._ask([Call(name, value=(value,)) for value in each])
        for seat, value in zip(self._crew.seats, each, strict=True):
            seat.attributes[name] = value

    @property
    def np_random(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> tuple[np.random.Generator, ...]:
        """The random numbers of every environment; copies where they live in workers."""
        return self.call("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What every environment was seeded with last; -1 where it was brought back since."""
        return self.call("np_random_seed")

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the worker processes; () without any."""
        return () if self.closed else self._crew.processes

    # -- inside ------------------------------------------------------------------------------

    def _orders(self, actions: Iterable[str]) -> list[Order]:
        """What each environment is to do in a step."""
        if isinstance(actions, str):
            raise InvalidAction(f"{actions!r:.80} is one string. Give a list of actions.")
        orders: list[Any] = list(actions)
        if len(orders) != self.num_envs:
            raise InvalidAction(
                f"{len(orders)} actions for {self.num_envs} environments. Give one for each."
            )
        if self._idle or set(map(type, orders)) != {str}:
            orders = [*map(self._order, range(len(orders)), orders)]
        return orders

    def _order(self, place: int, action: Any) -> Order:
        if place in self._idle:
            if self._crew.seats[place].origin is None:
                raise EpisodeNotRunning("no episode is running. Call reset().")
            if self.autoreset_mode == AutoresetMode.DISABLED:
                raise EpisodeNotRunning(
                    f"the episode of environment {place} has ended. Reset it: "
                    "reset(options={'reset_mask': mask})."
                )
            return Reset()
        if not isinstance(action, str):
            raise InvalidAction(
                f"action {place} is {type(action).__name__} ({action!r:.80}), not a string. Give "
                "commands as text."
            )
        return str(action)  # numpy's strings are others

    def _turn(self, place: int, order: Order, answer: Any) -> tuple[Any, ...]:
        """What an environment gives in a step: that of an action, a reset, or a failure."""
        seat = self._crew.seats[place]
        if isinstance(answer, Began):
            self._begin(place, Reset(), answer)
            return answer.observation, 0.0, False, False, answer.info
        if not isinstance(answer, Failed):
            seat.actions.append(str(order))
            return answer
        if isinstance(order, Reset):
            raise _not_reset(place, answer)
        self._crew.lost.add(place)
        return seat.observation, 0.0, False, True, {**seat.info, "fault": answer.cause}

    def _begin(self, place: int, order: Reset, answer: Began) -> None:
        self._crew.seats[place].began(order, answer)
        self._idle.discard(place)

    def _reset(self, orders: Sequence[Reset | None]) -> None:
        answers = self._crew.carry_out(orders)
        for place, (order, answer) in enumerate(zip(orders, answers, strict=True)):
            if isinstance(answer, Failed):
                raise _not_reset(place, answer)
            if order is not None:
                self._begin(place, order, answer)
        self._crew.settle()

    def _begin_again(self, ended: Mapping[int, tuple[Any, ...]]) -> None:
        """Begin the next episodes in the same step: note those that have, and start the others."""
        left: list[Reset | None] = [None] * self.num_envs
        for place, after in ended.items():
            if after and isinstance(after[0], Began):
                self._begin(place, Reset(), after[0])
            else:
                self._crew.lost.add(place)
                left[place] = Reset()
        if any(left):
            self._reset(left)

    def _restore(self, snapshots: Sequence[Snapshot | None]) -> tuple[Any, ...]:
        if len(snapshots) != self.num_envs:
            raise SnapshotMismatch(
                f"{len(snapshots)} snapshots for {self.num_envs} environments. Give one for each, "
                "or None."
            )
        answers = self._crew.carry_out([None if s is None else Restore(s) for s in snapshots])
        for place, (snapshot, answer) in enumerate(zip(snapshots, answers, strict=True)):
            if isinstance(answer, Failed):
                raise SimulatorError(f"environment {place} could not go back: {answer.cause}")
            if snapshot is not None:
                self._crew.seats[place].begin(snapshot, *answer)
                over = answer[1]["won"] or answer[1]["failed"]
                (self._idle.add if over else self._idle.discard)(place)
        self._crew.settle()
        return tuple(answers)

    def _ask(self, calls: Sequence[Call]) -> list[Any]:
        answers = self._crew.carry_out(calls, moves=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, Failed):
                raise SimulatorError(f"environment {place} failed: {answer.cause}")
        return answers

    def _seen(self, wanted: Sequence[bool] | None = None) -> tuple[_Texts, _Infos]:
        """The last observations, and the ``info`` of all or of those that are wanted."""
        seats = self._crew.seats
        infos = [
            seat.info if wanted is None or wanted[at] else None for at, seat in enumerate(seats)
        ]
        return tuple([seat.observation for seat in seats]), columns(infos)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + place for place in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise UnknownArgument(f"{len(seed)} seeds for {self.num_envs} environments.")
        return list(seed)

    def _each(self, options: Mapping[str, Any] | None) -> list[dict[str, Any] | None]:
        """The options of each environment."""
        if options is None:
            return [None] * self.num_envs
        if not isinstance(options, Mapping):
            raise UnknownArgument(f"options must be a mapping, not {options!r:.80}.")
        each: list[dict[str, Any] | None] = [{} for _ in range(self.num_envs)]
        for name, value in options.items():
            if name == "reset_mask":
                continue
            values = value if isinstance(value, list | tuple) else [value] * self.num_envs
            if len(values) != self.num_envs:
                raise UnknownArgument(
                    f"option {name!r} has {len(values)} values for {self.num_envs} environments. "
                    "Give one for each, or one that is no list for all."
                )
            for own, its in zip(each, values, strict=True):
                assert own is not None
                own[name] = its
        return each

    def _wanted(self, options: Mapping[str, Any] | None) -> list[bool]:
        """Which environments are to be reset."""
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return [True] * self.num_envs
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise UnknownArgument(
                f"reset_mask must be {self.num_envs} truth values, one of them True at least, not "
                f"{mask!r:.80}."
            )
        return mask.tolist()

    def _check_open(self) -> None:
        if self.closed:
            raise EpisodeNotRunning("the environments are closed. Make new ones.")


def _not_reset(place: int, answer: Failed) -> SimulatorError:
    return SimulatorError(f"environment {place} could not be reset: {answer.cause}")


def _final(
    ended: Sequence[int], observations: Sequence[str], infos: Sequence[_Infos]
) -> dict[str, Any]:
    """What Gymnasium keeps of the last step of episodes where the next have begun already."""
    last: list[str | None] = [None] * len(observations)
    info: list[_Infos | None] = [None] * len(observations)
    there = np.zeros(len(observations), np.bool_)
    for place in ended:
        last[place], info[place], there[place] = observations[place], infos[place], True
    return {
        "final_obs": np.fromiter(last, object, len(last)),
        "_final_obs": there,
        "final_info": columns(info),
        "_final_info": there.copy(),
    }


def _kind(env_id: str) -> type[TextEnv]:
    """The class of an id, which may have a module to import in front (``"module:Id-v0"``)."""
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    entry = gym.spec(name).entry_point
    kind = load_env_creator(entry) if isinstance(entry, str) else entry
    if not (isinstance(kind, type) and issubclass(kind, TextEnv)):
        raise UnknownArgument(f"{env_id} is no TextEnv. Take gym.vector.SyncVectorEnv for it.")
    return kind


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = [mode.value for mode in AutoresetMode]
        raise UnknownArgument(f"unknown autoreset_mode {mode!r}. {nearest(mode, known)}") from None


def _whole(value: int, name: str, least: int) -> int:
    if type(value) is not int or value < least:
        raise UnknownArgument(f"{name}={value!r:.80}. Give a whole number from {least} on.")
    return value


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
