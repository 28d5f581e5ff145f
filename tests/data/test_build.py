"""``act-data build``: what is in a dataset, in which split, and that its bytes follow from that."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from act_data.collect import Collect, collect
from act_data.errors import DataCorrupt, DataNotFound, ForbiddenSplit, RunConflict, SchemaMismatch
from act_data.mining import Mine, mine
from act_data.prompts import action_prompt, critique_prompt, render_answer
from act_data.publish.build import Build, build, build_text
from act_data.publish.manifest import read_manifest
from act_data.publish.plan import SPLITS, config_of, plan, split_of
from act_data.storage.sources import Source
from act_data.storage.tables import (
    ROW_GROUP,
    content,
    data_files,
    read_pairs,
    read_trajectories,
    write_parquet,
)
from act_data.types import ContrastPair, Reading
from act_data.verify import Verify, verify
from act_envs.errors import UnknownArgument
from act_train.rewards import expert_match

HALVES = (0.5, 0.25, 0.25)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Verified pairs of Toy, the same but unverified, pairs of a twin of it, and trajectories."""

    verified: Path
    mined: Path
    twin: Path
    trajectories: Path


@pytest.fixture(scope="module")
def inputs(trajectories: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    mine(Mine(trajectories=trajectories, out=folder / "m", k=3))
    verify(Verify(pairs=folder / "m", out=folder / "v", informed=False, sample=30))
    twin = [
        dataclasses.replace(pair, env_id="Other/HouseGen-v1", pair_id=f"{number:016x}")
        for number, pair in enumerate(read_pairs(folder / "m"))
    ]
    write_parquet(folder / "twin.parquet", twin, "pairs")
    return Inputs(folder / "v", folder / "m", folder / "twin.parquet", trajectories)


def built(inputs: Inputs, out: Path, **options: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "pairs": (inputs.verified, inputs.twin),
        "trajectories": (inputs.trajectories,),
        "shares": HALVES,
        "shard_size": 40,
    }
    return build(Build(out=out, **{**defaults, **options}))


@pytest.fixture(scope="module")
def dataset(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset") / "toy"
    built(inputs, out)
    return out


def files(folder: Path) -> dict[str, bytes]:
    """Every file that is not hidden."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def rows(folder: Path, config: str, split: str) -> list[dict[str, Any]]:
    paths = data_files(folder / "data" / config / split)
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def every(folder: Path, config: str) -> dict[str, list[dict[str, Any]]]:
    return {split: rows(folder, config, split) for split in SPLITS}


# -- which rows, where ---------------------------------------------------------------------------


def test_every_row_is_in_the_split_of_its_task(inputs: Inputs, dataset: Path) -> None:
    seen: dict[str, set[str]] = {}
    configs = {path.name for path in (dataset / "data").iterdir()}
    assert configs == {"toy", "house", "trajectories", "critique", "preference", "sft"}
    for config in configs:
        for split, found in every(dataset, config).items():
            assert found, (config, split)
            for row in found:
                seen.setdefault(row["task_id"], set()).add(split)
                assert row["schema_version"] == 4
                assert row["generator"].startswith("act-data ")
    assert all(len(splits) == 1 for splits in seen.values())
    assert {*seen} == {pair.task_id for pair in read_pairs(inputs.mined)}
    count = len([*read_pairs(inputs.mined)])
    for config, often in {"toy": 1, "house": 1, "critique": 4, "preference": 2}.items():
        assert sum(map(len, every(dataset, config).values())) == often * count


def test_pairs_and_trajectories_are_as_they_were(inputs: Inputs, dataset: Path) -> None:
    """A stage of act-train reads them as it reads those of a run."""
    for config, path in {"toy": inputs.verified, "house": inputs.twin}.items():
        before = [*read_pairs(path)]
        for split in SPLITS:
            wanted = [pair for pair in before if split_of(pair.task_id, HALVES) == split]
            assert [*read_pairs(dataset / "data" / config / split)] == wanted
    for split in SPLITS:
        wanted = [
            row
            for row in read_trajectories(inputs.trajectories)
            if split_of(row.task_id, HALVES) == split
        ]
        assert [*read_trajectories(dataset / "data/trajectories" / split)] == wanted


def test_tasks_of_one_product_stay_together(tmp_path: Path) -> None:
    kwargs = '{"products": 40}'
    collect(Collect(env="ACT/WebShopGen-v0", env_kwargs=kwargs, out=tmp_path / "c", limit=12))
    mine(Mine(trajectories=tmp_path / "c", out=tmp_path / "m", k=1))
    build(
        Build(
            pairs=(tmp_path / "m",), trajectories=(tmp_path / "c",), shares=HALVES,
            out=tmp_path / "d",
        )
    )  # fmt: skip
    for config in ("webshop", "trajectories", "critique", "sft"):
        where: dict[str, set[str]] = {}
        tasks: dict[str, set[str]] = {}
        for path in (tmp_path / "d/data" / config).iterdir():
            for row in rows(tmp_path / "d", config, path.name):
                where.setdefault(row["origin"], set()).add(path.name)
                tasks.setdefault(row["origin"], set()).add(row["task_id"])
        assert "" not in where
        assert all(len(splits) == 1 for splits in where.values())
        assert max(map(len, tasks.values())) > 1
    assert len({split_of(task, HALVES) for task in max(tasks.values(), key=len)}) > 1


NAMES = st.sampled_from("abcdefgh") | st.text(min_size=1, max_size=8)
ENVS = st.sampled_from(["ACT/ALFWorld-v0", "ACT/ALFWorldGen-v0", "ACT/WebShopBrowser-v0", "A/Toy"])
SHARES = st.sampled_from([HALVES, (1.0, 0.0, 0.0), (0.7, 0.2, 0.1), (0.6, 0.0, 0.4)])
VERIFIED = st.sampled_from([None, {"admissible": True}])
PAIRS = st.lists(st.tuples(ENVS, NAMES, st.integers(0, 40), VERIFIED), min_size=1, max_size=60)


def source(**columns: Any) -> Any:
    """As :class:`act_data.storage.sources.Source`, with a row group of each three rows."""
    table = pa.table(columns)

    def groups(*names: str) -> Iterator[Any]:
        for at in range(0, len(table), 3):
            yield table.slice(at, 3).select([name.partition(".")[0] for name in names])

    return SimpleNamespace(columns=groups, count=len(table))


def origin_of(task: str) -> str:
    """Some tasks are made from one thing."""
    return "product" if task in "abc" else ""


@settings(deadline=None)
@given(pairs=PAIRS, played=st.lists(NAMES, max_size=30), shares=SHARES, size=st.integers(1, 9))
def test_no_task_and_no_origin_is_in_two_splits(
    pairs: list[tuple[str, str, int, Any]], played: list[str], shares: Sequence[float], size: int
) -> None:
    envs, tasks, ids, found = (list(column) for column in zip(*pairs, strict=True))
    names = [f"{number:016x}" for number in ids]
    made = plan(
        source(
            env_id=envs, task_id=tasks, pair_id=names, split=["train"] * len(pairs),
            origin=[origin_of(task) for task in tasks],
            verification=pa.array(found, pa.struct({"admissible": pa.bool_()})),
        ),
        source(
            task_id=played, split=["train"] * len(played), seed=[*range(len(played))],
            origin=[origin_of(task) for task in played],
            **{name: [""] * len(played) for name in ("env_id", "env_kwargs", "policy")},
            transitions=[[]] * len(played),
        ),
        shares=shares, allow_split=(), shard_size=size,
    )  # fmt: skip
    where: dict[str, set[str]] = {}
    placed: dict[str, list[int]] = {"pairs": [], "trajectories": []}
    for shard in made.shards:
        assert 1 <= len(shard.rows) <= size
        placed[shard.kind] += shard.rows.tolist()
        for config, path in shard.files.items():
            assert path.parts[:2] == ("data", config)
            for row in shard.rows:
                task = (tasks if shard.kind == "pairs" else played)[row]
                where.setdefault(origin_of(task) or task, set()).add(path.parent.name)
    assert all(len(splits) == 1 for splits in where.values())
    assert sorted(placed["pairs"]) == sorted(
        min((found[at] is None, at) for at, its in enumerate(names) if its == name)[1]
        for name in {*names}
    )
    assert sorted(placed["trajectories"]) == [*range(len(played))]
    assert made.duplicates == len(names) - len(set(names))
    assert not any(
        share == 0 and split in set().union(*where.values())
        for split, share in zip(SPLITS, shares, strict=True)
    )
    for splits in made.files().values():
        for paths in splits.values():
            parts = [
                f"part-{number:05d}-of-{len(paths):05d}.parquet" for number in range(len(paths))
            ]
            assert [path.name for path in paths] == parts


def test_a_split_follows_from_the_name_for_good() -> None:
    assert [split_of(task, HALVES) for task in ("boil/21", "fetch/0", "fetch/1", "ü")] == [
        "test",
        "train",
        "validation",
        "test",
    ]
    often = [split_of(f"fetch/{number}", (0.8, 0.15, 0.05)) for number in range(4000)]
    assert [round(often.count(split) / 4000, 1) for split in SPLITS] == [0.8, 0.1, 0.1]


def test_configs_are_families_of_environments() -> None:
    names = {
        "ACT/ALFWorld-v0": "alfworld", "ACT/ALFWorldGen-v0": "alfworld",
        "ACT/WebShopBrowser-v0": "webshop", "ACT/ScienceWorld-v0": "scienceworld",
        "Mine/My-visit-v12": "my-visit", "Gen-v0": "gen",
    }  # fmt: skip
    assert {env_id: config_of(env_id) for env_id in names} == names
    with pytest.raises(UnknownArgument, match="'sft'"):
        config_of("ACT/SFT-v0")


def test_rows_are_found_by_their_numbers(inputs: Inputs, tmp_path: Path) -> None:
    """In files of several row groups, and given out in groups of one size."""
    first, begun = next(read_pairs(inputs.mined)), 0
    for name, count in {"a": 2 * ROW_GROUP + 9, "b": 5, "c": ROW_GROUP}.items():
        numbers, begun = range(begun, begun + count), begun + count
        rows = [dataclasses.replace(first, pair_id=f"{number:016x}") for number in numbers]
        write_parquet(tmp_path / f"{name}.parquet", rows, "pairs")
    source = Source([tmp_path / f"{name}.parquet" for name in "abc"], "pairs")
    assert source.count == begun
    rng = np.random.default_rng(0)
    for count in (0, 1, ROW_GROUP, ROW_GROUP + 1, begun):
        wanted = np.sort(rng.choice(begun, count, replace=False))
        tables = [*source.take(wanted)]
        found = [int(one, 16) for table in tables for one in table.column("pair_id").to_pylist()]
        assert found == wanted.tolist()
        full, rest = divmod(count, ROW_GROUP)
        assert [len(table) for table in tables] == [ROW_GROUP] * full + [rest] * (rest > 0)


# -- derived rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [0, 1, 50])
def test_critiques_and_preferences(inputs: Inputs, tmp_path: Path, history: int) -> None:
    built(inputs, tmp_path / "d", history=history, pairs=(inputs.verified,), trajectories=())
    for split in SPLITS:
        pairs = [*read_pairs(tmp_path / "d/data/toy" / split)]
        critiques = rows(tmp_path / "d", "critique", split)
        assert [row["expert_position"] for row in critiques] == [0, 1] * len(pairs)
        for at, row in enumerate(critiques):
            pair = pairs[at // 2]
            both = (pair.expert_action, pair.alternative_action)
            shown = both[::-1] if row["expert_position"] else both
            assert row["prompt"] == critique_prompt(pair.state, shown, history=history)
            assert (row["expert_action"], row["alternative_action"]) == both
            assert row["admissible"].split("\n") == [*pair.admissible_actions]
            _same_origin(row, pair)
        for row, pair in zip(rows(tmp_path / "d", "preference", split), pairs, strict=True):
            assert row["prompt"] == action_prompt(pair.state, history=history)
            assert row["chosen"] == _answer(pair.expert_action)
            assert row["rejected"] == _answer(pair.alternative_action)
            _same_origin(row, pair)


def _same_origin(row: dict[str, Any], pair: ContrastPair) -> None:
    """Provenance, and what is known of the label, to filter by."""
    for name in ("pair_id", "env_id", "task_id", "policy", "sampling", "seed", "state_hash"):
        assert row[name] == getattr(pair, name)
    found = pair.verification
    assert found is not None
    assert row["same_state"] == found.same_state
    assert row["alternative_admissible"] == found.admissible
    assert row["hindsight_verdict"] == (found.hindsight and found.hindsight.verdict)
    assert row["informed_verdict"] is None


def test_a_verdict_can_be_filtered_by_and_may_be_missing(inputs: Inputs, dataset: Path) -> None:
    judged = [pair.verification for pair in read_pairs(inputs.verified) if pair.verification]
    verdicts = [one.hindsight and one.hindsight.verdict for one in judged]
    assert {None, "expert_better"} <= {*verdicts}
    found = [row for split in SPLITS for row in rows(dataset, "critique", split)]
    own = [row["hindsight_verdict"] for row in found if row["env_id"] == "ACT/Toy-v0"]
    assert sorted(map(str, own)) == sorted([*map(str, verdicts)] * 2)
    for row in found:
        if row["env_id"] != "ACT/Toy-v0":  # not verified at all
            assert (row["same_state"], row["alternative_admissible"]) == (None, None)


def test_each_reading_has_a_column_of_its_own(inputs: Inputs, tmp_path: Path) -> None:
    pair = next(pair for pair in read_pairs(inputs.verified) if pair.verification)
    informed = Reading("worlds:8:x", 4.0, 3.0, -1.0, "alternative_better", 0.9)
    hindsight = Reading("planner", 3.0, 3.0, 0.0, "equivalent", 1.0)
    assert pair.verification
    found = dataclasses.replace(
        pair.verification, admissible=False, hindsight=hindsight, informed=informed
    )
    write_parquet(tmp_path / "p.parquet", [pair.verified(found)], "pairs")
    built(inputs, tmp_path / "d", pairs=(tmp_path / "p.parquet",), trajectories=())
    for config, count in (("critique", 2), ("preference", 1)):
        splits = [path.name for path in (tmp_path / "d" / "data" / config).iterdir()]
        told = [row for split in splits for row in rows(tmp_path / "d", config, split)]
        assert len(told) == count
        for row in told:
            assert row["hindsight_verdict"] == "equivalent"
            assert row["informed_verdict"] == "alternative_better"
            assert row["alternative_admissible"] is False


def test_damage_in_a_page_of_an_input_is_told(inputs: Inputs, tmp_path: Path) -> None:
    data = bytearray(inputs.twin.read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "p.parquet").write_bytes(data)
    with pytest.raises(DataCorrupt, match=r"p\.parquet"):
        built(inputs, tmp_path / "d", pairs=(tmp_path / "p.parquet",), trajectories=())


def test_imitation_is_every_step(inputs: Inputs, dataset: Path) -> None:
    for split in SPLITS:
        found = iter(rows(dataset, "sft", split))
        for trajectory in read_trajectories(dataset / "data/trajectories" / split):
            for step, transition in enumerate(trajectory.transitions):
                row = next(found)
                assert row["prompt"] == action_prompt(trajectory.state(step), history=2)
                assert row["completion"] == _answer(transition.action)
                assert (row["task_id"], row["step"]) == (trajectory.task_id, step)
                assert row["state_hash"] == transition.state_hash
        assert next(found, None) is None


def test_the_rewards_of_act_train_read_the_columns(dataset: Path) -> None:
    found = rows(dataset, "critique", "train")
    columns = {name: [row[name] for row in found] for name in found[0]}
    for name, reward in {"expert_action": 1.0, "alternative_action": 0.0}.items():
        completions = [_answer(row[name]) for row in found]
        assert {*expert_match(completions=completions, **columns)} == {reward}


def _answer(action: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": render_answer(action)}]


# -- bytes ---------------------------------------------------------------------------------------


def test_an_input_is_read_for_its_name_once(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return content(path)

    monkeypatch.setattr("act_data.publish.build.content", counted)
    built(inputs, tmp_path / "d")
    assert sorted(read) == sorted((inputs.verified, inputs.twin, inputs.trajectories))


def test_same_inputs_same_bytes(inputs: Inputs, dataset: Path, tmp_path: Path) -> None:
    """Wherever the inputs lie, and whatever was there before."""
    moved = shutil.copytree(inputs.verified, tmp_path / "elsewhere")
    summary = built(inputs, tmp_path / "d", pairs=(moved, inputs.twin))
    assert files(tmp_path / "d") == files(dataset)
    (tmp_path / "d" / "MANIFEST.json").unlink()
    (tmp_path / "d/data/critique/train/.part-00000-of-00001.parquet.1.partial").touch()
    for path in [*(tmp_path / "d").rglob("part-00001-*.parquet")]:
        path.unlink()
    assert built(inputs, tmp_path / "d", pairs=(moved, inputs.twin)) == summary
    assert files(tmp_path / "d") == files(dataset)
    assert not [*(tmp_path / "d").rglob("*.partial")]


def test_what_was_damaged_is_made_again(inputs: Inputs, dataset: Path, tmp_path: Path) -> None:
    out = shutil.copytree(dataset, tmp_path / "d")
    part = next((out / "data/sft/test").iterdir())
    part.write_bytes(part.read_bytes()[:-1])
    built(inputs, out)
    assert files(out) == files(dataset)


def test_of_an_unfinished_build_only_whole_files_are_kept(
    inputs: Inputs, dataset: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(dataset, tmp_path / "d")
    (out / "MANIFEST.json").unlink()
    part = next((out / "data/preference/train").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    next((out / "data/toy/train").iterdir()).write_bytes(b"PAR1")
    built(inputs, out)
    assert files(out) == files(dataset)


@pytest.mark.parametrize("name", ["notes.txt", "data/toy/train/mine.parquet", "data/keys/id_rsa"])
def test_files_of_others_are_refused_and_nothing_is_lost(
    inputs: Inputs, dataset: Path, tmp_path: Path, name: str
) -> None:
    out = shutil.copytree(dataset, tmp_path / "d")
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("secret")
    before = files(out)
    with pytest.raises(RunConflict, match=name):
        built(inputs, out)
    assert files(out) == before


def test_a_link_is_refused(inputs: Inputs, dataset: Path, tmp_path: Path) -> None:
    out = shutil.copytree(dataset, tmp_path / "d")
    (out / "README.md").rename(tmp_path / "elsewhere")
    (out / "README.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunConflict, match=r"README\.md"):
        built(inputs, out)


def test_equal_trajectories_are_taken_once(inputs: Inputs, dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(inputs.trajectories, tmp_path / "copy")
    summary = built(inputs, tmp_path / "d", trajectories=(inputs.trajectories, copy))
    count = len([*read_trajectories(copy)])
    assert (summary["trajectories"], summary["repeated"]) == (count, count)
    assert f"{count} trajectories left out" in build_text(summary)
    assert every(tmp_path / "d", "sft") == every(dataset, "sft")


def test_the_manifest_is_written_last(dataset: Path) -> None:
    assert {*read_manifest(dataset)} == {*files(dataset)}
    newest = max(dataset.rglob("*.*"), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "MANIFEST.json"


def test_another_request_is_refused(inputs: Inputs, dataset: Path) -> None:
    before = files(dataset)
    with pytest.raises(RunConflict, match="history is 2 there, 3 now"):
        built(inputs, dataset, history=3)
    with pytest.raises(RunConflict, match="pairs"):
        built(inputs, dataset, pairs=(inputs.mined, inputs.twin))
    assert files(dataset) == before


def test_killed_at_random_moments_and_run_again(inputs: Inputs, tmp_path: Path) -> None:
    code = (
        "import sys, tyro, pyarrow.parquet\n"
        "from act_data.publish.build import Build, build\n"
        "config = tyro.cli(Build)\n"
        "print('ready', flush=True)\n"
        "build(config)"
    )
    command = [sys.executable, "-c", code, str(inputs.verified), "--shard-size", "2"]
    command += ["--trajectories", str(inputs.trajectories), "--out"]
    options: dict[str, Any] = {"pairs": (inputs.verified,), "shard_size": 2}
    built(inputs, tmp_path / "peace", shares=(0.9, 0.05, 0.05), **options)
    out, moments, done = tmp_path / "out", random.Random(0), [0]
    parts = len([*(tmp_path / "peace").rglob("*.parquet")])
    while done[-1] < parts * 0.6:
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        enough = done[-1] + moments.randrange(parts // 6, parts // 2)
        while process.poll() is None and len([*out.rglob("part-*.parquet")]) < enough:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        done.append(len([*out.rglob("part-*.parquet")]))
    assert not (out / "MANIFEST.json").exists()
    built(inputs, out, shares=(0.9, 0.05, 0.05), **options)
    assert files(out) == files(tmp_path / "peace")


# -- refusals ------------------------------------------------------------------------------------


def test_tasks_for_evaluation_are_refused(inputs: Inputs, tmp_path: Path) -> None:
    for split, rule in {"test": "never enter", "dev": "--allow-split dev"}.items():
        path = tmp_path / f"{split}.parquet"
        (fine, other, *_) = read_pairs(inputs.mined)
        write_parquet(path, [fine, dataclasses.replace(other, split=split)], "pairs")
        with pytest.raises(ForbiddenSplit, match=rule):
            built(inputs, tmp_path / "d", pairs=(inputs.verified, path))
        played = dataclasses.replace(next(read_trajectories(inputs.trajectories)), split=split)
        write_parquet(tmp_path / f"{split}-t.parquet", [played], "trajectories")
        with pytest.raises(ForbiddenSplit, match=rule):
            built(inputs, tmp_path / "d", trajectories=(tmp_path / f"{split}-t.parquet",))
    with pytest.raises(ForbiddenSplit):
        built(inputs, tmp_path / "d", pairs=(tmp_path / "test.parquet",), allow_split=("test",))
    assert not (tmp_path / "d").exists()
    built(inputs, tmp_path / "d", pairs=(tmp_path / "dev.parquet",), allow_split=("dev",))


@pytest.mark.parametrize("order", [["verified", "mined"], ["mined", "verified"]])
def test_of_pairs_with_one_id_the_verified_one_is_taken(
    inputs: Inputs, tmp_path: Path, order: list[str]
) -> None:
    pairs = tuple(getattr(inputs, name) for name in order)
    summary = built(inputs, tmp_path / "d", pairs=pairs, trajectories=())
    count = len([*read_pairs(inputs.mined)])
    assert (summary["pairs"], summary["duplicates"]) == (count, count)
    kept = [pair for s in SPLITS for pair in read_pairs(tmp_path / "d/data/toy" / s)]
    assert all(pair.verification for pair in kept)
    text = build_text(summary)
    assert f"{count} pairs left out" in text
    assert "no configs sft and trajectories" in text
    assert {"sft", "trajectories"}.isdisjoint(summary["rows"])
    assert json.loads((tmp_path / "d" / "MANIFEST.json").read_text())["files"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shares": (0.9, 0.2, 0.1)}, UnknownArgument, "must sum to 1"),
        ({"shares": (0.0, 0.5, 0.5)}, UnknownArgument, "train"),
        ({"shares": (0.5, 0.5)}, UnknownArgument, "validation"),
        ({"mined": (Path("nowhere"),)}, DataNotFound, "nowhere"),
        ({"history": -1}, UnknownArgument, "history=-1"),
        ({"shard_size": 0}, UnknownArgument, "shard_size=0"),
        ({"pairs": (Path("nowhere"),)}, DataNotFound, "nowhere"),
        ({"pairs": ()}, UnknownArgument, "no pairs were named"),
    ],
)
def test_what_cannot_be_built(
    inputs: Inputs, tmp_path: Path, options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        built(inputs, tmp_path / "d", **options)
    assert not (tmp_path / "d").exists()


def test_inputs_of_the_wrong_kind_and_inputs_given_twice(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="holds trajectories, not pairs"):
        built(inputs, tmp_path / "d", pairs=(inputs.trajectories,))
    with pytest.raises(DataNotFound, match="a run of verify"):
        built(inputs, tmp_path / "d", mined=(inputs.verified,))
    again = inputs.verified / ".." / inputs.verified.name
    with pytest.raises(UnknownArgument, match="given 2 times"):
        built(inputs, tmp_path / "d", pairs=(inputs.verified, again))
    assert not (tmp_path / "d").exists()
