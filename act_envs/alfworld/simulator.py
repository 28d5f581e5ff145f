"""The native engine behind the contract: tasks, experts, both dialects. No text is made here."""

from __future__ import annotations

import copy
import functools
import math
import random
from collections.abc import Sequence
from typing import Protocol

from act_envs.alfworld import worlds
from act_envs.alfworld.engine import DIALECTS, REFUSAL, Engine
from act_envs.alfworld.explorer import Explorer
from act_envs.alfworld.game import Game, State, classic, modern
from act_envs.alfworld.planner import cost_to_go, plan
from act_envs.errors import (
    EpisodeNotRunning,
    GameFileError,
    SnapshotMismatch,
    UnknownArgument,
    nearest,
)
from act_envs.types import Expert, Outcome, Task

EXPLORER, CLAIRVOYANT = Expert("explorer", "observed"), Expert("clairvoyant", "all")
EXPERTS = (EXPLORER.name, CLAIRVOYANT.name)


@functools.lru_cache(256)
def _spelt(part: int | tuple[int, ...]) -> str:
    """Part of a state in digits."""
    return repr(part)


class History:
    """What was done and read in an episode: the last turn, and a link to those before.

    Snapshots share their past, so a step costs the same however long the episode is.
    """

    __slots__ = ("action", "before", "length", "observation")

    def __init__(self, before: History | None, action: str, observation: str) -> None:
        self.before, self.action, self.observation = before, action, observation
        self.length: int = 1 if before is None else before.length + 1

    def __reduce__(self) -> tuple[object, ...]:
        return _linked, (turns(self, 0),)  # pickle would recurse along the links


def turns(history: History | None, known: int) -> list[tuple[str, str]]:
    """Actions and observations in order, without the first ``known`` ones."""
    found = []
    while history is not None and history.length > known:
        found.append((history.action, history.observation))
        history = history.before
    return found[::-1]


def _linked(said: list[tuple[str, str]]) -> History | None:
    history = None
    for action, observation in said:
        history = History(history, action, observation)
    return history


