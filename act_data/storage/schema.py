"""How rows are stored: one Arrow schema per kind of record, and the way there and back.

Bump ``SCHEMA_VERSION`` with any change: readers refuse other versions instead of guessing. Every
row holds it too, for data that went through other programs and lost the metadata of their files.
pyarrow (extra ``data``) is imported when it is asked for.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, TypeVar

from act_data.types import (
    AgentState,
    Consequence,
    ContrastPair,
    Reading,
    Trajectory,
    Transition,
    Verification,
)
from act_envs.errors import MissingExtra

SCHEMA_VERSION = 4
VERSION_COLUMN = "schema_version"

Kind = Literal["pairs", "trajectories"]
_Value = TypeVar("_Value", AgentState, tuple[str, ...])


@functools.cache
def arrow_schema(kind: Kind) -> Any:
    """The ``pyarrow.Schema`` of a kind of rows: the fields of the dataclass, then their version.

    Null are only a pair's verification before it was verified, and what is None in it.
    """
    pyarrow = arrow()
    text, small, big = pyarrow.string(), pyarrow.int32(), pyarrow.int64()
    real, flag = pyarrow.float64(), pyarrow.bool_()

    def fields(**columns: Any) -> list[Any]:
        return [pyarrow.field(name, type_, nullable=False) for name, type_ in columns.items()]

    def struct(**columns: Any) -> Any:
        return pyarrow.struct(fields(**columns))

    def list_of(type_: Any) -> Any:
        return pyarrow.list_(pyarrow.field("element", type_, nullable=False))

    where = {"env_id": text, "env_kwargs": text, "task_id": text, "split": text, "kind": text}
    if kind == "trajectories":
        transition = struct(
            observation=text, action=text, reward=real, action_valid=flag, state_hash=text
        )
        columns = fields(
            **where, goal=text, policy=text, seed=big, generator=text, score=real, won=flag,
            truncated=flag, final_observation=text, transitions=list_of(transition), origin=text,
        )  # fmt: skip
    else:
        turn = struct(observation=text, action=text)
        columns = fields(
            pair_id=text, **where, step=small,
            state=struct(goal=text, observation=text, history=list_of(turn)),
            admissible_actions=list_of(text), state_hash=text,
            expert_action=text, alternative_action=text, alternative_count=small,
            expert=text, policy=text, policy_revision=text, sampling=text, seed=big,
            generator=text, origin=text,
        )  # fmt: skip
        consequence = struct(
            observation=text, state_hash=text, score=real, won=flag, failed=flag, action_valid=flag
        )
        known = {"method": text, "expert_cost": real, "alternative_cost": real, "verdict": text}
        maybe = [pyarrow.field(name, real) for name in ("regret", "confidence")]
        reading = pyarrow.struct([*fields(**known), *maybe])
        verification = pyarrow.struct(
            [
                *fields(admissible=flag, expert=consequence, alternative=consequence),
                pyarrow.field("commute", flag),
                pyarrow.field("hindsight", reading),
                pyarrow.field("informed", reading),
                *fields(verifier=text),
            ]
        )
        columns.append(pyarrow.field("verification", verification))
    return pyarrow.schema([*columns, *fields(**{VERSION_COLUMN: small})])


def encoded(value: Any) -> Any:
    """A record as dictionaries; ``dataclasses.asdict`` copies each string, and takes ten times."""
    if not (names := _names(type(value))):
        return value
    plain = {name: encoded(getattr(value, name)) for name in names}
    if isinstance(value, AgentState):
        plain["history"] = [{"observation": seen, "action": done} for seen, done in value.history]
    elif isinstance(value, Trajectory):
        plain["transitions"] = [encoded(step) for step in value.transitions]
    return plain


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass or a named tuple, () for others."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", ())


_VERIFIED = {
    "expert": Consequence, "alternative": Consequence, "hindsight": Reading, "informed": Reading
}  # fmt: skip


def _pair(row: dict[str, Any]) -> ContrastPair:
    del row[VERSION_COLUMN]
    state = row["state"]
    history = tuple((turn["observation"], turn["action"]) for turn in state["history"])
    row["state"] = _shared(AgentState(state["goal"], state["observation"], history))
    row["admissible_actions"] = _shared(tuple(map(sys.intern, row["admissible_actions"])))
    if found := row["verification"]:
        for name, kind in _VERIFIED.items():
            found[name] = found[name] and kind(**found[name])
        row["verification"] = Verification(**found)
    return ContrastPair(**row)


@functools.lru_cache(maxsize=8)
def _shared(value: _Value) -> _Value:
    """One object for all pairs of a state.

    Thousands of actions can be admissible, and nearly the same ones in the next state: apart,
    ten thousand pairs would fill a gigabyte with equal strings.
    """
    return value


def _trajectory(row: dict[str, Any]) -> Trajectory:
    del row[VERSION_COLUMN]
    row["transitions"] = tuple(Transition(**step) for step in row["transitions"])
    return Trajectory(**row)


DECODERS: dict[Kind, Callable[[dict[str, Any]], Any]] = {
    "pairs": _pair,
    "trajectories": _trajectory,
}
"""Rows of a kind from the dictionaries that a table gives."""


def arrow() -> ModuleType:
    """pyarrow.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(
            'pyarrow is not installed. Run: pip install "agentic-critical-training[data]".'
        ) from error
    return pyarrow


def parquet() -> ModuleType:
    """pyarrow.parquet, likewise."""
    arrow()
    import pyarrow.parquet

    return pyarrow.parquet
