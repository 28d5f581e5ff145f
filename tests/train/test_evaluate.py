"""Every task once, in order, resumable, the same bytes; and mistakes that are refused."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

import act_envs
from act_data.errors import RunLocked
from act_envs.errors import UnknownArgument, UnknownTask
from act_train import evaluate
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluate import read_results
from act_train.recipe import EvaluateArguments


def arguments(output: Path, **changes: object) -> EvaluateArguments:
    chosen: dict[str, object] = {
        "policy": "random-admissible",
        "env": "ACT/Toy-v0",
        "split": "test",
        "tasks": ["fetch:4", "feed:3"],
        "step_limit": 8,
        "output": str(output),
        **changes,
    }
    return EvaluateArguments(**chosen)  # type: ignore[arg-type]


def test_every_task_is_played_once_in_the_order_of_the_split(tmp_path: Path) -> None:
    report = evaluate.run(arguments(tmp_path / "a.jsonl"))
    lines = read_results(tmp_path / "a.jsonl")
    assert [line["task_id"] for line in lines] == [
        *(f"fetch/{n}" for n in range(150, 154)),
        *(f"feed/{n}" for n in range(150, 153)),
    ]
    assert report["episodes"] == 7
    assert {line["step_limit"] for line in lines} == {8}
    assert {line["configuration"] for line in lines} == {"toy"}
    assert evaluate.run(arguments(tmp_path / "e.jsonl", policy="expert"))["success"] == 1.0


@pytest.mark.parametrize("cut", [1, 60, 700])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, cut: int) -> None:
    evaluate.run(arguments(tmp_path / "whole.jsonl"))
    whole = (tmp_path / "whole.jsonl").read_bytes()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(whole[:-cut])
    evaluate.run(arguments(torn))
    assert torn.read_bytes() == whole
    evaluate.run(arguments(torn))
    assert torn.read_bytes() == whole


def test_another_seed_gives_other_episodes(tmp_path: Path) -> None:
    evaluate.run(arguments(tmp_path / "0.jsonl", step_limit=200))
    evaluate.run(arguments(tmp_path / "1.jsonl", step_limit=200, seed=1))
    zero, one = (read_results(tmp_path / f"{n}.jsonl") for n in (0, 1))
    assert [line["steps"] for line in zero] != [line["steps"] for line in one]


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 1}, "seed"), ({"step_limit": 9}, "step_limit"), ({"tasks": []}, "task_list")],
)
def test_a_file_of_another_request_is_refused_and_kept(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    path = tmp_path / "a.jsonl"
    evaluate.run(arguments(path))
    before = path.read_bytes()
    with pytest.raises(ResultMismatch, match=named):
        evaluate.run(arguments(path, **change))
    assert path.read_bytes() == before


def test_format_failures_are_counted_apart_from_invalid_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from act_data.policies.base import Sample

    class Mute:
        name, revision, needs_admissible = "mute", "", False

        def __init__(self) -> None:
            self.sampling: dict[str, object] = {}

        def sample(self, queries: list[object], k: int) -> list[list[Sample]]:
            return [[Sample("I would rather not", None)] * k for _ in queries]

    monkeypatch.setattr(evaluate, "make_policy", lambda *_, **__: Mute())
    report = evaluate.run(arguments(tmp_path / "a.jsonl"))
    assert report["format_failure_share"] == report["invalid_share"] == 1.0


def test_two_processes_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    evaluate.run(arguments(path))
    before = path.read_bytes()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RunLocked, match="choose another output"):
            evaluate.run(arguments(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["[1]\n", "3\n", "thesis\n", "\xff\n"])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultMismatch, match=r"line 1 of .*a\.jsonl is no JSON object"):
        evaluate.run(arguments(path))
    assert path.read_bytes() == text.encode("latin-1")


def test_lines_say_which_versions_and_which_history(tmp_path: Path) -> None:
    evaluate.run(arguments(tmp_path / "a.jsonl", history=1, policy="expert"))
    for line in read_results(tmp_path / "a.jsonl"):
        assert line["history"] == 1
        assert line["versions"]["act-data"].startswith(act_envs.__version__)


def test_mistakes_are_told_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(UnknownTask, match="fetch"):
        evaluate.run(arguments(tmp_path / "a.jsonl", tasks=["fetsh"]))
    with pytest.raises(UnknownTask, match="fetch:0"):
        evaluate.run(arguments(tmp_path / "a.jsonl", tasks=["fetch:0"]))
    with pytest.raises(UnknownArgument, match="Did you mean 'expert'"):
        evaluate.run(arguments(tmp_path / "a.jsonl", policy="expret"))
    with pytest.raises(UnknownArgument, match="seed"):
        evaluate.run(arguments(tmp_path / "a.jsonl", seed=2**70))
    with pytest.raises(RecipeError, match="step_limit=0 must be at least 1"):
        arguments(tmp_path / "a.jsonl", step_limit=0)
    with pytest.raises(RecipeError, match="step_limit is not set"):
        arguments(tmp_path / "a.jsonl", step_limit=None)
    with pytest.raises(RecipeError, match="a limit of 0 leaves no data"):
        arguments(tmp_path / "a.jsonl", limit=0)
    with pytest.raises(RecipeError, match="JSON"):
        arguments(tmp_path / "a.jsonl", env_kwargs="{")
    assert not (tmp_path / "a.jsonl").exists()
