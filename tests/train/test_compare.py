"""Two evaluations paired by task: figures worked out by hand, and files that cannot be paired."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from act_train import cli, compare, evaluate, statistics
from act_train.arguments.measuring import CompareArguments, EvaluateArguments
from act_train.errors import ResultMismatch
from act_train.statistics import mcnemar, mean_interval

Line = dict[str, Any]


def evaluated(path: Path, policy: str, **changes: Any) -> Path:
    chosen: dict[str, Any] = {"env": "ACT/Toy-v0", "tasks": ["fetch:30"], **changes}
    evaluate.run(EvaluateArguments(policy=policy, output=str(path), envs=4, **chosen))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("results")
    return (
        evaluated(folder / "random.jsonl", "random-admissible"),
        evaluated(folder / "expert.jsonl", "expert"),
    )


def compared(*paths: Path) -> dict[str, Any]:
    return compare.run(CompareArguments(results=[str(path) for path in paths]))


def rewritten(path: Path, source: Path, change: Callable[[Line], Any]) -> Path:
    """A copy of a result, each line as ``change`` leaves it."""
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_where_all_agree_the_interval_says_how_many_were_asked() -> None:
    others = 1.96**2 / (20 + 1.96**2)
    assert mean_interval([True] * 20) == (1, [pytest.approx(1 - others), 1])
    assert mean_interval([0.0] * 20) == (0, [0, pytest.approx(others)])
    half, bounds = mean_interval([0.5] * 20)
    assert (half, bounds) == (0.5, pytest.approx([0.5 - others / 2, 0.5 + others / 2]))
    none, bounds = mean_interval([0.0] * 40, [n // 2 for n in range(40)], least=-1)
    assert (none, bounds) == (0, pytest.approx([-others, others]))  # twenty tasks, not forty
    assert mean_interval([1.0, 1.0], ["a", "a"]) == (1, [0, 1])  # one task tells of no other
    for tasks in range(7, 2000, 83):  # no narrower than the exact bound for 0 of n
        _, [_, high] = mean_interval([0.0] * tasks)
        assert high >= 1 - 0.05 ** (1 / tasks)


def test_an_interval_of_rare_outcomes_holds_the_true_rate() -> None:
    tasks, rate = 134, 0.03
    held = 0.0
    for won in range(tasks + 1):
        _, [low, high] = mean_interval([n < won for n in range(tasks)])
        chance = math.comb(tasks, won) * rate**won * (1 - rate) ** (tasks - won)
        held += chance * (low <= rate <= high)
    assert held > 0.93  # a bootstrap over tasks: 0.906


def test_outcomes_of_one_each_are_wilsons_and_others_resampled() -> None:
    share, bounds = mean_interval([True] + [False] * 9)
    assert (share, bounds) == (0.1, pytest.approx([0.0179, 0.4042], abs=1e-4))  # Newcombe 1998
    assert mean_interval([1.0], least=0) == (1, [0, 1])
    twice = mean_interval([1, 1] + [0] * 18, [n // 2 for n in range(20)])
    assert twice[1] == pytest.approx([0, 0.3])  # several of a task
    assert mean_interval([0.5] + [0] * 9)[1] == pytest.approx([0, 0.15])  # no yes or no
    low, high = mean_interval([1] + [0] * 9, least=-1)[1]  # a difference may be -1 as well
    assert [low, high] == pytest.approx([0, 0.3])


def test_resamples_come_in_batches_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values, tasks = rng.random(90).tolist(), (np.arange(90) // 4).tolist()
    whole = mean_interval(values, tasks)
    monkeypatch.setattr(statistics, "_BATCH", 1000)
    assert mean_interval(values, tasks) == whole


def test_mcnemar_is_the_exact_binomial_test() -> None:
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(0, 0) == mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5000) == 0.0


def test_wins_are_counted_task_by_task(tmp_path: Path, files: tuple[Path, Path]) -> None:
    a = tmp_path / "a.jsonl"
    lines = [json.loads(line) for line in files[1].read_text().splitlines()]
    for line in lines[:6]:  # an expert that loses these
        line |= {"won": False, "score": 0.5}
    a.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = compared(a, files[1])["measures"]
    success, score = found["success"], found["score"]
    assert (success["only_a"], success["only_b"]) == (0, 6)
    assert success["p"] == pytest.approx(2 / 64)
    assert (success["a"], success["b"], success["difference"]) == pytest.approx((0.8, 1, 0.2))
    assert score["difference"] == pytest.approx(0.1)
    low, high = score["difference_95"]  # half of that of wins: nine tenths of a binomial's width
    assert 0 <= low < 0.1 < high
    assert [2 * low, 2 * high] == pytest.approx(success["difference_95"])


def test_it_says_who_and_what_differs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", *map(str, files)]) == 0
    said = capsys.readouterr().out
    assert "A: random-admissible" in said
    assert "B: expert:scripted" in said
    assert "30 tasks" in said
    assert "too few to tell" not in said
    assert "not only the policy differs" not in said
    assert "by B alone" in said


def test_a_limit_that_is_the_environments_own_makes_no_difference(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    same = evaluated(tmp_path / "same.jsonl", "random-admissible", step_limit=20)
    short = evaluated(tmp_path / "short.jsonl", "random-admissible", step_limit=5, seed=1)
    assert compared(files[0], same)["differing"] == []
    assert compared(files[0], short)["differing"] == ["step_limit", "seed"]


def test_files_that_cannot_be_paired_are_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    other = evaluated(tmp_path / "other.jsonl", "expert", tasks=["feed:30"])
    with pytest.raises(ResultMismatch, match="task_list"):
        compared(files[0], other)
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(files[1].read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ResultMismatch, match="29 of 30 tasks"):
        compared(files[0], cut)
    for text in ("", "{}\n", "no\n"):
        cut.write_text(text)
        with pytest.raises(ResultMismatch, match=r"cut\.jsonl"):
            compared(cut, files[0])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda line: line.update(won="yes"), "won is 'yes', not true or false"),
        (lambda line: line.update(score=None), "score is None, not a finite number"),
        (lambda line: line.update(turns=[]), "turns is empty"),
        (lambda line: line["turns"][1].pop("valid"), r"turns\[1\]\.valid is missing"),
        (lambda line: line["turns"][1].pop("fault"), r"turns\[1\]\.fault is missing"),
        (lambda line: line.update(lenient={"won": True}), r"lenient\.score is missing"),
        (lambda line: line.update(sampling=[]), r"sampling is \[\], not an object"),
        (lambda line: line.pop("history"), "history is missing"),
        (lambda line: line.pop("metric"), "is no line of act-train evaluate or reason"),
    ],
)
def test_a_damaged_line_is_named(
    change: Callable[[Line], Any], wrong: str, tmp_path: Path, files: tuple[Path, Path]
) -> None:
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    change(lines[2])
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(ResultMismatch, match=rf"line 3 of .*a\.jsonl .*{wrong}"):
        compared(path, files[1])


@pytest.mark.parametrize(
    "key",
    [
        "policy", "revision", "engine", "sampling", "history", "prompt_version", "step_limit",
        "seed", "versions", "configuration", "tasks", "trajectories",
    ],
)  # fmt: skip
def test_lines_of_two_evaluations_are_no_result(
    key: str, tmp_path: Path, files: tuple[Path, Path]
) -> None:
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    kinds: dict[type, Any] = {str: "other", int: 77, dict: {"other": 1}}
    lines[2][key] = kinds[type(lines[2][key])]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(ResultMismatch, match=rf"line 3 .* another evaluation .*: {key} is"):
        compared(path, files[1])


def test_what_is_no_line_is_refused_with_its_place(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    path, whole = tmp_path / "a.jsonl", files[0].read_bytes()
    first, second, *_ = whole.splitlines(keepends=True)
    for raw, place in (
        (first + b"[1]\n", "line 2 of"),
        (first + second[:80] + b"\n", "line 2 of"),
        (b"\x00\xff\xfe\n", "line 1 of"),
        (b"[" * 100_000 + b"\n", "line 1 of"),
        (whole + first, "every task of its list once"),
        (first[:80], "holds no result"),
    ):
        path.write_bytes(raw)
        with pytest.raises(ResultMismatch, match=place):
            compared(path, files[1])


def asked(path: Path, policy: str, **changes: Any) -> Path:
    return evaluated(path, policy, metric="next-action", tasks=["fetch:6"], **changes)


def test_next_actions_are_paired_at_the_same_states_alone(tmp_path: Path) -> None:
    a = asked(tmp_path / "a.jsonl", "random-admissible")
    b = asked(tmp_path / "b.jsonl", "random-admissible", seed=1)
    found = compared(a, b)["measures"]["accuracy"]
    lines, others = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (a, b)
    )
    right, other = (
        [answer["right"] for line in some for answer in line["answers"]] for some in (lines, others)
    )
    assert found["a"] == pytest.approx(sum(right) / len(right))  # of states, not of tasks
    changes = [y - x for x, y in zip(right, other, strict=True)]
    tasks = [line["task_id"] for line in lines for _ in line["answers"]]
    assert found["difference_95"] == mean_interval(changes, tasks)[1]  # states of one are alike
    assert found["difference_95"] != mean_interval(changes)[1]

    def elsewhere(line: Line) -> None:
        if line["task_id"] == lines[3]["task_id"]:
            line["answers"][0]["expert"] = "look"

    other = rewritten(tmp_path / "c.jsonl", b, elsewhere)
    with pytest.raises(ResultMismatch, match=f"episode of {lines[3]['task_id']} is another one"):
        compared(a, other)
    other = rewritten(tmp_path / "d.jsonl", b, lambda line: line.update(trajectories="0123"))
    with pytest.raises(ResultMismatch, match="trajectories is '' in the first and '0123'"):
        compared(a, other)


def test_answers_to_questions_are_paired_by_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = {
        "metric": "reasoning", "benchmark": "math-500", "revision": "r", "task_list": "01",
        "tasks": 8, "sampling": {"temperature": 0.0}, "seed": 0, "subject": "", "level": "",
        "fault": "", "undecided": False,
    }  # fmt: skip
    for name, right in (("a", 2), ("b", 7)):
        lines = [
            {**shared, "policy": name, "task_id": f"{n}", "correct": n < right,
             "lenient_correct": True}
            for n in range(8)
        ]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    found = compared(*paths)["measures"]
    assert (found["accuracy"]["only_a"], found["accuracy"]["only_b"]) == (0, 5)
    assert found["accuracy"]["p"] == pytest.approx(2 / 32)
    assert found["accuracy"]["difference"] == pytest.approx(5 / 8)
    low, high = found["lenient accuracy"]["difference_95"]
    assert low == -high < -0.3  # all the same, of eight
    assert cli.main(["compare", *map(str, paths)]) == 0
    said = capsys.readouterr().out
    assert "A: a; temperature 0.0, seed 0" in said
    assert "8 tasks of math-500 (01), paired" in said
    assert "too few to tell A and B apart" in said
    paths[0].write_text("".join(paths[0].read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ResultMismatch, match=r"7 of 8 tasks\. Run its act-train reason again"):
        compared(*paths)
    paths[0].write_text(paths[1].read_text().replace('"task_id": "3"', '"task_id": "9"'))
    with pytest.raises(ResultMismatch, match="'9' is in the first where '3' is in the second"):
        compared(*paths)
