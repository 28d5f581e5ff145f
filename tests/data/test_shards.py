"""A run folder: whose it is, what it holds, and what an interruption at any point leaves."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from act_data.errors import DataCorrupt, RunConflict, RunLocked
from act_data.runs import run as shards
from act_data.runs.run import Result, Run
from act_data.storage.tables import part_name, read_trajectories
from act_data.types import Trajectory
from act_envs.errors import UnknownArgument

REQUEST = {"command": "test", "versions": {"a": 1}}


class Killed(BaseException):
    """Stands for SIGKILL in this process."""


def _run(out: Path, items: range = range(7), shard_size: int = 3, **request: object) -> Run[int]:
    return Run(out, {**REQUEST, **request}, items, "trajectories", shard_size)


def _work(item: int) -> Result:
    name = str(item)
    row = Trajectory("e", "{}", name, "train", "k", "g", "p", 0, "", 1.0, True, False, "", ())
    return Result([row] * (item % 3), "even" if item % 2 == 0 else "odd", Counter(seen=1, never=0))


@dataclass(frozen=True)
class _Job:
    """Any function as work."""

    work: Callable[[int], Result] = _work

    @contextmanager
    def open(self) -> Iterator[Callable[[int], Result]]:
        yield self.work


def test_the_parts_and_the_summary(tmp_path: Path) -> None:
    summary = _run(tmp_path).execute(_Job())
    assert [f.name for f in sorted(tmp_path.iterdir())] == [
        ".lock", *(part_name(part, 3) for part in range(3)), "run.json", "summary.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary == {
        "items": 7,
        "rows": 6,
        "counts": {"never": 0, "seen": 7},
        "by_kind": {"even": {"never": 0, "seen": 4}, "odd": {"never": 0, "seen": 3}},
    }
    names = [row.task_id for row in read_trajectories(tmp_path)]
    assert names == ["1", "2", "2", "4", "5", "5"]


def test_rows_do_not_depend_on_the_size_of_the_parts(tmp_path: Path) -> None:
    found = []
    for size in (1, 3, 100):
        summary = _run(tmp_path / str(size), shard_size=size).execute(_Job())
        found.append((summary, list(read_trajectories(tmp_path / str(size)))))
    assert found[0] == found[1] == found[2]


def test_nothing_to_do_is_one_empty_part(tmp_path: Path) -> None:
    assert _run(tmp_path, range(0)).execute(_Job())["rows"] == 0
    assert list(read_trajectories(tmp_path)) == []


def test_finished_parts_are_not_done_again(tmp_path: Path, digests) -> None:
    _run(tmp_path).execute(_Job())
    before = digests(tmp_path)
    (tmp_path / part_name(1, 3)).unlink()
    (tmp_path / "summary.json").unlink()
    done: list[int] = []

    def work(item: int) -> Result:
        done.append(item)
        return _work(item)

    _run(tmp_path).execute(_Job(work))
    assert done == [3, 4, 5]
    assert digests(tmp_path) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_death_around_every_rename(tmp_path: Path, monkeypatch, moment: str, digests) -> None:
    _run(tmp_path / "whole").execute(_Job())
    rename, unlink = Path.replace, Path.unlink
    out, deaths = tmp_path / "killed", 0
    while deaths < 10:
        calls = 0

        def replace(self: Path, target: Path, life: int = deaths) -> Path:
            nonlocal calls
            calls += 1
            if calls == 2 and moment == "before":  # at most one file gets finished per life
                raise Killed
            renamed = rename(self, target)
            # The last file, summary.json, is written in every life.
            if calls == 1 and moment == "after" and life < 5:
                raise Killed
            return renamed

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            # The dead clean up nothing; the living remove what others left.
            patch.setattr(
                Path, "unlink",
                lambda self, missing_ok=False: str(os.getpid()) in self.name or unlink(self),
            )  # fmt: skip
            try:
                _run(out).execute(_Job())
                break
            except Killed:
                deaths += 1
        for path in shards.leftovers(out):  # as if from another process
            rename(path, path.with_name(path.name.replace(str(os.getpid()), "1")))
    assert 4 <= deaths < 10
    assert digests(out) == digests(tmp_path / "whole")


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path, digests) -> None:
    _run(tmp_path).execute(_Job())
    before = digests(tmp_path)
    (tmp_path / f".{part_name(2, 3)}.4711.partial").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"mine")
    _run(tmp_path).execute(_Job())
    assert digests(tmp_path).keys() - before.keys() == {".hidden"}


def test_another_request_is_named(tmp_path: Path, digests) -> None:
    _run(tmp_path).execute(_Job())
    before = digests(tmp_path)
    with pytest.raises(RunConflict) as error:
        _run(tmp_path, shard_size=4, versions={"a": 2}, new="x").execute(_Job())
    assert "new is None there, 'x' now" in str(error.value)
    assert "shard_size is 3 there, 4 now" in str(error.value)
    assert "versions.a is 1 there, 2 now" in str(error.value)
    assert "choose a new folder with --out" in str(error.value)
    assert digests(tmp_path) == before


def test_a_request_that_has_left_no_work_gives_way(tmp_path: Path, digests) -> None:
    def fails(_item: int) -> Result:
        raise ConnectionError("no such server")

    with pytest.raises(ConnectionError):
        _run(tmp_path / "a", seed=1).execute(_Job(fails))
    assert json.loads((tmp_path / "a" / "run.json").read_text())["seed"] == 1
    for name in "ab":
        _run(tmp_path / name, seed=2).execute(_Job())
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    with pytest.raises(RunConflict, match="seed is 2 there, 1 now"):
        _run(tmp_path / "a", seed=1).execute(_Job())


def test_another_command_is_all_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"command": "collect", "seed": 0, "env": "x"}')
    with pytest.raises(RunConflict, match="'collect' there, 'test' now") as error:
        _run(tmp_path, seed=1).execute(_Job())
    assert "seed" not in str(error.value)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(RunConflict, match="describes no run"):
        _run(tmp_path).execute(_Job())


def test_an_unrelated_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(RunConflict, match=r"not empty \(thesis\.tex\)"):
        _run(tmp_path).execute(_Job())
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunConflict, match="is a file"):
        _run(tmp_path / "thesis.tex").execute(_Job())


def test_an_unreadable_request(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunConflict, match="cannot be read"):
        _run(tmp_path).execute(_Job())


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    _run(tmp_path).execute(_Job())
    (tmp_path / part_name(1, 3)).write_bytes(b"PAR1")
    with pytest.raises(DataCorrupt, match=part_name(1, 3)):
        _run(tmp_path).execute(_Job())


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    def work(item: int) -> Result:
        with pytest.raises(RunLocked, match="another process is working"):
            _run(tmp_path).execute(_Job())
        return _work(item)

    _run(tmp_path).execute(_Job(work))
    _run(tmp_path).execute(_Job())  # and free again


def test_another_run_that_began_while_this_one_looked(tmp_path: Path, monkeypatch) -> None:
    """Between the look at the folder and the lock it is still anybody's."""
    lock = shards.hold

    def slow(file: IO[Any], message: str) -> None:
        (tmp_path / "run.json").write_text('{"command": "test", "versions": {"a": 2}}')
        (tmp_path / "summary.json").write_text("{}")
        lock(file, message)

    monkeypatch.setattr(shards, "hold", slow)
    with pytest.raises(RunConflict, match=r"versions\.a is 2 there, 1 now"):
        _run(tmp_path).execute(_Job())
    assert not list(tmp_path.glob("*.parquet"))


def test_the_shard_size_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="shard_size"):
        _run(tmp_path, shard_size=0)


def test_progress_counts_items_on_stderr(tmp_path: Path, capsys) -> None:
    _run(tmp_path).execute(_Job())
    assert capsys.readouterr().err == ""
    (tmp_path / part_name(2, 3)).unlink()
    _run(tmp_path).execute(_Job(), progress=True)
    printed = capsys.readouterr()
    assert "7/7" in printed.err
    assert printed.out == ""
