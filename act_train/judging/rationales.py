"""What a judge's choice owes to its reasoning: left free, taken away, replaced by a wrong one.

For each order of a pair's candidates the choice is read off three times, exact as ever:

- ``free``: after what the judge has written of its own (the likeliest tokens);
- ``removed``: after no reasoning, an empty thinking block in its place;
- ``wrong``: after two sentences for the action that is labelled the worse one, the alternative.
  They come from a template: they name both actions and no reason, so that what they change is what
  the judge takes from being told. Where a verification finds the alternative better, it is not
  they that are wrong; the assumed label is what they go by.

A reasoning that decides nothing leaves the choice where it was in all three (arXiv 2603.08706
reports 86.5, 80.75 and 50.75 % on 400 pairs of its own).
"""

from __future__ import annotations

from act_data.types import AgentState
from act_train.judging.choice import Judge, Question

INTERVENTIONS = ("free", "removed", "wrong")


def argument(candidates: tuple[str, str], action: str) -> str:
    """An argument for one of two candidates, which are shown in this order."""
    at = candidates.index(action)
    return (
        f"Action {at + 1} ({action}) is what the task needs now. "
        f"Action {2 - at} ({candidates[1 - at]}) does not bring it any closer, so action {at + 1} "
        "is the better one."
    )


def interventions(
    judge: Judge, state: AgentState, shown: list[tuple[str, str]], worse: str
) -> tuple[dict[str, list[tuple[float, float]]], list[str]]:
    """The choices after each intervention, and what the judge wrote.

    Args:
        judge: is asked.
        state: what it sees.
        shown: both orders of the candidates.
        worse: the candidate that is labelled the worse one.

    Returns:
        For each of ``INTERVENTIONS`` and each order the log-probabilities (nats) of naming the
        first and the second; and the free rationale of each order.
    """
    written = [judge.reason(state, candidates) for candidates in shown]
    given = {
        "free": written,
        "removed": [""] * len(shown),
        "wrong": [argument(candidates, worse) for candidates in shown],
    }
    return {
        name: judge.weigh(state, list(map(Question, shown, given[name]))) for name in INTERVENTIONS
    }, written
