"""``TextVectorEnv``: many environments as one. The class docstring is the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from act_envs.errors import EpisodeNotRunning, InvalidAction, SimulatorError, UnknownArgument
from act_envs.spaces import FreeText
from act_envs.types import Snapshot
from act_envs.vector.arguments import (
    autoreset,
    kind_of,
    one_for_each,
    options_of_each,
    processors,
    seconds,
    seeds,
    wanted,
    whole,
)
from act_envs.vector.columns import columns
from act_envs.vector.crew import Crew
from act_envs.vector.known import Known, Round
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
    its episode, truncated, with the cause in ``info["fault"]``. For replays an episode is kept as
    long as it lasts, so without a step limit memory grows with the longest.

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
        self.num_envs = whole(num_envs, "num_envs", 1)
        self.autoreset_mode = autoreset(autoreset_mode)
        kind = kind_of(env_id)
        if workers is None:
            workers = processors() if kind.slow else 0
        workers = min(whole(workers, "workers", 0), self.num_envs)
        self.metadata = {**kind.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = kwargs.get("render_mode")
        self.single_observation_space, self.single_action_space = FreeText(), FreeText()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        blueprint = Blueprint(env_id, kwargs, self.num_envs, self._same_step)
        try:
            self._crew = Crew(blueprint, workers, seconds(timeout, "timeout"))
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
        each = zip(seeds(seed, self.num_envs), options_of_each(options, self.num_envs), strict=True)
        asked = wanted(options, self.num_envs)
        orders = [Reset(*one) if it else None for one, it in zip(each, asked, strict=True)]
        self._crew.know(self._crew.known.begun(self._begun(orders)))
        return self._seen(asked)

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
        orders: list[Any] = self._orders(actions)
        turns = self._crew.carry_out(orders)
        taken, begun = orders, {}
        if set(map(type, turns)) != {tuple}:  # some were reset, or have failed
            taken = [
                order if type(turn) is tuple else None
                for order, turn in zip(orders, turns, strict=True)
            ]
            begun = {at: (Reset(), turn) for at, turn in enumerate(turns) if type(turn) is Began}
            turns = [*map(self._turn, range(len(turns)), orders, turns)]
        texts, rewards, terminated, truncated, infos = [*zip(*turns, strict=False)][:5]
        ended = ()
        if True in terminated or True in truncated:
            ended = [place for place, turn in enumerate(turns) if turn[2] or turn[3]]
        done = Round(taken, texts, rewards)
        known = self._crew.known.stepped(done, infos, ended).begun(begun)
        final: _Infos = {}
        if self._same_step and known.idle:
            final = _final(known)
            again = self._begun_again({place: turns[place][5:] for place in known.idle})
            known = known.begun(again)
        given = (
            known.observations,
            np.fromiter(rewards, np.float64, self.num_envs),
            np.fromiter(terminated, np.bool_, self.num_envs),
            np.fromiter(truncated, np.bool_, self.num_envs),
            columns(known.infos) | final,
        )
        self._crew.know(known)
        return given

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
            self.restore([*args, *kwargs.values()] * self.num_envs)
            return tuple(zip(self._crew.known.observations, self._crew.known.infos, strict=True))
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
        snapshots = one_for_each(snapshots, self.num_envs, "snapshots")
        answers = self._crew.carry_out([None if s is None else Restore(s) for s in snapshots])
        back = {}
        for place, (snapshot, answer) in enumerate(zip(snapshots, answers, strict=True)):
            if isinstance(answer, Failed):
                raise SimulatorError(f"environment {place} could not go back: {answer.cause}")
            if snapshot is not None:
                back[place] = snapshot, answer
        self._crew.know(self._crew.known.restored(back))
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
        for attributes, value in zip(self._crew.attributes, each, strict=True):
            attributes[name] = value

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
        orders = one_for_each(actions, self.num_envs, "actions")
        if self._crew.known.idle or set(map(type, orders)) != {str}:
            orders = [*map(self._order, range(len(orders)), orders)]
        return orders

    def _order(self, place: int, action: Any) -> Order:
        known = self._crew.known
        if place in known.idle:
            if known.episodes[place].origin is None:
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
        if isinstance(answer, Began):
            return answer.observation, 0.0, False, False, answer.info
        if not isinstance(answer, Failed):
            return answer
        if isinstance(order, Reset):
            raise _not_reset(place, answer)
        known = self._crew.known
        info = {**known.infos[place], "fault": answer.cause}
        return known.observations[place], 0.0, False, True, info

    def _begun(
        self, orders: Sequence[Reset | None], *, goes_on: bool = False
    ) -> dict[int, tuple[Reset, Began]]:
        """The episodes that orders to reset have begun, by place."""
        answers = self._crew.carry_out(orders, goes_on=goes_on)
        begun = {}
        for place, (order, answer) in enumerate(zip(orders, answers, strict=True)):
            if isinstance(answer, Failed):
                raise _not_reset(place, answer)
            if order is not None:
                begun[place] = order, answer
        return begun

    def _begun_again(self, ended: Mapping[int, tuple[Any, ...]]) -> dict[int, tuple[Reset, Began]]:
        """The next episodes, begun in the same step: those that have begun, and the others now."""
        begun = {at: (Reset(), after[0]) for at, after in ended.items() if after}
        begun = {at: pair for at, pair in begun.items() if isinstance(pair[1], Began)}
        if left := ended.keys() - begun.keys():
            self._crew.lost |= left
            orders = [Reset() if place in left else None for place in range(self.num_envs)]
            begun |= self._begun(orders, goes_on=True)
        return begun

    def _ask(self, calls: Sequence[Call]) -> list[Any]:
        answers = self._crew.carry_out(calls, moves=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, Failed):
                raise SimulatorError(f"environment {place} failed: {answer.cause}")
        return answers

    def _seen(self, wanted: Sequence[bool]) -> tuple[_Texts, _Infos]:
        """The last observations, and the ``info`` of those that are wanted."""
        known = self._crew.known
        infos = [info if asked else None for info, asked in zip(known.infos, wanted, strict=True)]
        return known.observations, columns(infos)

    def _check_open(self) -> None:
        if self.closed:
            raise EpisodeNotRunning("the environments are closed. Make new ones.")


def _not_reset(place: int, answer: Failed) -> SimulatorError:
    return SimulatorError(f"environment {place} could not be reset: {answer.cause}")


def _final(known: Known) -> dict[str, Any]:
    """What Gymnasium keeps of the last step of episodes where the next have begun already."""
    there = np.array([place in known.idle for place in range(len(known.infos))])
    last = [text if it else None for text, it in zip(known.observations, there, strict=True)]
    infos = [info if it else None for info, it in zip(known.infos, there, strict=True)]
    return {
        "final_obs": np.fromiter(last, object, len(last)),
        "_final_obs": there,
        "final_info": columns(infos),
        "_final_info": there.copy(),
    }
