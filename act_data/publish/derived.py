"""Rows ready for TRL, made from pairs and trajectories: prompts, answers, and where both came from.

- ``critique``: a prompt for each order of the candidates of a pair, and the columns that rewards
  (:mod:`act_train.rewards`) compare an answer with. Nothing is left out; what a verification found
  stands in columns to filter by.
- ``preference``: the state's prompt, the expert's action chosen, the alternative rejected.
- ``sft``: the prompt and the action of every step of every trajectory.

Texts are lists of messages, as TRL takes them. All that a model reads comes from
:mod:`act_data.prompts`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from act_data.prompts import action_prompt, critique_prompt, render_answer
from act_data.storage.schema import VERSION_COLUMN, arrow, arrow_schema
from act_data.types import AgentState

FROM_PAIRS, FROM_TRAJECTORIES = ("critique", "preference"), ("sft",)
DERIVED = (*FROM_PAIRS, *FROM_TRAJECTORIES)

_PAIR = (
    "pair_id", "env_id", "env_kwargs", "task_id", "split", "kind", "step", "state_hash", "expert",
    "policy", "policy_revision", "sampling", "seed", "generator", "origin", VERSION_COLUMN,
)  # fmt: skip
_EPISODE = (
    "env_id", "env_kwargs", "task_id", "split", "kind", "policy", "seed", "score", "won",
    "generator", "origin", VERSION_COLUMN,
)  # fmt: skip


@functools.cache
def derived_schema(name: str) -> Any:
    """The ``pyarrow.Schema`` of a derived config.

    What a verification found is null where the pair was not verified, or not judged.
    """
    pyarrow = arrow()
    text, small, flag = pyarrow.string(), pyarrow.int32(), pyarrow.bool_()
    message = pyarrow.struct(
        [pyarrow.field(part, text, nullable=False) for part in ("role", "content")]
    )
    messages = pyarrow.list_(pyarrow.field("element", message, nullable=False))

    def fields(**columns: Any) -> list[Any]:
        return [pyarrow.field(column, kind, nullable=False) for column, kind in columns.items()]

    if name == "sft":
        columns = fields(prompt=messages, completion=messages, step=small, state_hash=text)
        kept = [arrow_schema("trajectories").field(column) for column in _EPISODE]
        return pyarrow.schema([*columns, *kept])
    kept = [arrow_schema("pairs").field(column) for column in _PAIR]
    if name == "preference":
        columns = fields(prompt=messages, chosen=messages, rejected=messages)
    else:
        columns = fields(
            prompt=messages, expert_action=text, alternative_action=text, expert_position=small,
            admissible=text,
        )  # fmt: skip
    judged = {
        "hindsight_verdict": text, "informed_verdict": text, "alternative_admissible": flag,
        "same_state": flag,
    }  # fmt: skip
    columns += [pyarrow.field(column, kind) for column, kind in judged.items()]
    return pyarrow.schema([*columns, *kept])


def from_pairs(rows: Any, *, history: int) -> dict[str, Any]:
    """The rows of ``critique``, two a pair, and of ``preference``, one a pair.

    ``admissible`` holds the admissible actions, one a line; ``expert_position`` is 0 where the
    expert's action is shown first.

    Args:
        rows: Arrow table of pairs.
        history: past turns in the prompts.
    """
    experts, others = (
        rows.column(f"{who}_action").to_pylist() for who in ("expert", "alternative")
    )
    states = list(_states(rows.column("state"), history))
    judged = _judged(rows)
    single = {
        "prompt": [action_prompt(state, history=history) for state in states],
        "chosen": [_answer(action) for action in experts],
        "rejected": [_answer(action) for action in others],
        **judged,
        **{name: rows.column(name) for name in _PAIR},
    }
    plain = arrow().list_(arrow().string())  # the only lists that binary_join takes
    offered = rows.column("admissible_actions").cast(plain)
    twice = np.repeat(np.arange(len(rows)), 2)
    both = {
        **{name: rows.column(name) for name in ("expert_action", "alternative_action", *_PAIR)},
        "admissible": _compute().binary_join(offered, "\n"),
        **judged,
    }
    double = {name: column.take(twice) for name, column in both.items()}
    double["prompt"] = [
        critique_prompt(state, candidates, history=history)
        for state, expert, other in zip(states, experts, others, strict=True)
        for candidates in ((expert, other), (other, expert))
    ]
    double["expert_position"] = [0, 1] * len(rows)
    return {"critique": _table("critique", double), "preference": _table("preference", single)}


def from_trajectories(rows: Any, *, history: int) -> dict[str, Any]:
    """The rows of ``sft``: each step of each trajectory.

    Args:
        rows: Arrow table of trajectories.
        history: past turns in the prompts.
    """
    steps: dict[str, list[Any]] = {
        name: [] for name in ("prompt", "completion", "step", "state_hash")
    }
    counts = []
    columns = (rows.column(name).to_pylist() for name in ("goal", "transitions"))
    for goal, transitions in zip(*columns, strict=True):
        past = [(step["observation"], step["action"]) for step in transitions]
        for at, step in enumerate(transitions):
            state = AgentState(goal, step["observation"], tuple(past[max(0, at - history) : at]))
            steps["prompt"].append(action_prompt(state, history=history))
            steps["completion"].append(_answer(step["action"]))
            steps["step"].append(at)
            steps["state_hash"].append(step["state_hash"])
        counts.append(len(transitions))
    often = np.repeat(np.arange(len(rows)), counts)
    kept = {name: rows.column(name).take(often) for name in _EPISODE}
    return {"sft": _table("sft", {**steps, **kept})}


def _states(states: Any, history: int) -> Iterator[AgentState]:
    """The states with the last turns of their histories, which is all that a prompt shows."""
    (chunk,) = states.chunks
    turns = chunk.field("history")
    bounds = turns.offsets.to_numpy()
    counts = np.minimum(np.diff(bounds), history)
    ends = np.cumsum(counts)
    shown = turns.values.take(np.arange(counts.sum()) + np.repeat(bounds[1:] - ends, counts))
    seen, done = (shown.field(name).to_pylist() for name in ("observation", "action"))
    past = [*zip(seen, done, strict=True)]
    goals, now = (chunk.field(name).to_pylist() for name in ("goal", "observation"))
    for goal, observation, end, count in zip(goals, now, ends, counts, strict=True):
        yield AgentState(goal, observation, tuple(past[end - count : end]))


def _judged(rows: Any) -> dict[str, Any]:
    """What the verifications found, null where they did not look."""
    compute, found = _compute(), rows.column("verification")

    def part(*path: str) -> Any:
        return compute.struct_field(found, [*path])

    ends = [part(action, "state_hash") for action in ("expert", "alternative")]
    return {
        "hindsight_verdict": part("hindsight", "verdict"),
        "informed_verdict": part("informed", "verdict"),
        "alternative_admissible": part("admissible"),
        "same_state": compute.equal(*ends),
    }


def _table(name: str, columns: dict[str, Any]) -> Any:
    schema = derived_schema(name)
    return arrow().table([columns[field.name] for field in schema], schema=schema)


def _answer(action: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": render_answer(action)}]


def _compute() -> Any:
    arrow()
    import pyarrow.compute

    return pyarrow.compute
