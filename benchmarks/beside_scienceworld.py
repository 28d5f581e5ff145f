"""Play the native ScienceWorld and upstream's side by side: ``play_both``.

Two differences are documented, and not counted. Blanks around an action matter to upstream only
around an answer, to ours nowhere: upstream is given answers without them. And where upstream's
simulator throws an exception, which its wrapper reports as a failed episode, ours raises a typed
error: such episodes end there, and are counted by themselves.

The native simulator is also sent astray all the time, and called back: it saves its state, wanders
off, in this task or another, and restores. That must not show.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from act_envs.errors import SimulatorError
from act_envs.scienceworld.rules import QUESTION
from act_envs.scienceworld.simulator import NativeSimulator
from act_envs.types import Outcome, Task
from benchmarks.restless import Restless
from benchmarks.upstream_scienceworld import Upstream

ASTRAY = 0.15  # probability that the native simulator wanders off before an action
SHOWN = 5  # differences that are printed
Seen = dict[str, object]
THINGS = (
    "observation",
    "raw score",
    "done",
    "moves",
    "look",
    "inventory",
    "question",
    "valid actions",
    "goal",
)


@dataclass
class Tally:
    """What was compared, and what differed.

    Attributes:
        counts: of episodes, steps, and what happened in them.
        compared: things compared, by kind of thing.
        differing: what differed, by kind of thing; ``"steps"`` and ``"episodes"`` with a
            difference, and steps with one in anything but the valid actions (``"texts"``).
        differences: the first of each episode, in words, with the actions that led there.
        shown: how many of them are printed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    shown: int = SHOWN

    def note(self, difference: str) -> None:
        """Keep a difference, and show it if it is one of the first."""
        self.differences.append(difference)
        if len(self.differences) <= self.shown:
            print(difference, file=sys.stderr, flush=True)


# -- the two sides --------------------------------------------------------------------------------


class Theirs:
    """What upstream tells, in the words of ``THINGS``."""

    def __init__(self, env: Upstream) -> None:
        self._env = env
        self._question: tuple[str, ...] = ()

    def start(self, task: Task, simplifications: str) -> Seen:
        """Load a task."""
        self._question = ()
        observation, info = self._env.begin(task.task_id, simplifications)
        return self._seen(observation, False, info)

    def act(self, action: str) -> Seen:
        """Take an action."""
        observation, _, done, info = self._env.step(action)
        return self._seen(observation, done, info)

    def _seen(self, observation: str, done: bool, info: dict[str, Any]) -> Seen:
        valid = sorted(set(info["valid"]))
        if valid[0] == "0":  # answers to a question, which a command leaves open
            valid.sort(key=int)
            if observation.startswith(QUESTION):
                lines = (line.partition(":\t") for line in observation.splitlines())
                self._question = tuple(text.strip() for number, _, text in lines if text)
        else:
            self._question = ()
        return {
            "observation": observation,
            "raw score": info["score"],
            "done": done,
            "moves": info["moves"],
            "look": info["look"],
            "inventory": info["inv"],
            "question": self._question,
            "valid actions": valid,
            "goal": " ".join(self._env.get_task_description().split()),
        }