class Games(Protocol):
    """Where games come from: files, or a generator."""

    splits: tuple[str, ...]

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split, in a fixed order."""
        ...

    def task(self, task_id: str) -> Task:
        """The task of that name.

        Raises:
            UnknownTask: there is none.
        """
        ...

    def game(self, task_id: str) -> Game:
        """The compiled game of a task."""
        ...


class NativeSimulator:
    """One episode of ALFWorld on :class:`~act_envs.alfworld.engine.Engine`.

    Args:
        name: kind of environment, part of what makes snapshots exchangeable.
        games: where games come from.
        dialect: ``"modern"`` or ``"classic"``.
        either_dialect: take commands in both wordings.
        expert: the usual one, ``"explorer"`` or ``"clairvoyant"``. Of what the explorer needs to
            know nothing is kept where it is the clairvoyant.
        goal_conditions: report the share of goal conditions that hold.

    Raises:
        UnknownArgument: a value is not one of the above.
    """

    panels: tuple[str, ...] = ()
    refusal: str | None = REFUSAL

    def __init__(
        self,
        name: str,
        games: Games,
        *,
        dialect: str = "modern",
        either_dialect: bool = False,
        expert: str = "explorer",
        goal_conditions: bool = False,
    ) -> None:
        if dialect not in DIALECTS:
            raise UnknownArgument(f"unknown dialect {dialect!r}. {nearest(dialect, DIALECTS)}")
        if expert not in EXPERTS:
            raise UnknownArgument(f"unknown expert {expert!r}. {nearest(expert, EXPERTS)}")
        for option, value in (
            ("either_dialect", either_dialect),
            ("goal_conditions", goal_conditions),
        ):
            if not isinstance(value, bool):
                raise UnknownArgument(f"{option} must be True or False, not {value!r:.80}.")
        flags = [("either", either_dialect), ("conditions", goal_conditions)]
        self.name = "/".join([name, dialect, expert, *(flag for flag, on in flags if on)])
        self.splits = games.splits
        self._games, self._dialect, self._either = games, dialect, either_dialect
        self._conditions = goal_conditions
        self.experts = (EXPLORER, CLAIRVOYANT) if expert == EXPLORER.name else (CLAIRVOYANT,)
        self._task: Task | None = None
        self._engine: Engine | None = None
        self._played = ""  # what is, in the fingerprint
        self._spelt: tuple[State, list[str]]  # the state of which that was the last one
        # What the explorer has seen.
        self._intro = ""
        self._history: History | None = None
        self._explorer: tuple[Explorer, int] | None = None  # and how much of the history it knows
        self._planned: dict[State, str] = {}

    def tasks(self, split: str) -> Sequence[Task]:
        return self._games.tasks(split)

    def task(self, task_id: str) -> Task:
        return self._games.task(task_id)

    def start(self, task: Task) -> Outcome:
        self._load(task)
        return self._outcome(self._intro, valid=True)

    def goal(self) -> str:
        return self._running().game.goal

    def act(self, action: str) -> Outcome:
        if self._either:
            action = self.canonical(action)
        observation, valid = self._running().step(action)
        if EXPLORER in self.experts:
            self._history = History(self._history, action, observation)
        return self._outcome(observation, valid=valid)

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        engine, given = self._running(), []
        self.fingerprint()
        here, spelt = engine.state, self._spelt
        for action in actions:
            observation, valid = engine.step(self.canonical(action) if self._either else action)
            given.append((self._outcome(observation, valid=valid), self.fingerprint()))
            engine.state, self._spelt = here, spelt  # which each differs from in little
        return given

    def canonical(self, action: str) -> str:
        action = action.strip()
        if not self._either:
            return action
        return modern(action) if self._dialect == "modern" else classic(action)

    def admissible_actions(self) -> list[str]:
        return self._running().admissible()

    def expert_action(self, expert: str) -> str | None:
        if expert == EXPLORER.name:
            return self._explore()
        action = self._foresee(self._running())
        return action if action is None or self._dialect == "modern" else classic(action)

    def cost_to_go(self) -> float | None:
        engine = self._running()
        cost = cost_to_go(engine.game, engine.state)
        return math.inf if cost is None else cost

    def sample_world(self, seed: int) -> object | None:
        engine, explorer = self._running(), self._informed()
        if explorer is None:
            return None
        said = turns(self._history, 0)
        rng = random.Random(seed)
        state = worlds.sample(
            engine.game, engine.state, self._dialect, said, explorer.viewed, explorer.likely, rng
        )
        return engine.game.content, state, self._history

    def snapshot(self) -> object:
        engine = self._running()
        return engine.game.content, engine.state, self._history

    def restore(self, task: Task, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 3 and isinstance(state[1], State)):
            raise SnapshotMismatch(
                f"{type(state).__name__} is no state of an ALFWorld game. "
                "Restore what snapshot() of such an environment gave."
            )
        if task is not self._task and task != self._task:
            self._load(task)
        content, position, history = state
        engine = self._running()
        if content != engine.game.content:
            raise SnapshotMismatch(
                f"the snapshot is of another game that is named {task.task_id!r} too. Restore it "
                "with the games that it was taken from."
            )
        engine.state, self._history, self._explorer = position, history, None

    def twin(self) -> NativeSimulator:
        twin = copy.copy(self)
        twin.close()
        return twin

    def fingerprint(self) -> bytes:
        # Of all that is kept, the history alone cannot change what happens next.
        state, (before, words) = self._running().state, self._spelt
        if state is not before:  # from one state to the next most parts stay
            parts = zip(state, before, words, strict=True)
            words = [word if part is same else _spelt(part) for part, same, word in parts]
            self._spelt = state, words
        return f"({self._played}, ({', '.join(words)}))".encode()

    def close(self) -> None:
        self._engine = self._task = self._explorer = None

    # -- inside ------------------------------------------------------------------------------

    def _running(self) -> Engine:
        if self._engine is None:
            raise EpisodeNotRunning("no game is loaded. Call reset(), or restore() a snapshot.")
        return self._engine

    def _load(self, task: Task) -> None:
        self._engine = Engine(self._games.game(task.task_id), self._dialect)
        self._task, self._intro = task, self._engine.intro()
        game = self._engine.game
        self._played = repr((task.task_id, game.content, self._dialect, self._either))
        self._spelt = game.start, [*map(repr, game.start)]
        self._history, self._explorer, self._planned = None, None, {}

    def _outcome(self, observation: str, *, valid: bool) -> Outcome:
        engine = self._running()
        won = engine.won()
        score = 1.0 if won else 0.0
        if not self._conditions:
            return Outcome(observation, score, score, won, False, valid)
        met, conditions = engine.conditions()
        return Outcome(
            observation, score, score, won, False, valid, {"goal_conditions": met / conditions}
        )

    def _explore(self) -> str | None:
        explorer = self._informed()
        return None if explorer is None else explorer.act()

    def _informed(self) -> Explorer | None:
        """An explorer that knows all that the agent has read."""
        if EXPLORER not in self.experts:
            return None  # nothing was kept
        if self._explorer is None:
            try:
                self._explorer = Explorer(self._intro, self._dialect), 0
            except (
                GameFileError
            ):  # a task in words of somebody's own; it can be played all the same
                return None
        explorer, known = self._explorer
        for action, observation in turns(self._history, known):
            explorer.observe(action, observation)
        self._explorer = explorer, 0 if self._history is None else self._history.length
        return explorer

    def _foresee(self, engine: Engine) -> str | None:
        """The next action of the stored walkthrough where one leads on from here, else a plan's."""
        if not self._planned:
            self._remember(Engine(engine.game), engine.game.walkthrough)
        if engine.state not in self._planned:
            here = Engine(engine.game)
            here.state = engine.state
            self._remember(here, plan(engine.game, engine.state) or ())
        return self._planned.get(engine.state)

    def _remember(self, engine: Engine, actions: Sequence[str]) -> None:
        path = {}
        for action in actions:
            path[engine.state] = action  # where a path comes by twice, the later time leads on
            engine.step(action)
        if engine.won():  # a stored walkthrough may be of another game, or somebody's own
            self._planned.update(path)
