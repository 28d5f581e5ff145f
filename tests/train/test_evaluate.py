"""Every task once, in order, resumable, the same bytes; both readings; mistakes are refused."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import gymnasium as gym
import pytest

import act_envs
from act_data.errors import RunLocked
from act_data.policies.base import Query, RandomAdmissible, Sample
from act_envs import toy
from act_envs.errors import SimulatorError, UnknownArgument, UnknownTask
from act_envs.types import Task
from act_envs.vector import TextVectorEnv
from act_train import evaluate
from act_train.arguments.measuring import EvaluateArguments
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluate import read_results
from act_train.evaluation import players
from act_train.evaluation.episodes import play_all
from act_train.evaluation.results import opened


class Mumbler(RandomAdmissible):
    """Draws an admissible action, and names every third one without its tags."""

    name = "mumbler"

    def __init__(self, *, tidy: bool = False) -> None:
        super().__init__()
        self._tidy = tidy

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        found = super().sample(queries, k)
        return [
            [Sample(f"Action: {one.action}.", None) for one in samples]
            if len(query.state.history) % 3 == 2 and not self._tidy
            else samples
            for query, samples in zip(queries, found, strict=True)
        ]


def installed(monkeypatch: pytest.MonkeyPatch, policy: object) -> None:
    monkeypatch.setattr(players, "make_policy", lambda *_, **__: policy)


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
    assert {line["step_limit"] for line in lines} == {line["cap"] for line in lines} == {8}
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


def test_whatever_a_kill_leaves_of_a_line_is_cut_off(tmp_path: Path) -> None:
    path, request = tmp_path / "a.jsonl", {"env": "é"}
    tasks = [Task(name, "test", "") for name in ("a", "b")]
    with opened(path, request, tasks) as file:
        for task in tasks:
            file.add({"task_id": task.task_id})
    whole = path.read_bytes()
    first, _ = whole.splitlines(keepends=True)
    for cut in range(len(first), len(whole)):
        for lost in (b"", b"\0" * 5):  # a file that had grown before its bytes were there
            path.write_bytes(whole[:cut] + lost)
            with opened(path, request, tasks) as file:
                assert [line["task_id"] for line in file.lines] == ["a"]
            assert path.read_bytes() == first
    for other in (b"[", b"x", b"{}", b"{ ", b"{x", b"\0x"):
        path.write_bytes(first + other)
        with pytest.raises(ResultMismatch, match="ends with something that is no result"):
            opened(path, request, tasks).__enter__()
        assert path.read_bytes() == first + other


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
    class Mute(RandomAdmissible):
        name = "mute"

        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            return [[Sample("<action></action>", None)] * k for _ in queries]

    installed(monkeypatch, Mute())
    report = evaluate.run(arguments(tmp_path / "a.jsonl"))
    assert report["format_failure_share"] == report["invalid_share"] == 1.0
    assert report["faults"] == {"empty": 1.0}
    assert report["read_otherwise"] == 0
    assert "with nothing between the tags" in evaluate.words(report)


def test_the_lenient_reading_is_what_a_tidy_policy_would_have_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, Mumbler(tidy=True))
    tidy = evaluate.run(arguments(tmp_path / "tidy.jsonl", step_limit=40, envs=3))
    installed(monkeypatch, Mumbler())
    report = evaluate.run(arguments(tmp_path / "a.jsonl", step_limit=40, envs=3))
    lines, wanted = read_results(tmp_path / "a.jsonl"), read_results(tmp_path / "tidy.jsonl")
    for line, other in zip(lines, wanted, strict=True):
        meant = line["lenient"] or line
        assert acts(meant) == acts(other)
        assert (meant["score"], meant["ended"]) == (other["score"], other["ended"])
        if line["lenient"]:
            assert acts(line) != acts(other)
            assert acts(line)[:2] == acts(other)[:2]
    assert report["lenient_success"] == tidy["success"] != report["success"]
    assert report["read_otherwise"] > 0
    assert 0.2 < report["format_failure_share"] < 0.4


def acts(result: dict[str, Any]) -> list[str]:
    return [turn["action"] for turn in result["turns"][1:]]


@pytest.mark.parametrize("policy", [Mumbler(), "random-admissible", "scripted"])
def test_neither_environments_nor_an_interruption_show_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: object
) -> None:
    def gives_up(self: toy.ToySimulator, _: str) -> str | None:
        return "look" if self.act("look").observation.count("e") % 2 else None

    monkeypatch.setattr(toy.ToySimulator, "expert_action", gives_up)
    spec = policy if isinstance(policy, str) else "mumbler"
    if spec == "mumbler":
        installed(monkeypatch, policy)
    one, many, cut = (tmp_path / name for name in ("one.jsonl", "many.jsonl", "cut.jsonl"))
    evaluate.run(arguments(one, policy=spec, step_limit=15))
    evaluate.run(arguments(many, policy=spec, step_limit=15, envs=5))
    assert many.read_bytes() == one.read_bytes()
    cut.write_bytes(one.read_bytes()[: one.stat().st_size // 3])
    evaluate.run(arguments(cut, policy=spec, step_limit=15, envs=2))
    assert cut.read_bytes() == one.read_bytes()
    if spec == "scripted":
        assert {line["ended"] for line in read_results(one)} == {"gave_up", "truncated"}


def test_a_line_is_in_the_file_before_anything_else_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"

    class Breaks(RandomAdmissible):
        left = 25
        written = b""

        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            self.left -= 1
            if not self.left:
                self.written = broken.read_bytes()
                raise ConnectionError("the server is gone")
            return super().sample(queries, k)

    policy = Breaks()
    installed(monkeypatch, policy)
    with pytest.raises(ConnectionError):
        evaluate.run(arguments(broken, envs=2))
    assert 2 <= len(read_results(broken)) <= 6
    assert policy.written == broken.read_bytes()
    evaluate.run(arguments(broken, envs=2))
    evaluate.run(arguments(whole))
    assert broken.read_bytes() == whole.read_bytes()


def test_an_environment_that_fails_ends_the_run_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = toy.ToySimulator.act

    def fails_to_feed(self: toy.ToySimulator, action: str) -> Any:
        if "cat" in self.goal():
            raise SimulatorError("the cat has run away")
        return act(self, action)

    monkeypatch.setattr(toy.ToySimulator, "act", fails_to_feed)
    with pytest.raises(SimulatorError, match=r"feed/150 cannot be played on.*run away"):
        evaluate.run(arguments(tmp_path / "a.jsonl", envs=2))
    assert len(read_results(tmp_path / "a.jsonl")) == 4


@pytest.mark.parametrize("count", [0, 2])
def test_there_may_be_fewer_tasks_than_environments(count: int) -> None:
    pool = gym.make_vec("ACT/Toy-v0", num_envs=5, split="test", autoreset_mode="Disabled")
    assert isinstance(pool, TextVectorEnv)
    tasks = pool.call("tasks")[0][:count]
    played = list(play_all(pool, RandomAdmissible(), tasks, env_id="ACT/Toy-v0", seed=0))
    assert [one.task for one in played] == tasks
    pool.close()


def test_lines_hold_all_that_was_said_and_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, Mumbler())
    evaluate.run(arguments(tmp_path / "a.jsonl", step_limit=None, benchmark="Toy ID"))
    for line in read_results(tmp_path / "a.jsonl"):
        first, *turns = line["turns"]
        assert set(first) == {"observation"}
        assert (line["cap"], line["step_limit"], line["tasks"]) == (20, "default", 7)
        assert line["score"] == pytest.approx(sum(turn["reward"] for turn in turns))
        assert all(turn["action"] in turn["answer"] for turn in turns)
        assert [turn["fault"] is None for turn in turns[:3]] == [True, True, False][: len(turns)]
        assert line["benchmark"] == "Toy ID"


@pytest.mark.parametrize("scheme", ["transformers", "scored"])
def test_a_models_answers_do_not_depend_on_their_neighbours(tmp_path: Path, scheme: str) -> None:
    pytest.importorskip("transformers")
    from act_train.scratch import make_model, make_tokenizer

    model = tmp_path / "model"
    tokenizer = make_tokenizer(["You are in the hall. go to kitchen, take apple"], 300)
    tokenizer.save_pretrained(model)
    network = make_model(tokenizer, hidden=64, layers=1, seed=0)
    more: dict[str, object] = {"max_new_tokens": 6, "temperature": 1.0}
    if scheme == "scored":
        more = {"repeat_penalty": 100.0}  # so that answers differ
    network.save_pretrained(model)
    for envs in (1, 4):
        evaluate.run(
            arguments(
                tmp_path / f"{envs}.jsonl", policy=f"{scheme}:{model}", envs=envs, step_limit=4,
                **more,
            )
        )  # fmt: skip
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "4.jsonl").read_bytes()
    lines = read_results(tmp_path / "1.jsonl")
    assert lines[0]["policy"] == f"{scheme}:model"
    assert lines[0]["engine"].keys() == {"device", "dtype", "attention"}
    assert lines[0]["versions"]["tokenizers"]
    (tmp_path / "far").mkdir()
    moved = model.rename(tmp_path / "far" / "model")
    evaluate.run(
        arguments(tmp_path / "far.jsonl", policy=f"{scheme}:{moved}", step_limit=4, **more)
    )
    assert (tmp_path / "far.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()
    answers = {turn["answer"] for line in lines for turn in line["turns"][1:]}
    assert len(answers) >= 3
    if scheme == "scored":
        assert lines[0]["sampling"] == {"history": 2, **more}
        assert not any(line["invalid_actions"] for line in lines)


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


def test_a_damaged_line_is_told_before_anything_is_played(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    evaluate.run(arguments(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del lines[1]["won"]
    text = "".join(f"{json.dumps(line)}\n" for line in lines[:3])
    path.write_text(text)
    with pytest.raises(ResultMismatch, match=r"line 2 of .*a\.jsonl is damaged: .*won"):
        evaluate.run(arguments(path))
    assert path.read_text() == text


def test_a_limit_takes_every_kind_by_its_share_and_says_that_it_is_a_part(
    tmp_path: Path,
) -> None:
    report = evaluate.run(arguments(tmp_path / "a.jsonl", tasks=["fetch:40", "feed:20"], limit=6))
    names = [line["task_id"] for line in read_results(tmp_path / "a.jsonl")]
    assert [name.split("/")[0] for name in names].count("fetch") == 4
    whole = evaluate.run(arguments(tmp_path / "b.jsonl", tasks=[]))
    listed = [line["task_id"] for line in read_results(tmp_path / "b.jsonl")]
    assert names == [name for name in listed if name in names], "not in the order of the split"
    assert (report["asked"], report["tasks_in_split"]) == (6, len(listed))
    assert f"a part: the split has {len(listed)} tasks" in evaluate.words(report)
    assert "a part" not in evaluate.words(whole)


def test_lines_say_which_versions_and_which_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, Mumbler())
    evaluate.run(arguments(tmp_path / "a.jsonl", history=1, policy="mumbler"))
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
    with pytest.raises(UnknownArgument, match="Did you mean 'scripted'"):
        evaluate.run(arguments(tmp_path / "a.jsonl", policy="expert:skripted"))
    with pytest.raises(RecipeError, match="chooses by what the expert does"):
        evaluate.run(arguments(tmp_path / "a.jsonl", policy="hard-negative"))
    with pytest.raises(RecipeError, match="repeat_penalty"):
        evaluate.run(arguments(tmp_path / "a.jsonl", repeat_penalty=0.5))
    with pytest.raises(RecipeError, match="generates nothing"):
        evaluate.run(arguments(tmp_path / "a.jsonl", policy="scored:x", thinking=True))
    unused = {
        "temperature": 0.5, "thinking": True, "history": 5, "max_new_tokens": 9,
        "repeat_penalty": 1.0, "base_url": "http://x/v1",
    }  # fmt: skip
    for policy in ("random-admissible", "expert", "expert:scripted", "scripted"):
        for name, value in unused.items():
            with pytest.raises(RecipeError, match=f"{name}=.* is of no use to '{policy}'"):
                evaluate.run(arguments(tmp_path / "a.jsonl", policy=policy, **{name: value}))
    with pytest.raises(RecipeError, match="states=5 is for metric: next-action"):
        arguments(tmp_path / "a.jsonl", states=5)
    with pytest.raises(RecipeError, match=r"repeat_penalty=-1\.0 must not be negative"):
        arguments(tmp_path / "a.jsonl", policy="scored:act-nano", repeat_penalty=-1.0)
    with pytest.raises(RecipeError, match="history=-1 must be at least 0"):
        arguments(tmp_path / "a.jsonl", history=-1)
    with pytest.raises(RecipeError, match=r"repeat_penalty=0\.0 is of no use"):
        evaluate.run(arguments(tmp_path / "a.jsonl", policy="openai:x", repeat_penalty=0.0))
    with pytest.raises(RecipeError, match="envs=0"):
        arguments(tmp_path / "a.jsonl", envs=0)
    with pytest.raises(RecipeError, match="'next-action'"):
        arguments(tmp_path / "a.jsonl", metric="next-acton")
    with pytest.raises(RecipeError, match="a limit of 0 leaves no data"):
        arguments(tmp_path / "a.jsonl", limit=0)
    with pytest.raises(UnknownArgument, match="JSON"):
        arguments(tmp_path / "a.jsonl", env_kwargs="{")
    assert not (tmp_path / "a.jsonl").exists()
