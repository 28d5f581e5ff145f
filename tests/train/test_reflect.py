"""Learning from executed pairs: thoughts that another model writes, and what actions give."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("trl")

from trl import SFTConfig

from act_data.errors import DataNotFound
from act_data.policies.base import Query, Sample
from act_data.storage.tables import read_pairs
from act_data.types import ContrastPair
from act_train import reflect, reflections, tiny, world_model
from act_train.arguments.scratch import TinyArguments
from act_train.arguments.training import (
    ModelArguments,
    PairArguments,
    ReflectionsArguments,
    ThoughtArguments,
)
from act_train.errors import RecipeError, ResultMismatch, TrainingData
from act_train.preparing import Prepared
from act_train.rows import outcome_rows


class Writer:
    """Writes a sentence about each pair, and fails at some."""

    name, revision = "scripted:writer", ""
    needs_admissible = needs_effects = False

    def __init__(self, dies_after: int = 10**9) -> None:
        self.sampling: dict[str, Any] = {"temperature": 1.0, "history": 0}
        self.engine: dict[str, Any] = {}
        self.asked: list[str] = []
        self._dies_after = dies_after

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        if len(self.asked) >= self._dies_after:
            raise KeyboardInterrupt
        [query] = queries
        [message] = query.messages(9)
        self.asked.append(message["content"])
        said = ("<think>x</think> It helps.", "", "cut o", "<action>go</action>.", "I had better.")
        number = len(self.asked) - 1
        return [[Sample(said[number % 5], None, "too_long" if number == 9 else None)]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    texts = [str(stored / "pairs.parquet")]
    tiny.run(TinyArguments(out=str(folder), texts=texts, hidden=64, vocabulary=512))
    return folder


def write(pairs: Path, output: Path, **options: Any) -> dict[str, Any]:
    data = PairArguments(pairs=str(pairs), history=1, **options)
    given = ReflectionsArguments(output=str(output), writer="transformers:./any")
    return reflections.run(data, given)


def learn(base: Path, pairs: Path, texts: Path, out: Path) -> dict[str, float]:
    training = SFTConfig(
        output_dir=str(out), max_steps=2, bf16=False, activation_checkpointing=False, use_cpu=True,
        save_strategy="no", report_to="none", per_device_train_batch_size=4, disable_tqdm=True,
    )  # fmt: skip
    data = PairArguments(pairs=str(pairs), history=1)
    thought = ThoughtArguments(reflections=str(texts))
    return reflect.run(ModelArguments(model=str(base)), data, thought, training)


def test_thoughts_are_written_once_and_learnt_without_what_was_shown_to_their_writer(
    base: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = [Writer(dies_after=7), Writer()]
    given = iter(writers)
    monkeypatch.setattr(reflections, "find_model", lambda *_, **__: next(given))
    seen: list[Prepared] = []
    plain = reflect.fit

    def fit(*args: Any, **options: Any) -> dict[str, float]:
        seen.append(args[4])
        return plain(*args, **options)

    monkeypatch.setattr(reflect, "fit", fit)
    pairs = list(read_pairs(stored / "executed.parquet"))
    texts = tmp_path / "reflections.jsonl"
    with pytest.raises(KeyboardInterrupt):
        write(stored / "executed.parquet", texts)
    report = write(stored / "executed.parquet", texts)
    assert [len(writer.asked) for writer in writers] == [7, len(pairs) - 7]
    asked = [text for writer in writers for text in writer.asked]
    for pair in pairs:
        done = pair.verification
        assert done is not None
        told = f"Another action: {pair.alternative_action}\nIt gave: {done.alternative.observation}"
        assert sum(told in text and pair.expert_action in text for text in asked)
    lines = [json.loads(line) for line in texts.open()]
    assert {line["thoughts"] for line in lines} == {"It helps.", "", "I had better."}
    assert (report["texts"], report["of_use"]) == (
        len(pairs), sum(bool(line["thoughts"]) for line in lines)
    )  # fmt: skip
    assert "the others are empty, cut off or hold action tags" in reflections.words(report)
    learn(base, stored / "executed.parquet", texts, tmp_path / "out")
    [rows] = seen
    learnt = [*rows.train, *rows.held]
    assert len(learnt) == report["of_use"] < len(pairs)
    for row in learnt:
        [prompt], [answer] = row["prompt"], row["completion"]
        assert "It gave" not in prompt["content"]
        thoughts, _, action = answer["content"].partition("\n\n")
        assert thoughts in ("It helps.", "I had better.")
        assert action.startswith("<action>")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["stage"] == "reflect"


def test_thoughts_of_another_writer_or_about_other_pairs_are_not_taken(
    base: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tmp_path / "reflections.jsonl"
    monkeypatch.setattr(reflections, "find_model", lambda *_, **__: Writer())
    assert write(stored / "executed.parquet", texts, max_pairs=4)["texts"] == 8  # and held-out ones
    with pytest.raises(ResultMismatch, match="pairs"):
        write(stored / "executed.parquet", texts)
    other = Writer()
    other.sampling = {"temperature": 0.0}
    monkeypatch.setattr(reflections, "find_model", lambda *_, **__: other)
    with pytest.raises(ResultMismatch, match="sampling"):
        write(stored / "executed.parquet", texts, max_pairs=4)
    lines = [json.loads(line) for line in texts.open()]
    texts.write_text("".join(f"{json.dumps({**line, 'task_id': 'x'})}\n" for line in lines))
    with pytest.raises(TrainingData, match="holds no thoughts about these pairs"):
        learn(base, stored / "executed.parquet", texts, tmp_path / "out")
    texts.write_text('{"task_id": "x"}\n')
    with pytest.raises(ResultMismatch, match="holds no reflections"):
        learn(base, stored / "executed.parquet", texts, tmp_path / "out")
    with pytest.raises(DataNotFound, match="Write it first: act-train reflections"):
        learn(base, stored / "executed.parquet", tmp_path / "none", tmp_path / "out")


def test_a_model_writes(base: Path, stored: Path, tmp_path: Path) -> None:
    data = PairArguments(pairs=str(stored / "executed.parquet"), history=1, max_pairs=2)
    given = ReflectionsArguments(
        output=str(tmp_path / "r.jsonl"), writer=f"transformers:{base}", max_new_tokens=2
    )
    assert reflections.run(data, given)["texts"] == 4
    assert reflections.run(data, given)["texts"] == 4


def test_pairs_that_were_not_executed_are_refused(stored: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingData, match=r"none of the \d+ pairs .* Run act-data verify"):
        write(stored / "pairs.parquet", tmp_path / "r.jsonl")
    with pytest.raises(TrainingData, match="Run act-data verify"):
        world_model.run(
            ModelArguments(model=str(base)),
            PairArguments(pairs=str(stored / "pairs.parquet")),
            SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False),
        )
    with pytest.raises(RecipeError, match="writer is not set"):
        ReflectionsArguments(output="x")


def test_what_each_executed_action_gave_is_asked_once(
    stored: Path, pairs: list[ContrastPair]
) -> None:
    found = list(read_pairs(stored / "executed.parquet"))
    rows = outcome_rows([*found, *found[:5]], history=0)
    assert len(rows) == 2 * len(found)
    done = found[3].verification
    assert done is not None
    [prompt], [answer] = rows[7]["prompt"], rows[7]["completion"]
    assert f"after the action: {found[3].alternative_action}\n" in prompt["content"]
    assert answer["content"] == done.alternative.observation != done.expert.observation
    assert outcome_rows(pairs, history=0) == []
