"""Records to training rows. What a model reads comes from ``act_data.prompts`` and nowhere else.

Only tasks of the training split become rows, and those of splits that the user names; a task of
a test split never does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from act_data.prompts import Message, action_prompt, critique_prompt, render_answer
from act_data.splits import check_split, made_from
from act_data.storage.tables import read_pairs, read_trajectories
from act_data.types import ContrastPair, Trajectory
from act_train.errors import TrainingData

Row = dict[str, Any]
Record = TypeVar("Record", ContrastPair, Trajectory)


def load_pairs(path: str, allow_split: Sequence[str] = ()) -> list[ContrastPair]:
    """The pairs of a file or folder, refused when one of them must not be trained on.

    Args:
        path: file or folder.
        allow_split: splits besides ``train`` that the pairs may belong to.

    Raises:
        ForbiddenSplit: a pair belongs to another split, or to a test split.
        TrainingData: there are no pairs.
        DataNotFound: nothing is there.
    """
    # A state can offer thousands of actions, mostly the same ones as its neighbours: one copy.
    return [
        dataclasses.replace(
            pair, admissible_actions=tuple(map(sys.intern, pair.admissible_actions))
        )
        for pair in _checked(read_pairs(path), path, allow_split)
    ]


def load_trajectories(path: str, allow_split: Sequence[str] = ()) -> list[Trajectory]:
    """The trajectories of a file or folder, refused like pairs."""
    return _checked(read_trajectories(path), path, allow_split)


def split_by_task(records: Sequence[Record], share: float) -> tuple[list[Record], list[Record]]:
    """Hold out whole tasks, so that nothing of a held-out task is ever trained on.

    Tasks that were made from one thing (a product) are held out together. Whether they are depends
    on its name alone: two stages with the same share hold out the same tasks even where one of them
    has seen fewer.

    Args:
        records: what is split.
        share: about this share of the tasks is held out.

    Returns:
        Training records and held-out records, each in their old order.

    Raises:
        TrainingData: no task would be left to train on, or none is held out by a share above 0.
    """
    tasks = {made_from(r.task_id, r.origin) for r in records}
    held = {task for task in tasks if _place(task) < share}
    if share > 0 and not held:  # one picked for want of another might be trained on elsewhere
        raise TrainingData(
            f"no task falls into validation_share={share} of {len(tasks)} tasks. "
            "Raise it or take more tasks, or set validation_share: 0."
        )
    if len(held) == len(tasks):
        raise TrainingData(
            f"validation_share={share} holds out all of the {len(tasks)} tasks. "
            "Take more tasks, or set validation_share: 0."
        )
    return (
        [r for r in records if made_from(r.task_id, r.origin) not in held],
        [r for r in records if made_from(r.task_id, r.origin) in held],
    )


def critique_rows(pairs: Iterable[ContrastPair], *, history: int) -> list[Row]:
    """Two prompts per pair, one for each order of the candidates: position says nothing.

    Columns: ``prompt``; for the rewards ``expert_action``, ``alternative_action``, ``admissible``
    (one action a line: a list of thousands of strings costs far more) and ``expert_position``
    (0 or 1); and ``pair_id``.
    """
    return [
        {
            "prompt": critique_prompt(pair.state, _ordered(pair, position), history=history),
            "expert_action": pair.expert_action,
            "alternative_action": pair.alternative_action,
            "admissible": "\n".join(pair.admissible_actions),
            "expert_position": position,
            "pair_id": pair.pair_id,
        }
        for pair in pairs
        for position in (0, 1)
    ]


def warm_start_rows(pairs: Iterable[ContrastPair], *, history: int, seed: int) -> list[Row]:
    """Critique prompts answered by a fair coin: the format, and no label.

    A coin per pair says "first" or "second", and *both* orders of the pair are answered with the
    candidate in that place. So each pair names the expert's action once and the alternative once,
    exactly, over the pairs no place is preferred, and a model that copies one of the candidates
    learns nothing about which is better.

    A model from scratch that does not copy yet learns instead how often a text is an answer, and
    there the data do tell: an expert repeats itself, random alternatives do not. Such a model
    judges well above chance before any critique. Judge it before and after the critique stage.
    """
    rows = []
    for pair in pairs:
        place = hashlib.blake2b(f"{seed}/{pair.pair_id}".encode()).digest()[0] & 1
        for position in (0, 1):
            candidates = _ordered(pair, position)
            rows.append(
                {
                    "prompt": critique_prompt(pair.state, candidates, history=history),
                    "completion": _answer(candidates[place]),
                }
            )
    return rows


def imitation_rows(trajectories: Iterable[Trajectory], *, history: int) -> list[Row]:
    """Every step of every trajectory: the state as a prompt, the action as its answer."""
    return [
        {
            "prompt": action_prompt(trajectory.state(step), history=history),
            "completion": _answer(transition.action),
        }
        for trajectory in trajectories
        for step, transition in enumerate(trajectory.transitions)
    ]


def spread(records: Sequence[Record], limit: int | None) -> list[Record]:
    """At most ``limit`` records, evenly spaced, so that a small run still sees every kind."""
    if limit is None or limit >= len(records):
        return list(records)
    return [records[i * len(records) // limit] for i in range(limit)]


def fingerprint(rows: Sequence[Row]) -> str:
    """32 hexadecimal digits naming exactly what a model was shown, prompts and order included."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def _ordered(pair: ContrastPair, expert_position: int) -> tuple[str, str]:
    expert, other = pair.expert_action, pair.alternative_action
    return (other, expert) if expert_position else (expert, other)


def _answer(action: str) -> list[Message]:
    return [{"role": "assistant", "content": render_answer(action)}]


def _place(task_id: str) -> float:
    """A number in [0, 1) that follows from the name and from nothing else."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=6).digest()) / 2**48


def _checked(records: Iterable[Record], path: str, allow_split: Sequence[str]) -> list[Record]:
    found: list[Record] = []
    for record in records:
        check_split(record.split, allow_split)
        found.append(record)
    if not found:
        raise TrainingData(f"{path} holds no rows. Collect or mine with more tasks.")
    return found
