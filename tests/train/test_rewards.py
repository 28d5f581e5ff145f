"""Every case of the reward, and that the terms add up to the paper's."""

from __future__ import annotations

import pytest

from act_train.arguments.training import RewardArguments
from act_train.rewards import REWARDS, Case, case_of, expert_match, judged, weights

ADMISSIBLE = "open door\ngo to kitchen\nlook around"


@pytest.mark.parametrize(
    ("text", "case", "reward"),
    [
        ("<action>open door</action>", Case.EXPERT, 1.0),
        ("<think><action>look around</action></think><action>open door</action>", Case.EXPERT, 1.0),
        ("I say <action>  open door </action>.", Case.EXPERT, 1.0),
        ("<action>look around</action>", Case.ADMISSIBLE, 0.1),
        ("<action>Open door</action>", Case.OTHER, 0.0),
        ("<action>open  door</action>", Case.OTHER, 0.0),
        ("<action>open door\nlook around</action>", Case.UNREADABLE, -0.5),
        ("open door", Case.UNREADABLE, -0.5),
        ("", Case.UNREADABLE, -0.5),
        ("<action></action>", Case.UNREADABLE, -0.5),
        ("<action>open door", Case.UNREADABLE, -0.5),
        ("<think><action>open door</action>", Case.UNREADABLE, -0.5),
        ("<action>open door</action><action>look around</action>", Case.UNREADABLE, -0.5),
    ],
)  # fmt: skip
def test_reward_of_a_completion(text: str, case: Case, reward: float) -> None:
    assert case_of(text, "open door", ADMISSIBLE) is case
    columns = {"expert_action": ["open door"], "admissible": [ADMISSIBLE]}
    completion = [[{"role": "assistant", "content": text}]]
    terms = [term(completions=completion, **columns, prompts=[None]) for term in REWARDS]
    total = sum(w * t for w, [t] in zip(weights(RewardArguments()), terms, strict=True))
    assert total == pytest.approx(reward)


def test_an_inadmissible_expert_action_still_counts_as_the_experts() -> None:
    assert case_of("<action>0</action>", "0", ADMISSIBLE) is Case.EXPERT


def test_metrics_keep_unreadable_answers_apart_and_tell_positions() -> None:
    texts = ["<action>a</action>", "<action>b</action>", "no tag", "<action>a</action>"]
    logged: dict[str, float] = {}
    found = expert_match(
        [[{"role": "assistant", "content": text}] for text in texts],
        ["a"] * 4,
        ["a\nb"] * 4,
        log_metric=logged.__setitem__,
        alternative_action=["c", "b", "b", "b"],
        expert_position=[0, 1, 1, 0],
    )
    assert found == [1.0, 0.0, 0.0, 1.0]
    assert logged == {
        "judge/names_candidate": 0.75,
        "judge/names_expert": 0.5,
        "judge/readable_first": 0.5,
        "judge/right_first": 0.5,
        "judge/readable_second": 0.25,
        "judge/right_second": 0.0,
    }
    assert judged(logged) == {
        "judge/accuracy": pytest.approx(2 / 3),
        "judge/accuracy_expert_first": 1.0,
        "judge/accuracy_expert_second": 0.0,
        "judge/expert_share_of_named": pytest.approx(2 / 3),
    }


def test_rates_do_not_depend_on_how_answers_fall_into_batches() -> None:
    texts = ["no tag"] * 3 + ["<action>a</action>"] + ["<action>b</action>"] * 3 + ["no tag"]
    batches: list[dict[str, float]] = []
    for start in range(0, len(texts), 4):
        logged: dict[str, float] = {}
        expert_match(
            [[{"role": "assistant", "content": text}] for text in texts[start : start + 4]],
            ["a"] * 4,
            ["a\nb"] * 4,
            log_metric=logged.__setitem__,
            alternative_action=["b"] * 4,
            expert_position=[0, 1, 0, 1],
        )
        batches.append(logged)
    averaged = {name: sum(b[name] for b in batches) / len(batches) for name in batches[0]}
    assert judged(averaged)["judge/accuracy"] == 0.25  # 1 of 4 readable; mean of ratios: 0.5
    assert judged(averaged)["judge/expert_share_of_named"] == 0.25
    assert judged({"judge/names_candidate": 0.0}) == {}


def test_places_beyond_the_second_and_ties_have_rates_of_their_own() -> None:
    logged: dict[str, float] = {}
    found = expert_match(
        [[{"role": "assistant", "content": f"<action>{a}</action>"}] for a in ("a", "c", "a", "z")],
        ["a", "a", "equivalent", "equivalent"],
        ["a\nb\nc"] * 4,
        log_metric=logged.__setitem__,
        alternative_action=["b\nc", "b\nc", "a\nb", "a\nb"],
        expert_position=[2, 0, -1, -1],
        places=[-1, 0, 1, 2],
    )
    assert found == [1.0, 0.0, 0.0, 0.0]
    assert logged["judge/names_candidate"] == 0.75
    assert logged["judge/readable_equivalent"] == 0.5
    assert judged(logged) == {
        "judge/accuracy": 0.25,
        "judge/accuracy_expert_first": 0.0,
        "judge/accuracy_expert_third": 1.0,
        "judge/accuracy_expert_equivalent": 0.0,
        "judge/expert_share_of_named": pytest.approx(1 / 3),
    }
