"""More than two candidates, ties, wrong labels: what is asked, and what the prompt may not tell."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter

import pytest

from act_data.prompts import EQUIVALENT, parse_answer
from act_data.types import Consequence, ContrastPair, Reading, Verdict, Verification
from act_train.arguments.training import QuestionArguments
from act_train.errors import TrainingData
from act_train.questions import Question, ask, flip
from act_train.rows import action_rows, choice_rows, critique_rows, preference_rows, warm_start_rows

PLAIN, TIES = QuestionArguments(), QuestionArguments(equivalent="informed")
ASKED = [PLAIN, QuestionArguments(candidates=3), QuestionArguments(candidates=4), TIES]


def more_alternatives(pairs: list[ContrastPair], count: int) -> list[ContrastPair]:
    """Each pair with alternatives of the same state beside it."""
    return [
        dataclasses.replace(pair, pair_id=named(i, pair), alternative_action=f"dance {i}")
        for pair in pairs
        for i in range(count)
    ]


def named(number: int, pair: ContrastPair) -> str:
    return hashlib.blake2b(f"{number}{pair.pair_id}".encode(), digest_size=8).hexdigest()


def judged(pair: ContrastPair, verdict: Verdict) -> ContrastPair:
    end = Consequence("", "", 0.0, False, False, True)
    reading = Reading("test", 1.0, 1.0, 0.0, verdict, 1.0)
    return pair.verified(Verification(True, end, end, None, None, reading, "test"))


@pytest.fixture
def verified(pairs: list[ContrastPair]) -> list[ContrastPair]:
    verdicts: list[Verdict] = ["expert_better", "equivalent"]
    return [judged(pair, verdicts[i % 2]) for i, pair in enumerate(pairs)]


def test_candidates_of_a_state_share_questions_and_no_alternative_is_lost(
    pairs: list[ContrastPair],
) -> None:
    some = more_alternatives(pairs, 5)
    asked = ask([*some, *some[:7]], QuestionArguments(candidates=3))
    assert Counter(len(q.candidates) for q in asked) == {3: 2 * len(pairs), 2: len(pairs)}
    shown = Counter((q.state, action) for q in asked for action in q.candidates[1:])
    assert shown == Counter((pair.state, pair.alternative_action) for pair in some)
    for question in asked:
        assert question.answer == question.candidates[0]
    # No order of the alternatives, beside which the expert's action would stand out.
    orders = {q.candidates[1] < q.candidates[2] for q in asked if len(q.candidates) == 3}
    assert orders == {True, False}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.candidates}{asked.equivalent}")
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_place_says_nothing_about_the_label(
    verified: list[ContrastPair], asked: QuestionArguments, share: float
) -> None:
    questions, _ = flip(ask(more_alternatives(verified, 6), asked), share, seed=0)
    places: dict[int, Counter[int]] = {}
    for row in critique_rows(questions, history=1):
        listed = row["prompt"][0]["content"].partition("\n\nAction 1: ")[2].partition("\n\n")[0]
        shown = f"Action 1: {listed}".split("\n")
        place = row["expert_position"]
        assert place == -1 or shown[place] == f"Action {place + 1}: {row['expert_action']}"
        assert (place == -1) == (row["expert_action"] == EQUIVALENT)
        assert row["expert_action"] not in row["alternative_action"].split("\n")
        places.setdefault(len(shown), Counter())[place] += 1
    for size, counted in places.items():
        assert len({counted[place] for place in range(size)}) == 1


def test_ties_are_what_a_reading_found_and_can_be_answered(verified: list[ContrastPair]) -> None:
    questions = ask([*verified, dataclasses.replace(verified[0], verification=None)], TIES)
    answers = [question.answer for question in questions]
    assert answers[1:-1:2] == [EQUIVALENT] * (len(verified) // 2)
    assert answers[:-1:2] == [pair.expert_action for pair in verified[::2]]
    assert answers[-1] == verified[0].expert_action  # nobody knows better
    assert all(
        EQUIVALENT in row["prompt"][0]["content"] for row in critique_rows(questions, history=0)
    )
    taught = Counter(
        parse_answer(row["completion"][0]["content"]) == EQUIVALENT
        for row in warm_start_rows(questions, history=0, seed=0)
    )
    assert 0.2 < taught[True] / taught.total() < 0.47
    with pytest.raises(TrainingData, match=r"none of the .* act-data verify"):
        ask([dataclasses.replace(pair, verification=None) for pair in verified], TIES)


def test_flips_are_counted_nested_and_drawn_by_the_seed(pairs: list[ContrastPair]) -> None:
    questions = ask(pairs, PLAIN)

    def flipped(share: float, seed: int = 0) -> set[str]:
        found, counts = flip(questions, share, seed)
        changed = {q.name for q, old in zip(found, questions, strict=True) if q != old}
        assert counts == {"questions": len(questions), "flipped": len(changed)}
        assert len(changed) == round(share * len(questions))
        for question, old in zip(found, questions, strict=True):
            assert question.candidates == old.candidates
            assert (question.answer in old.wrong) == (question.name in changed)
        return changed

    assert flipped(0.0) == set()
    assert flipped(0.1) < flipped(0.4) < flipped(1.0)
    assert flipped(0.4) == flipped(0.4) != flipped(0.4, seed=1)


def test_rows_of_the_controls_follow_the_labels(pairs: list[ContrastPair]) -> None:
    questions, _ = flip(ask(pairs, PLAIN), 0.5, seed=0)

    def answer(row: dict[str, list[dict[str, str]]], name: str) -> str | None:
        return parse_answer(row[name][0]["content"])

    preferred = preference_rows(questions, history=1)
    chosen = choice_rows(questions, history=1)
    for question, row, *both in zip(questions, preferred, chosen[::2], chosen[1::2], strict=True):
        assert (answer(row, "chosen"), answer(row, "rejected")) == (
            question.answer,
            question.wrong[0],
        )
        assert {answer(each, "completion") for each in both} == {question.answer}
        assert "Answer at once" in both[0]["prompt"][0]["content"]
        assert both[0]["prompt"] != both[1]["prompt"]


def test_action_rows_hold_each_state_once(pairs: list[ContrastPair]) -> None:
    rows = action_rows(more_alternatives(pairs, 3), history=1)
    assert len(rows) == len({(pair.task_id, pair.state, pair.expert_action) for pair in pairs})
    assert rows[0]["expert_action"] == pairs[0].expert_action
    assert rows[0]["admissible"].split("\n") == list(pairs[0].admissible_actions)
    assert "Action 1" not in rows[0]["prompt"][0]["content"]


def test_a_question_knows_all_wrong_answers(pairs: list[ContrastPair]) -> None:
    [question] = ask(pairs[:1], PLAIN)
    tied: Question = dataclasses.replace(question, answer=EQUIVALENT, ties=True)
    assert tied.wrong == question.candidates
    assert dataclasses.replace(question, ties=True).wrong == (question.candidates[1], EQUIVALENT)
