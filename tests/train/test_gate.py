"""Who is let in: choices against chance, by task; and which questions teach."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl")

from act_train.errors import NothingToLearn
from act_train.gate import Answer, Witness, open_choice_gate
from act_train.rows import fingerprint
from act_train.selection import mixed, select


def answers(right: int, wrong: int, *, tasks: int = 40, chance: float = 0.5) -> list[Answer]:
    """So many answers to each task, and one besides that is no choice."""
    return [
        Answer(("pair", f"{task}"), str(task), i < right, chance if i < right + wrong else None)
        for task in range(tasks)
        for i in range(right + wrong + 1)
    ]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (answers(1, 1), r"50\.0% are right .* 50\.0% would be by chance"),
        (answers(1, 2, chance=1 / 3), r"33\.3% would be by chance"),
        (answers(3, 1, tasks=1), r"on 1 tasks 75\.0% are right \(0\.0% to 100\.0%\)"),
        (answers(0, 4), r"0\.0% are right"),
        (answers(0, 0), "none of 40 answers names an action"),
    ],
)
def test_choices_at_chance_are_refused(
    found: list[Answer], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NothingToLearn, match=f"{told}.*act-train .*above_chance: false"):
        open_choice_gate(found, above_chance=True)
    with caplog.at_level(logging.WARNING):
        open_choice_gate(found, above_chance=False)
    assert "expect little" in caplog.text


@pytest.mark.parametrize("found", [answers(3, 1), answers(2, 2, chance=1 / 3), answers(1, 0)])
def test_choices_above_chance_are_let_in(found: list[Answer]) -> None:
    told = open_choice_gate(found, above_chance=True)
    assert told["judge/expert_share_of_named_low"] > told["judge/chance"]


def test_a_witness_tells_choices_from_other_answers() -> None:
    witness = Witness(places=[0, 1])
    texts = ["<action>a</action>", "<action>b</action>", "<action>z</action>", "none"]
    logged: dict[str, float] = {}
    [watched, *_] = witness.rewards
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    columns = {
        "expert_action": ["a"] * 4,
        "admissible": ["a\nb"] * 4,
        "alternative_action": ["b\nc"] * 4,
        "expert_position": [0, 1, 2, -1],
        "prompts": [[{"role": "user", "content": asked}] for asked in "abba"],
        "pair_id": ["p"] * 4,
        "task_id": ["t"] * 4,
    }
    assert watched(completions, **columns, log_metric=logged.__setitem__) == [1.0, 0.0, 0.0, 0.0]
    assert [(a.right, a.chance) for a in witness.kept] == [
        (True, 1 / 3), (False, 1 / 3), (False, None), (False, None),
    ]  # fmt: skip
    first, second, *others = [a.prompt for a in witness.kept]
    assert first != second
    assert others == [second, first]  # groups go by what was asked
    assert watched.__name__ == "expert_match"  # names the metric
    assert "judge/readable_third" not in logged


def test_a_thought_that_the_prompt_opened_and_nothing_closed_is_no_answer() -> None:
    texts = ["so <action>a</action>", "so</think><action>a</action>"]
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    columns = {"expert_action": ["a"] * 2, "admissible": ["a"] * 2, "pair_id": ["p"] * 2}
    columns["prompts"] = [[], []]
    witness = Witness(places=[0], begun="<think>")
    found = [term(completions, **columns, task_id=["t"] * 2) for term in witness.rewards]
    assert found == [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    assert [answer.right for answer in witness.kept] == [False, True]


def test_a_run_that_goes_on_keeps_its_questions(tmp_path: Path) -> None:
    rows = [{"pair_id": name, "prompt": []} for name in ("a", "b", "b", "c")]
    (tmp_path / "old" / "checkpoint-2").mkdir(parents=True)
    kept = tmp_path / "old" / "selected.json"
    args = {"output_dir": tmp_path, "resume_from_checkpoint": str(kept.parent / "checkpoint-2")}
    trainer: Any = SimpleNamespace(
        args=SimpleNamespace(**args), is_world_process_zero=lambda: True
    )  # that cannot ask anything
    kept.write_text(json.dumps({"rows": fingerprint(rows), "chosen": ["b"]}))
    assert select(trainer, Witness([0]), rows) == rows[1:3]
    assert json.loads((tmp_path / "selected.json").read_text()) == json.loads(kept.read_text())
    kept.write_text(json.dumps({"rows": fingerprint(rows), "chosen": []}))
    with pytest.raises(NothingToLearn, match="select: false"):
        select(trainer, Witness([0]), rows)
    kept.write_text(json.dumps({"rows": "of other rows", "chosen": ["b"]}))
    with pytest.raises(AttributeError, match="evaluate"):
        select(trainer, Witness([0]), rows)


def test_a_question_teaches_if_one_of_its_prompts_does() -> None:
    def group(name: str, prompt: int, *right: bool) -> list[Answer]:
        return [Answer((name, f"{prompt}"), "t", each, None) for each in right]

    found = [
        *group("always", 0, True, True), *group("always", 1, True, True),
        *group("never", 0, False, False), *group("never", 1, False, False),
        # By place alone: either prompt has one reward for all of its answers.
        *group("place", 0, True, True), *group("place", 1, False, False),
        *group("teaches", 0, True, True), *group("teaches", 1, True, False),
    ]  # fmt: skip
    assert mixed(found) == {"teaches"}
