"""``act_data.load``: what it opens, what it refuses, and that ``load_dataset`` does as well."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("datasets")

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

import act_data
from act_data import loading
from act_data.errors import DataNotFound, HubUnreachable, SchemaMismatch, UnfinishedRun
from act_data.mining import Mine, mine
from act_data.publish.build import Build, build
from act_data.publish.manifest import read_manifest, write_manifest
from act_data.publish.names import check_names
from act_data.publish.push import Push, push
from act_data.storage.schema import SCHEMA_VERSION, arrow_schema
from act_data.storage.tables import read_pairs, write_parquet
from act_data.verify import Verify, verify
from act_envs.errors import MissingExtra, UnknownArgument
from benchmarks.hub import Hub
from benchmarks.hub_http import Fault

if TYPE_CHECKING:  # pytest itself imports it
    from tests.data.hub import Client

pytest_plugins = "tests.data.hub"  # its fixtures
REPO = "org/pairs"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.getbasetemp() / "datasets-cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)


@pytest.fixture(scope="module")
def dataset(trajectories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy's pairs and, made of the same, pairs of another environment."""
    folder = tmp_path_factory.mktemp("load")
    mine(Mine(trajectories=trajectories, out=folder / "m", k=2))
    other = [
        dataclasses.replace(pair, env_id="ACT/House-v0", pair_id=f"{number:016x}")
        for number, pair in enumerate(read_pairs(folder / "m"))
    ]
    write_parquet(folder / "other.parquet", other, "pairs")
    build(
        Build(
            pairs=(folder / "m", folder / "other.parquet"),
            trajectories=(trajectories,),
            out=folder / "d",
            shares=(0.5, 0.25, 0.25),
            shard_size=20,
        )
    )
    return folder / "d"


def test_a_config_with_its_splits(dataset: Path) -> None:
    found = act_data.load(dataset, "toy")
    assert [*found] == ["train", "validation", "test"]
    for split, rows in found.items():
        assert [*act_data.pairs(rows)] == [*read_pairs(dataset / "data/toy" / split)]
    assert found["train"].info.dataset_name == dataset.name


def test_without_a_name_the_first_environments(dataset: Path) -> None:
    assert {pair.env_id for pair in act_data.pairs(act_data.load(dataset, split="train"))} == {
        "ACT/House-v0"
    }


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_stream(dataset: Path, split: str) -> None:
    found = act_data.load(dataset, "toy", split=split, streaming=True)
    assert isinstance(found, datasets.IterableDataset)
    assert [*act_data.pairs(found)] == [*read_pairs(dataset / "data/toy" / split)]
    assert len([*act_data.load(dataset, "toy", streaming=True)]) == 3


