"""``act-data export``: what other programs read is what was stored."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from act_data.collect import Collect, collect
from act_data.errors import DataNotFound, RunConflict, SchemaMismatch
from act_data.exports import Export, conversation, export
from act_data.imports import Import, import_records
from act_data.mining import Mine, mine
from act_data.storage.schema import SCHEMA_VERSION, encoded
from act_data.storage.tables import read_pairs, read_trajectories, write_parquet
from act_data.types import Transition
from act_data.verify import Verify, verify
from act_envs.errors import MissingExtra, UnknownArgument


def exported(data: Path, to: Any, out: Path) -> Path:
    summary = export(Export(data=data, to=to, out=out))
    assert summary["rows"] > 0
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    def no_such_number(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    text = path.read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=no_such_number) for line in text.splitlines()]


def test_lines_hold_the_rows(trajectories: Path, tmp_path: Path) -> None:
    found = lines(exported(trajectories, "jsonl", tmp_path / "t.jsonl"))
    version = {"schema_version": SCHEMA_VERSION}
    assert found == [{**encoded(row), **version} for row in read_trajectories(trajectories)]
    mine(Mine(trajectories=trajectories, out=tmp_path / "m", k=2, limit=9))
    verify(Verify(pairs=tmp_path / "m", out=tmp_path / "v"))
    (one, *others) = read_pairs(tmp_path / "v")
    assert one.verification is not None
    assert one.verification.hindsight is not None
    lost = dataclasses.replace(
        one.verification.hindsight, alternative_cost=math.inf, regret=math.inf
    )
    one = dataclasses.replace(
        one,
        verification=dataclasses.replace(one.verification, hindsight=lost),
        expert_action="nimm Äpfel\u2028",  # a line for str.splitlines, not for JSON lines
    )
    write_parquet(tmp_path / "p.parquet", [one, *others], "pairs")
    found = [
        json.loads(line)
        for line in exported(tmp_path / "p.parquet", "jsonl", tmp_path / "p.jsonl").open("rb")
    ]
    assert [row["pair_id"] for row in found] == [pair.pair_id for pair in (one, *others)]
    stored = [{**encoded(pair), **version} for pair in others]
    assert found[1:] == json.loads(json.dumps(stored).replace("Infinity", "null"))
    assert found[0]["expert_action"] == one.expert_action
    hindsight = found[0]["verification"]["hindsight"]
    assert (hindsight["alternative_cost"], hindsight["regret"]) == (None, None)
    assert hindsight["expert_cost"] == lost.expert_cost


@pytest.mark.parametrize(
    ("env", "kwargs", "expert"),
    [
        ("ACT/Toy-v0", "{}", None),
        ("ACT/ALFWorldGen-v0", '{"games": 3}', "clairvoyant"),  # all of its actions are taken
        ("ACT/WebShopGen-v0", '{"products": 60}', None),
    ],
)
def test_conversations_come_back(tmp_path: Path, env: str, kwargs: str, expert: str | None) -> None:
    collect(Collect(env=env, env_kwargs=kwargs, out=tmp_path / "c", limit=3, expert=expert))
    path = exported(tmp_path / "c", "eto", tmp_path / "eto.json")
    (first, *_) = json.loads(path.read_text())
    assert [turn["from"] for turn in first["conversations"][:4]] == ["human", "gpt"] * 2
    import_records(Import(file=path, env=env, env_kwargs=kwargs, out=tmp_path / "i"))
    before, after = (
        [
            (
                row.task_id,
                row.goal,
                row.score,
                row.final_observation,
                *map(_played, row.transitions),
            )
            for row in read_trajectories(tmp_path / folder)
        ]
        for folder in ("c", "i")
    )
    assert before == after


def _played(step: Transition) -> tuple[str, str, float]:
    return step.observation, step.action, step.reward


def test_an_action_that_would_be_read_otherwise_is_refused(trajectories: Path) -> None:
    row = next(read_trajectories(trajectories))
    for action in ("search[Action: rest]", "two\nlines"):
        step = Transition("A shop.", action, 0.0, True, "")
        with pytest.raises(UnknownArgument, match="--to jsonl"):
            conversation(dataclasses.replace(row, transitions=(step,)))


def test_minari_reads_the_trajectories(trajectories: Path, tmp_path: Path, monkeypatch) -> None:
    minari = pytest.importorskip("minari", reason="needs the extra minari")
    exported(trajectories, "minari", tmp_path / "root" / "toy-v0")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    found = minari.load_dataset("toy-v0")
    rows = [*read_trajectories(trajectories)]
    assert (found.id, found.total_episodes) == ("toy-v0", len(rows))
    assert found.total_steps == sum(len(row.transitions) for row in rows)
    told = found.storage.get_episode_metadata(found.episode_indices)
    for row, episode, metadata in zip(rows, found.iterate_episodes(), told, strict=True):
        seen = [step.observation for step in row.transitions]
        assert [*episode.observations] == [*seen, row.final_observation]
        assert [*episode.actions] == [step.action for step in row.transitions]
        assert [*episode.rewards] == [step.reward for step in row.transitions]
        assert [*episode.terminations] == [False] * (len(seen) - 1) + [True]
        assert not any(episode.truncations)
        assert all(one in found.observation_space for one in episode.observations)
        assert all(one in found.action_space for one in episode.actions)
        assert metadata["options"] == {"task_id": row.task_id}
        assert (metadata["won"], metadata["generator"]) == (True, row.generator)
    env = found.recover_environment()
    observation, _ = env.reset(options={"task_id": rows[0].task_id})
    assert observation == rows[0].transitions[0].observation


def test_minari_takes_a_relative_path(trajectories: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("minari", reason="needs the extra minari")
    monkeypatch.chdir(tmp_path)
    exported(trajectories, "minari", Path("toy-v0"))
    assert [path.name for path in tmp_path.iterdir()] == ["toy-v0"]


def test_minari_that_is_not_there(trajectories: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(MissingExtra, match=r"\[minari\]"):
        export(Export(data=trajectories, to="minari", out=tmp_path / "toy-v0"))
    assert not [*tmp_path.iterdir()]


def test_what_cannot_be_exported(trajectories: Path, tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    mine(Mine(trajectories=trajectories, out=tmp_path / "m", k=1, limit=3))
    for data, to, out, error, message in (
        (trajectories, "eto", "there.json", RunConflict, "is there already"),
        (tmp_path / "m", "eto", "x.json", SchemaMismatch, "holds pairs, not trajectories"),
        (tmp_path / "no", "jsonl", "x.jsonl", DataNotFound, "does not exist"),
    ):
        with pytest.raises(error, match=message):
            export(Export(data=data, to=to, out=tmp_path / out))
    assert (tmp_path / "there.json").read_text() == "mine"
    assert not [*tmp_path.glob("x*")]


def test_minari_takes_one_environment_and_an_id(trajectories: Path, tmp_path: Path) -> None:
    pytest.importorskip("minari", reason="needs the extra minari")
    with pytest.raises(UnknownArgument, match="'toy' is no id"):
        export(Export(data=trajectories, to="minari", out=tmp_path / "toy"))
    rows = [*read_trajectories(trajectories)][:2]
    mixed = [rows[0], dataclasses.replace(rows[1], env_kwargs='{"split": "dev"}')]
    write_parquet(tmp_path / "t.parquet", mixed, "trajectories")
    with pytest.raises(SchemaMismatch, match="2 environments"):
        export(Export(data=tmp_path / "t.parquet", to="minari", out=tmp_path / "toy-v0"))
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
