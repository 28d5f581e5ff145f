"""``TextEnv``: the only class here that speaks Gymnasium. Everything users see is decided here."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import gymnasium as gym

from act_envs.errors import (
    EpisodeNotRunning,
    InvalidAction,
    SnapshotMismatch,
    UnknownArgument,
    UnknownSplit,
    UnknownTask,
    nearest,
)
from act_envs.protocol import MAX_ACTION, Simulator
from act_envs.spaces import FreeText
from act_envs.types import Consequence, Expert, Outcome, Snapshot, StepInfo, Task


class TextEnv(gym.Env[str, str]):
    """A text environment with exact snapshots, durable task names and a fixed ``info``.

    Subclasses document one simulator and build it; they add no behaviour of their own.

    Args:
        simulator: what is played.
        split: the split or panel that ``reset`` draws from.
        step_limit: actions after which an episode is truncated, invalid ones included: one number
            for all, or one for every kind of task; None for no limit.
        admissible: put ``admissible_actions`` into every ``info``.
        render_mode: ``"ansi"`` or None.
        options: names of further options of ``reset``, for those who describe a task not by name.
        given: makes the task that such options describe, from the simulator, the options and,
            where ``task_id`` names one too, that task.
        unknown: keyword arguments that the subclass has no name for; refused with suggestions.

    Raises:
        UnknownSplit: the simulator has no such split and no such panel.
        UnknownArgument: an argument is unknown, or its value not one of the accepted ones.
    """

    # Gymnasium reads and copies it as a plain dict.
    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    slow: ClassVar[bool] = False
    """Whether a step takes so long that ``gym.make_vec`` puts environments into processes."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        split: str,
        step_limit: int | Mapping[str, int] | None,
        admissible: bool = False,
        render_mode: str | None = None,
        options: Sequence[str] = (),
        given: Callable[[Any, Mapping[str, Any], Task | None], Task] | None = None,
        unknown: Mapping[str, Any] | None = None,
    ) -> None:
        self._simulator = simulator
        self._closed = False
        for name in unknown or {}:
            known = [p for p in inspect.signature(type(self)).parameters if p != "unknown"]
            raise UnknownArgument(
                f"{type(self).__name__} has no argument {name!r}. {nearest(name, known)}"
            )
        self._options, self._given = ("task_id", *options), given
        self._check_split(split)
        self._step_limit = self._checked_step_limit(step_limit)
        if not isinstance(admissible, bool):
            raise UnknownArgument(f"admissible must be True or False, not {admissible!r}.")
        if render_mode not in (None, *(modes := self.metadata["render_modes"])):
            raise UnknownArgument(f"unknown render_mode {render_mode!r}. {nearest('', modes)}")
        self.split = split
        self.admissible = admissible
        self.render_mode = render_mode
        self.observation_space = FreeText()
        self.action_space = FreeText()
        self._task: Task | None = None
        self._outcome = Outcome(observation="", raw_score=0.0, score=0.0)
        self._step = 0
        self._max_score = 0.0
        self._last_action = ""

    # -- Gymnasium ---------------------------------------------------------------------------

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[str, StepInfo]:
        """Start an episode: a task of the split drawn with ``np_random``, or the one named.

        Args:
            seed: seeds ``np_random``, as Gymnasium defines it.
            options: ``{"task_id": name}`` pins a task of any split. Some environments know
                further options, see there.

        Returns:
            The first observation and ``info``.

        Raises:
            UnknownTask: no task has that name.
            UnknownArgument: there is no option of that name, its value is not understood, or
                ``step_limit`` has no number for the kind of a task that is given.
        """
        self._check_open()
        super().reset(seed=seed)
        if not isinstance(options, Mapping | None):
            raise UnknownArgument(
                f"options must be a mapping such as {{'task_id': NAME}}, not {options!r:.80}."
            )
        for option in options or {}:
            if option not in self._options:
                raise UnknownArgument(
                    f"unknown reset option {option!r}. {nearest(option, self._options)}"
                )
        further = dict(options or {})
        task_id = further.pop("task_id", None)
        if not isinstance(task_id, str | None):
            raise UnknownTask(f"a task_id is a string, not {task_id!r:.80}.")
        task = None if task_id is None else self._simulator.task(task_id)
        if further:
            assert self._given is not None
            task = self._given(self._simulator, further, task)
        if task is None:
            tasks = self._listed(None)
            if not len(tasks):
                full = [name for name in (*self.splits, *self.panels) if self.count(name)]
                raise UnknownSplit(f"split {self.split!r} has no tasks here. {nearest('', full)}")
            task = tasks[int(self.np_random.integers(len(tasks)))]
        self._check_kind(task)
        # Whatever goes wrong in the simulator, the episode before must not seem to go on.
        self._task = None
        outcome = self._simulator.start(task)
        self._task, self._outcome, self._step, self._last_action = task, outcome, 0, ""
        self._max_score = outcome.score
        return outcome.observation, self._info()

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, action: str
    ) -> tuple[str, float, bool, bool, StepInfo]:
        """Take one action.

        Blank, multi-line, unprintable or overlong text is answered as the simulator answers
        what it does not understand, and counts as a step.

        Args:
            action: any string.

        Returns:
            observation, reward (increment of the score), terminated (won or failed),
            truncated (the step limit was reached first), info.

        Raises:
            InvalidAction: the action is not a string.
            EpisodeNotRunning: there is no episode, or it has ended.
        """
        _check_action(action)
        action = str(action)  # a plain string also of numpy's kind, which vector environments pass
        task, before = self._going_on(), self._outcome
        self._task = None  # an interrupted or failed action leaves no episode that could go on
        outcome = self._simulator.act(action) if _is_one_line(action) else self._refused()
        self._outcome, self._last_action = outcome, action
        self._step += 1
        if outcome.score > self._max_score:
            self._max_score = outcome.score
        self._task = task
        return (
            outcome.observation,
            outcome.score - before.score,
            self.terminated,
            self.truncated,
            self._info(),
        )

    def render(self) -> Any:
        """The current state as text with ``render_mode="ansi"``, else None."""
        if self.render_mode is None:
            return None
        self._running()
        action = f"> {self._last_action}\n" if self._step else f"{self._simulator.goal()}\n\n"
        limit = "" if self.step_limit is None else f"/{self.step_limit}"
        status = f"[step {self._step}{limit}, score {self._outcome.score:.2f}]"
        return f"{action}{self._outcome.observation}\n{status}"

    def close(self) -> None:
        """Release the simulator. May be called twice."""
        self._closed = True
        self._task = None
        self._simulator.close()

    # -- what ACT adds -----------------------------------------------------------------------

    @property
    def configuration(self) -> str:
        """Kind and configuration in words, equal where snapshots can be exchanged.

        It names what else than the task decides a result (``"webshop(..., nouns=rule, ...)"``), so
        results should repeat it.
        """
        return self._simulator.name

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the official splits, in their documented order."""
        return self._simulator.splits

    @property
    def panels(self) -> tuple[str, ...]:
        """Names of further lists of tasks, mostly those of papers, that serve like splits."""
        return self._simulator.panels

    @property
    def step_limit(self) -> int | None:
        """Actions after which the episode is truncated, None without a limit.

        Where kinds of task differ in it: that of the running task, or the highest while there
        is none.
        """
        limit = self._step_limit
        if limit is None or isinstance(limit, int):
            return limit
        return max(limit.values()) if self._task is None else limit[self._task.kind]

    @property
    def terminated(self) -> bool:
        """Whether the episode was won or failed."""
        return self._outcome.won or self._outcome.failed

    @property
    def truncated(self) -> bool:
        """Whether the step limit ended the episode."""
        limit = self.step_limit
        return limit is not None and self._step >= limit and not self.terminated

    def tasks(self, split: str | None = None) -> list[Task]:
        """Every task of a split or panel (this environment's own by default), in a fixed order.

        Raises:
            UnknownSplit: there is no such split and no such panel.
        """
        return list(self._listed(split))

    def count(self, split: str | None = None) -> int:
        """How many tasks a split or panel has. Cheaper than listing them where there are millions.

        Raises:
            UnknownSplit: there is no such split and no such panel.
        """
        return len(self._listed(split))

    def admissible_actions(self) -> list[str]:
        """Every action that the simulator offers now, in a fixed order; [] when it is over."""
        self._running()
        return [] if self.terminated else self._simulator.admissible_actions()

    @property
    def experts(self) -> tuple[Expert, ...]:
        """Those who can be asked what to do, the usual one first."""
        return self._simulator.experts

    def expert(self, name: str | None = None) -> Expert:
        """The expert of that name, the usual one by default.

        Raises:
            UnknownArgument: there is no such expert, or none at all.
        """
        known = {expert.name: expert for expert in self.experts}
        if not known:
            raise UnknownArgument(f"{type(self).__name__} has no expert. Ask a policy instead.")
        name = next(iter(known)) if name is None else name
        if name not in known:
            raise UnknownArgument(f"unknown expert {name!r}. {nearest(name, known)}")
        return known[name]

    def expert_action(self, expert: str | None = None) -> str | None:
        """An expert's next action from here, or None where it knows none or nothing is left.

        It may rest on what the agent cannot see (``Expert.sees``), and never appears in an
        observation.

        Args:
            expert: the name of one of ``experts``; the usual one by default.

        Raises:
            UnknownArgument: there is no such expert, or none at all.
        """
        self._running()
        name = self.expert(expert).name
        return None if self.terminated else self._simulator.expert_action(name)

    def cost_to_go(self) -> float | None:
        """How many actions the shortest way from here to a win takes, knowing everything.

        Infinity where no way leads there any more; None where the environment cannot tell.
        """
        self._running()
        if self.terminated:
            return 0.0 if self._outcome.won else math.inf
        return self._simulator.cost_to_go()

    def sample_world(self, seed: int) -> Snapshot | None:
        """This moment in another world, which has looked the same to the agent so far.

        What the agent has not observed is drawn anew, as likely as the agent must think it; so an
        action can be judged by what could be known. ``restore`` goes there, and ``restore`` of
        what ``snapshot`` returned comes back. Admissible actions may tell the worlds apart.

        Args:
            seed: equal seeds give equal worlds.

        Returns:
            A snapshot; None where the environment cannot tell what the agent knows, or it is over.
        """
        self._running()
        state = None if self.terminated else self._simulator.sample_world(seed)
        return None if state is None else self._snapshot(state)

    def canonical(self, action: str) -> str:
        """The action as the simulator reads it: equal results mean the same action.

        Raises:
            InvalidAction: the action is not a string.
        """
        _check_action(action)
        return self._simulator.canonical(action) if _is_one_line(action) else str(action)

    def consequences(self, actions: Sequence[str]) -> list[Consequence]:
        """What each of several actions would give from here. The episode stays where it is.

        The same as ``restore``, ``step`` and ``state_hash`` for each of them, at a lower cost.

        Args:
            actions: any strings, each on its own.

        Raises:
            InvalidAction: one of them is not a string.
            EpisodeNotRunning: there is no episode, or it has ended.
        """
        for action in actions:
            _check_action(action)
        task, simulator = self._going_on(), self._simulator
        lines = [str(action) for action in actions if _is_one_line(action)]
        self._task = None  # as in step()
        given = simulator.consequences(task, lines)
        if len(lines) < len(actions):  # the others change nothing
            refused, known = (self._refused(), simulator.fingerprint()), iter(given)
            given = [next(known) if _is_one_line(action) else refused for action in actions]
        self._task = task
        return [
            Consequence(
                outcome.observation,
                _hash(fingerprint, outcome),
                float(outcome.score),
                outcome.won,
                outcome.failed,
                outcome.action_valid,
            )
            for outcome, fingerprint in given
        ]

    def snapshot(self) -> Snapshot:
        """The exact state of the episode: the simulator's, its randomness and our counter."""
        self._running()
        return self._snapshot(self._simulator.snapshot())

    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        """Go back to a snapshot, as often as wanted; each time the same future follows.

        The step counter goes back too, and counts against this environment's own ``step_limit``.
        A ``TimeLimit`` wrapped around it (``max_episode_steps``) has a counter that does not.

        Args:
            snapshot: taken by this environment or by one of the same kind and configuration,
                in this process or in another.

        Returns:
            The observation and ``info`` that held when the snapshot was taken.

        Raises:
            SnapshotMismatch: it belongs to another kind of environment.
            UnknownArgument: ``step_limit`` has no number for the kind of its task.
        """
        self._check_open()
        if not isinstance(snapshot, Snapshot):
            raise SnapshotMismatch(
                f"restore() takes what snapshot() returned, not {type(snapshot).__name__}."
            )
        if snapshot.origin != self._simulator.name:
            raise SnapshotMismatch(
                f"the snapshot comes from {snapshot.origin!r}, this environment is "
                f"{self._simulator.name!r}. Make the environment with the same arguments."
            )
        self._check_kind(snapshot.task)
        self._task = None
        self._simulator.restore(snapshot.task, snapshot.state)
        self._task, self._outcome = snapshot.task, snapshot.outcome
        self._step, self._last_action = snapshot.step, snapshot.last_action
        self._max_score = snapshot.max_score
        return self._outcome.observation, self._info()

    def fork(self) -> Self:
        """Another environment in the same state; from here on neither touches the other.

        It has its own simulator and its own random numbers, which go on as this one's would.
        Close both.
        """
        snapshot = self.snapshot()
        fork = copy.copy(self)
        fork._simulator = self._simulator.twin()
        fork._np_random = copy.deepcopy(self.np_random)
        fork.observation_space = copy.deepcopy(self.observation_space)
        fork.action_space = copy.deepcopy(self.action_space)
        fork.restore(snapshot)
        return fork

    def state_hash(self) -> str:
        """32 hexadecimal digits of everything that can affect the future, equal across processes.

        Step counters, history and logs are left out: two ways to one state give one hash.
        """
        self._running()
        return _hash(self._simulator.fingerprint(), self._outcome)

    # -- inside ------------------------------------------------------------------------------

    def _info(self) -> StepInfo:
        task, outcome = self._running(), self._outcome
        info: StepInfo = {
            "task_id": task.task_id,
            "split": task.split,
            "kind": task.kind,
            "goal": self._simulator.goal(),
            "step": self._step,
            "score": float(outcome.score),
            "max_score": float(self._max_score),
            "raw_score": float(outcome.raw_score),
            "won": outcome.won,
            "failed": outcome.failed,
            "action_valid": outcome.action_valid,
            "last_action": self._last_action,
        }
        if outcome.extra is not None:
            for key, value in outcome.extra.items():  # what may be changed is the reader's own
                info[key] = dict(value) if type(value) is dict else value
        if self.admissible:
            info["admissible_actions"] = self.admissible_actions()
        return info

    def _refused(self) -> Outcome:
        """What comes of text that is no command."""
        said = self._simulator.refusal
        said = self._outcome.observation if said is None else said
        return self._outcome._replace(observation=said, action_valid=False)

    def _snapshot(self, state: object) -> Snapshot:
        return Snapshot(
            origin=self._simulator.name,
            task=self._running(),
            step=self._step,
            max_score=self._max_score,
            outcome=self._outcome,
            last_action=self._last_action,
            state=state,
        )

    def _listed(self, split: str | None) -> Sequence[Task]:
        split = self.split if split is None else split
        self._check_split(split)
        return self._simulator.tasks(split)

    def _check_split(self, split: str) -> None:
        known = (*self.splits, *self.panels)
        if split not in known:
            raise UnknownSplit(f"unknown split {split!r}. {nearest(split, known)}")

    def _checked_step_limit(
        self, limit: int | Mapping[str, int] | None
    ) -> int | Mapping[str, int] | None:
        if limit is None:
            return None
        for number in limit.values() if isinstance(limit, Mapping) else (limit,):
            if type(number) is not int or number < 1:
                raise UnknownArgument(
                    f"step_limit must be a positive whole number or None, not {number!r}."
                )
        if isinstance(limit, Mapping):
            kinds = {task.kind for split in self.splits for task in self.tasks(split)}
            if missing := sorted(kinds - limit.keys()):
                raise UnknownArgument(
                    f"step_limit has no number for tasks of kind {missing[0]!r}. "
                    "Give one for every kind, since a task of any kind can be named."
                )
        return limit

    def _check_kind(self, task: Task) -> None:
        """Refuse a task that was given, and of a kind that no task of the splits has."""
        limit = self._step_limit
        if isinstance(limit, Mapping) and task.kind not in limit:
            raise UnknownArgument(
                f"step_limit has no number for tasks of kind {task.kind!r:.80}, and "
                f"{task.task_id!r:.80} is one. {nearest(task.kind, limit)}"
            )

    def _check_open(self) -> None:
        if self._closed:
            raise EpisodeNotRunning("the environment is closed. Make a new one with gym.make().")

    def _running(self) -> Task:
        self._check_open()
        if self._task is None:
            raise EpisodeNotRunning(
                "no episode is running (none was started, or its last action did not come to an "
                "end). Call reset(), or restore() a snapshot."
            )
        return self._task

    def _going_on(self) -> Task:
        """The task of an episode that has not ended."""
        task = self._running()
        if self.terminated or self.truncated:
            raise EpisodeNotRunning(
                f"the episode of {task.task_id!r} has ended. Call reset(), or restore() a snapshot."
            )
        return task


def _hash(fingerprint: bytes, outcome: Outcome) -> str:
    end = bytes((outcome.won, outcome.failed))
    return hashlib.blake2b(fingerprint + end, digest_size=16).hexdigest()


def _check_action(action: object) -> None:
    if not isinstance(action, str):
        raise InvalidAction(
            f"an action is a string, not {type(action).__name__} ({action!r:.80}). "
            "Give the command as text, for example one of env.unwrapped.admissible_actions()."
        )


def _is_one_line(action: str) -> bool:
    """Whether the text can be a command at all: one printable line with something in it."""
    return 0 < len(action) <= MAX_ACTION and action.isprintable() and not action.isspace()
