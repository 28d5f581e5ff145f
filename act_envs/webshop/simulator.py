"""WebShop behind :class:`act_envs.protocol.Simulator`: tasks are goals, an episode is a visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, overload

import numpy as np

from act_envs.errors import SnapshotMismatch, UnknownArgument, UnknownTask, nearest
from act_envs.types import Expert, Outcome, Task
from act_envs.webshop import goals, pages
from act_envs.webshop.engine import Engine, Errand, canonical
from act_envs.webshop.expert import Oracle
from act_envs.webshop.given import GivenTask, given_task
from act_envs.webshop.goals import Goal, Goals
from act_envs.webshop.pages import Visit

OBSERVATIONS = ("text", "text_rich", "html", "url")
PANELS = {"upstream-train": "train", "upstream-dev": "eval", "upstream-test": "test"}
"""Upstream's own splits by the names of the panels that hold them."""


class Tasks(Sequence[Task]):
    """The tasks of some goals, made when they are asked for: there can be millions.

    Args:
        all_goals: the goals of the catalogue.
        positions: which of them, (tasks,) integers.
    """

    def __init__(self, all_goals: Goals, positions: Sequence[int] | np.ndarray) -> None:
        self._goals, self._positions = all_goals, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Tasks: ...
    def __getitem__(self, index: int | slice) -> Task | Tasks:
        if isinstance(index, slice):
            return Tasks(self._goals, self._positions[index])
        return task_of(self._goals[int(self._positions[index])])


