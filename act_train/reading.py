"""Questions about a text that can be answered by reading it: copy, find, choose, compare, count.

They are answered in the format of actions, over the same text as play. A model that cannot copy a
name it has read can do nothing in these worlds, and learns to copy late from play alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from act_data.prompts import CLOSE_TAG, OPEN_TAG, render_answer
from act_train.documents import Branch, Document, Episode, Span

READING = "reading"
_QUESTIONS = 6  # of a document
_ASK = f"Answer with {OPEN_TAG}the answer{CLOSE_TAG}."
_WORD = re.compile(r"\b(?:[A-Za-z]+|[0-9]+)\b")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PIECE = 3  # words of a snippet

Rng = np.random.Generator
Question = tuple[str, str]
Item = TypeVar("Item")


def questions(task_id: str, episode: Episode, rng: Rng) -> Document:
    """Some steps of an episode as a text, and questions about it."""
    texts = [*(turn.observation for turn in episode.turns), episode.last]
    seen = [" ".join(line.split()) for text in texts for line in text.splitlines() if line.strip()]
    start = int(rng.integers(len(seen)))
    lines = seen[start : start + int(rng.integers(1, 9))]
    codes = {_name(lines, rng): code(rng) for _ in range(rng.integers(1, 4))}
    for name, value in codes.items():
        lines.insert(int(rng.integers(len(lines) + 1)), code_line(name, value))
    asked = [_one(_KINDS, rng)(lines, codes, rng) for _ in range(_QUESTIONS)]
    return reading_document(task_id, lines, [question for question in asked if question])


def reading_document(task_id: str, lines: Sequence[str], asked: Sequence[Question]) -> Document:
    """Lines of text, and questions with their answers."""
    text = "\n".join(lines)
    trunk = (Span(f"Text:\n{text}\n", "text"),)
    branches = [Branch(1, f"\n{said} {_ASK}", render_answer(answer)) for said, answer in asked]
    return Document(READING, task_id, trunk, tuple(branches))


def code(rng: Rng) -> str:
    """An identifier that nobody can guess."""
    return "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=rng.integers(2, 6)))


def code_line(name: str, value: str) -> str:
    """A line that tells the code of something."""
    return f"The code of the {name} is {value}."


def code_question(name: str) -> str:
    """The question that :func:`code_line` answers."""
    return f"What is the code of the {name}?"


def _name(lines: Sequence[str], rng: Rng) -> str:
    words = [word for line in lines for word in line.split() if word.isalpha() and word.islower()]
    return _one(words, rng) if words else "thing"


def _copy(lines: Sequence[str], codes: dict[str, str], rng: Rng) -> Question:
    name = _one(list(codes), rng)
    return code_question(name), codes[name]


def _find(lines: Sequence[str], codes: dict[str, str], rng: Rng) -> Question | None:
    words = " ".join(lines).split(" ")
    if len(words) <= 2 * _PIECE:
        return None
    at = int(rng.integers(len(words) - 2 * _PIECE))
    given = " ".join(words[at : at + _PIECE])
    if " ".join(lines).count(given) > 1:
        return None
    return f"Which words follow: {given}", " ".join(words[at + _PIECE : at + 2 * _PIECE])


def _choose(lines: Sequence[str], codes: dict[str, str], rng: Rng) -> Question:
    names = [_snippet(lines, rng) for _ in range(rng.integers(2, 5))]
    at = int(rng.integers(len(names)))
    listed = "\n".join(f"Action {number}: {name}" for number, name in enumerate(names, 1))
    return f"{listed}\n\nCopy action {at + 1} exactly.", names[at]


def _compare(lines: Sequence[str], codes: dict[str, str], rng: Rng) -> Question | None:
    """Which of two is in the text: a name, or the same with another number."""
    text = " ".join(lines)
    found = re.findall(r"[A-Za-z]+ [0-9]+", text)
    if not found:
        return None
    right = _one(found, rng)
    wrong = f"{right.split(' ')[0]} {rng.integers(1, 20)}"
    if re.search(rf"\b{wrong}\b", text):
        return None
    pair = [right, wrong] if rng.random() < 0.5 else [wrong, right]
    return f"Which of the two is in the text, {pair[0]} or {pair[1]}?", right


def _count(lines: Sequence[str], codes: dict[str, str], rng: Rng) -> Question | None:
    words = _WORD.findall(" ".join(lines))
    word = _one(words, rng)
    number = words.count(word)
    return (f"How many times does the text say {word}?", str(number)) if number < 20 else None


def _snippet(lines: Sequence[str], rng: Rng) -> str:
    words = _one(lines, rng).split(" ")
    size = int(rng.integers(1, 6))
    start = int(rng.integers(max(1, len(words) - size)))
    return " ".join(words[start : start + size])


def _one(items: Sequence[Item], rng: Rng) -> Item:
    return items[int(rng.integers(len(items)))]


_KINDS: Sequence[Callable[[Sequence[str], dict[str, str], Rng], Question | None]] = (
    _copy, _copy, _find, _find, _choose, _choose, _compare, _count,
)  # fmt: skip
