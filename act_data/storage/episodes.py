"""Episodes in JSON lines, of which there are two forms.

``act-train evaluate`` writes one, :class:`act_envs.wrappers.TranscriptRecorder` the other; they are
told apart by their keys. A file is read once from end to end; of each episode remain what can be
filtered by and where its line begins, and the line is read again when the episode is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from act_data.errors import DataCorrupt, SchemaMismatch
from act_data.types import Trajectory
from act_envs.types import Turn

_EVALUATED = {"env", "task_id", "goal", "score", "won", "turns", "policy"}
_RECORDED = {"env_id", "task_id", "goal", "score", "won", "turns", "observation"}
_SHOWN = (
    "env", "env_id", "task_id", "split", "kind", "goal", "score", "won", "policy", "turns",
    "observation", "steps", "invalid_actions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode as it is shown, whatever it was stored as.

    Attributes:
        env_id: registered id of the environment.
        task_id: the task.
        split: official split of the task.
        kind: family of the task.
        goal: the instruction.
        policy: who acted, "" where nobody says.
        score: final score in [0, 1].
        won: full success.
        first: what was observed before the first action.
        turns: the actions, each with what it gave.
        facts: everything else that is known of it, by name.
    """

    env_id: str
    task_id: str
    split: str
    kind: str
    goal: str
    policy: str
    score: float
    won: bool
    first: str
    turns: Sequence[Turn]
    facts: Mapping[str, object]

    @property
    def refused(self) -> int:
        """How many actions the simulator did not take as its own."""
        return sum(not turn.action_valid for turn in self.turns)


def from_trajectory(row: Trajectory) -> Episode:
    """A trajectory as it is shown."""
    seen = [*(step.observation for step in row.transitions), row.final_observation]
    turns = [
        Turn(step.action, answer, step.reward, step.action_valid)
        for step, answer in zip(row.transitions, seen[1:], strict=True)
    ]
    facts = {name: getattr(row, name) for name in ("truncated", "seed", "env_kwargs", "generator")}
    return Episode(
        row.env_id, row.task_id, row.split, row.kind, row.goal, row.policy, row.score, row.won,
        seen[0], turns, facts,
    )  # fmt: skip


def from_record(record: Any) -> Episode:
    """An episode from the value of one line.

    Raises:
        SchemaMismatch: it has neither form.
    """
    keys = {*record} if isinstance(record, dict) else set()
    try:
        if keys >= _EVALUATED:
            first, *rest = record["turns"]
            env_id, first = record["env"], first["observation"]
            turns = [Turn(t["action"], t["observation"], 0.0, bool(t["valid"])) for t in rest]
        elif keys >= _RECORDED:
            env_id, first = record["env_id"], record["observation"]
            turns = [
                Turn(t["action"], t["observation"], float(t["reward"]), bool(t["action_valid"]))
                for t in record["turns"]
            ]
        else:
            raise SchemaMismatch(
                "is no episode of act-train evaluate or of TranscriptRecorder: it has "
                + (f"the keys {', '.join(sorted(map(str, keys))[:8])}" if keys else "no keys")
            )
        task_id, split, kind, goal, policy = (
            str(record.get(key, "")) for key in ("task_id", "split", "kind", "goal", "policy")
        )
        return Episode(
            str(env_id), task_id, split, kind, goal, policy,
            float(record["score"]), bool(record["won"]), str(first),
            [Turn(str(t.action), str(t.observation), t.reward, t.action_valid) for t in turns],
            {key: _plain(value) for key, value in record.items() if key not in _SHOWN},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SchemaMismatch(f"is an episode that cannot be read ({error!r})") from error


@dataclass(slots=True)
class EpisodeFile:
    """A file of episodes.

    Attributes:
        path: the file.
        lines: number of the line of each episode, from 1.
        columns: what can be filtered by: texts and numbers of all episodes, by name.
        left_out: which lines are no episodes, and why.

    Raises:
        SchemaMismatch: there is no episode in the file.
    """

    path: Path
    lines: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    self._add(number, at, _decoded(line))
                except SchemaMismatch as error:
                    self.left_out.append(f"Line {number} of {self.path} {error}.")
                at += len(line)
        if not self.lines:
            why = self.left_out[0] if self.left_out else "It is empty."
            raise SchemaMismatch(f"{self.path} holds no episodes. {why}")

    @property
    def count(self) -> int:
        """Number of episodes."""
        return len(self.lines)

    def row(self, number: int) -> Episode:
        """An episode by its number among those of the file, from 0.

        Raises:
            DataCorrupt: the file has changed since it was opened.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._starts[number])
                return _decoded(file.readline())
        except (SchemaMismatch, OSError) as error:
            raise DataCorrupt(
                f"line {self.lines[number]} of {self.path} is no longer there ({error}). "
                "Start act-data explore again."
            ) from error

    def _add(self, number: int, start: int, episode: Episode) -> None:
        row = {
            **{name: getattr(episode, name) for name in _COLUMNS},
            "steps": len(episode.turns),
            "actions": "\n".join(turn.action for turn in episode.turns),
        }
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        self.lines.append(number)
        self._starts.append(start)


_COLUMNS = (
    "env_id", "task_id", "split", "kind", "goal", "policy", "score", "won", "refused"
)  # fmt: skip


def _decoded(line: bytes) -> Episode:
    try:
        return from_record(_encodable(json.loads(line)))
    except RecursionError as error:
        raise SchemaMismatch("is nested too deeply") from error
    except ValueError as error:
        torn = not line.endswith(b"\n")
        what = "was torn off, or is being written" if torn else f"is no JSON ({error})"
        raise SchemaMismatch(what) from error


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _encodable(value: Any) -> Any:
    """The value with texts that every encoding can hold: an action may have been half a pair."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    return [*map(_encodable, value)] if isinstance(value, list) else value