class NativeSimulator:
    """The shop of this package: no Java, no browser, no HTML in between.

    Args:
        engine: the shop and its rules, shared with others.
        source: whose goals are the tasks.
        observation: one of ``OBSERVATIONS``.

    Attributes:
        observation: as given.

    Raises:
        UnknownArgument: there is no such observation, or the catalogue has no goals of that source.
    """

    splits: tuple[str, ...] = goals.SPLITS
    experts = (Expert("oracle", "all"),)
    refusal: str | None = None

    def __init__(
        self, engine: Engine, source: Literal["human", "synthetic"], observation: str
    ) -> None:
        if observation not in OBSERVATIONS:
            raise UnknownArgument(
                f"unknown observation {observation!r}. {nearest(observation, OBSERVATIONS)}"
            )
        self._engine, self.observation = engine, observation
        self._goals = engine.shop.goals(source)
        if not len(self._goals):
            others = [s for s in ("human", "synthetic") if len(engine.shop.goals(s))]
            raise UnknownArgument(
                f"the catalogue has no {source} goals. "
                + (f"Take goals={others[0]!r}." if others else "It has none at all.")
            )
        self.panels = tuple(PANELS) if self._goals.whole else ()
        self.name = (
            f"webshop({engine.shop.digest}, {source}, {observation}, nouns={engine.nouns.name}, "
            f"quirks={engine.quirks}, sub_pages={len(engine.sub_pages)})"
        )
        self._oracle = Oracle(engine)
        self._render = self._renderer(observation)
        self._task: Task | None = None
        self._errand = Errand(self._goals[0], {}, "")
        self._visit = Visit()

    # -- tasks ---------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """The goals of a split, in upstream's order."""
        if split in PANELS:
            return Tasks(self._goals, goals.upstream_split(self._goals, PANELS[split]))
        return Tasks(self._goals, self._goals.in_split(split))

    def task(self, task_id: str) -> Task:
        """The task of a goal's name (``"human/B00EXAMPLE/0"``).

        Raises:
            UnknownTask: there is no such goal.
        """
        goal = self._goals.find(task_id)
        if goal is None:
            some = [self._goals[place].goal_id for place in range(min(3, len(self._goals)))]
            raise UnknownTask(
                f"unknown task {task_id!r:.120} among {len(self._goals):,} {self._goals.source} "
                f"goals. Known: {', '.join(some)}, ..."
            )
        return task_of(goal)

    def given(self, options: Mapping[str, Any], task: Task | None) -> Task:
        """The task of a goal or of prices that are given, see :mod:`act_envs.webshop.given`.

        Raises:
            UnknownArgument: they are not understood, or the goal is both named and given, or
                neither.
        """
        if ("goal" in options) == (task is not None):
            raise UnknownArgument("give a goal, or prices for the task named by task_id.")
        named = None if task is None else self._goal(task)
        return given_task(options, named, self._engine.shop.find)

    # -- an episode ----------------------------------------------------------------------------

    def start(self, task: Task) -> Outcome:
        """Stand before the search bar."""
        self._begin(task, Visit())
        return self._outcome(valid=True)

    def goal(self) -> str:
        """The instruction."""
        return self._errand.goal.instruction

    def act(self, action: str) -> Outcome:
        """Search, click, or stay on the page when the action is neither."""
        after = self._engine.act(self._errand, self._visit, action)
        if after is not None:
            self._visit = after
        return self._outcome(valid=after is not None)

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        """What actions would give; a visit is a value that is easily gone back to."""
        here, given = self._visit, []
        for action in actions:
            outcome = self.act(action)
            given.append((outcome, self.fingerprint()))
            self._visit = here
        return given

    def canonical(self, action: str) -> str:
        """The action as upstream reads it, see :func:`act_envs.webshop.engine.canonical`."""
        return canonical(action)

    def admissible_actions(self) -> list[str]:
        """Upstream's available actions in its order; ``search[...]`` stands for any words."""
        return self._engine.actions(self._visit)

    def clickables(self) -> list[str]:
        """What upstream's ``get_available_actions`` lists, as its page spells it."""
        return self._engine.clickables(self._visit)

    def expert_action(self, expert: str) -> str | None:
        """The next action of a way to reward 1, see :mod:`act_envs.webshop.expert`."""
        return self._oracle.next_action(self._errand, self._visit)

    def cost_to_go(self) -> float | None:
        """Nobody can tell."""
        return None

    def sample_world(self, seed: int) -> object | None:
        """Nobody can tell."""
        return None

    # -- states --------------------------------------------------------------------------------

    def snapshot(self) -> Visit:
        """The visit, which is immutable."""
        return self._visit

    def restore(self, task: Task, state: object) -> None:
        """Go on with a visit."""
        if not isinstance(state, Visit):
            raise SnapshotMismatch(
                f"{type(state).__name__} is no state of WebShop. "
                "Restore what snapshot() of such an environment gave."
            )
        self._begin(task, state)

    def twin(self) -> NativeSimulator:
        """Another simulator of the same shop."""
        return type(self)(self._engine, self._goals.source, self.observation)

    def fingerprint(self) -> bytes:
        """The task and the visit."""
        return repr((self._task, self._visit)).encode()

    def close(self) -> None:
        """Nothing to release: the shop is shared."""

    # -- inside --------------------------------------------------------------------------------

    def _begin(self, task: Task, visit: Visit) -> None:
        prices = dict(task.prices) if isinstance(task, GivenTask) else {}
        session = task.task_id.replace("/", "-")
        self._errand = Errand(self._goal(task), prices, session)
        self._task, self._visit = task, visit

    def _goal(self, task: Task) -> Goal:
        if isinstance(task, GivenTask):
            return task.goal
        goal = self._goals.find(task.task_id)
        if goal is None:
            raise UnknownTask(f"unknown task {task.task_id!r}. Give one of tasks().")
        return goal

    def _outcome(self, *, valid: bool) -> Outcome:
        worth = self._visit.reward
        total = 0.0 if worth is None else float(worth.total)
        return Outcome(
            observation=self._render(self._visit),
            raw_score=total,
            score=total,
            won=worth is not None and total == 1.0,
            failed=worth is not None and total != 1.0,
            action_valid=valid,
            extra={
                "nouns": self._engine.nouns.name,
                "purchase": None if worth is None else asdict(worth),
            },
        )

    def _renderer(self, observation: str) -> Callable[[Visit], str]:
        """How a visit is shown to the agent."""
        engine = self._engine
        if observation == "url":
            return lambda visit: pages.address(self._errand.session, visit)
        if observation == "html":
            from act_envs.webshop.html import document  # loads Jinja

            return lambda visit: document(engine, self._errand, visit)
        read = pages.plain if observation == "text" else pages.rich
        return lambda visit: read(engine.pieces(self._errand, visit))


def task_of(goal: Goal) -> Task:
    """The task to reach a goal of the catalogue."""
    split = goals.split_of(goal.asin, goal.category)
    return Task(goal.goal_id, split, goal.category, goal.asin)
