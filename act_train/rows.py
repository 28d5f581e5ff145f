"""Training rows: prompts, answers, and the columns that rewards compare an answer with.

What a model reads comes from ``act_data.prompts`` and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from act_data.prompts import (
    EQUIVALENT,
    Message,
    action_prompt,
    critique_prompt,
    outcome_prompt,
    render_answer,
)
from act_data.types import ContrastPair, Trajectory
from act_train.questions import Question

Row = dict[str, Any]


def critique_rows(
    questions: Iterable[Question], *, history: int, reasoning: bool = True
) -> list[Row]:
    """A prompt for each place of the answer among the candidates: position says nothing.

    Columns: ``prompt``; for the rewards ``expert_action`` (what is labelled right),
    ``alternative_action`` (all other answers) and ``admissible``, one action a line each (a list of
    thousands of strings costs far more), and ``expert_position`` (from 0; -1 where no candidate is
    right); and ``pair_id`` and ``task_id``.
    """
    return [
        {
            "prompt": critique_prompt(
                question.state, shown, history=history, equivalent=question.ties,
                reasoning=reasoning,
            ),
            "expert_action": question.answer,
            "alternative_action": "\n".join(question.wrong),
            "admissible": "\n".join(question.admissible),
            "expert_position": shown.index(question.answer) if question.answer in shown else -1,
            "pair_id": question.name,
            "task_id": question.task_id,
        }
        for question in questions
        for shown in _orders(question)
    ]  # fmt: skip


def choice_rows(questions: Iterable[Question], *, history: int) -> list[Row]:
    """The prompts of :func:`critique_rows` that ask for the action alone, and their answers."""
    return [
        {
            "prompt": critique_prompt(
                question.state, shown, history=history, equivalent=question.ties, reasoning=False
            ),
            "completion": _answer(question.answer),
        }
        for question in questions
        for shown in _orders(question)
    ]


def preference_rows(questions: Iterable[Question], *, history: int) -> list[Row]:
    """The prompt of the state, with the labelled action chosen and the other rejected."""
    return [
        {
            "prompt": action_prompt(question.state, history=history),
            "chosen": _answer(question.answer),
            "rejected": _answer(question.wrong[0]),
        }
        for question in questions
    ]


def action_rows(pairs: Iterable[ContrastPair], *, history: int) -> list[Row]:
    """The prompt of each state that pairs were mined in, once for each action of the expert.

    Columns: ``prompt``; for the rewards ``expert_action`` and ``admissible``, one action a line;
    and ``pair_id`` (of the first pair) and ``task_id``.
    """
    states: dict[object, ContrastPair] = {}
    for pair in pairs:
        place = (pair.env_id, pair.env_kwargs, pair.task_id, pair.state, pair.expert_action)
        states.setdefault(place, pair)
    return [
        {
            "prompt": action_prompt(pair.state, history=history),
            "expert_action": pair.expert_action,
            "admissible": "\n".join(pair.admissible_actions),
            "pair_id": pair.pair_id,
            "task_id": f"{pair.env_id} {pair.task_id}",
        }
        for pair in states.values()
    ]


def outcome_rows(pairs: Iterable[ContrastPair], *, history: int) -> list[Row]:
    """The prompt of each state and action that was executed there, and what was observed then."""
    executed: dict[object, Row] = {}
    for pair in pairs:
        if pair.verification is None:
            continue
        for action, gave in (
            (pair.expert_action, pair.verification.expert),
            (pair.alternative_action, pair.verification.alternative),
        ):
            place = (pair.env_id, pair.env_kwargs, pair.task_id, pair.state, action)
            executed[place] = {
                "prompt": outcome_prompt(pair.state, action, history=history),
                "completion": [{"role": "assistant", "content": gave.observation}],
            }
    return list(executed.values())


def reflection_rows(
    pairs: Iterable[ContrastPair], thoughts: Mapping[str, str], *, history: int
) -> list[Row]:
    """The prompt of each state, answered by thoughts and the action of the expert.

    Args:
        pairs: whose states; those without thoughts are left out.
        thoughts: by ``pair_id``.
        history: past turns in the prompt.
    """
    return [
        {
            "prompt": action_prompt(pair.state, history=history),
            "completion": _answer(pair.expert_action, f"{thoughts[pair.pair_id]}\n\n"),
        }
        for pair in pairs
        if pair.pair_id in thoughts
    ]


def warm_start_rows(questions: Iterable[Question], *, history: int, seed: int) -> list[Row]:
    """Critique prompts answered by a fair die: the format, and no label.

    A die per question chooses a place, and *all* orders of the candidates are answered with the one
    in that place. So each question of two names the expert's action once and the alternative once,
    exactly, over the questions no place is preferred, and a model that copies one of the candidates
    learns nothing about which is better. Where ties are asked about, the die has a side for them.

    A model from scratch that does not copy yet learns instead how often a text is an answer, and
    there the data do tell: an expert repeats itself, random alternatives do not. Such a model
    judges well above chance before any critique. Judge it before and after the critique stage.
    """
    rows = []
    for question in questions:
        drawn = hashlib.blake2b(f"{seed}/{question.name}".encode()).digest()[0]
        for shown in _orders(question):
            answers = (*shown, EQUIVALENT) if question.ties else shown
            rows.append(
                {
                    "prompt": critique_prompt(
                        question.state, shown, history=history, equivalent=question.ties
                    ),
                    "completion": _answer(answers[drawn % len(answers)]),
                }
            )
    return rows


def imitation_rows(trajectories: Iterable[Trajectory], *, history: int) -> list[Row]:
    """Every step of every trajectory: the state as a prompt, the action as its answer."""
    return [
        {
            "prompt": action_prompt(trajectory.state(step), history=history),
            "completion": _answer(transition.action),
        }
        for trajectory in trajectories
        for step, transition in enumerate(trajectory.transitions)
    ]


def fingerprint(rows: Sequence[Row]) -> str:
    """32 hexadecimal digits naming exactly what a model was shown, prompts and order included."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def _orders(question: Question) -> list[tuple[str, ...]]:
    """The candidates in as many orders as there are, with the answer at each place once."""
    moved = question.answer if question.answer in question.candidates else question.candidates[0]
    rest = [action for action in question.candidates if action != moved]
    return [(*rest[:place], moved, *rest[place:]) for place in range(len(rest) + 1)]


def _answer(action: str, before: str = "") -> list[Message]:
    return [{"role": "assistant", "content": f"{before}{render_answer(action)}"}]
