"""The reward of arXiv 2603.08706, R = R_acc + R_adm + R_fmt, as three functions for TRL.

Each function returns 1.0 where its case holds and 0.0 elsewhere; the size of a term is its
weight (``RewardArguments``, TRL's ``reward_weights``). TRL then logs, next to the total, the
share of completions in each case: ``rewards/expert_match/mean`` and its neighbours.

An answer is compared with the expert's action as a string, stripped of white space around it
and not otherwise changed: the paper compares strings, and what a model writes differently is
for the environment to forgive, not for the reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from act_data.prompts import Message, parse_answer
from act_train.recipe import RewardArguments

Completions = Sequence[Sequence[Message]]


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
    **_: Any,
) -> list[float]:
    """R_acc: the answer is the expert's action.

    On critique data it also logs what the mean hides. ``judge/names_candidate``: how often the
    answer is one of the two at all. ``judge/accuracy``: how often it is the expert's among
    readable answers (one that cannot be read is a failure of format, not a wrong choice), and the
    same where the expert's action is shown first and second, which differ when a model chooses
    by position.

    Args:
        completions: one conversation of one message each.
        expert_action: column of the data.
        admissible: column of the data.
        log_metric: given by TRL.
        alternative_action: column of critique data.
        expert_position: column of critique data: 0 where the expert's action is shown first.
    """
    cases = _cases(completions, expert_action, admissible)
    matches = [float(case is Case.EXPERT) for case in cases]
    if log_metric is not None and alternative_action is not None and expert_position is not None:
        named = [
            match or parse_answer(completion[-1]["content"]) == other.strip()
            for match, completion, other in zip(
                matches, completions, alternative_action, strict=True
            )
        ]
        log_metric("judge/names_candidate", sum(map(bool, named)) / len(named))
        readable = [
            (match, position)
            for match, case, position in zip(matches, cases, expert_position, strict=True)
            if case is not Case.UNREADABLE
        ]
        for name, positions in (("", (0, 1)), ("_expert_first", (0,)), ("_expert_second", (1,))):
            hits = [match for match, position in readable if position in positions]
            if hits:
                log_metric(f"judge/accuracy{name}", sum(hits) / len(hits))
    return matches


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
