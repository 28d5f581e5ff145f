"""How episodes fail, on episodes written by hand."""

from __future__ import annotations

from typing import Any

from act_train.evaluation.anatomy import anatomy, ends_in_loop


def episode(*told: str) -> list[dict[str, Any]]:
    """Turns of ``ACTION OBSERVATION``; ``!`` after the action for a refused one, ``?`` for text."""
    turns: list[dict[str, Any]] = [{"observation": "start"}]
    for one in told:
        action, observation = one.split()
        turn: dict[str, Any] = {
            "action": action.rstrip("!?"),
            "observation": observation,
            "valid": action[-1] not in "!?",
            "answer": action,
            "fault": "no_tag" if action.endswith("?") else None,
        }
        turns.append(turn)
    return turns


def test_rates_are_shares_of_what_they_say() -> None:
    lost = episode("a! x", "b x", "c? x", "c? x", "d y")  # c the second time is in vain
    won = episode("a x", "b! y")
    found = anatomy([(lost, False), (won, True)])
    assert found == {
        "invalid_share": 4 / 7,
        "answers": 7,
        "format_failure_share": 2 / 7,
        "faults": {"no_tag": 2 / 7},
        "recovery_share": 2 / 3,  # what followed the last b is nothing
        "repeated_share": 1 / 7,
        "loop_share": 0.0,
        "steps_to_success": 2.0,
    }


def test_an_expert_gives_no_answers_and_shares_of_nothing_are_none() -> None:
    turns = [{"observation": "start"}, {"action": "a", "observation": "x", "valid": True}]
    found = anatomy([(turns, False)])
    assert (found["answers"], found["format_failure_share"]) == (0, None)
    assert found["recovery_share"] is found["steps_to_success"] is None


def test_a_loop_is_a_cycle_taken_three_times_at_the_end() -> None:
    cycle = ["a x", "b y"]
    assert ends_in_loop(episode("c z", *cycle * 3))
    assert not ends_in_loop(episode("c z", *cycle * 2))
    assert not ends_in_loop(episode(*cycle * 3, "c z"))
    assert not ends_in_loop(episode("a x", "a x", "a y"))  # the same action, something new
    assert ends_in_loop(episode(*"abcdefgh"[:0], *[f"{c} x" for c in "abcdefgh"] * 3))
    assert not ends_in_loop(episode(*[f"{c} x" for c in "abcdefghi"] * 3))  # longer than looked for