def test_load_dataset_opens_every_config_with_the_columns_of_its_files(dataset: Path) -> None:
    configs = _configs(dataset)
    assert sorted(configs) == sorted(path.name for path in (dataset / "data").iterdir())
    for config in configs:
        found = datasets.load_dataset(str(dataset), config)
        promised = datasets.load_dataset_builder(str(dataset), config).info
        for split, rows in found.items():
            (first, *_) = paths = sorted((dataset / "data" / config / split).iterdir())
            features = datasets.Features.from_arrow_schema(pq.read_schema(first))
            assert rows.features == promised.features == features
            assert len(rows) == sum(pq.read_metadata(path).num_rows for path in paths)
            assert promised.splits[split].num_examples == len(rows)
            assert [*rows] == [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_trl_knows_the_rows_without_being_told(dataset: Path) -> None:
    """Conversations all, and for GRPO prompts alone."""
    for config, texts in {
        "critique": {"prompt"},
        "sft": {"prompt", "completion"},
        "preference": {"prompt", "chosen", "rejected"},
    }.items():
        (row, *_) = act_data.load(dataset, config, split="train")
        known = {"prompt", "completion", "chosen", "rejected", "messages", "label", "images"}
        assert known & row.keys() == texts
        for name in texts:
            speakers = [message["role"] for message in row[name]]
            assert speakers == (["user"] if name == "prompt" else ["assistant"])


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda path: act_data.load(path, "toys"), UnknownArgument, "Did you mean 'toy'"),
        (lambda path: act_data.load(path, split="trian"), UnknownArgument, "Did you mean 'train'"),
        (
            lambda path: act_data.load(path, split="valid", streaming=True),
            UnknownArgument,
            "Did you mean 'validation'",
        ),
        (
            lambda path: act_data.load(path, split="train[:2]", streaming=True),
            UnknownArgument,
            "a stream has none",
        ),
        (lambda path: act_data.load(path, split="train[:x]"), UnknownArgument, "A slice"),
        (lambda path: act_data.load(path, revision="v1"), UnknownArgument, "is a folder"),
        (lambda path: act_data.load(path / "data"), UnfinishedRun, "act-data build"),
        (lambda path: act_data.load(path / "gone"), DataNotFound, "there is no folder /.*gone"),
        (lambda _: act_data.load(Path("org/name")), DataNotFound, "there is no folder org/name"),
        (lambda _: act_data.load("./gone"), DataNotFound, r"there is no folder \./gone"),
        (lambda _: act_data.load("nowhere"), DataNotFound, "is no folder"),
        (
            lambda path: next(act_data.pairs(act_data.load(path, "sft", split="train"))),
            SchemaMismatch,
            "'alfworld'",
        ),
    ],
)
def test_what_is_not_there(
    dataset: Path, ask: Callable[[Path], Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        ask(dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_that_goes_meanwhile(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(dataset, folder)
    usual = loading._datasets

    def gone() -> Any:
        shutil.rmtree(folder, ignore_errors=True)
        return usual()

    monkeypatch.setattr(loading, "_datasets", gone)
    with pytest.raises(DataNotFound, match=f"there is no folder {folder}"):
        act_data.load(folder, streaming=streaming)


def test_a_full_disk_is_no_damage(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.arrow_writer.ArrowWriter, "write_table", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"):
        act_data.load(dataset)


def test_the_clients_of_the_hub_are_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (lambda: act_data.load("org/name"), lambda: check_names("org/name", None)):
        with pytest.raises(MissingExtra, match=r"agentic-critical-training\[data\]"):
            ask()


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_of_another_version_are_refused(tmp_path: Path, streaming: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for version, message in {
        SCHEMA_VERSION + 1: f"version {SCHEMA_VERSION + 1}",
        None: "no column",
    }.items():
        table = pa.table({"schema_version" if version else "text": [version or "x"]})
        pq.write_table(table, folder / "train.parquet")
        write_manifest(tmp_path)
        with pytest.raises(SchemaMismatch, match=message):
            act_data.load(tmp_path, streaming=streaming)
    row = dict.fromkeys(arrow_schema("pairs").names)
    with pytest.raises(SchemaMismatch, match="version 99"):
        next(act_data.pairs([{**row, "schema_version": 99}]))


def test_what_comes_with_the_package(tmp_path: Path) -> None:
    """It is undamaged and verified, and its states are still those of the worlds."""
    folder = loading.BUILTIN_FOLDER
    assert sum(file.size for file in read_manifest(folder).values()) < 1.5e6
    assert {"alfworld", "webshop", "critique", "sft", "preference"} <= {*_configs(folder)}
    for config in ("alfworld", "webshop"):
        pairs = [*act_data.pairs(act_data.load("builtin", config, split="test"))]
        assert pairs
        for pair in pairs:
            assert pair.verification is not None
            assert pair.verification.hindsight is not None
            judged = pair.verification.informed is not None
            assert judged == (config == "alfworld")  # WebShop cannot draw worlds
        write_parquet(tmp_path / f"{config}.parquet", pairs[:4], "pairs")
        verify(
            Verify(
                pairs=tmp_path / f"{config}.parquet",
                out=tmp_path / config,
                hindsight=False,
                informed=False,
            )
        )  # which raises ReplayMismatch
        for now, then in zip(read_pairs(tmp_path / config), pairs[:4], strict=True):
            assert now.verification is not None
            assert then.verification is not None
            assert now.verification.alternative == then.verification.alternative


def _configs(folder: Path) -> list[str]:
    return datasets.get_dataset_config_names(str(folder))


# -- from the Hub --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another dataset: two pairs of the first."""
    folder = tmp_path_factory.mktemp("few")
    pairs = [*read_pairs(dataset / "data/toy/train")][:2]
    write_parquet(folder / "few.parquet", pairs, "pairs")
    build(Build(pairs=(folder / "few.parquet",), out=folder / "d", shares=(1.0, 0.0, 0.0)))
    return folder / "d"


def test_a_revision_is_the_one_that_was_asked_for(
    hub: Hub, client: Client, dataset: Path, few: Path
) -> None:
    client(push, Push(folder=dataset, repo=REPO, tag="v1"))
    client(push, Push(folder=few, repo=REPO, tag="v2"))
    for revision, folder in {"v1": dataset, None: few, "v2": few}.items():
        rows = client(partial(loading.load, REPO, "toy", revision=revision, split="train"))
        assert [*act_data.pairs(rows)] == [*read_pairs(folder / "data/toy/train")]
    with pytest.raises(DataNotFound, match=r"no revision 'v3'. Did you mean '(v1|v2)'"):
        client(partial(loading.load, REPO, "toy", revision="v3"))
    with pytest.raises(UnknownArgument, match="no config 'house'"):
        client(partial(loading.load, REPO, "house"))
    with pytest.raises(DataNotFound, match="no dataset 'org/pears'"):
        client(partial(loading.load, "org/pears", "toy"))


@pytest.mark.parametrize(
    ("route", "fault"), [("info", {"hang_up": "before"}), ("resolve", {"status": 503})]
)
def test_a_hub_that_does_not_answer(
    hub: Hub, client: Client, dataset: Path, few: Path, route: str, fault: dict[str, Any]
) -> None:
    """And of another revision in the cache, which load_dataset would take, nothing is said."""
    client(push, Push(folder=dataset, repo=REPO))
    client(partial(loading.load, REPO, "toy"))
    client(push, Push(folder=few, repo=REPO))
    hub.faults.append(Fault(route, times=1000, **fault))
    with pytest.raises(HubUnreachable) as caught:
        client(partial(loading.load, REPO, "toy", split="train"))
    assert "\n" not in str(caught.value)
    hub.faults.clear()
