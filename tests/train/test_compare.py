"""Two evaluations paired by task: figures worked out by hand, and files that cannot be paired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from act_train import cli, compare, evaluate
from act_train.errors import ResultMismatch
from act_train.recipe import CompareArguments, EvaluateArguments
from act_train.statistics import mcnemar


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
