"""The contract checks catch what they are there for: Toy, broken in one place at a time."""

from __future__ import annotations

import functools
import itertools
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest

from act_envs import testing
from act_envs.base import TextEnv
from act_envs.errors import ContractViolation, MissingExtra, UnknownSplit
from act_envs.toy import ToyEnv, ToySimulator
from act_envs.types import Outcome, Snapshot, StepInfo, Task

MUTANTS: dict[str, tuple[str, type[TextEnv] | type[ToySimulator]]] = {}
"""Name of the mutant: the check that must catch it, and the mutant."""


STARTS = itertools.count()


def caught_by(check: str) -> Callable[[type], type]:
    def add(mutant: type) -> type:
        MUTANTS[mutant.__name__] = (check, mutant)
        return mutant

    return add


def made(mutant: str, **kwargs: Any) -> TextEnv:
    """A ``make`` that pickles: ``functools.partial(made, name)``."""
    _, broken = MUTANTS[mutant]
    if issubclass(broken, TextEnv):
        return broken(**kwargs)
    env = ToyEnv(**kwargs)
    env._simulator = broken()
    return env


# -- broken environments -----------------------------------------------------------------------


@caught_by("info")
class RewardIsTheScore(ToyEnv):
    def step(self, action: str) -> Any:
        observation, _, *flags, info = super().step(action)
        return observation, info["score"], *flags, info


@caught_by("malformed_actions")
class RewardIsANumberOfAnotherType(ToyEnv):
    def step(self, action: str) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, int(reward) if reward.is_integer() else reward, *rest


@caught_by("malformed_actions")
class LastActionIsTidied(ToyEnv):
    def step(self, action: str) -> Any:
        result = super().step(action)
        result[4]["last_action"] = action.strip()
        return result


@caught_by("fork")
class ForkIsTheSameSimulator(ToySimulator):
    def twin(self) -> ToySimulator:
        return self


@caught_by("fork")
class ForkDrawsOtherTasks(ToyEnv):
    def fork(self) -> Any:
        fork = super().fork()
        fork.np_random.random()
        return fork


@caught_by("malformed_actions")
class LongActionRaises(ToySimulator):
    def act(self, action: str) -> Outcome:
        if len(action) > 1000:
            raise ValueError(action)
        return super().act(action)


@caught_by("malformed_actions")
class GarbageMovesTheCat(ToySimulator):
    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        if not outcome.action_valid:
            self._house = replace(self._house, chance=self._house.chance + 1)
        return outcome


@caught_by("task_choice")
class SeedIsDropped(ToyEnv):
    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, StepInfo]:
        return super().reset(options=options)


