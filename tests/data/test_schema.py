"""What is written is read back, byte for byte the same each time; what is wrong is named."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from act_data.errors import DataCorrupt, DataNotFound, SchemaMismatch, UnfinishedRun
from act_data.mining import Mine, mine
from act_data.storage import schema, tables
from act_data.storage.files import replacing
from act_data.storage.tables import read_notes, read_pairs, read_trajectories, write_parquet
from act_data.types import AgentState, ContrastPair, Trajectory, Transition

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
INT32, INT64 = st.integers(0, 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False)
STATES = st.builds(AgentState, TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple))
PAIRS = st.builds(
    ContrastPair,
    **dict.fromkeys(
        (field.name for field in dataclasses.fields(ContrastPair) if field.type == "str"), TEXT
    ),
    step=INT32,
    state=STATES,
    admissible_actions=st.lists(TEXT, max_size=3).map(tuple),
    alternative_count=INT32,
    seed=INT64,
)
TRANSITIONS = st.builds(Transition, TEXT, TEXT, FLOAT, st.booleans(), TEXT)
TRAJECTORIES = st.builds(
    Trajectory,
    **dict.fromkeys(
        (field.name for field in dataclasses.fields(Trajectory) if field.type == "str"), TEXT
    ),
    seed=INT64,
    score=FLOAT,
    won=st.booleans(),
    truncated=st.booleans(),
    transitions=st.lists(TRANSITIONS, max_size=3).map(tuple),
)
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(rows=st.lists(PAIRS, max_size=4))
def test_pairs_round_trip(tmp_path: Path, rows: list[ContrastPair]) -> None:
    write_parquet(tmp_path / "a.parquet", rows, "pairs")
    assert list(read_pairs(tmp_path / "a.parquet")) == rows


@QUICK
@given(rows=st.lists(TRAJECTORIES, max_size=4))
def test_trajectories_round_trip(tmp_path: Path, rows: list[Trajectory]) -> None:
    write_parquet(tmp_path / "a.parquet", rows, "trajectories")
    assert list(read_trajectories(tmp_path / "a.parquet")) == rows


@pytest.fixture
def rows(trajectories: Path) -> list[Trajectory]:
    return list(read_trajectories(trajectories))


def test_every_field_is_a_column() -> None:
    for kind, record in (("pairs", ContrastPair), ("trajectories", Trajectory)):
        names = [field.name for field in dataclasses.fields(record)]
        assert schema.arrow_schema(kind).names == [*names, "schema_version"]


def test_equal_rows_give_equal_bytes(tmp_path: Path, rows: list[Trajectory]) -> None:
    many = rows * 50  # more than one row group
    for name in ("a", "b"):
        write_parquet(tmp_path / name, iter(many), "trajectories", notes={"b": 1, "a": [2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert parquet.ParquetFile(tmp_path / "a").num_row_groups > 1
    assert list(read_trajectories(tmp_path / "a")) == many
    assert read_notes(tmp_path / "a", "trajectories") == {"a": [2], "b": 1}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, rows: list[Trajectory]
) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, rows[:1], "trajectories")

    def failing():
        yield rows[0]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_parquet(path, failing(), "trajectories")
    assert list(tmp_path.iterdir()) == [path]
    assert list(read_trajectories(path)) == rows[:1]


def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(OSError, match=str(path)), replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No such file") as caught, replacing(path):
        raise OSError(errno.ENOENT, "No such file")
    assert str(path) not in str(caught.value)


def test_a_link_stays_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for text in (b"one", b"two"):
        with replacing(tmp_path / "link") as file:
            file.write(text)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "kept").read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link"]

    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with replacing(tmp_path / "pipe") as file:
        file.write(b"three")
    assert os.read(reader, 9) == b"three"
    os.close(reader)
    assert not (tmp_path / "pipe").is_file()


def test_a_folder_is_read_in_the_order_of_its_parts(tmp_path: Path, rows: list[Trajectory]) -> None:
    for index, row in enumerate(rows[:11]):
        write_parquet(tmp_path / tables.part_name(index, 11), [row], "trajectories")
    assert list(read_trajectories(tmp_path)) == rows[:11]


def test_pairs_of_a_state_share_what_is_admissible(trajectories: Path, tmp_path: Path) -> None:
    mine(Mine(trajectories=trajectories, out=tmp_path, k=8, limit=1))
    first, *others = read_pairs(tmp_path)
    assert others
    assert all(pair.admissible_actions is first.admissible_actions for pair in others)


def test_missing_parts(tmp_path: Path, rows: list[Trajectory]) -> None:
    write_parquet(tmp_path / tables.part_name(1, 3), rows, "trajectories")
    with pytest.raises(UnfinishedRun, match="1 of 3 parts"):
        read_trajectories(tmp_path)
    write_parquet(tmp_path / tables.part_name(0, 2), rows, "trajectories")
    with pytest.raises(DataCorrupt, match="several runs"):
        read_trajectories(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="nowhere does not exist"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(DataNotFound, match="no parquet files"):
        read_pairs(tmp_path)


def test_another_kind(trajectories: Path) -> None:
    with pytest.raises(SchemaMismatch, match="holds trajectories, not pairs"):
        read_pairs(trajectories)


def test_another_version(tmp_path: Path, rows: list[Trajectory], monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables, "SCHEMA_VERSION", 99)
        write_parquet(tmp_path / "a.parquet", rows, "trajectories")
    with pytest.raises(SchemaMismatch, match="version 99, this program reads 4"):
        read_trajectories(tmp_path)


def test_other_columns(tmp_path: Path, rows: list[Trajectory]) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, rows, "trajectories")
    parquet.write_table(parquet.read_table(path).drop_columns(["won"]), path)
    with pytest.raises(SchemaMismatch, match="other columns"):
        read_trajectories(path)


def test_a_parquet_file_of_somebody_else(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(SchemaMismatch, match="not written by act-data"):
        read_pairs(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all" * 100])
def test_no_parquet_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataCorrupt, match="truncated, damaged or no parquet"):
        read_pairs(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(tmp_path: Path, rows: list[Trajectory], share: float) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, rows, "trajectories")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataCorrupt):
        read_trajectories(path)


def test_a_flipped_bit_never_changes_a_row(tmp_path: Path, rows: list[Trajectory]) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, rows, "trajectories")
    whole = path.read_bytes()
    refused = 0
    for index in range(0, len(whole), 31):
        content = bytearray(whole)
        content[index] ^= 1
        path.write_bytes(content)
        try:
            assert list(read_trajectories(path)) == rows  # some bits are not data
        except (DataCorrupt, SchemaMismatch):
            refused += 1
    assert refused > len(whole) / 31 / 2
