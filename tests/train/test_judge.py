"""Judges that were planted come out as what they are, and a result goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("transformers")

from act_data.types import AgentState, ContrastPair
from act_train.arguments.measuring import JudgeArguments
from act_train.errors import ResultMismatch
from act_train.judge import measure, words
from act_train.judging.choice import Judge, Question
from benchmarks.planted import SURE, planted_judges, planted_pairs


def judged(judge: Judge, pairs: Sequence[ContrastPair], out: Path, **more: Any) -> dict[str, Any]:
    return measure(judge, pairs, {}, JudgeArguments(output=str(out), **more))


@pytest.fixture(scope="module")
def pairs() -> list[ContrastPair]:
    return planted_pairs(50, 4)


@pytest.fixture(scope="module")
def results(
    pairs: list[ContrastPair], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("judged")
    return {
        name: judged(judge, pairs, folder / f"{name}.json", rationale_pairs=20)
        for name, judge in planted_judges(pairs).items()
    }


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (
            "perfect",
            {"accuracy": 1, "swap_consistent": 1, "choose_first": 0.5, "position_bias": 0,
             "ece": 1 - SURE, "brier": 0},
        ),
        (
            "always-first",
            {"accuracy": 0.5, "swap_consistent": 0, "choose_first": 1, "position_bias": 1,
             "probability_first": SURE, "ece": SURE - 0.5, "brier": 0.5, "no_state_accuracy": 0.5,
             "no_state_position_bias": 1},
        ),
    ],
)  # fmt: skip
def test_what_draws_nothing_is_measured_exactly(
    name: str, known: dict[str, float], results: dict[str, dict[str, Any]]
) -> None:
    found = results[name]
    assert {key: found[key] for key in known} == pytest.approx(known, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("random", {"accuracy": 0.5, "swap_consistent": 0.25, "position_bias": 0, "ece": 0.25}),
        ("calibrated", {"accuracy": 0.7, "swap_consistent": 0.7, "position_bias": 0,
                        "ece": 0, "brier": 0.21}),
    ],
)  # fmt: skip
def test_what_is_drawn_is_measured_as_well_as_its_interval_says(
    name: str, known: dict[str, float], results: dict[str, dict[str, Any]]
) -> None:
    for key, truth in known.items():
        low, high = results[name][f"{key}_95"]
        assert key != "ece" or low <= truth <= high
        assert low - 0.03 <= truth <= high + 0.03, key  # one interval in twenty misses
        assert high - low < 0.25, key


def test_a_calibrated_judge_has_one_bin_on_the_diagonal(results: dict[str, dict[str, Any]]) -> None:
    assert results["calibrated"]["ece"] < 0.05 < 0.2 < results["random"]["ece"]
    [point] = [row for row in results["calibrated"]["reliability"] if row["prompts"]]
    assert point["prompts"] == 400
    assert point["from"] <= point["confidence"] <= point["to"]
    assert point["confidence"] == pytest.approx(0.7)
    assert point["accuracy_95"][0] <= 0.7 <= point["accuracy_95"][1]


def test_only_what_is_above_both_floors_is_judgment(
    pairs: list[ContrastPair], results: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    above = {name: result["above_floor"] for name, result in results.items()}
    assert above["perfect"]
    assert above["calibrated"]
    assert not above["random"]
    assert not above["always-first"]
    assert 0.35 < results["perfect"]["text_accuracy"] < 0.65
    leaking = planted_pairs(20, 5, leaking=True)
    found = judged(planted_judges(leaking)["perfect"], leaking, tmp_path / "leaking.json")
    assert (found["accuracy"], found["text_accuracy"]) == (1, 1)
    assert not found["above_floor"]
    few = planted_pairs(8, 1)
    found = judged(planted_judges(few)["calibrated"], few, tmp_path / "few.json")
    assert found["above_no_state_95"][0] > 0
    assert found["above_text"] > 0 > found["above_text_95"][0]  # and that may be chance
    assert not found["above_floor"]
    lone = planted_pairs(1, 3)
    found = judged(planted_judges(lone)["perfect"], lone, tmp_path / "lone.json")
    assert (found["text_accuracy"], found["above_floor"]) == (None, False)
    assert found["accuracy_95"] == [0, 1]


def test_the_texts_alone_learn_from_pairs_of_other_tasks(
    pairs: list[ContrastPair], tmp_path: Path
) -> None:
    """A judge may know words of pairs that it was trained on; so may its floor."""
    same = [replace(pair, task_id=f"other-{pair.task_id}") for pair in pairs]
    judge = planted_judges(pairs)["perfect"]
    alone, beside = (
        measure(judge, pairs, {}, JudgeArguments(output=str(tmp_path / f"{len(some)}.json")), some)
        for some in ([], same)
    )
    assert (alone["text_others"], beside["text_others"]) == (0, len(same))
    assert alone["text_accuracy"] < 0.65 < 0.95 < beside["text_accuracy"]


def test_nothing_is_claimed_of_few_tasks(tmp_path: Path) -> None:
    claims = []
    for tasks in (9, 10):
        pairs = planted_pairs(tasks, 20)
        path = tmp_path / f"{tasks}.json"
        found = judged(planted_judges(pairs)["perfect"], pairs, path)
        assert found["above_no_state_95"][0] > 0 < found["above_text_95"][0]
        claims.append((found["above_floor"], words({**found, "history": 0})))
    assert [above for above, _ in claims] == [False, True]
    assert "Too few tasks to tell whether it judges: 9, of at least 10." in claims[0][1]
    assert "above both floors" in claims[1][1]


def test_nothing_is_claimed_of_pairs_that_were_not_held_out(
    results: dict[str, dict[str, Any]],
) -> None:
    for part, claimed in (("held-out", True), ("train", False), ("all", False)):
        said = words({**results["perfect"], "history": 0, "part": part})
        assert f"200 pairs of 50 tasks (part: {part}), each" in said
        assert ("above both floors" in said) == claimed
        assert ("Nothing is claimed" in said) != claimed


def test_each_reading_is_an_answer_of_its_own(results: dict[str, dict[str, Any]]) -> None:
    hindsight, informed = results["verifier"]["verified"]
    assert (hindsight["reading"], informed["reading"]) == ("hindsight", "informed")
    assert hindsight["auroc"] == hindsight["decided_accuracy"] == 1
    assert informed["auroc_95"][0] < 0.5 < informed["auroc_95"][1]
    assert hindsight["no_state_auroc"] == 0.5
    sure = results["perfect"]["verified"][0]  # sure of all alike: it cannot tell them apart
    assert sure["auroc"] == 0.5
    counts = [hindsight[name] for name in ("expert_better", "equivalent", "alternative_better")]
    assert sum(counts) == hindsight["pairs"] == 200
    assert sure["decided_accuracy"] == pytest.approx(counts[0] / (counts[0] + counts[2]))


def test_groups_tell_where_a_judge_is_right(results: dict[str, dict[str, Any]]) -> None:
    rows = results["verifier"]["groups"]
    by: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["by"], []).append(row)
    assert {name: [row["group"] for row in some] for name, some in by.items()} == {
        "environment": ["ACT/Planted-v0"],
        "kind": ["even", "odd"],
        "policy": ["planted"],
        "alternative": ["admissible", "inadmissible"],
        "step": ["0", "1 to 2", "3 to 5"],
        "hindsight regret": ["below 0", "0", "to 2"],
        "informed regret": ["below 0", "0", "to 2"],
    }
    assert all(sum(row["pairs"] for row in some) == 200 for some in by.values())
    assert [row["accuracy"] for row in by["hindsight regret"]] == [0, 0.5, 1]
    for found in results["verifier"]["verified"]:
        counted = [row["pairs"] for row in by[f"{found['reading']} regret"]]
        assert counted == [
            found[name] for name in ("alternative_better", "equivalent", "expert_better")
        ]
    assert all({"no_state_accuracy", "text_accuracy"} <= row.keys() for row in rows)


def test_rationales_move_a_judge_that_follows_them(results: dict[str, dict[str, Any]]) -> None:
    found = results["obedient"]["rationales"]
    assert (found["pairs"], found["written"]) == (20, 1)
    assert (found["free_accuracy"], found["wrong_accuracy"], found["wrong_effect"]) == (1, 0, -1)
    assert 0.2 < found["removed_accuracy"] < 0.8
    assert found["removed_effect"] == pytest.approx(found["removed_accuracy"] - 1)
    unmoved = results["perfect"]["rationales"]
    assert (unmoved["wrong_accuracy"], unmoved["wrong_effect"], unmoved["written"]) == (1, 0, 0)


def test_words_claim_no_more_than_was_shown(results: dict[str, dict[str, Any]]) -> None:
    said = {name: words({**result, "history": 0}) for name, result in results.items()}
    assert "above both floors" in said["perfect"]
    assert "than itself without the state, nor than the texts alone" in said["random"]
    assert "AUROC                       1.000  (0.9" in said["verifier"]
    assert "position bias               1.000" in said["always-first"]
    assert "written in 0% of" in said["random"]
    assert "written in" not in said["obedient"]


class _Killed:
    """A judge whose process dies after so many questions."""

    def __init__(self, judge: Judge, after: int) -> None:
        self.name, self.revision, self._judge, self._left = judge.name, "", judge, after

    def weigh(self, state: AgentState, questions: Sequence[Question]) -> list[tuple[float, float]]:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return self._judge.weigh(state, questions)

    def reason(self, state: AgentState, candidates: tuple[str, str]) -> str:
        return self._judge.reason(state, candidates)


def test_a_result_goes_on_with_the_same_bytes_and_only_as_itself(tmp_path: Path) -> None:
    pairs = planted_pairs(4, 3)
    judge = planted_judges(pairs)["random"]
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    judged(judge, pairs, whole, rationale_pairs=3)
    with pytest.raises(KeyboardInterrupt):
        judged(_Killed(judge, 12), pairs, parts, rationale_pairs=3)
    assert not parts.exists()
    lines = parts.with_suffix(".jsonl")
    kept = lines.read_bytes().splitlines(keepends=True)
    assert 0 < len(kept) < len(pairs)
    lines.write_bytes(b"".join(kept[:-1]) + kept[-1][:40])  # what a kill may leave behind
    judged(judge, pairs, parts, rationale_pairs=3)
    for suffix in (".json", ".jsonl"):
        assert parts.with_suffix(suffix).read_bytes() == whole.with_suffix(suffix).read_bytes()
    line = json.loads(lines.read_text().splitlines()[0])
    assert line["pair_id"] == pairs[0].pair_id
    assert set(line["choices"]) == {"state", "no_state", "free", "removed", "wrong"}
    with pytest.raises(ResultMismatch, match="rationale_pairs"):
        judged(judge, pairs, parts, rationale_pairs=4)
    with pytest.raises(ResultMismatch, match="pair_list"):
        judged(judge, pairs[::-1], parts, rationale_pairs=3)
