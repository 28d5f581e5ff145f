"""Wrappers over any ``TextEnv``: the goal in the observation, recent history, transcripts.

Each observes ``reset`` and ``step`` only. ``HistoryObservation`` carries state of its own, so it
has ``snapshot`` and ``restore`` of its own; use those instead of the environment's.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from act_envs.base import TextEnv
from act_envs.errors import SnapshotMismatch, UnknownArgument
from act_envs.types import Snapshot, Turn

_Step = tuple[str, float, bool, bool, dict[str, Any]]


def _text_env(env: gym.Env[str, str]) -> TextEnv:
    """The ``TextEnv`` underneath.

    Raises:
        UnknownArgument: there is none.
    """
    inner = env.unwrapped
    if not isinstance(inner, TextEnv):
        raise UnknownArgument(
            f"this wrapper needs a TextEnv, not {type(inner).__name__}. Wrap an ACT/... id."
        )
    return inner


class GoalObservation(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Put the goal and a blank line in front of every observation."""

    def __init__(self, env: gym.Env[str, str]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        _text_env(env)

    def reset(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        """Reset, and show the new goal."""
        observation, info = self.env.reset(**kwargs)
        return f"{info['goal']}\n\n{observation}", info

    def step(self, action: str) -> _Step:
        """Step, and show the goal again."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown = f"{info['goal']}\n\n{observation}"
        return shown, float(reward), terminated, truncated, info


class HistoryObservation(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Show the last turns before the current observation.

    Args:
        env: any ACT environment, wrapped or not.
        turns: how many past observations, each with the action that followed, are shown.

    Raises:
        UnknownArgument: ``turns`` is negative.
    """

    def __init__(self, env: gym.Env[str, str], turns: int = 2) -> None:
        RecordConstructorArgs.__init__(self, turns=turns)
        super().__init__(env)
        if type(turns) is not int or turns < 0:
            raise UnknownArgument(f"turns must be a whole number from 0 on, not {turns!r}.")
        self._inner = _text_env(env)
        self._past: deque[tuple[str, str]] = deque(maxlen=turns)
        self._now = ""

    def reset(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        """Reset and forget the turns of the episode before."""
        self._now, info = self.env.reset(**kwargs)
        self._past.clear()
        return self._now, info

    def step(self, action: str) -> _Step:
        """Step and move the window."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._past.append((self._now, action))
        self._now = observation
        return self._shown(), float(reward), terminated, truncated, info

    def snapshot(self) -> tuple[Snapshot, str, tuple[tuple[str, str], ...]]:
        """The environment's snapshot and the window, to be given to ``restore``."""
        return self._inner.snapshot(), self._now, tuple(self._past)

    def restore(
        self, snapshot: tuple[Snapshot, str, tuple[tuple[str, str], ...]]
    ) -> tuple[str, dict[str, Any]]:
        """Go back to what ``snapshot`` of this wrapper returned.

        Raises:
            SnapshotMismatch: it is a snapshot of the bare environment.
        """
        if not isinstance(snapshot, tuple) or len(snapshot) != 3:
            raise SnapshotMismatch("give HistoryObservation.restore() a snapshot of its own.")
        inner, now, past = snapshot
        _, info = self._inner.restore(inner)
        self._now, self._past = now, deque(past, maxlen=self._past.maxlen)
        return self._shown(), dict(info)

    def _shown(self) -> str:
        lines = [line for seen, done in self._past for line in (seen, f"> {done}")]
        return "\n".join([*lines, self._now])


class TranscriptRecorder(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Keep the turns of the episode, and append finished episodes to a JSONL file.

    It records what passes through it. Restoring a snapshot of the environment underneath does not,
    so the turns that were undone stay in the transcript.

    Args:
        env: any ACT environment, wrapped or not; what it returns is what is recorded.
        path: file to append one JSON object per episode to; None to keep them in memory only.
            An episode that a ``reset`` or ``close`` cuts short is written too, as unfinished.

    Raises:
        UnknownArgument: the folder of ``path`` does not exist.

    Attributes:
        turns: the turns of the current episode.
    """

    def __init__(self, env: gym.Env[str, str], path: str | Path | None = None) -> None:
        RecordConstructorArgs.__init__(self, path=None if path is None else str(path))
        super().__init__(env)
        _text_env(env)
        self._path = None if path is None else Path(path)
        if self._path is not None and not self._path.parent.is_dir():
            raise UnknownArgument(
                f"the folder of {self._path} does not exist. Make it, or choose another path."
            )
        self._head: dict[str, Any] | None = None
        self.turns: list[Turn] = []

    def reset(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        """Reset and begin a new transcript."""
        observation, info = self.env.reset(**kwargs)
        self._write(finished=False)  # after it: a reset that is refused ends no episode
        spec = self.spec
        self.turns = []
        self._head = {
            "env_id": spec.id if spec else "",
            **{key: info[key] for key in ("task_id", "split", "kind", "goal")},
            "observation": observation,
        }
        return observation, info

    def step(self, action: str) -> _Step:
        """Step and record."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.turns.append(Turn(action, observation, float(reward), info["action_valid"]))
        if terminated or truncated:
            self._write(finished=True, info=info)
        return observation, float(reward), terminated, truncated, info

    def close(self) -> None:
        """Write an unfinished episode, and close whatever becomes of that."""
        try:
            self._write(finished=False)
        finally:
            super().close()

    def _write(self, *, finished: bool, info: dict[str, Any] | None = None) -> None:
        head, self._head = self._head, None
        if head is None or self._path is None:
            return
        score = sum(turn.reward for turn in self.turns)
        record = {
            **head,
            "finished": finished,
            "score": score,
            "won": bool(info and info["won"]),
            "turns": [asdict(turn) for turn in self.turns],
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")  # ASCII: an action may hold what UTF-8 cannot
