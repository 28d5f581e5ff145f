"""Our environments as TRL knows environments: a start, one tool, and what an episode is worth.

TRL wants one object per episode under way, calls ``reset`` with the columns of a row, and takes its
other public methods for tools. It knows no end of an episode (see :mod:`act_train.env_rl`), and
takes an exception of a tool for something to tell the model: a simulator that fails is kept here
instead, and raised by the rewards.

What the model reads is :func:`act_data.prompts.action_prompt`, in every turn again, so that its
answers are to the very prompts that ``act-train imitate`` teaches and ``act-train evaluate`` asks.
The one difference is that the turns before stand above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from act_data.options import TaskOptions
from act_data.policies.base import Sample, played
from act_data.prompts import Message, action_prompt, parse_answer
from act_data.rollout import make_env, text_env
from act_data.types import AgentState
from act_envs import TextEnv
from act_train.arguments.training import EnvRlArguments

OVER = ""
"""What the tool returns where nothing is to be answered any more."""


@dataclass(slots=True)
class Episode:
    """What came of an episode so far.

    Attributes:
        actions: how many were taken.
        refused: how many of them the simulator did not take for one of its own.
        unreadable: an answer had a tag, but no action in it.
        over: it was won or failed, or the step limit was reached.
        won: full success.
        score: in [0, 1].
        failure: why the simulator could not go on; None while it can.
    """

    actions: int = 0
    refused: int = 0
    unreadable: bool = False
    over: bool = False
    won: bool = False
    score: float = 0.0
    failure: Exception | None = None


class Place:
    """A place to play in, which one episode after the other is played in.

    Args:
        env: made with ``gym.make``.
        history: past turns that are told again in every prompt.

    Attributes:
        episode: the one that was begun last.
    """

    def __init__(self, env: gym.Env[str, str], history: int) -> None:
        self._env = env
        self._history = history
        self._state = AgentState("", "")
        self.episode = Episode()

    @property
    def env(self) -> TextEnv:
        """What is played."""
        return text_env(self._env)

    def reset(self, task_id: str, **_: Any) -> str:
        """Begin an episode.

        Args:
            task_id: column of the data: the task.
            _: all other columns.

        Returns:
            What the model is asked first.
        """
        observation, info = self._env.reset(options={"task_id": task_id})
        self.episode = Episode(score=float(info["score"]))
        self._state = AgentState(info["goal"], observation)
        return self._prompt()

    def act(self, answer: str) -> str:
        """Take the action in an answer.

        Args:
            answer: all that the model said.

        Returns:
            What it is asked next; ``OVER`` where the episode ends, which it does as well with an
            answer that holds no action.
        """
        action = parse_answer(answer)
        if action is None:
            self.episode.unreadable = True
            return OVER
        action = played(Sample(answer, action))
        try:
            observation, _, terminated, truncated, info = self._env.step(action)
        except Exception as error:  # noqa: BLE001 - TRL would tell it to the model; `score` raises it
            self.episode.failure = error
            return OVER
        episode, before = self.episode, self._state
        episode.actions += 1
        episode.refused += not info["action_valid"]
        episode.over = terminated or truncated
        episode.won, episode.score = bool(info["won"]), float(info["score"])
        past = (*before.history, (before.observation, action))
        self._state = AgentState(before.goal, observation, past)
        return OVER if episode.over else self._prompt()

    def _prompt(self) -> str:
        return action_prompt(self._state, history=self._history)[0]["content"]


def tasks_of(data: EnvRlArguments) -> TaskOptions:
    """The tasks that a stage plays, as what makes data names them."""
    return TaskOptions(
        env=data.env, split=data.split, tasks=tuple(data.tasks), step_limit=data.step_limit,
        allow_split=tuple(data.allow_split), env_kwargs=data.env_kwargs,
    )  # fmt: skip


@contextmanager
def open_places(options: TaskOptions, history: int) -> Iterator[Callable[[], Place]]:
    """Makes places to play in, whose environments are closed in the end.

    Args:
        options: which environment.
        history: past turns that are told again in every prompt.

    Yields:
        A function that makes one more. What cannot be made fails when it is called first.
    """
    limit = {} if options.step_limit is None else {"step_limit": options.step_limit}
    kwargs = {**options.env_arguments(), "split": options.split, **limit}
    with ExitStack() as stack:

        def opened() -> Place:
            return Place(stack.enter_context(closing(make_env(options.env, kwargs))), history)

        yield opened


def score(
    environments: Sequence[Place],
    completions: Sequence[Sequence[Message]],
    log_metric: Callable[[str, float], None],
    **_: Any,
) -> list[float]:
    """The score at the end, in [0, 1].

    It also logs ``episodes/actions``, taken per episode, and ``episodes/cut_short``, the share that
    could have gone on, but for the budget of tokens (those that it cut within an answer are in
    TRL's ``completions/clipped_ratio``).

    Args:
        environments: where the episodes were played.
        completions: what was said in each.
        log_metric: given by TRL.

    Raises:
        Exception: what the simulator of an episode failed with.
    """
    episodes = [place.episode for place in environments]
    for episode in episodes:
        if episode.failure is not None:
            raise episode.failure
    silent = format_failure(environments, completions)
    cut = [not (e.over or bad) for e, bad in zip(episodes, silent, strict=True)]
    log_metric("episodes/actions", sum(episode.actions for episode in episodes) / len(episodes))
    log_metric("episodes/cut_short", sum(cut) / len(cut))
    return [episode.score for episode in episodes]


def won(environments: Sequence[Place], **_: Any) -> list[float]:
    """Full success. Its mean is the success rate."""
    return [float(place.episode.won) for place in environments]


def format_failure(
    environments: Sequence[Place], completions: Sequence[Sequence[Message]], **_: Any
) -> list[float]:
    """The last answer held no action, which ended the episode."""
    return [
        float(place.episode.unreadable or _is_talk(said[-1]))
        for place, said in zip(environments, completions, strict=True)
    ]


def inadmissible(environments: Sequence[Place], **_: Any) -> list[float]:
    """Share of the actions that the simulator did not take for one of its own."""
    episodes = (place.episode for place in environments)
    return [episode.refused / max(1, episode.actions) for episode in episodes]


REWARDS = (score, won, format_failure, inadmissible)


def _is_talk(message: Message) -> bool:
    """Whether it is an answer without any tag."""
    return message["role"] == "assistant" and not message.get("tool_calls")
