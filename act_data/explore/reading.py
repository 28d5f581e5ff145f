"""Which columns of each kind of rows are read at the start, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from act_data.analysis.noise import READINGS
from act_data.explore.columns import Bools, Texts, flags, flat, one_text, texts
from act_data.storage.episodes import EpisodeFile
from act_data.storage.holdings import Holding
from act_data.storage.schema import arrow

UNJUDGED = "not judged"  # by a reading


def place_columns(holding: Holding) -> dict[str, Texts]:
    """Where the rows are: the same for all of them."""
    count = holding.rows.count
    return {
        "source": one_text(holding.name, count),
        "config": one_text(holding.config, count),
        "dataset_split": one_text(holding.dataset_split, count),
    }


def _read(holding: Holding, *names: str) -> Any:
    assert not isinstance(holding.rows, EpisodeFile)
    return flat(arrow().concat_tables(holding.rows.columns(*names)))


def pairs_columns(holding: Holding) -> dict[str, Any]:
    """Columns of pairs."""
    plain = {
        "env": "env_id", "kind": "kind", "task": "task_id", "split": "split", "policy": "policy",
        "expert": "expert", "goal": "state.goal", "expert_action": "expert_action",
        "alternative_action": "alternative_action", "pair_id": "pair_id",
    }  # fmt: skip
    table = _read(
        holding, *plain.values(), "step", "verification.admissible",
        "verification.alternative.action_valid",
        *(f"verification.{name}.{part}" for name in READINGS for part in ("verdict", "regret")),
    )  # fmt: skip
    columns: dict[str, Any] = {name: texts(table[path]) for name, path in plain.items()}
    admissible = table["verification.admissible"]
    columns["admissible"] = flags(admissible, "admissible", "not admissible", "not verified")
    taken = table["verification.alternative.action_valid"]
    columns["refused"] = flags(taken, "", "refused")
    columns["step"] = table["step"].to_numpy().astype(np.float64)
    for name in READINGS:
        columns[name] = texts(table[f"verification.{name}.verdict"].fill_null(UNJUDGED))
        columns[f"{name}_regret"] = table[f"verification.{name}.regret"].to_numpy()
    return columns


def trajectories_columns(holding: Holding) -> dict[str, Any]:
    """Columns of trajectories."""
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made at run time

    plain = {
        "env": "env_id", "kind": "kind", "task": "task_id", "split": "split", "policy": "policy",
        "goal": "goal",
    }  # fmt: skip
    steps = "transitions.list.element"
    table = _read(holding, *plain.values(), "won", "score", f"{steps}.action",
                  f"{steps}.action_valid")  # fmt: skip
    columns: dict[str, Any] = {name: texts(table[path]) for name, path in plain.items()}
    lists = table["transitions"].combine_chunks()
    inner = lists.values.field
    lengths = compute.list_value_length(lists).to_numpy().astype(np.int64)
    actions = arrow().ListArray.from_arrays(lists.offsets, inner("action"))
    columns["actions"] = texts(compute.binary_join(actions, "\n"))
    refused = ~inner("action_valid").to_numpy(zero_copy_only=False)
    whose = np.repeat(np.arange(len(lengths)), lengths)
    number = np.bincount(whose, refused.astype(np.float64), len(lengths)).astype(np.float64)
    columns |= _outcome(table["won"].to_numpy(), number)
    return columns | {"score": table["score"].to_numpy(), "steps": lengths.astype(np.float64)}


def episodes_columns(holding: Holding) -> dict[str, Any]:
    """Columns of episodes."""
    assert isinstance(holding.rows, EpisodeFile)
    given = holding.rows.columns
    plain = {
        "env": "env_id", "kind": "kind", "task": "task_id", "split": "split", "policy": "policy",
        "goal": "goal", "actions": "actions",
    }  # fmt: skip
    columns: dict[str, Any] = {name: texts(given[path]) for name, path in plain.items()}
    columns |= _outcome(np.array(given["won"]), np.array(given["refused"], np.float64))
    return columns | {name: np.array(given[name], np.float64) for name in ("score", "steps")}


def _outcome(won: Bools, refused: NDArray[np.float64]) -> dict[str, Any]:
    """Whether it was won, and whether actions were refused, to filter by; and how many were."""
    return {
        "outcome": Texts(("won", "not won"), np.where(won, 0, 1).astype(np.int32)),
        "refusals": Texts(("some", "none"), np.where(refused > 0, 0, 1).astype(np.int32)),
        "refused_actions": refused,
    }
