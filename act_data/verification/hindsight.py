"""Judging actions with everything known, see :mod:`act_data.verification.readings`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from act_data.types import Reading
from act_data.verification.readings import reading, take
from act_envs import TextEnv
from act_envs.types import Snapshot

_SKIPPED = 4  # actions of the expert's path
_WAYS_BACK = 32  # actions tried to undo an alternative, the most alike first
_TOO_LONG = 1000  # actions; an expert that walks in circles ends here


class _Reached(NamedTuple):
    """Where an action led.

    Attributes:
        snapshot: the state.
        key: its hash.
        won: full success.
        over: won or failed.
    """

    snapshot: Snapshot
    key: str
    won: bool
    over: bool


def _reach(env: TextEnv, start: Snapshot, action: str) -> _Reached:
    env.restore(start)
    won = take(env, action)
    return _Reached(env.snapshot(), env.state_hash(), won, env.terminated)


class Hindsight:
    """Judges actions in one state with everything known.

    It moves the environment and leaves it anywhere.

    Args:
        env: stands in the state.
        action: the expert's.
    """

    def __init__(self, env: TextEnv, action: str) -> None:
        self._env, self._action = env, action
        self._here, self._key = env.snapshot(), env.state_hash()
        self._exact = env.cost_to_go() is not None
        self._seer = next((expert.name for expert in env.experts if expert.sees == "all"), "")

    def read(self, alternative: str) -> Reading | None:
        """Compare the alternative with the expert's action; None where nobody knows how to go on.

        Args:
            alternative: the action, as it would be given to ``step``.
        """
        if self._exact:
            return reading("planner", self._planned, self._plan(alternative), proven=True)
        if not self._seer:
            return None
        mine, method = self._after, f"continuation:{self._seer}"
        theirs = _reach(self._env, self._here, alternative)
        if theirs.key == mine.key:
            return Reading(method, self._cost, self._cost, 0.0, "equivalent", 1.0)
        if theirs.over:
            cost = 1.0 if theirs.won else math.inf
            return reading(method, self._cost, cost, proven=not theirs.won)
        if (rest := self._rest(theirs)) is not None:
            return reading(method, self._cost, 1 + len(rest), proven=False)
        method, cost = f"path:{self._seer}", self._by_path(theirs, alternative)
        if cost is None:
            return Reading(method, self._shortest, math.inf, None, "unknown", None)
        return reading(method, self._shortest, cost, proven=False)

    # -- exactly -----------------------------------------------------------------------------

    @cached_property
    def _planned(self) -> float:
        return self._plan(self._action)

    def _plan(self, action: str) -> float:
        self._env.restore(self._here)
        take(self._env, action)
        left = self._env.cost_to_go()
        assert left is not None  # it could tell before
        return 1 + left

    # -- by an expert's continuation ---------------------------------------------------------

    @cached_property
    def _after(self) -> _Reached:
        return _reach(self._env, self._here, self._action)

    @cached_property
    def _path(self) -> list[str] | None:
        """The expert's way on after its action, None where it does not win."""
        return self._rest(self._after)

    @property
    def _cost(self) -> float:
        return math.inf if self._path is None else 1 + len(self._path)

    def _rest(self, reached: _Reached) -> list[str] | None:
        """The actions by which the expert wins from there, None where it does not."""
        if reached.over:
            return [] if reached.won else None
        env, rest = self._env, []
        env.restore(reached.snapshot)
        while (action := env.expert_action(self._seer)) is not None and len(rest) < _TOO_LONG:
            rest.append(action)
            if take(env, action):
                return rest
        return None

    # -- by its path from here ---------------------------------------------------------------

    @cached_property
    def _way(self) -> list[str] | None:
        """The expert's action and what follows it, without detours at once after it."""
        if self._path is None:
            return None
        ways = (self._path[skipped:] for skipped in range(_SKIPPED - 1, 0, -1))
        short = next((way for way in ways if self._wins(self._after, way)), self._path)
        return [self._action, *short]

    @property
    def _shortest(self) -> float:
        return math.inf if self._way is None else len(self._way)

    def _by_path(self, reached: _Reached, alternative: str) -> float | None:
        """The cost of the alternative, None where no way on from there was found."""
        if self._path is None or self._way is None:
            return None
        # The ends of its path that were tried after the expert's action too, and none besides:
        # or the alternative would seem better for what both can spare.
        plan = [self._action, *self._path]
        ways = [self._way, *(plan[skipped:] for skipped in range(_SKIPPED + 1))]
        names = [*map(self._env.canonical, self._way)]
        if (name := self._env.canonical(alternative)) in names:
            at = names.index(name)
            ways.append(self._way[:at] + self._way[at + 1 :])
        for way in sorted(ways, key=len):
            if self._wins(reached, way):
                return 1 + len(way)
        if any(self._leads_back(reached, action) for action in self._ways_back(reached)):
            return 2 + len(self._way)
        return None

    def _wins(self, reached: _Reached, way: Sequence[str]) -> bool:
        """Whether these actions win, each of them valid."""
        self._env.restore(reached.snapshot)
        for action in way:
            info = self._env.step(action)[4]
            if not info["action_valid"] or self._env.terminated:
                return info["won"]
        return False

    def _ways_back(self, reached: _Reached) -> list[str]:
        self._env.restore(reached.snapshot)
        offered = self._env.admissible_actions()
        return difflib.get_close_matches(reached.snapshot.last_action, offered, _WAYS_BACK, 0.0)

    def _leads_back(self, reached: _Reached, action: str) -> bool:
        back = _reach(self._env, reached.snapshot, action)
        return back.key == self._key
