"""What a model is pre-trained on: played episodes and questions about text, made as they are read.

Play is the expert's, with mistakes: with a chance that differs from episode to episode something
random, garbled or repeated is done instead, and the expert goes on from there. So a model reads
what comes back when an action is wrong, and learns what to do then; the mistakes themselves are
never a target. Of some episodes the model that learns plays a part itself, where there is one
(:mod:`act_train.learner`). Some transcripts begin in the middle of an episode, as prompts with a
shorter history do. Their form is told in :mod:`act_train.documents`, the questions in
:mod:`act_train.reading`.

A document follows from the seed and its index alone, in whatever process it is made. Tasks are of
the split ``train``; one in ``HELD_OUT`` is kept for measuring, with all tasks of its origin.

Left out: the rows of other stages. Critique prompts in particular are none of the questions, since
what a model can judge is for the critique stage to teach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from act_data.policies.base import seed_of
from act_data.rollout import make_env, text_env
from act_data.splits import TRAIN, check_split, withheld
from act_envs.base import TextEnv
from act_envs.types import Task
from act_train.documents import Document, Episode, Turn, transcript
from act_train.errors import RecipeError
from act_train.reading import questions

HELD_OUT = 50  # one task in so many is never trained on
MAX_TURNS = 100  # where an environment has no step limit
NOISE = (0.0, 0.0, 0.0, 0.05, 0.15, 0.3, 1.0)  # chances of a mistake; each for as many episodes
HELP = (0.0, 0.1, 0.3)  # chances that the expert acts in a learner's place; likewise
STUCK = 4  # refused actions in a row after which it does in any case
_WHOLE = 0.8  # share of the transcripts that begin with their episode
_BRIEF = 2  # steps of a brief episode, at most


class Player(Protocol):
    """Plays episodes, told of all that is done in them: :class:`act_train.learner.Learner`."""

    def begin(self, goal: str) -> None: ...

    def act(self, observation: str) -> str: ...

    def done(self, action: str) -> None: ...


class World:
    """An environment that is played for its text.

    Args:
        env_id: registered id.
        arguments: of ``gym.make``, without a split.
        held_out: play the tasks that are kept for measuring, and only them.

    Raises:
        RecipeError: there is no task.
        ForbiddenSplit: tasks of the split ``train`` are none.
    """

    def __init__(self, env_id: str, arguments: Mapping[str, Any], *, held_out: bool) -> None:
        self.env_id = env_id
        self._env: TextEnv = text_env(make_env(env_id, {**arguments, "split": TRAIN}))
        is_withheld = withheld(self._env, ())
        self.tasks = [
            task for task in self._env.tasks()
            if is_held_out(task) == held_out and not is_withheld(task)
        ]  # fmt: skip
        if not self.tasks:
            raise RecipeError(f"{env_id} has too few tasks to hold any out. Ask for more of them.")
        for task in self.tasks:
            check_split(task.split, ())

    def draw(
        self, rng: np.random.Generator, learner: Player | None = None, turns: int = MAX_TURNS
    ) -> tuple[Task, Episode]:
        """Play a task with some chance of mistakes, or of help for a learner; both are drawn."""
        task = self.tasks[int(rng.integers(len(self.tasks)))]
        if learner is not None:
            help_ = HELP[int(rng.integers(len(HELP)))]
            return task, play_along(self._env, task.task_id, learner, help_, rng)
        noise = NOISE[int(rng.integers(len(NOISE)))]
        return task, play(self._env, task.task_id, noise, rng, turns)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def trained_on(env_id: str, about: Mapping[str, Any]) -> set[str]:
    """Names of the tasks that a pre-training plays in one of its worlds, except those held out."""
    arguments = {key: value for key, value in about.items() if key not in ("share", "brief")}
    world = World(env_id, arguments, held_out=False)
    world.close()
    return {task.task_id for task in world.tasks}


def is_held_out(task: Task) -> bool:
    """Whether a task is kept for measuring: by the name of what it is made from."""
    return seed_of("held out", task.origin or task.task_id)[0] % HELD_OUT == 0


def play(
    env: TextEnv, task_id: str, noise: float, rng: np.random.Generator, limit: int = MAX_TURNS
) -> Episode:
    """Play a task with the usual expert, which makes a mistake with a chance of ``noise``.

    The episode ends when the environment or the expert ends it, or after ``limit`` steps.
    """
    observation, info = env.reset(options={"task_id": task_id})
    turns: list[Turn] = []
    while not (env.terminated or env.truncated) and len(turns) < limit:
        wanted = env.expert_action()
        if wanted is None:
            break
        action = wanted
        if rng.random() < noise:
            action = mistake(wanted, env.admissible_actions(), turns, rng)
        following, *_, found = env.step(action)
        turns.append(Turn(observation, action, wanted, not found["action_valid"]))
        observation = following
    return Episode(info["goal"], tuple(turns), observation)


def play_along(
    env: TextEnv, task_id: str, learner: Player, help_: float, rng: np.random.Generator
) -> Episode:
    """Let a learner play; with a chance of ``help_`` the expert acts in its place.

    So it does where the learner says nothing, or where ``STUCK`` actions were refused in a row: an
    episode that goes round in a circle shows nothing new.

    Returns:
        The episode, which ends as in :func:`play` by itself, and what the expert wanted each time.
    """
    observation, info = env.reset(options={"task_id": task_id})
    learner.begin(info["goal"])
    turns: list[Turn] = []
    while not (env.terminated or env.truncated) and len(turns) < MAX_TURNS:
        wanted = env.expert_action()
        if wanted is None:
            break
        said = learner.act(observation)
        stuck = len(turns) >= STUCK and all(turn.refused for turn in turns[-STUCK:])
        action = wanted if not said or stuck or rng.random() < help_ else said
        learner.done(action)
        following, *_, found = env.step(action)
        turns.append(Turn(observation, action, wanted, not found["action_valid"]))
        observation = following
    return Episode(info["goal"], tuple(turns), observation)


def mistake(
    wanted: str, offered: Sequence[str], turns: Sequence[Turn], rng: np.random.Generator
) -> str:
    """Something else than what is wanted: offered, said before, or garbled."""
    kind = rng.random()
    if kind < 0.5 and offered:
        return offered[int(rng.integers(len(offered)))]
    if kind < 0.65 and turns:
        return turns[-1].action
    other = offered[int(rng.integers(len(offered)))] if kind > 0.9 and offered else wanted
    return _garbled(other, rng)


def _garbled(action: str, rng: np.random.Generator) -> str:
    """One word less, one word twice, two words swapped, or another number."""
    words = action.split(" ")
    at = int(rng.integers(len(words)))
    match int(rng.integers(4)):
        case 0 if len(words) > 1:
            del words[at]
        case 1 if len(words) > 1:
            words[at - 1], words[at] = words[at], words[at - 1]
        case 2:
            words = [str(rng.integers(1, 30)) if word.isdigit() else word for word in words]
        case _:
            words.insert(at, words[at])
    return " ".join(words)


class Corpus:
    """Documents by index.

    Args:
        worlds: for each environment its ``share``, arguments of ``gym.make`` and, if wanted,
            ``brief``: the share of its episodes that are broken off after a step or two. Where
            pages are long, so many more instructions are read for the same number of tokens.
        reading: share of the documents that only ask about what was read.
        seed: of all that is drawn.
        held_out: draw from the tasks that are kept for measuring, and only from them.
        learner: makes a model that plays, in the process where it plays.
        led: share of the episodes that it plays.
    """

    def __init__(
        self,
        worlds: Mapping[str, Mapping[str, Any]],
        reading: float,
        seed: int,
        *,
        held_out: bool,
        learner: Callable[[], Player] | None = None,
        led: float = 0.0,
    ) -> None:
        self._worlds = {name: dict(about) for name, about in worlds.items()}
        shares = np.array([about.pop("share") for about in self._worlds.values()], dtype=float)
        self._shares = shares / shares.sum()
        self._brief = {name: about.pop("brief", 0.0) for name, about in self._worlds.items()}
        self._names = list(self._worlds)
        self._reading, self._seed, self._held_out = reading, seed, held_out
        self._make_learner, self._led = learner, led if learner else 0.0
        self._opened: dict[str, World] = {}
        self._learner: Player | None = None

    def document(self, *index: int) -> tuple[Document, np.random.Generator]:
        """The document of an index, and a generator to draw from what is read of it."""
        rng = np.random.default_rng(seed_of(self._seed, "document", *index))
        world = self._world(self._names[rng.choice(len(self._names), p=self._shares)])
        # Nothing is drawn for what is not wanted, so that the documents are those without it.
        brief = (share := self._brief[world.env_id]) > 0 and rng.random() < share
        led = not brief and self._led > 0 and rng.random() < self._led
        turns = 1 + int(rng.integers(_BRIEF)) if brief else MAX_TURNS
        task, episode = world.draw(rng, self._player() if led else None, turns)
        if rng.random() < self._reading:
            return questions(task.task_id, episode, rng), rng
        whole = rng.random() < _WHOLE or not episode.turns
        first = 0 if whole else int(rng.integers(len(episode.turns)))
        return transcript(world.env_id, task.task_id, episode, first), rng

    def close(self) -> None:
        """Close the environments that this process has opened."""
        for world in self._opened.values():
            world.close()
        self._opened.clear()

    def _player(self) -> Player:
        if self._learner is None:
            assert self._make_learner is not None
            self._learner = self._make_learner()
        return self._learner

    def _world(self, name: str) -> World:
        if name not in self._opened:  # by the process that plays in it
            self._opened[name] = World(name, self._worlds[name], held_out=self._held_out)
        return self._opened[name]
