"""``act-data collect``: which tasks are played, what is kept, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from act_data.collect import Collect, collect
from act_data.errors import ForbiddenSplit, RunConflict
from act_data.options import select
from act_data.splits import check_split
from act_data.storage.tables import read_trajectories
from act_envs.errors import UnknownArgument, UnknownSplit, UnknownTask
from act_envs.toy import ToySimulator
from act_envs.types import Task

TASKS = [Task(f"{kind}/{n}", "train", kind) for kind in ("boil", "melt") for n in range(4)]


def _collect(out: Path, **options: Any) -> dict[str, Any]:
    usual = {"env": "ACT/Toy-v0", "tasks": ("fetch:3",)}
    return collect(Collect(out=out, **{**usual, **options}))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((), "boil/0 boil/1 boil/2 boil/3 melt/0 melt/1 melt/2 melt/3"),
        (("melt",), "melt/0 melt/1 melt/2 melt/3"),
        (("melt:2", "boil/3"), "boil/3 melt/0 melt/1"),
        (("boil:1", "boil/0", "boil:2"), "boil/0 boil/1"),
        (("melt:99",), "melt/0 melt/1 melt/2 melt/3"),
    ],
)
def test_select(wanted: tuple[str, ...], found: str) -> None:
    assert " ".join(task.task_id for task in select(TASKS, wanted)) == found


@pytest.mark.parametrize(
    "wrong", ["mlet", "melt/9", "melt:x", "melt:0", "melt:-1", "mlet:2", ":2", ""]
)
def test_select_refuses_what_is_not_there(wrong: str) -> None:
    with pytest.raises(UnknownTask, match="no kind, task or KIND:N"):
        select(TASKS, [wrong])


def test_wins_are_stored_in_the_order_of_the_split(tmp_path: Path) -> None:
    summary = _collect(tmp_path, tasks=("feed:2", "fetch/7", "fetch:2"), seed=3)
    rows = list(read_trajectories(tmp_path))
    assert [row.task_id for row in rows] == ["fetch/0", "fetch/1", "fetch/7", "feed/0", "feed/1"]
    assert all(row.won and row.policy == "scripted" and row.seed == 3 for row in rows)
    assert not any(step.state_hash for row in rows for step in row.transitions)
    assert summary["counts"] == {"won": 5, "failed": 0, "truncated": 0, "gave_up": 0}
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_a_panel_does_not_launder_its_tasks(tmp_path: Path) -> None:
    """What counts is the official split of each task, not the name of the list it came with."""
    pytest.importorskip("scienceworld", reason="needs the extra scienceworld")
    wanted = {"env": "ACT/ScienceWorld-v0", "tasks": ("boil",), "split": "eto-test"}
    with pytest.raises(ForbiddenSplit, match="'test' are for evaluation"):
        _collect(tmp_path, **wanted, allow_split=("eto-test",))


def test_tasks_of_panels_that_results_are_reported_on_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A paper's test list may cut across the split train: of its tasks, and of what made them."""
    plain = ToySimulator.tasks
    panels = {"paper-train": slice(0, 9), "paper-dev": slice(2, 4), "paper-test": slice(0, 2)}

    def tasks(simulator: ToySimulator, split: str) -> list[Task]:
        if split in panels:
            return tasks(simulator, "train")[panels[split]]
        made_from = {"fetch/5": "one thing", "fetch/1": "one thing"}
        found = plain(simulator, split)
        return [replace(task, origin=made_from.get(task.task_id, "")) for task in found]

    monkeypatch.setattr(ToySimulator, "panels", tuple(panels))
    monkeypatch.setattr(ToySimulator, "tasks", tasks)
    wanted = ("fetch:4",)
    _collect(tmp_path / "a", tasks=wanted, limit=3)
    assert [row.task_id for row in read_trajectories(tmp_path / "a")] == [
        "fetch/4", "fetch/6", "fetch/7",
    ]  # fmt: skip
    assert "5 of 200 tasks are left out" in caplog.text
    _collect(tmp_path / "b", tasks=wanted, allow_split=("dev",))  # the panel that stands for it
    found = [row.task_id for row in read_trajectories(tmp_path / "b")]
    assert found == ["fetch/2", "fetch/3", "fetch/4", "fetch/6"]
    with pytest.raises(ForbiddenSplit, match="fetch/1: in a list that results are reported on"):
        _collect(tmp_path / "c", tasks=("fetch/1", "fetch/6"))
    panels["paper-test"] = slice(0, 100)
    with pytest.raises(ForbiddenSplit, match="all of kind fetch: in a list"):
        _collect(tmp_path / "c", tasks=("fetch:2", "feed:2"))
    assert not (tmp_path / "c").exists()


def test_limit_takes_the_first(tmp_path: Path) -> None:
    _collect(tmp_path, tasks=("feed:9", "fetch:2"), limit=3)
    assert [r.task_id for r in read_trajectories(tmp_path)] == ["fetch/0", "fetch/1", "feed/0"]


def test_a_step_limit_truncates(tmp_path: Path) -> None:
    summary = _collect(tmp_path, step_limit=1)
    assert summary["counts"]["truncated"] == 3
    assert list(read_trajectories(tmp_path)) == []


def _give_up(_: ToySimulator, __: str) -> None:
    return None


def _fail(simulator: ToySimulator, name: str) -> str:
    """Eat what should be carried."""
    held = [a for a in simulator.admissible_actions() if a.startswith("eat")]
    return held[0] if held else str(expert_action(simulator, name))


expert_action = ToySimulator.expert_action


@pytest.mark.parametrize(("expert", "reason"), [(_give_up, "gave_up"), (_fail, "failed")])
def test_what_is_lost_is_counted_with_its_reason(
    tmp_path: Path, monkeypatch, expert: Callable[[ToySimulator, str], str | None], reason: str
) -> None:
    monkeypatch.setattr(ToySimulator, "expert_action", expert)
    summary = _collect(tmp_path)
    assert summary["counts"][reason] == 3
    assert summary["rows"] == 0


def test_test_tasks_are_never_collected(tmp_path: Path) -> None:
    with pytest.raises(ForbiddenSplit, match="never enter training data"):
        _collect(tmp_path / "a", split="test", allow_split=("test",))
    with pytest.raises(ForbiddenSplit, match="never enter training data"):
        check_split("ood", ("ood",))
    with pytest.raises(ForbiddenSplit, match="--allow-split dev"):
        _collect(tmp_path / "b", split="dev")
    with pytest.raises(UnknownTask):  # nor by their names
        _collect(tmp_path / "c", tasks=("fetch/199",))
    assert list(tmp_path.iterdir()) == []
    assert _collect(tmp_path / "d", split="dev", allow_split=("dev",))["rows"] == 3


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"split": "dev"}', '{"step_limit": 3}'])
def test_env_kwargs_are_checked(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnknownArgument, match="env_kwargs"):
        _collect(tmp_path, env_kwargs=text)


def test_wrong_arguments_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="no argument 'admisible'"):
        _collect(tmp_path, env_kwargs='{"admisible": true}')
    with pytest.raises(UnknownSplit):
        _collect(tmp_path, split="trian", allow_split=("trian",))
    with pytest.raises(UnknownArgument, match="limit"):
        _collect(tmp_path, limit=0)


def test_other_tasks_are_another_run(tmp_path: Path) -> None:
    _collect(tmp_path)
    _collect(tmp_path)
    with pytest.raises(RunConflict, match=r"tasks is '3, named .* there, '4, named .* now"):
        _collect(tmp_path, tasks=("fetch:4",))