@caught_by("errors")
class UnknownArgumentsAreSwallowed(ToyEnv):
    def __init__(self, *args: Any, spilt: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


@caught_by("errors")
class AdmissibleTakesAnything(ToyEnv):
    def __init__(self, *args: Any, admissible: Any = False, **kwargs: Any) -> None:
        super().__init__(*args, admissible=bool(admissible), **kwargs)


@caught_by("render")
class BadRenderModeIsSwallowed(ToyEnv):
    def __init__(self, *args: Any, render_mode: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, render_mode=render_mode and "ansi", **kwargs)


@caught_by("render")
class RendersOnlyTheStart(ToyEnv):
    def render(self) -> str | None:
        return None if self._step else super().render()


@caught_by("expert")
class TruncatedThoughWon(ToyEnv):
    @property
    def truncated(self) -> bool:
        return self.step_limit is not None and self._step >= self.step_limit


@caught_by("expert")
class StepAfterTheWin(ToyEnv):
    def step(self, action: str) -> Any:
        if self.terminated:
            return self._outcome.observation, 0.0, True, False, self._info()
        return super().step(action)


@caught_by("step_limit")
class OneLimitForAll(ToyEnv):
    @property
    def step_limit(self) -> int | None:
        limit = self._step_limit
        return limit if limit is None or isinstance(limit, int) else max(limit.values())


@caught_by("step_limit")
class LimitsAreNotChecked(ToyEnv):
    def __init__(self, *args: Any, step_limit: Any = 20, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._step_limit = step_limit


@caught_by("close")
class ResetReopens(ToyEnv):
    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, StepInfo]:
        self._closed = False
        return super().reset(seed=seed, options=options)


@caught_by("snapshots")
class RestoreLosesTheLastAction(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        super().restore(snapshot)
        self._last_action = ""
        return self._outcome.observation, self._info()


@caught_by("snapshots")
class RestoreLosesTheScore(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        observation, info = super().restore(snapshot)
        self._outcome = self._outcome._replace(score=0.0)
        return observation, {**info, "score": 0.0}


@caught_by("snapshots")
class RestoreKeepsTheMaxScore(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        best = self._max_score
        super().restore(snapshot)
        self._max_score = max(best, self._max_score)
        return self._outcome.observation, self._info()


@caught_by("snapshots")
class RestoreKeepsTheStep(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        step = self._step
        super().restore(snapshot)
        self._step = step
        return self._outcome.observation, self._info()


@caught_by("snapshots")
class RestoreWantsTheSameTask(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        if self._task and self._task != snapshot.task:
            raise RuntimeError("another task is being played")
        return super().restore(snapshot)


@caught_by("snapshots")
class RestoreWantsARunningEpisode(ToyEnv):
    def restore(self, snapshot: Snapshot) -> tuple[str, StepInfo]:
        if self._task and (self.terminated or self.truncated):
            raise RuntimeError("the episode has ended")
        return super().restore(snapshot)


# -- broken panels -----------------------------------------------------------------------------


class Panelled(TextEnv):
    """Toy with a panel of one task of every split; sound, until a subclass breaks it."""

    class Panels(ToySimulator):
        panels = ("few",)

        def tasks(self, split: str) -> Sequence[Task]:
            if split in self.splits:
                return super().tasks(split)
            return [ToySimulator.tasks(self, each)[0] for each in self.splits]

    def __init__(self, split: str = "train", *, step_limit: int | None = 20, **kwargs: Any) -> None:
        known = {name: kwargs.pop(name) for name in ("admissible", "render_mode") if name in kwargs}
        super().__init__(self.Panels(), split=split, step_limit=step_limit, unknown=kwargs, **known)


@caught_by("tasks")
class PanelIsEmpty(Panelled):
    class Panels(Panelled.Panels):
        def tasks(self, split: str) -> Sequence[Task]:
            return super().tasks(split) if split in self.splits else []


@caught_by("tasks")
class PanelHasATaskTwice(Panelled):
    class Panels(Panelled.Panels):
        def tasks(self, split: str) -> Sequence[Task]:
            tasks = super().tasks(split)
            return tasks if split in self.splits else [*tasks, tasks[0]]


@caught_by("tasks")
class PanelMakesItsTasksTrainingTasks(Panelled):
    class Panels(Panelled.Panels):
        def tasks(self, split: str) -> Sequence[Task]:
            tasks = super().tasks(split)
            return tasks if split in self.splits else [replace(t, split="train") for t in tasks]


@caught_by("tasks")
class PanelShuffles(Panelled):
    class Panels(Panelled.Panels):
        def tasks(self, split: str) -> Sequence[Task]:
            tasks = list(super().tasks(split))
            if split not in self.splits and next(STARTS) % 2:
                tasks.reverse()
            return tasks


@caught_by("tasks")
class PanelIsCalledLikeASplit(Panelled):
    class Panels(Panelled.Panels):
        panels = ("train",)


@caught_by("tasks")
class TaskIsAnotherById(Panelled):
    class Panels(Panelled.Panels):
        def task(self, task_id: str) -> Task:
            return replace(super().task(task_id), kind="another")


@caught_by("tasks")
class PanelIsNotDrawnFrom(Panelled):
    def __init__(self, split: str = "train", **kwargs: Any) -> None:
        super().__init__("train" if split == "few" else split, **kwargs)


@caught_by("tasks")
class PanelMakesNoEnvironment(Panelled):
    def __init__(self, split: str = "train", **kwargs: Any) -> None:
        if split == "few":
            raise UnknownSplit(f"unknown split {split!r}")
        super().__init__(split, **kwargs)


# -- broken simulators -------------------------------------------------------------------------


class _Blind(ToySimulator):
    """Leaves the random numbers out of the hash."""

    def fingerprint(self) -> bytes:
        return repr(replace(self._house, chance=0)).encode()


@caught_by("snapshots")
class SnapshotWithoutChance(_Blind):
    def snapshot(self) -> object:
        return replace(self._house, chance=1)


@caught_by("snapshots")
class SnapshotIsTheLiveState(ToySimulator):
    def __init__(self) -> None:
        super().__init__()
        self.live = [self._house]

    def act(self, action: str) -> Outcome:
        outcome = super().act(action)
        self.live[0] = self._house
        return outcome

    def snapshot(self) -> object:
        self.live[0] = self._house
        return self.live

    def restore(self, task: Task, state: Any) -> None:
        self._house = state[0]


@caught_by("snapshots")
class SnapshotDoesNotPickle(ToySimulator):
    def snapshot(self) -> object:
        house = self._house
        return lambda: house

    def restore(self, task: Task, state: Any) -> None:
        self._house = state()


KEPT: list[Any] = []


@caught_by("other_process")
class SnapshotStaysInThisProcess(ToySimulator):
    def snapshot(self) -> object:
        KEPT.append(self._house)
        return len(KEPT) - 1

    def restore(self, task: Task, state: Any) -> None:
        self._house = KEPT[state]


@caught_by("other_process")
class HashOfThisProcess(ToySimulator):
    def fingerprint(self) -> bytes:
        return str(hash(repr(self._house))).encode()


@caught_by("other_process")
class OfferInSetOrder(ToySimulator):
    def admissible_actions(self) -> list[str]:
        return list(set(super().admissible_actions()))


@caught_by("restart")
class StartKeepsChance(ToySimulator):
    def start(self, task: Task) -> Outcome:
        before, outcome = self._house, super().start(task)
        self._house = replace(self._house, chance=before.chance)
        return outcome


@caught_by("restart")
class EveryStartIsAnother(_Blind):
    def start(self, task: Task) -> Outcome:
        outcome = super().start(task)
        return outcome._replace(observation=f"Day {next(STARTS)}. {outcome.observation}")


@caught_by("equal_hashes")
class HashWithoutChance(_Blind):
    pass


@caught_by("equal_hashes")
class HashWithoutRoom(ToySimulator):
    def fingerprint(self) -> bytes:
        return repr(replace(self._house, room="")).encode()


class _Oracle(ToySimulator):
    """Tells what follows, but not as it is."""

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        told = super().consequences(task, actions)
        return [(self._bent(outcome), digest) for outcome, digest in told]

    def _bent(self, outcome: Outcome) -> Outcome:
        return outcome._replace(action_valid=True)


@caught_by("consequences")
class TellsThatAllIsValid(_Oracle):
    pass


@caught_by("consequences")
class TellsAnotherScore(_Oracle):
    def _bent(self, outcome: Outcome) -> Outcome:
        return outcome._replace(score=0.25)


@caught_by("consequences")
class TellsAndDoes(ToySimulator):
    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        told = super().consequences(task, actions)
        self._house = replace(self._house, chance=self._house.chance + 1)
        return told


@caught_by("consequences")
class TellsTheHashOfNow(ToySimulator):
    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        now = self.fingerprint()
        return [(outcome, now) for outcome, _ in super().consequences(task, actions)]


@caught_by("state_hash")
class AskingTheHashChangesTheState(ToySimulator):
    def fingerprint(self) -> bytes:
        self._house = replace(self._house, chance=self._house.chance + 1)
        return super().fingerprint()


@caught_by("determinism")
class AskingTheExpertMovesTheCat(_Blind):
    def expert_action(self, expert: str) -> str | None:
        self._house = replace(self._house, chance=self._house.chance + 1)
        return super().expert_action(expert)


@caught_by("expert")
class ExpertFumbles(ToySimulator):
    fumbled = False

    def act(self, action: str) -> Outcome:
        self.fumbled = True
        return super().act(action)

    def expert_action(self, expert: str) -> str | None:
        return super().expert_action(expert) if self.fumbled else "fly to the moon"


@caught_by("expert")
class ThinksThatItIsFarAway(ToySimulator):
    def cost_to_go(self) -> float | None:
        return 99.0


@caught_by("sample_world")
class AnotherWorldIsThisOneMoved(ToySimulator):
    def sample_world(self, seed: int) -> object | None:
        self._house = replace(self._house, chance=self._house.chance + 1)
        return self._house


@caught_by("expert")
class WonByHalf(ToySimulator):
    def _outcome(self, observation: str, *, valid: bool = True) -> Outcome:
        outcome = super()._outcome(observation, valid=valid)
        return outcome._replace(score=0.9 * outcome.score)


@caught_by("info")
class NoGoal(ToySimulator):
    def goal(self) -> str:
        return ""


@caught_by("canonical")
class CanonicalIsConstant(ToySimulator):
    def canonical(self, action: str) -> str:
        return "look"

    def act(self, action: str) -> Outcome:
        self.canonical = super().canonical  # the game itself is sound
        outcome = super().act(action)
        del self.canonical
        return outcome


@caught_by("canonical")
class CanonicalIsRandom(ToySimulator):
    def canonical(self, action: str) -> str:
        return super().canonical(action) + " " * random.randrange(1000)


@caught_by("canonical")
class CanonicalGrows(ToySimulator):
    def canonical(self, action: str) -> str:
        return f"please {super().canonical(action)}"


@caught_by("close")
class ProcessIsLeft(ToySimulator):
    def __init__(self) -> None:
        super().__init__()
        self.child = subprocess.Popen(["sleep", "5"])


# -- the test ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_caught(
    mutant: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.syspath_prepend(pytestconfig.rootpath)  # the child imports this module by its name
    name = MUTANTS[mutant][0]
    check = next(c for c in testing.CHECKS if c.__name__ == f"check_{name}")
    with pytest.raises(ContractViolation, match=f"^{name}: "):
        testing.run_check(check, functools.partial(made, mutant))


def test_toy_is_healthy() -> None:
    testing.check_text_env(functools.partial(gym.make, "ACT/Toy-v0"))
    testing.check_text_env(lambda **kwargs: ToyEnv(**kwargs))
    testing.check_text_env(lambda **kwargs: Panelled(**kwargs))


def test_a_make_that_the_child_cannot_import_is_not_compared() -> None:
    assert testing._elsewhere(b"cno_such_module\nmake\n.", b"", []) is None


def test_a_missing_extra_is_no_breach() -> None:
    def make(**_: Any) -> TextEnv:
        raise MissingExtra("pip install it")

    with pytest.raises(MissingExtra):
        testing.run_check(testing.check_spaces, make)
