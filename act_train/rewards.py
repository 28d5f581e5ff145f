"""The reward of arXiv 2603.08706, R = R_acc + R_adm + R_fmt, as three functions for TRL.

Each function returns 1.0 where its case holds and 0.0 elsewhere; the size of a term is its
weight (``RewardArguments``, TRL's ``reward_weights``). TRL then logs, next to the total, the
share of completions in each case: ``rewards/expert_match/mean`` and its neighbours.

An answer is compared with the expert's action as a string, stripped of white space around it
and not otherwise changed: the paper compares strings, and what a model writes differently is
for the environment to forgive, not for the reward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from act_data.prompts import EQUIVALENT, Message, parse_answer
from act_train.arguments.training import RewardArguments

Completions = Sequence[Sequence[Message]]

PLACES = {
    **dict(enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
    )),
    -1: EQUIVALENT,
}  # fmt: skip
"""What metrics call an ``expert_position``."""


class Case(Enum):
    """What a completion is. Exactly one case holds."""

    EXPERT = "the expert's action"
    ADMISSIBLE = "an admissible action, but not the expert's"
    OTHER = "some other text in a correct tag"
    UNREADABLE = "no correct tag"


def case_of(text: str, expert_action: str, admissible: str) -> Case:
    """Judge one completion.

    Args:
        text: all that the model said.
        expert_action: the action labelled better.
        admissible: the admissible actions of the state, one a line.
    """
    answer = parse_answer(text)
    if answer is None:
        return Case.UNREADABLE
    if answer == expert_action.strip():
        return Case.EXPERT
    return Case.ADMISSIBLE if answer in admissible.split("\n") else Case.OTHER


def expert_match(
    completions: Completions,
    expert_action: Sequence[str],
    admissible: Sequence[str],
    log_metric: Callable[[str, float], None] | None = None,
    alternative_action: Sequence[str] | None = None,
    expert_position: Sequence[int] | None = None,
    places: Sequence[int] = (0, 1),
    **_: Any,
) -> list[float]:
    """R_acc: the answer is the expert's action.

    On critique data it also logs what the mean hides, as shares of *all* completions: TRL averages
    batches, and a mean of ratios is not the ratio of means (:func:`judged` divides).
    ``judge/names_candidate`` and ``judge/names_expert``: the answer is one of those that were
    offered, or the expert's. ``judge/readable_first`` and ``judge/right_first``: it can be read, or
    is right, and the expert's action was shown first; the same with ``_second`` and so on.

    Args:
        completions: one conversation of one message each.
        expert_action: column of the data: the answer that is labelled right.
        admissible: column of the data.
        log_metric: given by TRL.
        alternative_action: column of critique data: the other answers, one a line.
        expert_position: column of critique data: 0 where the expert's action is shown first.
        places: all positions that occur in the data. A rate that some batches did not log would be
            averaged over the others.
    """
    cases = _cases(completions, expert_action, admissible)
    matches = [float(case is Case.EXPERT) for case in cases]
    if log_metric is not None and alternative_action is not None and expert_position is not None:
        named = [
            bool(match) or names_one(completion[-1]["content"], others)
            for match, completion, others in zip(
                matches, completions, alternative_action, strict=True
            )
        ]
        shares = {"names_candidate": sum(named), "names_expert": sum(matches)}
        for position in places:
            here = [case for case, p in zip(cases, expert_position, strict=True) if p == position]
            place = PLACES[position]
            shares[f"readable_{place}"] = sum(case is not Case.UNREADABLE for case in here)
            shares[f"right_{place}"] = sum(case is Case.EXPERT for case in here)
        for name, count in shares.items():
            log_metric(f"judge/{name}", count / len(cases))
    return matches


def names_one(text: str, actions: str) -> bool:
    """Whether a completion names one of these actions, which are given one a line."""
    return parse_answer(text) in {action.strip() for action in actions.split("\n")}


def judged(shares: Mapping[str, float]) -> dict[str, float]:
    """Rates of judgment from the shares that :func:`expert_match` logs, averaged by TRL.

    Args:
        shares: ``judge/right_first`` and its neighbours, each over all completions.

    Returns:
        ``judge/accuracy``: how often a readable answer is the expert's action (one that cannot be
        read is a failure of format, not a wrong choice); ``judge/accuracy_expert_first``,
        ``_second`` and so on, which differ when a model chooses by position; and
        ``judge/expert_share_of_named``: how often the expert's action is named where one of the
        candidates is. A rate of nothing is left out.
    """
    right, readable = (
        {place: shares.get(f"judge/{kind}_{place}", 0.0) for place in PLACES.values()}
        for kind in ("right", "readable")
    )
    rates = {
        "judge/accuracy": (sum(right.values()), sum(readable.values())),
        **{f"judge/accuracy_expert_{p}": (right[p], readable[p]) for p in PLACES.values()},
        "judge/expert_share_of_named": (
            shares.get("judge/names_expert", 0.0),
            shares.get("judge/names_candidate", 0.0),
        ),
    }
    return {name: part / whole for name, (part, whole) in rates.items() if whole}


def admissible_other(
    completions: Completions, expert_action: Sequence[str], admissible: Sequence[str], **_: Any
) -> list[float]:
    """R_adm: the answer is admissible but not the expert's action.

    In the judgment stage this pays for naming the losing candidate.
    """
    cases = _cases(completions, expert_action, admissible)
    return [float(case is Case.ADMISSIBLE) for case in cases]


def format_failure(
    completions: Completions, expert_action: Sequence[str], admissible: Sequence[str], **_: Any
) -> list[float]:
    """R_fmt: there is no correct action tag."""
    cases = _cases(completions, expert_action, admissible)
    return [float(case is Case.UNREADABLE) for case in cases]


REWARDS = (expert_match, admissible_other, format_failure)


def weights(arguments: RewardArguments) -> list[float]:
    """Sizes of the terms, in the order of ``REWARDS``."""
    return [arguments.reward_accuracy, arguments.reward_admissible, arguments.reward_format]


def _cases(
    completions: Completions, expert_action: Sequence[str], admissible: Sequence[str]
) -> list[Case]:
    return [
        case_of(completion[-1]["content"], expert, offered)
        for completion, expert, offered in zip(completions, expert_action, admissible, strict=True)
    ]
