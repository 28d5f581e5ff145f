"""Wrappers over any ``TextEnv``: the goal in the observation, recent history, transcripts.

Each observes ``reset`` and ``step`` only. ``HistoryObservation`` carries state of its own, so it
has ``snapshot`` and ``restore`` of its own; use those instead of the environment's.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper

from act_envs.base import TextEnv
from act_envs.errors import SnapshotMismatch, UnknownArgument
from act_envs.types import Snapshot, Turn
from act_envs.vector import TextVectorEnv

_Step = tuple[str, float, bool, bool, dict[str, Any]]
_Texts = tuple[str, ...]
_Steps = tuple[_Texts, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


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
    so the turns that were undone stay in the transcript; ``score`` is the environment's own. What
    is played after an episode has ended, from such a state of it, gives a further record of that
    episode, with all of its turns.

    Args:
        env: any ACT environment, wrapped or not; what it returns is what is recorded.
        path: file to append one JSON object per episode to; None to keep them in memory only.
            An episode that a ``reset`` or ``close`` cuts short is written too, as unfinished.

    Raises:
        UnknownArgument: the folder of ``path`` does not exist, or ``path`` is one.
    """

    def __init__(self, env: gym.Env[str, str], path: str | Path | None = None) -> None:
        RecordConstructorArgs.__init__(self, path=None if path is None else str(path))
        super().__init__(env)
        _text_env(env)
        self._path = _checked(path)
        self._transcript = _Transcript()

    @property
    def turns(self) -> list[Turn]:
        """The turns of the current episode."""
        return self._transcript.turns

    def reset(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        """Reset and begin a new transcript."""
        observation, info = self.env.reset(**kwargs)
        # After it: a reset that is refused ends no episode.
        _append(self._path, self._transcript.begin(self.spec, observation, info))
        return observation, info

    def step(self, action: str) -> _Step:
        """Step and record."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        turn = Turn(action, observation, float(reward), info["action_valid"])
        self._transcript.add(turn, info["score"])
        if terminated or truncated:
            _append(self._path, self._transcript.end(finished=True, won=info["won"]))
        return observation, float(reward), terminated, truncated, info

    def close(self) -> None:
        """Write an unfinished episode, and close whatever becomes of that."""
        try:
            _append(self._path, self._transcript.end())
        finally:
            super().close()


class VectorTranscriptRecorder(
    VectorWrapper[_Texts, Iterable[str], _Texts, Iterable[str], np.ndarray]
):
    """``TranscriptRecorder`` for the environments of ``gym.make_vec``, in every autoreset mode.

    The records are those that the environments would give one by one, in the order in which the
    episodes end. An episode that is given up, because its environment failed again and again, is
    written as unfinished with the cause under ``"fault"``, a key that no other record has. The
    action that failed was not taken, and is no turn of it.

    Args:
        env: what ``gym.make_vec("ACT/...")`` makes, wrapped or not.
        path: as for ``TranscriptRecorder``.

    Raises:
        UnknownArgument: ``env`` is something else, or ``path`` cannot be a file.
    """

    def __init__(
        self,
        env: VectorEnv[_Texts, Iterable[str], np.ndarray],
        path: str | Path | None = None,
    ) -> None:
        if not isinstance(env.unwrapped, TextVectorEnv):
            raise UnknownArgument(
                f"this wrapper needs a TextVectorEnv, not {type(env.unwrapped).__name__}. Give "
                "what gym.make_vec('ACT/...', num_envs=n) makes; for one environment there is "
                "TranscriptRecorder."
            )
        super().__init__(env)
        self._path = _checked(path)
        self._transcripts = [_Transcript() for _ in range(env.num_envs)]

    @property
    def turns(self) -> list[list[Turn]]:
        """The turns of the current episode of each environment."""
        return [transcript.turns for transcript in self._transcripts]

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[_Texts, dict[str, Any]]:
        """Reset all or some, and begin new transcripts of those."""
        observations, infos = self.env.reset(seed=seed, options=options)
        begun = np.flatnonzero(infos["_task_id"])  # info has those alone that were reset
        records = []
        for place in begun.tolist():
            records += self._begin(place, observations, infos)
        _append(self._path, records)
        return observations, infos

    def step(self, actions: Iterable[str]) -> _Steps:
        """Step and record; a step that resets an environment begins a new transcript of it."""
        if isinstance(actions, Iterator):  # it can be read once
            actions = [*actions]
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended, records = terminated | truncated, []
        for place, action in enumerate(actions):
            if infos["step"][place] == 0 and not ended[place]:  # reset, and no action was taken
                records += self._begin(place, observations, infos)
                continue
            seen, info = observations, infos
            if again := ended[place] and "final_info" in infos:  # the next episode has begun
                seen, info = infos["final_obs"], infos["final_info"]
            transcript = self._transcripts[place]
            if "fault" in info and info["_fault"][place]:
                records += transcript.end(fault=info["fault"][place])
            else:
                valid = bool(info["action_valid"][place])
                turn = Turn(str(action), seen[place], float(rewards[place]), valid)
                transcript.add(turn, float(info["score"][place]))
                if ended[place]:
                    records += transcript.end(finished=True, won=bool(info["won"][place]))
            if again:
                records += self._begin(place, observations, infos)
        _append(self._path, records)
        return observations, rewards, terminated, truncated, infos

    def close(self, **kwargs: Any) -> None:
        """Write the unfinished episodes, and close whatever becomes of that."""
        try:
            _append(self._path, [r for each in self._transcripts for r in each.end()])
        finally:
            super().close(**kwargs)

    def _begin(
        self, place: int, observations: Sequence[str], infos: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        info = {key: infos[key][place] for key in _HEAD}
        return self._transcripts[place].begin(self.spec, observations[place], info)


_HEAD = ("task_id", "split", "kind", "goal")  # what a record repeats of info


class _Transcript:
    """An episode as it passes by, and the record that it gives at its end: none, or one, as a list.

    Attributes:
        turns: those of the episode; they stay when it has ended, until the next begins.
    """

    def __init__(self) -> None:
        self._head: dict[str, Any] | None = None
        self._open = False  # there is something that no record has
        self._score = 0.0
        self.turns: list[Turn] = []

    def begin(
        self, spec: EnvSpec | None, observation: str, info: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Begin another episode; the record of the one before, where that had not ended."""
        cut_short = self.end()
        self.turns = []
        self._head = {
            "env_id": spec.id if spec else "",
            **{key: info[key] for key in _HEAD},
            "observation": observation,
        }
        self._open, self._score = True, 0.0
        return cut_short

    def add(self, turn: Turn, score: float) -> None:
        """Note a turn, and the score that the environment tells after it."""
        self.turns.append(turn)
        self._open, self._score = True, score

    def end(
        self, *, finished: bool = False, won: bool = False, **more: Any
    ) -> list[dict[str, Any]]:
        """End the episode; its record, where something has come since the one before."""
        was_open, self._open = self._open, False
        if self._head is None or not was_open:
            return []
        turns = [asdict(turn) for turn in self.turns]
        ended = {"finished": finished, "score": self._score, "won": won, "turns": turns}
        return [{**self._head, **ended, **more}]


def _checked(path: str | Path | None) -> Path | None:
    if path is not None and not Path(path).parent.is_dir():
        raise UnknownArgument(
            f"the folder of {path} does not exist. Make it, or choose another path."
        )
    if path is not None and Path(path).is_dir():
        raise UnknownArgument(f"{path} is a folder. Give the name of a file in it.")
    return None if path is None else Path(path)


def _append(path: Path | None, records: Sequence[Mapping[str, Any]]) -> None:
    if path is None or not records:
        return
    with path.open("a", encoding="utf-8") as file:  # ASCII: an action may hold what UTF-8 cannot
        file.write("".join(json.dumps(record) + "\n" for record in records))
