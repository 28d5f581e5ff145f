"""What both simulators of ScienceWorld share: names, how upstream reads a line, what a score means.

Pure functions; nothing here talks to Java.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from act_envs.errors import UnknownArgument, UnknownTask, nearest
from act_envs.scienceworld import catalogue
from act_envs.types import Outcome, Task

SIMPLIFICATIONS = (
    "teleportAction",
    "selfWateringFlowerPots",
    "openContainers",
    "openDoors",
    "noElectricalAction",
    "easy",
)
REFUSAL = "No known action matches that input."
QUESTION = "Ambiguous request:"
STOP_WORDS = frozenset(("a", "an", "the"))
COMMANDS = frozenset(("help", "objects", "task"))  # read before the parser, to the letter


def check_simplifications(names: str | Sequence[str]) -> str:
    """The simplifications in upstream's order, each once, separated by commas.

    Args:
        names: upstream's names, as a sequence or separated by commas.

    Raises:
        UnknownArgument: there is no such simplification, or ``easy`` is not alone.
    """
    if isinstance(names, bytes) or not isinstance(names, Sequence):
        raise UnknownArgument(
            f"simplifications must be a string or a sequence of strings, not {names!r:.80}."
        )
    given = names.split(",") if isinstance(names, str) else names
    wanted = {str(name).strip() for name in given} - {""}
    for name in sorted(wanted):
        if name not in SIMPLIFICATIONS:
            raise UnknownArgument(
                f"unknown simplification {name!r}. {nearest(name, SIMPLIFICATIONS)}"
            )
    if "easy" in wanted and len(wanted) > 1:
        raise UnknownArgument(
            "the simplification 'easy' stands alone: upstream's simulator fails on 'easy' with "
            f"{', '.join(repr(name) for name in sorted(wanted - {'easy'}))}. Name what 'easy' "
            "stands for: 'teleportAction', 'openDoors', 'selfWateringFlowerPots', and, except in "
            "electrical tasks, 'noElectricalAction'."
        )
    return ",".join(name for name in SIMPLIFICATIONS if name in wanted)


def unsolvable(simplifications: str) -> tuple[str, ...]:
    """The kinds of task that cannot be solved under some simplifications."""
    if "noElectricalAction" not in simplifications:
        return ()
    return tuple(kind.name for kind in catalogue.kinds().values() if kind.electrical)


def task(task_id: str, left_out: Sequence[str]) -> Task:
    """The task of that name.

    Args:
        task_id: its id.
        left_out: kinds that cannot be solved, from :func:`unsolvable`.

    Raises:
        UnknownTask: there is none, or a simplification makes it unsolvable.
    """
    found = catalogue.task(task_id)
    if found.kind in left_out:
        raise UnknownTask(
            f"task {task_id!r} needs the electrical actions that the simplification "
            "'noElectricalAction' removes. Leave the simplification out, or use 'easy', "
            "which keeps them in electrical tasks."
        )
    return found


def canonical(action: str) -> str:
    """Lower case, single blanks, no articles: as upstream's parser reads it.

    Answers to a question and the commands that upstream reads before its parser (``help``,
    ``objects``, ``task``) keep their articles, which there make a difference.
    """
    words = action.lower().split()
    plain = " ".join(word for word in words if word not in STOP_WORDS)
    return " ".join(words) if plain in COMMANDS or integer(plain) is not None else plain


def is_valid(action: str, text: str, question: Sequence[str]) -> bool:
    """Whether the parser knew an action: as one, as a command, or as an answer.

    Args:
        action: what was said, without blanks around it.
        text: what came back.
        question: the choices that were offered before.
    """
    if action.lower() in COMMANDS:
        return True
    if question:
        answer = integer(action)
        return answer is not None and 0 <= answer < len(question)
    return text != REFUSAL


def question_after(action: str, text: str, question: tuple[str, ...]) -> tuple[str, ...]:
    """The choices that are offered after a step: a command leaves a question open.

    Args:
        action: what was said, without blanks around it.
        text: what came back.
        question: the choices that were offered before.
    """
    if question and action.lower() in COMMANDS:
        return question
    if question or not text.startswith(QUESTION):
        return ()
    return tuple(choice.strip() for choice in re.findall(r"^\d+:\t(.*)$", text, re.MULTILINE))


def integer(text: str) -> int | None:
    """The number that Java's Integer.parseInt reads, or None."""
    # Digits of any script count, except those that take two of Java's characters.
    if not re.fullmatch(r"[+-]?\d{1,4000}", text) or max(text) > "\uffff":
        return None
    return int(text) if -(2**31) <= int(text) < 2**31 else None


def outcome(
    text: str, progress: float, completed: bool, valid: bool, extra: Mapping[str, Any]
) -> Outcome:
    """What an environment reports of what the simulator said.

    Args:
        text: the observation.
        progress: upstream's score, in [0, 1] or negative.
        completed: upstream says that the task is over.
        valid: whether the parser knew the action.
        extra: further keys of ``info``.
    """
    raw = round(100 * progress)
    won = completed and raw == 100
    return Outcome(
        observation=text,
        raw_score=raw,
        # A task of many subgoals could round up to 100 before its last one.
        score=1.0 if won else min(max(raw, 0), 99) / 100,
        won=won,
        failed=not won and (completed or raw < 0),
        action_valid=valid,
        extra=extra,
    )