class Ours:
    """What the native simulator tells, and its wanderings in between.

    Args:
        simulator: the simulator.
        seed: fixes when it wanders and where.
    """

    def __init__(self, simulator: NativeSimulator, seed: str) -> None:
        self._simulator = simulator
        self._rng = random.Random(seed)
        self._task: Task | None = None
        self.copies = 0

    def start(self, task: Task) -> Seen:
        """Load a task."""
        self._task = task
        return self._seen(self._simulator.start(task))

    def act(self, action: str) -> Seen:
        """Take an action, possibly after some that are taken back."""
        if self._rng.random() < ASTRAY:
            self._wander()
        return self._seen(self._simulator.act(action))

    def _wander(self) -> None:
        simulator, rng, task = self._simulator, self._rng, self._task
        assert task is not None
        state = simulator.snapshot()
        if rng.random() < 0.2:
            simulator.start(rng.choice(simulator.tasks("train")))
        with suppress(SimulatorError):  # upstream's own exceptions, see above
            self._stray(Restless(str(rng.random())), rng.randint(0, 3))
        simulator.restore(task, state)
        self.copies += 1

    def _stray(self, player: Restless, actions: int) -> None:
        for _ in range(actions):
            self._simulator.act(player.choose(self._simulator.admissible_actions()))

    def _seen(self, outcome: Outcome) -> Seen:
        extra = outcome.extra or {}
        return {
            "observation": outcome.observation,
            "raw score": outcome.raw_score,
            "done": outcome.won or outcome.failed,
            "moves": extra["moves"],
            "look": extra["look"],
            "inventory": extra["inventory"],
            "question": extra["question"],
            "valid actions": self._simulator.admissible_actions(),
            "goal": self._simulator.goal(),
        }


# -- side by side ---------------------------------------------------------------------------------


def play_both(
    tally: Tally,
    upstream: Upstream,
    native: NativeSimulator,
    task: Task,
    simplifications: str,
    choose: Callable[[list[str]], str | None],
) -> bool:
    """Play an episode on both sides and note every difference.

    Args:
        tally: grows by this episode.
        upstream: the original.
        native: ours, with the same simplifications.
        task: what to play.
        simplifications: by upstream's names.
        choose: the next action, given upstream's valid ones; None ends the episode.

    Returns:
        Whether upstream says that it was won.
    """
    theirs, ours = Theirs(upstream), Ours(native, task.task_id)
    original, mine = theirs.start(task, simplifications), ours.start(task)
    said: list[str] = []
    name = f"{task.task_id} ({simplifications or 'no simplifications'})"
    differed = int(_compare(tally, name, said, mine, original))
    while not original["done"]:
        offered = original["valid actions"]
        assert isinstance(offered, list)
        action = choose(offered)
        if action is None:
            break
        said.append(action)
        asked = original["question"]
        original = theirs.act(action.strip() if asked else action)
        tally.counts["steps"] += 1
        try:
            mine = ours.act(action)
        except SimulatorError as error:
            if upstream.in_error():
                tally.counts["exceptions"] += 1
                break
            mine = {**dict.fromkeys(THINGS), "observation": repr(error)}
        differed += _compare(tally, name, said, mine, original, first=not differed)
        tally.counts["answers"] += bool(asked) and action.strip() in offered
        tally.counts["resets"] += action == "reset task"
        tally.counts["wrong focus"] += original["raw score"] == -100
    tally.counts["episodes"] += 1
    tally.counts["copies"] += ours.copies
    tally.differing["steps"] += differed
    tally.differing["episodes"] += differed > 0
    return original["raw score"] == 100


def _compare(
    tally: Tally, name: str, said: list[str], mine: Seen, original: Seen, *, first: bool = True
) -> bool:
    """Count what differs after the actions said, in words the first time; whether anything does."""
    wrong = [thing for thing in THINGS if mine[thing] != original[thing]]
    tally.compared.update(THINGS)
    tally.differing.update(wrong)
    tally.differing["texts"] += any(thing != "valid actions" for thing in wrong)
    if wrong and first:
        apart = (f"{thing}:\n{_apart(mine[thing], original[thing])}" for thing in wrong)
        tally.note(f"{name} after {said}: {''.join(apart)}")
    return bool(wrong)


def _apart(mine: object, original: object) -> str:
    """Two values, from shortly before they part; of two lists only what the other has not."""
    if isinstance(mine, list) and isinstance(original, list) and set(mine) != set(original):
        mine = [each for each in mine if each not in original]
        original = [each for each in original if each not in mine]
    elif isinstance(mine, str) and isinstance(original, str):
        same = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(mine, original, strict=False)
        )
        start = max(0, len(list(same)) - 40)
        mine, original = mine[start:], original[start:]
    return f"  ours:     {mine!r:.400}\n  upstream: {original!r:.400}\n"
