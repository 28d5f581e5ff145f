"""Rows: both orders, no leak of place or label, tasks held out whole, no test task."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from pyarrow.parquet import read_table, write_table

from act_data.errors import ForbiddenSplit, SchemaMismatch
from act_data.prompts import action_prompt, parse_answer
from act_data.storage.schema import SCHEMA_VERSION
from act_data.storage.tables import write_parquet
from act_data.types import ContrastPair, Trajectory
from act_envs.errors import UnknownArgument
from act_train import data
from act_train.arguments.training import QuestionArguments
from act_train.data import (
    load_pairs,
    load_trajectories,
    split_by_task,
    spread,
)
from act_train.errors import RecipeError, TrainingData
from act_train.judging.lineage import read
from act_train.questions import ask
from act_train.rows import critique_rows, fingerprint, imitation_rows, warm_start_rows

PLAIN = QuestionArguments()


def test_critique_rows_show_each_pair_in_both_orders(pairs: list[ContrastPair]) -> None:
    rows = critique_rows(ask(pairs, PLAIN), history=1)
    assert Counter(row["pair_id"] for row in rows) == {pair.pair_id: 2 for pair in pairs}
    for pair, first, second in zip(pairs, rows[::2], rows[1::2], strict=True):
        expert, other = pair.expert_action, pair.alternative_action
        assert f"Action 1: {expert}\nAction 2: {other}\n" in first["prompt"][0]["content"]
        assert f"Action 1: {other}\nAction 2: {expert}\n" in second["prompt"][0]["content"]
        assert (first["expert_position"], second["expert_position"]) == (0, 1)
        assert first["expert_action"] == second["expert_action"] == expert
        assert first["admissible"].split("\n") == list(pair.admissible_actions)


def test_warm_start_says_nothing_about_what_is_better(pairs: list[ContrastPair]) -> None:
    rows = warm_start_rows(ask(pairs, PLAIN), history=0, seed=0)
    places: Counter[int] = Counter()
    for pair, first, second in zip(pairs, rows[::2], rows[1::2], strict=True):
        named = [parse_answer(row["completion"][0]["content"]) for row in (first, second)]
        assert sorted(map(str, named)) == sorted([pair.expert_action, pair.alternative_action])
        places[named[0] == pair.expert_action] += 1
    assert 0.3 < places[True] / len(pairs) < 0.7
    assert rows != warm_start_rows(ask(pairs, PLAIN), history=0, seed=1)


def test_imitation_has_one_row_per_step(trajectories: list[Trajectory]) -> None:
    rows = imitation_rows(trajectories, history=2)
    assert len(rows) == sum(len(t.transitions) for t in trajectories)
    assert rows[1]["prompt"] == action_prompt(trajectories[0].state(1), history=2)
    answer = rows[1]["completion"][0]["content"]
    assert parse_answer(answer) == trajectories[0].transitions[1].action


def test_tasks_of_one_origin_are_held_out_together(pairs: list[ContrastPair]) -> None:
    shared = [
        dataclasses.replace(pair, origin=f"product {hash_of(pair.task_id) % 5}") for pair in pairs
    ]
    parts = [{pair.origin for pair in part} for part in split_by_task(shared, 0.5)]
    assert all(parts)
    assert parts[0].isdisjoint(parts[1])


def hash_of(text: str) -> int:
    return sum(text.encode())


def test_whole_tasks_are_held_out_and_the_same_ones_for_every_stage(
    pairs: list[ContrastPair], trajectories: list[Trajectory]
) -> None:
    train, held = split_by_task(pairs, 0.25)
    assert held
    assert not {p.task_id for p in train} & {p.task_id for p in held}
    assert sorted(p.pair_id for p in [*train, *held]) == sorted(p.pair_id for p in pairs)
    imitated, _ = split_by_task(trajectories, 0.25)
    assert not {t.task_id for t in imitated} & {p.task_id for p in held}
    # A stage that saw other tasks besides holds out no fewer of these.
    some, _ = split_by_task(pairs[::3], 0.25)
    assert not {p.task_id for p in some} & {p.task_id for p in held}


def test_a_share_above_zero_holds_out_something(pairs: list[ContrastPair]) -> None:
    with pytest.raises(TrainingData, match="no task falls into validation_share=1e-09 of 24 tasks"):
        split_by_task(pairs, 1e-9)
    assert not split_by_task(pairs, 0.0)[1]
    one = [pair for pair in pairs if pair.task_id == pairs[0].task_id]
    with pytest.raises(TrainingData, match="validation_share: 0"):
        split_by_task(one, 0.999999)


@pytest.mark.parametrize("split", ["test", "dev"])
def test_other_splits_are_refused(
    tmp_path: Path, pairs: list[ContrastPair], trajectories: list[Trajectory], split: str
) -> None:
    bad_pairs = [*pairs[:2], dataclasses.replace(pairs[2], split=split)]
    write_parquet(tmp_path / "pairs.parquet", bad_pairs, "pairs")
    with pytest.raises(ForbiddenSplit, match=split):
        load_pairs(str(tmp_path / "pairs.parquet"))
    bad = [dataclasses.replace(trajectories[0], split=split)]
    write_parquet(tmp_path / "t.parquet", bad, "trajectories")
    with pytest.raises(ForbiddenSplit, match=split):
        load_trajectories(str(tmp_path / "t.parquet"))
    if split == "dev":
        assert len(load_pairs(str(tmp_path / "pairs.parquet"), ["dev"])) == 3


def test_a_dataset_gives_its_training_split_alone() -> None:
    pairs = load_pairs("builtin", split="train", subset="alfworld")
    assert {pair.env_id for pair in pairs} == {"ACT/ALFWorldGen-v0"}
    played = load_trajectories("builtin", split="train", subset="alfworld")
    assert {one.task_id for one in played} >= {pair.task_id for pair in pairs}
    assert len(played) < len(load_trajectories("builtin", split="train"))
    assert len(load_pairs("builtin", split="train[:3]")) == 3
    for split in ("test", "validation", "test[:3]"):
        with pytest.raises(ForbiddenSplit, match="for evaluation"):
            load_pairs("builtin", split=split)
    with pytest.raises(UnknownArgument, match="alfworld"):
        load_pairs("builtin", split="train", subset="alfword")
    with pytest.raises(TrainingData, match="subset 'alfword' of builtin holds no rows"):
        load_trajectories("builtin", split="train", subset="alfword")
    with pytest.raises(RecipeError, match="Set split: train"):
        load_pairs("builtin")


def test_tasks_of_a_dataset_that_a_model_was_trained_on_are_known() -> None:
    stage = {"split": "train", "subset": "alfworld", "validation_share": 0.2, "allow_split": []}
    by_pairs = read([{"pairs": "builtin", **stage}])
    train, held = split_by_task(load_pairs("builtin", split="train", subset="alfworld"), 0.2)
    assert by_pairs == {pair.task_id for pair in train}
    assert held
    assert by_pairs <= read([{"trajectories": "builtin", **stage}])


def test_a_dataset_on_the_hub_is_asked_for_by_its_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def load(name: str, config: str | None, **options: object) -> list[object]:
        asked.append((name, config, options))
        return []

    monkeypatch.setattr(data, "load", load)
    with pytest.raises(TrainingData, match="org/name@v1 holds no rows"):
        load_pairs("org/name@v1", split="train", subset="webshop")
    assert asked == [("org/name", "webshop", {"revision": "v1", "split": "train"})]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["pair_id", "state"], "has other columns than version"),
        (None, f"schema version {SCHEMA_VERSION + 1}, this program reads {SCHEMA_VERSION}"),
    ],
)
def test_data_of_another_schema_are_refused(
    tmp_path: Path, pairs: list[ContrastPair], columns: list[str] | None, told: str
) -> None:
    path = tmp_path / "pairs.parquet"
    write_parquet(path, pairs[:2], "pairs")
    table = read_table(path, columns=columns)
    metadata = {**table.schema.metadata}
    if columns is None:
        metadata[b"act.schema_version"] = str(SCHEMA_VERSION + 1).encode()
    write_table(table.replace_schema_metadata(metadata), path, write_page_checksum=True)
    with pytest.raises(SchemaMismatch, match=told):
        load_pairs(str(path))


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / "pairs.parquet", [], "pairs")
    with pytest.raises(TrainingData, match="no rows"):
        load_pairs(str(tmp_path / "pairs.parquet"))


def test_limits_spread_and_fingerprints_tell_rows_apart(pairs: list[ContrastPair]) -> None:
    few = spread(pairs, 5)
    assert len(few) == 5
    assert few[-1].task_id != few[0].task_id
    assert spread(pairs, None) == pairs
    rows = critique_rows(ask(few, PLAIN), history=1)
    assert fingerprint(rows) == fingerprint(critique_rows(ask(few, PLAIN), history=1))
    assert fingerprint(rows) != fingerprint(critique_rows(ask(few, PLAIN), history=0))
