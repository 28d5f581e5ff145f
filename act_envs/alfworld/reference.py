"""The original behind our contract: TextWorld playing the games of ALFWorld.

What the native engine is measured against; nobody needs it to play. The game itself is
:class:`act_envs.alfworld.stock.Stock`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from act_envs.alfworld.engine import REFUSAL
from act_envs.alfworld.game import classic, modern
from act_envs.alfworld.simulator import Games
from act_envs.alfworld.stock import Stock, check_dialect, check_upstream
from act_envs.errors import SimulatorError, SnapshotMismatch
from act_envs.protocol import one_by_one
from act_envs.types import Expert, Outcome, Task


class GameFiles(Games, Protocol):
    """Games that came from files."""

    def raw(self, task_id: str) -> Mapping[str, Any]:
        """The contents of the task's ``game.tw-pddl``."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get to a state again, and how to know that one is there.

    Attributes:
        actions: what the game was given, in order.
        facts: what was true then, see :meth:`Stock.facts`.
    """

    actions: tuple[str, ...]
    facts: tuple[str, ...]


class ReferenceSimulator:
    """Implements :class:`act_envs.protocol.Simulator` on upstream's TextWorld.

    Snapshots are replayed: upstream's state lives in C++ and cannot be copied.

    Args:
        games: the tasks and their game files.
        dialect: ``"modern"`` or ``"classic"``.

    Raises:
        MissingExtra: textworld or alfworld is not installed.
        SimulatorError: upstream cannot run on this Python.
        UnknownArgument: there is no such dialect.
    """

    panels: tuple[str, ...] = ()
    experts = (Expert("walkthrough", "all"),)
    refusal: str | None = REFUSAL

    def __init__(self, games: GameFiles, dialect: str = "modern") -> None:
        check_dialect(dialect)
        check_upstream()  # fail here, not at the first reset
        self.name = f"alfworld/reference({dialect})"
        self.splits = games.splits
        self._games = games
        self._dialect = dialect
        self._stock: Stock | None = None
        self._task_id = ""
        self._walkthrough: tuple[str, ...] = ()
        # None while upstream works: an interrupt there leaves a state that nobody knows.
        self._actions: tuple[str, ...] | None = None

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split, in a fixed order."""
        return self._games.tasks(split)

    def task(self, task_id: str) -> Task:
        """The task of that name, or UnknownTask."""
        return self._games.task(task_id)

    def start(self, task: Task) -> Outcome:
        """Load the game anew: upstream builds everything again in any case."""
        self.close()
        raw = self._games.raw(task.task_id)
        self._walkthrough = tuple(raw.get("walkthrough", ()))
        self._stock = Stock(raw, self._dialect)
        self._task_id, self._actions = task.task_id, ()
        return self._outcome(self._stock.intro)

    def goal(self) -> str:
        """The sentence after "Your task is to:"."""
        return self._playing().intro.rpartition("Your task is to: ")[2]

    def act(self, action: str) -> Outcome:
        """Take one action; upstream ignores blanks around it, and nothing else."""
        stock, actions = self._playing(), self._actions or ()
        self._actions = None
        text = stock.step(action)
        self._actions = (*actions, self.canonical(action))
        return self._outcome(text, valid=stock.valid)

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        return one_by_one(self, task, actions)

    def canonical(self, action: str) -> str:
        """The action without the blanks around it."""
        return action.strip()

    def admissible_actions(self) -> list[str]:
        """Upstream's admissible commands, sorted."""
        return list(self._playing().admissible)

    def expert_action(self, expert: str) -> str | None:
        """The next command of the game's walkthrough, as long as the episode has followed it."""
        path = tuple(map(classic if self._dialect == "classic" else modern, self._walkthrough))
        done = self._actions or ()
        if len(done) >= len(path) or done != path[: len(done)]:
            return None
        return path[len(done)]

    def cost_to_go(self) -> float | None:
        """Nobody can tell."""
        return None

    def sample_world(self, seed: int) -> object | None:
        """Nobody can tell."""
        return None

    def snapshot(self) -> Recipe:
        """The actions that lead here, and the facts to know the place by."""
        stock = self._playing()
        return Recipe(self._actions or (), tuple(stock.facts()))

    def restore(self, task: Task, state: object) -> None:
        """Replay what is missing, and make sure that it led to the same facts.

        Raises:
            SnapshotMismatch: the state is not of this kind.
            SimulatorError: the replay led elsewhere.
        """
        if not isinstance(state, Recipe):
            raise SnapshotMismatch(
                f"a state of {self.name} is a Recipe, not {type(state).__name__}. "
                "Restore what snapshot() returned."
            )
        here = self._actions if task.task_id == self._task_id else None
        if here is None or here != state.actions[: len(here)]:
            self.start(task)
            here = ()
        for action in state.actions[len(here) :]:
            self.act(action)
        if tuple(self._playing().facts()) != state.facts:
            self.close()
            raise SimulatorError(
                f"a replay of {len(state.actions)} actions of {task.task_id!r} led to another "
                "state than before. Was the snapshot taken with another game file or version?"
            )

    def twin(self) -> ReferenceSimulator:
        """A new simulator of the same games."""
        return type(self)(self._games, self._dialect)

    def fingerprint(self) -> bytes:
        """The game and the facts that can still matter."""
        return json.dumps([self._task_id, self._playing().facts()]).encode()

    def close(self) -> None:
        """Leave upstream's environment to the next game. May be called twice."""
        stock, self._stock = self._stock, None
        # An environment that was interrupted in the middle of its work is of no further use.
        if stock is not None and self._actions is not None:
            stock.close()
        self._actions = None
        self._task_id = ""

    def _playing(self) -> Stock:
        if self._stock is None:
            raise SimulatorError("no game of ALFWorld is running. Call reset() or restore().")
        return self._stock

    def _outcome(self, text: str, *, valid: bool = True) -> Outcome:
        stock = self._playing()
        return Outcome(
            observation=text,
            raw_score=float(stock.score),
            score=float(stock.score),
            won=stock.won,
            action_valid=valid,
        )
