"""Questions of one's own in the schemas of MATH-500 and GPQA, asked, graded and resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")

import datasets
from datasets.exceptions import DatasetNotFoundError

from act_data.errors import DataCorrupt, DataNotFound
from act_data.policies.base import Query, Sample
from act_envs.errors import UnknownArgument
from act_train import reason, tiny
from act_train.arguments.measuring import ReasonArguments
from act_train.arguments.scratch import TinyArguments
from act_train.cli import main
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluation.results import read_results
from act_train.reasoning.grader import GRADER_VERSION
from act_train.reasoning.models import find_model
from act_train.reasoning.questions import LETTERS, choice_prompt, load, math_prompt

MATH = [
    {
        "problem": f"What is {n} divided by 4?",
        "solution": "Divide.",
        "answer": rf"\frac{{{n}}}{{4}}",
        "subject": "Algebra" if n % 2 else "Prealgebra",
        "level": 1 + n % 5,
        "unique_id": f"test/algebra/{n}.json",
    }
    for n in range(1, 9)
]
GPQA = [
    {
        "Record ID": f"rec{n}",
        "Question": f"Which is number {n}?",
        "Correct Answer": f"{n}",
        **{f"Incorrect Answer {i}": f"{n + 10 * i}" for i in (1, 2, 3)},
        "High-level domain": "Physics",
        "Subdomain": "Counting",
    }
    for n in range(40)
]


def questions(folder: Path, rows: Sequence[dict[str, Any]]) -> str:
    path = folder / f"{len(rows)}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Planted:
    """Knows how to divide, but boxes only even results; told to die, it does."""

    name, revision = "planted", ""
    needs_admissible = needs_effects = False

    def __init__(self, lives: int = 1000) -> None:
        self.sampling: dict[str, Any] = {"temperature": 0.0}
        self.engine: dict[str, Any] = {}
        self.lives = lives
        self.asked: list[Query] = []

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        self.asked += queries
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt
        [query] = queries
        n = int(query.messages(0)[0]["content"].split()[2])
        result = rf"\frac{{{n}}}4"
        said = (
            rf"<think>1</think>\boxed{{{result}}}" if n % 2 == 0 else f"The answer is ${result}$."
        )
        return [[Sample("nothing" if n == 3 else said, None)] * k]


def arguments(folder: Path, **changes: Any) -> ReasonArguments:
    chosen = {
        "policy": "openai:planted", "benchmark": "math-500", "questions": questions(folder, MATH),
        "output": str(folder / "a.jsonl"), **changes,
    }  # fmt: skip
    return ReasonArguments(**chosen)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    chat = Planted()
    monkeypatch.setattr(reason, "find_model", lambda *_, **__: chat)
    return chat


def test_answers_are_graded_strictly_and_leniently(tmp_path: Path, planted: Planted) -> None:
    report = reason.run(arguments(tmp_path))
    assert (report["accuracy"], report["lenient_accuracy"]) == (4 / 8, 7 / 8)
    assert report["no_answer_share"] == 4 / 8
    assert read_results(tmp_path / "a.jsonl") == read(tmp_path / "a.jsonl")
    assert report["by_subject"] == {"Algebra": (0.0, 4), "Prealgebra": (1.0, 4)}
    assert report["by_level"]["2"] == (0.5, 2)
    low, high = report["accuracy_95"]
    assert low < 0.5 < high
    lines = read(tmp_path / "a.jsonl")
    assert [line["task_id"] for line in lines] == [row["unique_id"] for row in MATH]
    assert {line["tasks"] for line in lines} == {8}
    assert "0.500" in reason.words(report)


@pytest.mark.parametrize("cut", [1, 200])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, planted: Planted, cut: int) -> None:
    reason.run(arguments(tmp_path))
    whole = (tmp_path / "a.jsonl").read_bytes()
    planted.lives = 3
    with pytest.raises(KeyboardInterrupt):
        reason.run(arguments(tmp_path, output=str(tmp_path / "b.jsonl")))
    torn = tmp_path / "b.jsonl"
    torn.write_bytes(torn.read_bytes()[:-cut])
    planted.lives = 100
    planted.asked.clear()
    reason.run(arguments(tmp_path, output=str(torn)))
    assert torn.read_bytes() == whole
    assert len(planted.asked) == 6  # two were kept
    with pytest.raises(ResultMismatch, match="seed"):
        reason.run(arguments(tmp_path, seed=1))


def test_answers_that_are_missing_or_cannot_be_graded_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        2: Sample(r"\boxed{1/2}", None), 3: Sample("", None, "too_long"), 4: Sample("no", None),
        5: Sample(r"\boxed{9^{9^{9^9}}}", None), 6: Sample(r"$9^{9^{9^9}}$", None),
    }  # fmt: skip

    class Odd(Planted):
        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            [query] = queries
            wrong = Sample(r"\boxed{0}", None)
            return [[said.get(int(query.messages(0)[0]["content"].split()[2]), wrong)] * k]

    monkeypatch.setattr(reason, "find_model", lambda *_, **__: Odd())
    report = reason.run(arguments(tmp_path))
    assert report["accuracy"] == report["lenient_accuracy"] == 1 / 8
    assert report["no_answer_share"] == 2 / 8
    assert report["too_long_share"] == 1 / 8
    assert report["undecided_share"] == 2 / 8
    lines = read(tmp_path / "a.jsonl")
    assert [line["task_id"] for line in lines if line["undecided"]] == [
        MATH[4]["unique_id"], MATH[5]["unique_id"],
    ]  # fmt: skip
    assert not any(line["correct"] for line in lines if line["undecided"])
    assert {line["grader_version"] for line in lines} == {GRADER_VERSION}
    words = reason.words(report)
    assert "no answer, prompt too long    12.5%" in words
    assert "not to be graded in time      25.0%" in words


def test_options_are_shuffled_by_the_seed_and_the_question_alone(tmp_path: Path) -> None:
    path = questions(tmp_path, GPQA)
    first, again, other = (load("gpqa-diamond", path, seed) for seed in (0, 0, 1))
    assert first == again
    assert [one.key for one in first] != [one.key for one in other]
    assert [one.source for one in first] == [one.source for one in other]
    for row, question in zip(GPQA, first, strict=True):
        assert f"\n{question.key}) {row['Correct Answer']}\n" in question.prompt
    assert {one.key for one in first} == set(LETTERS)
    alone = load("gpqa-diamond", questions(tmp_path, GPQA[7:8]), 0)
    assert alone == first[7:8]


def test_letters_are_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class First(Planted):
        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            return [[Sample("Answer: A", None)] * k]

    monkeypatch.setattr(reason, "find_model", lambda *_, **__: First())
    changes = {"benchmark": "gpqa-diamond", "questions": questions(tmp_path, GPQA)}
    report = reason.run(arguments(tmp_path, **changes))
    keys = [one.key for one in load("gpqa-diamond", changes["questions"], 0)]
    assert report["accuracy"] == keys.count("A") / len(keys)
    assert "Which is number" not in (tmp_path / "a.jsonl").read_text()


def test_the_text_of_an_option_is_read_leniently_as_its_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Texts(Planted):
        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            [query] = queries
            number = query.messages(0)[0]["content"].split()[3].rstrip("?")
            return [[Sample(f"The answer is {number}.", None)] * k]

    monkeypatch.setattr(reason, "find_model", lambda *_, **__: Texts())
    changes = {"benchmark": "gpqa-diamond", "questions": questions(tmp_path, GPQA)}
    report = reason.run(arguments(tmp_path, **changes))
    assert (report["accuracy"], report["lenient_accuracy"]) == (0.0, 1.0)


def test_prompts() -> None:
    assert math_prompt("What is 1 + 1?") == (
        "What is 1 + 1?\n\n"
        "Reason step by step, and put the final answer, and nothing else, into \\boxed{}."
    )
    assert choice_prompt("Which?", ["u", "v", "w", "x"]) == (
        "Which?\n\nA) u\nB) v\nC) w\nD) x\n\n"
        "Reason step by step. End with a line of this form, where LETTER is one of A, B, C and D:\n"
        "Answer: LETTER"
    )


def test_questions_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataNotFound, match="does not exist"):
        load("math-500", str(tmp_path / "none"), 0)
    with pytest.raises(DataCorrupt, match=r"row 1 of .* has no 'answer'"):
        load("math-500", questions(tmp_path, [{"problem": "?"}]), 0)
    with pytest.raises(DataCorrupt, match="same id"):
        load("math-500", questions(tmp_path, MATH[:1] * 2), 0)
    (tmp_path / "bad").write_text("{")
    with pytest.raises(DataCorrupt, match="no JSONL"):
        load("math-500", str(tmp_path / "bad"), 0)

    def refused(*_: Any, **__: Any) -> None:
        raise DatasetNotFoundError("Dataset 'x' is a gated dataset on the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", refused)
    with pytest.raises(DataNotFound, match=r"Accept its terms .* hf auth login .* --questions"):
        load("gpqa-diamond", None, 0)

    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", away)
    with pytest.raises(DataNotFound, match="Couldn't reach the Hub"):
        load("math-500", None, 0)


def test_the_hub_is_asked_for_the_data_sets_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(repo: str, config: str | None, *, split: str) -> datasets.Dataset:
        asked.append((repo, config, split))
        return datasets.Dataset.from_list(GPQA if config else MATH)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(load("math-500", None, 0)) == 8
    assert len(load("gpqa-diamond", None, 0)) == 40
    assert asked == [
        ("HuggingFaceH4/MATH-500", None, "test"),
        ("Idavidrein/gpqa", "gpqa_diamond", "train"),
    ]


def test_a_model_in_this_process_answers_the_same_alone_and_resumed(
    tmp_path: Path, stored: Path
) -> None:
    model = tmp_path / "model"
    tiny.run(
        TinyArguments(
            out=str(model), texts=[str(stored / "pairs.parquet")], hidden=64, vocabulary=512
        )
    )
    told = {"policy": f"transformers:{model}", "max_new_tokens": 8, "limit": 2}
    for name in ("a", "b"):
        reason.run(arguments(tmp_path, output=str(tmp_path / name), **told))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    [line, _] = read(tmp_path / "a")
    assert line["text"]
    assert line["revision"].startswith("sha256:")
    assert "history" not in line["sampling"]
    assert line["policy"] == "transformers:model"
    assert line["engine"].keys() == {"device", "dtype", "attention"}
    assert line["versions"]["tokenizers"]
    reason.run(arguments(tmp_path, output=str(tmp_path / "c"), **{**told, "max_new_tokens": 4096}))
    assert read(tmp_path / "c")[0]["fault"] == "too_long"


def test_a_model_behind_an_endpoint_is_asked_the_question_itself(tmp_path: Path) -> None:
    pytest.importorskip("httpx2")
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            number = body["messages"][0]["content"].split()[2]
            content = rf"\boxed{{{number}/4}}"
            answer = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        report = reason.run(arguments(tmp_path, base_url=url, max_new_tokens=100))
    finally:
        server.shutdown()
        server.server_close()
    assert report["accuracy"] == 1.0
    assert {body["messages"][0]["content"] for body in bodies} == {
        math_prompt(row["problem"]) for row in MATH
    }
    assert {body["max_tokens"] for body in bodies} == {100}
    assert {line["engine"]["base_url"] for line in read(tmp_path / "a.jsonl")} == {url}


def test_who_answers_no_questions_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampling: Any = {"temperature": 0, "top_p": 1, "max_new_tokens": 8, "thinking": False}
    with pytest.raises(UnknownArgument, match="no language model"):
        find_model("random-admissible", **sampling)
    with pytest.raises(UnknownArgument, match="base_url"):
        find_model("transformers:x", base_url="http://x/v1", **sampling)
    with pytest.raises(RecipeError, match="Did you mean 'math-500'"):
        arguments(tmp_path, benchmark="math500")
    options = ["--benchmark", "math-500", "--questions", questions(tmp_path, MATH), "--output", "x"]
    assert main(["reason", "--policy", "expert", *options]) == 2
    assert "error: 'expert' names no language model" in capsys.readouterr().err
