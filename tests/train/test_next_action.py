"""``metric: next-action``: what the policy would do where the expert stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from act_data.policies.base import Query, RandomAdmissible, Sample
from act_data.storage.tables import write_parquet
from act_data.types import Trajectory
from act_envs import toy
from act_train import compare, evaluate
from act_train.arguments.measuring import CompareArguments, EvaluateArguments
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluate import read_results
from act_train.evaluation import players
from tests.train.conftest import toy_trajectories


class Parrot(RandomAdmissible):
    """Says what the expert did in the same state, in capitals; from the third step on, untagged."""

    name, needs_admissible = "parrot", False

    def __init__(self, known: Sequence[Trajectory]) -> None:
        super().__init__()
        self._known = {
            t.state(step): move.action for t in known for step, move in enumerate(t.transitions)
        }

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        return [[self._said(query)] * k for query in queries]

    def _said(self, query: Query) -> Sample:
        action = self._known[query.state].upper()
        if len(query.state.history) < 2:
            return Sample(f"<action>{action}</action>", action)
        return Sample(action, None)


def arguments(output: Path, **changes: Any) -> EvaluateArguments:
    chosen: dict[str, Any] = {
        "policy": "random-admissible",
        "env": "ACT/Toy-v0",
        "metric": "next-action",
        "output": str(output),
        "limit": 20,
        **changes,
    }
    return EvaluateArguments(**chosen)


def test_answers_are_read_as_the_environment_reads_them_and_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate.run(arguments(tmp_path / "b.jsonl"))
    known = toy_trajectories(200, "test")
    monkeypatch.setattr(players, "make_policy", lambda *_, **__: Parrot(known))
    report = evaluate.run(arguments(tmp_path / "a.jsonl", policy="parrot"))
    lines = read_results(tmp_path / "a.jsonl")
    first = sum(min(2, line["states"]) for line in lines)
    assert report["lenient_accuracy"] == 1.0
    assert report["accuracy"] == first / report["states"] < 1
    assert report["by_step"][:3] == [1.0, 1.0, 0.0]
    assert report["exact_accuracy"] == 0.0, "capitals are other letters"
    assert "letter by letter       0.000" in evaluate.words(report)
    assert report["format_failure_share"] == pytest.approx(1 - report["accuracy"])
    assert "read leniently" in evaluate.words(report)
    paths = [str(tmp_path / name) for name in ("b.jsonl", "a.jsonl")]
    found = compare.run(CompareArguments(results=paths))["measures"]
    assert found["lenient accuracy"]["b"] == 1.0
    assert found["lenient accuracy"]["difference_95"][0] > 0.4


def test_stored_trajectories_give_what_the_expert_playing_gives(tmp_path: Path) -> None:
    stored = tmp_path / "trajectories.parquet"
    write_parquet(stored, toy_trajectories(20), "trajectories")
    lines = []
    for name, more in (
        ("a.jsonl", {"trajectories": str(stored), "env": ""}),
        ("b.jsonl", {"split": "train", "step_limit": 30, "limit": None}),
    ):
        evaluate.run(arguments(tmp_path / name, **more))
        lines.append({line["task_id"]: line for line in read_results(tmp_path / name)})
    assert len(lines[0]) == 20
    for task_id, line in lines[0].items():
        assert line["answers"] == lines[1][task_id]["answers"]
        assert (line["env"], line["split"]) == ("ACT/Toy-v0", "train")


def test_an_answer_that_is_the_experts_letter_by_letter_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Echo(Parrot):
        def _said(self, query: Query) -> Sample:
            action = self._known[query.state]
            return Sample(f"<action>{action}</action>", action)

    monkeypatch.setattr(
        players, "make_policy", lambda *_, **__: Echo(toy_trajectories(200, "test"))
    )
    report = evaluate.run(arguments(tmp_path / "a.jsonl", policy="parrot"))
    assert report["exact_accuracy"] == report["accuracy"] == 1.0
    for line in read_results(tmp_path / "a.jsonl"):
        assert line["exact"] == line["states"]


def test_whole_tasks_are_drawn_until_there_are_so_many_states(tmp_path: Path) -> None:
    found = {}
    for name, more in (
        ("whole", {}), ("less", {"states": 30}), ("more", {"states": 90}),
        ("seed", {"states": 30, "seed": 1}),
    ):  # fmt: skip
        report = evaluate.run(arguments(tmp_path / name, limit=None, **more))
        lines = read_results(tmp_path / name)
        found[name] = {line["task_id"]: line["states"] for line in lines}
        assert report["states"] == sum(found[name].values())
    assert list(found["less"]) == [name for name in found["whole"] if name in found["less"]]
    assert 30 <= sum(found["less"].values()) < 30 + max(found["whole"].values())
    assert found["less"].keys() < found["more"].keys() < found["whole"].keys()
    assert found["seed"] == found["less"], "the seed changes no task"
    assert len({name.split("/")[0] for name in found["less"]}) == 2
    with pytest.raises(RecipeError, match=r"states=99999 are asked for, and the \d+ tasks have"):
        evaluate.run(arguments(tmp_path / "none", limit=None, states=99999))


def test_episodes_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "trajectories.parquet"
    known = toy_trajectories(20, "test")
    write_parquet(stored, known, "trajectories")
    told = {"trajectories": str(stored), "env": "", "limit": None}
    report = evaluate.run(arguments(tmp_path / "a.jsonl", **told))
    assert report["asked"] == 20
    assert report["tasks_without_episode"] == report["tasks_in_split"] - 20 > 0
    assert f"{report['tasks_without_episode']} tasks of the split have" in evaluate.words(report)
    gone = dataclasses.replace(known[0], task_id="fetch/99999")
    write_parquet(stored, [gone], "trajectories")
    with pytest.raises(RecipeError, match="fetch/99999, which is no task"):
        evaluate.run(arguments(tmp_path / "b.jsonl", **told))
    act = toy.ToySimulator.expert_action
    monkeypatch.setattr(
        toy.ToySimulator, "expert_action",
        lambda self, name: None if "cat" in self.goal() else act(self, name),
    )  # fmt: skip
    report = evaluate.run(arguments(tmp_path / "c.jsonl"))
    assert 0 < report["tasks_without_state"] < 20
    assert "hold no state: the expert does nothing there" in evaluate.words(report)
    with pytest.raises(ResultMismatch, match="the expert does nothing"):
        evaluate.run(arguments(tmp_path / "d.jsonl", tasks=["feed"]))


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    evaluate.run(arguments(whole))
    torn.write_bytes(whole.read_bytes()[:-900])
    evaluate.run(arguments(torn))
    assert torn.read_bytes() == whole.read_bytes()


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    with pytest.raises(RecipeError, match="who metric: next-action compares with"):
        evaluate.run(arguments(output, policy="expert"))
    assert not output.exists()
    for name, value in (
        ("env", "ACT/Toy-v0"), ("split", "test"), ("step_limit", 9), ("env_kwargs", '{"a": 1}'),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=f"{name}=.* is set beside trajectories"):
            arguments(output, **{"trajectories": "x", "env": "", name: value})
    with pytest.raises(RecipeError, match="next-action alone"):
        arguments(output, trajectories="x", env="", metric="episodes")
    twice = tmp_path / "twice.parquet"
    write_parquet(twice, toy_trajectories(2) * 2, "trajectories")
    with pytest.raises(RecipeError, match="twice"):
        evaluate.run(arguments(output, trajectories=str(twice), env=""))
