"""A folder with something of everything that act-data explore can meet."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import gymnasium as gym

from act_data.mining import Mine, mine
from act_data.storage.tables import Table, part_name, read_pairs, read_trajectories, write_parquet
from act_data.types import AgentState, ContrastPair, Reading
from act_data.verify import Verify, verify
from act_envs.wrappers import TranscriptRecorder

HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>&amp;\"'"
HOSTILE_ID = "feedfacefeedface"


def furnish(folder: Path, trajectories: Path) -> Path:
    """Make the folder: runs, a dataset, hostile rows, evaluations, and what must be left out."""
    mine(Mine(trajectories=trajectories, out=folder / "mined", k=3))
    verify(Verify(pairs=folder / "mined", out=folder / "verified"))
    (folder / "collected").symlink_to(trajectories)
    for split, start in (("train", 0), ("test", 4)):
        place = folder / "set" / "data" / "toy" / split
        place.mkdir(parents=True)
        pairs = [_varied(at, pair) for at, pair in enumerate(read_pairs(folder / "verified"))]
        write_parquet(place / part_name(0, 1), pairs[start::8], "pairs")
    write_parquet(
        folder / "hostile.parquet", [hostile(next(read_pairs(folder / "mined")))], "pairs"
    )
    row = next(read_trajectories(trajectories))
    worse = [
        dataclasses.replace(step, action=HOSTILE, action_valid=False) for step in row.transitions
    ]
    evil = dataclasses.replace(row, goal=HOSTILE, policy=HOSTILE, transitions=tuple(worse))
    write_parquet(folder / "evil.parquet", [evil], "trajectories")
    (folder / "evaluated").mkdir()
    record(folder / "evaluated" / "recorded.jsonl")
    (folder / "evaluated" / "results.jsonl").write_text(f"{json.dumps(EVALUATED)}\n" * 2)
    (folder / "empty").mkdir()
    write_parquet(folder / "empty" / part_name(0, 1), [], "pairs")
    _spoil(folder)
    return folder


def hostile(pair: ContrastPair) -> ContrastPair:
    """The pair with markup in everything that is text."""
    state = AgentState(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),))
    names = (
        "expert_action", "alternative_action", "policy", "kind", "generator", "expert", "sampling",
        "env_kwargs", "task_id", "state_hash", "split",
    )  # fmt: skip
    texts = dict.fromkeys(names, HOSTILE)
    return dataclasses.replace(
        pair, pair_id=HOSTILE_ID, state=state, admissible_actions=(HOSTILE,), **texts
    )


def record(path: Path) -> None:
    """Two episodes of two actions, one of which no encoding can hold."""
    env = TranscriptRecorder(gym.make("ACT/Toy-v0"), path)
    for seed in range(2):
        env.reset(seed=seed)
        env.step("look")
        env.step(f"half a pair \ud800 {HOSTILE}")
    env.close()


EVALUATED = {
    "env": "ACT/Toy-v0", "env_kwargs": {}, "task_id": "fetch/0", "split": "test", "kind": "fetch",
    "goal": "Fetch.", "policy": "tiny-model", "score": 0.5, "won": False, "seed": 7, "steps": 2,
    "turns": [{"observation": "A hall."}, {"action": "look", "valid": True, "observation": "Hm."},
              {"action": "fly", "valid": False, "observation": "No."}],
}  # fmt: skip


def _varied(at: int, pair: ContrastPair) -> ContrastPair:
    """The pair with readings that others do not have."""
    assert pair.verification is not None
    regrets = (None, float("inf"), -1.0, 0.0, 2.5)
    verdicts = ("unknown", "expert_better", "alternative_better", "equivalent", "expert_better")
    read = Reading("worlds:9:x", 1.0, 2.0, regrets[at % 5], verdicts[at % 5], 0.7)
    found = dataclasses.replace(pair.verification, informed=read, admissible=at % 3 > 0)
    return dataclasses.replace(pair, verification=found, pair_id=f"{at:016x}")


def _spoil(folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table: Table[ContrastPair] = Table(folder / "verified", "pairs")
    (folder / "unfinished").mkdir()
    write_parquet(folder / "unfinished" / part_name(0, 2), table.rows(0, 1), "pairs")
    (folder / "cut.parquet").write_bytes((folder / "hostile.parquet").read_bytes()[:900])
    parquet.write_table(pyarrow.table({"prompt": ["x"]}), folder / "prompts.parquet")
    (folder / "losses.jsonl").write_text(json.dumps({"loss": 1.0}) + "\n")
    with (folder / "evaluated" / "results.jsonl").open("a") as file:
        file.write(json.dumps(EVALUATED)[:-5])
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.parquet").write_bytes(b"")
    (folder / "around").symlink_to(folder)
