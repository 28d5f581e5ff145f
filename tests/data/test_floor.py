"""``act-data floor``: what is in the words is found, and what is not is not."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from act_data.alternatives import verb
from act_data.analysis.floor import Floor, FloorRow, floor, floor_text
from act_data.storage.tables import write_parquet
from act_data.types import AgentState, Consequence, ContrastPair, Reading, Verification
from act_envs.errors import MissingExtra, UnknownArgument

pytest.importorskip("sklearn")

Words = Callable[[np.random.Generator, int], tuple[str, str]]
"""Both actions of a pair, from chance and the number of its task."""

WORDS = ("apple", "book", "cup", "dish", "egg", "fork", "glove", "hat")


def made(task: int, expert: str, alternative: str, verdict: Any = None) -> ContrastPair:
    here = Consequence("A hall.", "a", 0.0, False, False, True)
    known = Reading("planner", 1.0, 2.0, 1.0, verdict, 1.0)
    return ContrastPair(
        "0" * 16, "ACT/Toy-v0", "{}", f"t{task}", "train", "fetch", 0, AgentState("Win.", "Hall."),
        (), "h", expert, alternative, 1, "scripted", "random-admissible", "", "{}", 0, "", "",
        Verification(True, here, here, None, known, None, "") if verdict else None,
    )  # fmt: skip


def measured(pairs: list[ContrastPair], folder: Path, **options: Any) -> dict[Any, FloorRow]:
    """Rows by label and judge."""
    write_parquet(folder / "pairs.parquet", pairs, "pairs")
    rows = floor(Floor(pairs=(folder / "pairs.parquet",), **options))
    return {(row.label, row.judge): row for row in rows}


def drawn(words: Words, tasks: int = 30, each: int = 6) -> list[ContrastPair]:
    rng = np.random.default_rng(0)
    return [made(task, *words(rng, task)) for task in range(tasks) for _ in range(each)]


def two(rng: np.random.Generator) -> list[str]:
    return [str(word) for word in rng.choice(WORDS, 2, replace=False)]


def by_verb(rng: np.random.Generator, _: int) -> tuple[str, str]:
    one, other = two(rng)
    return f"take {one} now", f"drop {other} now"


def exchangeable(rng: np.random.Generator, _: int) -> tuple[str, str]:
    one, other = two(rng)
    return f"take {one}", f"take {other}"


def by_task(rng: np.random.Generator, task: int) -> tuple[str, str]:
    """Each task has a word of its own for the better action, and one for the worse."""
    one, other = two(rng)
    letters = np.random.default_rng(task).choice([*"aeioubdkmnrst"], (2, 6))
    good, bad = ("".join(word) for word in letters)
    return f"take {one} {good}", f"take {other} {bad}"


def test_actions_that_a_word_tells_apart(tmp_path: Path) -> None:
    rows = measured(drawn(by_verb), tmp_path)
    for judge in ("n-grams", "verb"):
        row = rows["assumed", judge]
        assert (row.pairs, row.tasks) == (180, 30)
        assert row.accuracy is not None
        assert row.auroc is not None
        assert (row.accuracy.value, row.auroc.value) == (1, 1)
        assert row.accuracy.low < 1  # thirty tasks prove no certainty


def test_actions_that_could_be_exchanged(tmp_path: Path) -> None:
    for row in measured(drawn(exchangeable), tmp_path).values():
        assert row.accuracy is not None
        assert row.auroc is not None
        assert row.accuracy.low <= 0.5 <= row.accuracy.high
        assert row.auroc.low <= 0.5 <= row.auroc.high


def test_a_task_is_not_trained_and_tested_on(tmp_path: Path) -> None:
    row = measured(drawn(by_task), tmp_path)["assumed", "n-grams"]
    assert row.accuracy is not None
    assert row.accuracy.value < 0.75


def test_tasks_of_one_product_are_not_trained_and_tested_on(tmp_path: Path) -> None:
    pairs = [dataclasses.replace(pair, task_id=f"t{n}", origin=pair.task_id)
             for n, pair in enumerate(drawn(by_task))]  # fmt: skip
    row = measured(pairs, tmp_path)["assumed", "n-grams"]
    assert row == measured(drawn(by_task), tmp_path)["assumed", "n-grams"]


def test_the_simple_judges_by_hand(tmp_path: Path) -> None:
    pairs = [
        made(0, "go", "look"),  # shorter
        made(0, "go", "up"),  # neither
        made(1, "go east", "wait"),  # longer
        made(2, "go", "wait"),
    ]
    rows = measured(pairs, tmp_path)
    shorter = rows["assumed", "shorter"]
    assert shorter.accuracy is not None
    assert shorter.accuracy.value == 2.5 / 4
    assert shorter.auroc is not None
    # Of the scores (1, 0, -1, 1) against their opposites (-1, 0, 1, -1).
    assert shorter.auroc.value == (3.5 + 2.5 + 1 + 3.5) / 16
    by_verb = rows["assumed", "verb"]
    assert by_verb.accuracy is not None
    assert by_verb.accuracy.value == 1  # "go" was better in the other tasks
    assert [verb(action) for action in (" LOOK ", "click[buy now]", "?")] == ["look", "click", ""]


def test_verified_labels(tmp_path: Path) -> None:
    """The better action is the one that the verdict says; ties and unknowns are left out."""
    verdicts = ("alternative_better", "equivalent", "unknown", "alternative_better")
    pairs = [made(at, "drop cup", "take cup", verdicts[at % 4]) for at in range(40)]
    pairs += [made(at, "take cup", "drop cup", "expert_better") for at in range(30)]
    rows = measured(pairs, tmp_path)
    assert {label for label, _ in rows} == {"assumed", "hindsight"}
    row = rows["hindsight", "n-grams"]
    assert row.pairs == 50
    assert row.accuracy is not None
    assert row.accuracy.value == 1
    assumed = rows["assumed", "n-grams"].accuracy
    assert assumed is not None
    assert assumed.value < 0.7


def test_whole_tasks_up_to_the_limit(tmp_path: Path) -> None:
    row = measured(drawn(by_verb), tmp_path, limit=50)["assumed", "verb"]
    assert (row.pairs, row.tasks) == (54, 9)
    with pytest.raises(UnknownArgument, match="limit"):
        measured(drawn(by_verb), tmp_path, limit=0)


def test_a_single_task_cannot_be_tested_on(tmp_path: Path) -> None:
    rows = measured(drawn(by_verb, tasks=1), tmp_path)
    assert {(row.accuracy, row.auroc) for row in rows.values()} == {(None, None)}
    assert " -" in floor_text([*rows.values()])


def test_the_same_data_give_the_same_rows(tmp_path: Path) -> None:
    pairs = drawn(exchangeable, tasks=12)
    rows = measured(pairs, tmp_path, json=tmp_path / "rows.json")
    again = measured(pairs, tmp_path)
    assert rows == again
    assert json.loads((tmp_path / "rows.json").read_text())[0]["judge"] == "n-grams"
    assert max(map(len, floor_text([*rows.values()]).splitlines())) <= 100


def test_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"agentic-critical-training\[analysis\]"):
        floor(Floor(pairs=(tmp_path,)))
