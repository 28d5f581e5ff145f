"""What is asked about contrast pairs: candidates of a state, and the answer that is labelled right.

A pair is a question of two candidates. With more, alternatives that were mined in one state against
one action of the expert share a question, each of them in one. The label of a question may be made
wrong on purpose, for training data alone: how much of that a method survives is worth knowing.

What becomes of a question as a prompt is in :mod:`act_train.rows`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from act_data.prompts import EQUIVALENT
from act_data.types import AgentState, ContrastPair
from act_train.arguments.training import QuestionArguments
from act_train.errors import TrainingData


@dataclass(frozen=True, slots=True)
class Question:
    """Which of these actions is best?

    Attributes:
        name: the ``pair_id`` of its first pair.
        task_id: the task, with the environment before it: ids are unique within one only.
        state: what the agent knows.
        candidates: at least two actions, the expert's first.
        admissible: what the simulator offered in this state.
        answer: the candidate that is labelled best, or ``EQUIVALENT``.
        ties: whether ``EQUIVALENT`` may be answered.
    """

    name: str
    task_id: str
    state: AgentState
    candidates: tuple[str, ...]
    admissible: tuple[str, ...]
    answer: str
    ties: bool = False

    @property
    def wrong(self) -> tuple[str, ...]:
        """All other answers that may be given."""
        answers = (*self.candidates, EQUIVALENT) if self.ties else self.candidates
        return tuple(answer for answer in answers if answer != self.answer)


def ask(pairs: Sequence[ContrastPair], arguments: QuestionArguments) -> list[Question]:
    """Questions about all pairs, in their order.

    Args:
        pairs: each of them is in one question; of more candidates, each alternative once a state.
        arguments: how many candidates a question has, and whether there are ties.

    Raises:
        TrainingData: ties are asked for, and no pair was judged by that reading.
    """
    reading = arguments.equivalent
    if reading and pairs and not any(_verdict(pair, reading) for pair in pairs):
        raise TrainingData(
            f"equivalent={reading!r}, and none of the {len(pairs)} pairs was judged by this "
            "reading. Run act-data verify on them, or leave equivalent out."
        )
    size = arguments.candidates - 1
    if size == 1:
        return [_question([pair], reading) for pair in pairs]
    groups: dict[object, dict[str, ContrastPair]] = {}
    for pair in pairs:
        place = (pair.env_id, pair.env_kwargs, pair.task_id, pair.state, pair.expert_action)
        groups.setdefault(place, {}).setdefault(pair.alternative_action, pair)
    return [
        _question([*group.values()][start : start + size], reading)
        for group in groups.values()
        for start in range(0, len(group), size)
    ]


def flip(
    questions: Sequence[Question], share: float, seed: int
) -> tuple[list[Question], dict[str, int]]:
    """Make a share of the labels wrong.

    The labels that a smaller share makes wrong are among those of a larger one.

    Args:
        questions: whose labels.
        share: of them, rounded to whole questions.
        seed: draws them, and which wrong answer each gets.

    Returns:
        The questions in their order, and how many there are and were ``flipped``.
    """
    drawn = {question.name: _draw(f"{seed}/flip/{question.name}") for question in questions}
    chosen = set(sorted(drawn, key=lambda name: drawn[name])[: round(share * len(drawn))])
    flipped = [
        dataclasses.replace(q, answer=q.wrong[drawn[q.name] % len(q.wrong)])
        if q.name in chosen
        else q
        for q in questions
    ]
    count = sum(question.name in chosen for question in questions)
    return flipped, {"questions": len(questions), "flipped": count}


def _question(pairs: Sequence[ContrastPair], reading: str | None) -> Question:
    first = pairs[0]
    # Any order that texts or the mining give would tell the expert's action among three: it alone
    # does not keep it.
    others = [pair.alternative_action for pair in sorted(pairs, key=lambda pair: pair.pair_id)]
    tied = reading is not None and _verdict(first, reading) == "equivalent"
    return Question(
        name=first.pair_id,
        task_id=f"{first.env_id} {first.task_id}",
        state=first.state,
        candidates=(first.expert_action, *others),
        admissible=first.admissible_actions,
        answer=EQUIVALENT if tied else first.expert_action,
        ties=reading is not None,
    )


def _verdict(pair: ContrastPair, reading: str) -> str | None:
    found = getattr(pair.verification, reading) if pair.verification else None
    return found.verdict if found else None


def _draw(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
