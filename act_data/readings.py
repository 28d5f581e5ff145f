"""What each of two actions costs in the end, by what one may know: how a ``Reading`` is made.

Two ways of knowing, never mixed. Costs count actions until the win, the compared one included.

- *In hindsight* everything is known. Where the environment can tell the length of a shortest way
  to a win, costs are exact (method ``"planner"``). Else an expert that sees everything goes on
  from where each action led (``"continuation:NAME"``). Where it has nothing to say there
  (``"path:NAME"``), its own way is gone instead: with up to ``_SKIPPED`` of its first actions left
  out, without the alternative where that comes later on it, or after going back. These costs are
  upper bounds; what nothing of this wins is unknown, not lost.
- *Informed* is what the agent had observed. What it had not is drawn anew, and in each of these
  worlds an expert that sees no more than the agent goes on after either action
  (``"worlds:N:NAME"``); costs are means over N worlds. To look into the wrong drawer first is no
  mistake by this reading, for in other worlds it is the right one.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from statistics import NormalDist, fmean
from typing import NamedTuple

from act_data.policies import seed_of
from act_data.types import Reading, Verdict
from act_envs import TextEnv
from act_envs.types import Snapshot

_SKIPPED = 4
_WAYS_BACK = 32  # actions tried to undo an alternative, the most alike first
_TOO_LONG = 1000  # actions; an expert that walks in circles ends here
_GIVE_UP = 100  # actions after which an informed expert is lost; its longest wins take 50
_MARGIN = 0.5  # of an action: a smaller mean difference is none
_FIRST = 8  # worlds; doubled until the verdict is clear
_CLEAR = 0.95  # a confidence that needs no further worlds


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


def _take(env: TextEnv, action: str) -> bool:
    """Take an action; whether that won."""
    return env.step(action)[4]["won"]


def _reach(env: TextEnv, start: Snapshot, action: str) -> _Reached:
    env.restore(start)
    won = _take(env, action)
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
            return _reading("planner", self._planned, self._plan(alternative), proven=True)
        if not self._seer:
            return None
        mine, method = self._after, f"continuation:{self._seer}"
        theirs = _reach(self._env, self._here, alternative)
        if theirs.key == mine.key:
            return _reading(method, self._cost, self._cost, proven=True)
        if theirs.over:
            cost = 1.0 if theirs.won else math.inf
            return _reading(method, self._cost, cost, proven=not theirs.won)
        if (rest := self._rest(theirs)) is not None:
            return _reading(method, self._cost, 1 + len(rest), proven=False)
        method, cost = f"path:{self._seer}", self._by_path(theirs, alternative)
        if cost is None:
            return Reading(method, self._shortest, math.inf, None, "unknown", None)
        return _reading(method, self._shortest, cost, proven=False)

    # -- exactly -----------------------------------------------------------------------------

    @cached_property
    def _planned(self) -> float:
        return self._plan(self._action)

    def _plan(self, action: str) -> float:
        self._env.restore(self._here)
        _take(self._env, action)
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
            if _take(env, action):
                return rest
        return None

    # -- by its path from here ---------------------------------------------------------------

    @cached_property
    def _way(self) -> list[str] | None:
        """The expert's action and what follows it, without detours at once after it."""
        path = self._path
        if path is None:
            return None
        ways = (path[skipped:] for skipped in range(_SKIPPED, 0, -1))
        return [self._action, *next((way for way in ways if self._wins(self._after, way)), path)]

    @property
    def _shortest(self) -> float:
        return math.inf if self._way is None else len(self._way)

    def _by_path(self, reached: _Reached, alternative: str) -> float | None:
        """The cost of the alternative, None where no way on from there was found."""
        if self._way is None:
            return None
        ways = [self._way[skipped:] for skipped in range(_SKIPPED + 1)]
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


class Informed:
    """Judges actions in one state by what the agent has observed.

    It moves the environment and leaves it anywhere.

    Args:
        env: stands in the state.
        action: the expert's.
        seed: of the worlds.
        worlds: at most so many are drawn; fewer where the verdict is clear.
    """

    def __init__(self, env: TextEnv, action: str, *, seed: Sequence[int], worlds: int) -> None:
        self._env, self._action, self._seed, self._most = env, action, seed, worlds
        self._expert = next((e.name for e in env.experts if e.sees == "observed"), "")
        self._here = env.snapshot()
        self._drawn: list[tuple[Snapshot, float]] = []  # and what the expert's action costs there

    def read(self, alternative: str) -> Reading | None:
        """Compare the alternative with the expert's action; None where the environment cannot.

        Args:
            alternative: the action, as it would be given to ``step``.
        """
        if not self._expert:
            return None
        expert: list[float] = []
        costs: list[float] = []
        verdict, confidence = "unknown", 0.0
        for world, cost in self._worlds():
            expert.append(cost)
            costs.append(self._cost(world, alternative))
            number = len(costs)
            if number >= _FIRST and (number & (number - 1) == 0 or number == self._most):
                verdict, confidence = judge([a - e for a, e in zip(costs, expert, strict=True)])
                if confidence >= _CLEAR:
                    break
        if not costs:
            return None
        mine, theirs = fmean(expert), fmean(costs)
        method = f"worlds:{len(costs)}:{self._expert}"
        return Reading(method, mine, theirs, theirs - mine, verdict, confidence)

    def _worlds(self) -> Iterator[tuple[Snapshot, float]]:
        """Worlds with the costs of the expert's action, drawn once for all alternatives."""
        for number in range(self._most):
            if number == len(self._drawn):
                self._env.restore(self._here)
                world = self._env.sample_world(seed_of(*self._seed, number)[0])
                if world is None:
                    return
                self._drawn.append((world, self._cost(world, self._action)))
            yield self._drawn[number]

    def _cost(self, world: Snapshot, action: str | None) -> float:
        env, taken = self._env, 0
        env.restore(world)
        while action is not None and taken < _GIVE_UP:
            taken += 1
            if _take(env, action):
                return taken
            action = None if env.terminated else env.expert_action(self._expert)
        return _GIVE_UP


def judge(differences: Sequence[float]) -> tuple[Verdict, float]:
    """What differences in cost say, alternative minus expert, one for each world.

    The true mean lies around theirs, normally distributed with their standard error; the likeliest
    of less than, within and more than ``_MARGIN`` of an action is the verdict. One squared action
    is added to their squares: a few equal draws do not prove that all are equal.

    Args:
        differences: in actions.

    Returns:
        The verdict, and its probability.
    """
    mean, number = fmean(differences), len(differences)
    squares = 1 + sum((difference - mean) ** 2 for difference in differences)
    spread = NormalDist(mean, math.sqrt(squares) / number)
    better, worse = 1 - spread.cdf(_MARGIN), spread.cdf(-_MARGIN)
    chances: dict[Verdict, float] = {
        "expert_better": better,
        "equivalent": 1 - better - worse,
        "alternative_better": worse,
    }
    verdict = max(chances, key=lambda name: chances[name])
    return verdict, chances[verdict]


def _sign(regret: float) -> Verdict:
    if regret == 0:
        return "equivalent"
    return "expert_better" if regret > 0 else "alternative_better"


def _reading(method: str, expert: float, alternative: float, *, proven: bool) -> Reading:
    if math.isinf(expert) and math.isinf(alternative):
        return Reading(method, expert, alternative, None, "unknown", None)
    regret = alternative - expert
    return Reading(method, expert, alternative, regret, _sign(regret), 1.0 if proven else None)
