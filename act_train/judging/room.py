"""Whether what is to be asked fits into a model: told before the first pair is judged."""

from __future__ import annotations

from collections.abc import Sequence

from act_data.types import ContrastPair
from act_train.errors import TrainingData
from act_train.judging.choice import ModelJudge, Question
from act_train.judging.rationales import argument


def check_room(
    judge: ModelJudge,
    pairs: Sequence[ContrastPair],
    reasoned: Sequence[ContrastPair],
    rationale_tokens: int,
) -> None:
    """Refuse pairs that are too long for the model.

    Args:
        judge: will be asked.
        pairs: all of them.
        reasoned: those of them on which reasoning is looked at.
        rationale_tokens: budget of a rationale.

    Raises:
        TrainingData: some are.
    """
    if judge.room is None:
        return
    names = {pair.pair_id for pair in reasoned}
    lengths = {
        pair.pair_id: _length(judge, pair, rationale_tokens if pair.pair_id in names else None)
        for pair in pairs
    }
    long = [pair for pair in pairs if lengths[pair.pair_id] > judge.room]
    if long:
        worst = max(long, key=lambda pair: lengths[pair.pair_id])
        raise TrainingData(
            f"{len(long)} of {len(pairs)} pairs are too long for {judge.name}, which takes "
            f"{judge.room} tokens: the longest, {worst.pair_id} (task {worst.task_id}, step "
            f"{worst.step}), has {lengths[worst.pair_id]} with its answer. Nothing was judged. "
            "Show less history, lower rationale_tokens if rationales are asked for, or judge pairs "
            "of shorter states."
        )


def _length(judge: ModelJudge, pair: ContrastPair, rationale_tokens: int | None) -> int:
    """Tokens of the longest prompt about a pair with its answer, and with a whole rationale."""
    one, other = pair.expert_action, pair.alternative_action
    lengths: list[int] = []
    for shown in ((one, other), (other, one)):
        lengths.append(judge.length(pair.state, Question(shown)))
        if rationale_tokens is not None:
            wrong = Question(shown, argument(shown, other))
            lengths.append(judge.length(pair.state, wrong))
            lengths.append(judge.length(pair.state, Question(shown, "")) + rationale_tokens)
    return max(lengths)
