"""Playing a record again: its task found, each action taken, all that it tells compared.

What is compared: the observation before each action, and after the last where it was recorded.
Both texts are compared with every run of blanks as one blank, for equality. A record may leave out
how ALFWorld's texts begin (its title, and "You arrive at R."), as ETO does; instead of the first
observation it may hold the goal. Logs of pages hold no texts: there the offered actions and the
score must be equal, where the page tells them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import gymnasium as gym

from act_data.errors import ForbiddenSplit
from act_data.records.record import Record, Seen
from act_data.rollout import as_trajectory, text_env
from act_data.splits import WITHHELD, check_split
from act_data.types import Trajectory, Transition
from act_envs.errors import AssetsNotFound, UnknownTask
from act_envs.types import Task

Reason = Literal[
    "not_understood",  # the file, or how to get from one page of a log to the next
    "unknown_task",
    "ambiguous_task",  # several tasks have these words
    "forbidden_split",
    "inadmissible",  # an action was refused, or taken, where the record does not say so
    "other_observation",  # or other offered actions
    "other_score",
    "ended_early",  # the episode was over before the record was
    "not_won",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
_BEGINNING = re.compile(r"-= Welcome to TextWorld, ALFRED! =- |You arrive at [^.]*\. ")


class Rejected(Exception):
    """A record that is not kept.

    Attributes:
        reason: why.
        step: index of the action or, of an observation, of the action that follows it.
        detail: what differs, in words.
    """

    def __init__(self, reason: Reason, step: int | None = None, detail: str = "") -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.step, self.detail = step, detail


class Tasks:
    """Finds the task of a record: by a name in it, as a last resort by the words of the task.

    Args:
        env: made with ``gym.make``; what is asked for resets it.
    """

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._env = env
        self._told: dict[str, list[str]] = {}

    def find(self, record: Record) -> str:
        """The id of the task, of any split.

        Raises:
            Rejected: no task has such a name and these words, or several have the words.
        """
        for name in record.names:
            try:
                return self._env.reset(options={"task_id": name})[1]["task_id"]
            except (UnknownTask, AssetsNotFound):
                continue
        found = self._by_words().get(_plain(record.statement), [])
        if not found:
            raise Rejected("unknown_task", detail=f"{record.names[:1]} {record.statement:.200}")
        if len(found) > 1:
            raise Rejected("ambiguous_task", detail=f"{len(found)} tasks: {', '.join(found[:3])}")
        return found[0]

    def _by_words(self) -> Mapping[str, list[str]]:
        """The tasks of all splits by their goals and first observations. Starts each once."""
        if not self._told:
            inner = text_env(self._env)
            for split in inner.splits:
                for task in inner.tasks(split):
                    observation, info = self._env.reset(options={"task_id": task.task_id})
                    for words in {*_forms(observation), _plain(info["goal"])}:
                        self._told.setdefault(words, []).append(task.task_id)
        return self._told


def replayed(
    env: gym.Env[str, str],
    record: Record,
    task_id: str,
    source: str | None,
    allow_split: tuple[str, ...],
    is_withheld: Callable[[Task], bool],
    generator: str,
) -> Trajectory:
    """The record as a trajectory.

    An action that the environment offers is written as it offers it, so that no spelling tells
    the recorded action from others.

    Args:
        env: made with ``gym.make``, without a step limit.
        record: what to play.
        task_id: its task.
        source: who acted, where the record shall not say it.
        allow_split: splits besides train whose tasks may be kept.
        is_withheld: of these splits' tasks, see :func:`act_data.splits.withheld`.
        generator: program that makes the row.

    Raises:
        Rejected: it is not kept.
    """
    inner = text_env(env)
    observation, info = env.reset(options={"task_id": task_id})
    try:
        check_split(info["split"], allow_split)
    except ForbiddenSplit as error:
        raise Rejected("forbidden_split", detail=str(error)) from error
    if is_withheld(inner.snapshot().task):
        raise Rejected("forbidden_split", detail=WITHHELD)
    goal = info["goal"]
    transitions: list[Transition] = []
    for step, recorded in enumerate(record.actions):
        if inner.terminated or inner.truncated:
            raise Rejected("ended_early", step, f"won: {info['won']}")
        offered = inner.admissible_actions()
        _compare(record.seen[step], step, observation, offered, info)
        spelled = {inner.canonical(action): action for action in reversed(offered)}
        action = spelled.get(inner.canonical(recorded), recorded)
        after, reward, _, _, info = env.step(action)
        valid = bool(info["action_valid"])
        if valid == (step in record.refused):
            raise Rejected("inadmissible", step, action)
        transitions.append(Transition(observation, action, float(reward), valid, ""))
        observation = after
    steps = len(record.actions)
    if steps < len(record.seen):
        _compare(record.seen[steps], steps, observation, inner.admissible_actions(), info)
    if not info["won"]:
        raise Rejected("not_won", steps, f"score {info['score']:.4g}, failed: {info['failed']}")
    return as_trajectory(
        env,
        info,
        transitions,
        goal=goal,
        policy=record.source if source is None else source,
        seed=0,
        generator=generator,
        truncated=False,
        final_observation=observation,
    )


def _compare(
    seen: Seen, step: int, observation: str, offered: list[str], info: Mapping[str, Any]
) -> None:
    """Refuse a record that says something else about this moment."""
    if seen.text is not None:
        forms, then = _forms(observation), _plain(seen.text)
        if then not in (*forms, *(() if step else (_plain(info["goal"]),))):
            raise Rejected("other_observation", step, _difference(then, forms[-1]))
    if seen.offered is not None and seen.offered != tuple(offered):
        raise Rejected("other_observation", step, _difference(str(seen.offered), str(offered)))
    if seen.score is not None and not math.isclose(seen.score, info["score"], abs_tol=1e-9):
        raise Rejected("other_score", step, f"record: {seen.score}, here: {info['score']}")


def _forms(observation: str) -> list[str]:
    """An observation as it is compared: whole, and without how ALFWorld's texts begin."""
    whole = _plain(observation)
    return [whole, _BEGINNING.sub("", whole, count=1)] if _BEGINNING.match(whole) else [whole]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _difference(then: str, now: str) -> str:
    """Both texts from shortly before where they differ."""
    same = next((i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), None)
    at = max(0, (min(len(then), len(now)) if same is None else same) - 20)
    return f"record: {then[at : at + 100]!r}, here: {now[at : at + 100]!r}"
