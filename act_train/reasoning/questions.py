"""The questions of MATH-500 and GPQA-Diamond, from the Hub or from a JSONL file of their schema.

MATH-500 (``HuggingFaceH4/MATH-500``; Lightman et al. 2023, arXiv 2305.20050) has the columns
``problem``, ``answer``, ``subject``, ``level`` and ``unique_id``. GPQA-Diamond
(``Idavidrein/gpqa``, ``gpqa_diamond``; Rein et al. 2023, arXiv 2311.12022) has ``Record ID``,
``Question``, ``Correct Answer``, ``Incorrect Answer 1`` to ``3`` and ``High-level domain``; its
options are shuffled here, each question by its own seed. It is gated: its authors ask that nobody
shows its questions in the open, which answers may quote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from act_data.errors import DataCorrupt, DataNotFound
from act_data.policies.base import seed_of
from act_data.runs.run import digest
from act_envs.errors import MissingExtra

PROMPT_VERSION = 1
LETTERS = "ABCD"

_WRONG = tuple(f"Incorrect Answer {n}" for n in (1, 2, 3))


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        name: its id in the data set.
        subject: what it is about.
        level: how hard it is, ``""`` where the data set does not say.
        prompt: what is asked.
        key: the right answer: LaTeX, or a letter.
        source: a hash of the question and its answer, the same for every order of the options.
        options: what one letter each stands for, in the order of the prompt; none of a problem.
    """

    name: str
    subject: str
    level: str
    prompt: str
    key: str
    source: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Where questions come from.

    Attributes:
        repo: data set on the Hub.
        config: its configuration, None where there is one alone.
        split: its split.
        columns: what a row must have.
        read: makes a question of a row and a seed.
    """

    repo: str
    config: str | None
    split: str
    columns: tuple[str, ...]
    read: Callable[[Mapping[str, Any], int], Question]


def math_question(row: Mapping[str, Any], seed: int) -> Question:
    """A row of MATH-500; the seed has no part in it."""
    return Question(
        name=str(row["unique_id"]),
        subject=str(row["subject"]),
        level=str(row["level"]),
        prompt=math_prompt(str(row["problem"])),
        key=str(row["answer"]),
        source=digest([row["problem"], row["answer"]]),
    )


def gpqa_question(row: Mapping[str, Any], seed: int) -> Question:
    """A row of GPQA, its options in an order that depends on the seed and the question alone."""
    name = str(row["Record ID"])
    options = [str(row[column]).strip() for column in ("Correct Answer", *_WRONG)]
    order = np.random.default_rng(seed_of("gpqa", seed, name)).permutation(len(options))
    shown = tuple(options[at] for at in order)
    return Question(
        name=name,
        subject=str(row["High-level domain"]),
        level="",
        prompt=choice_prompt(str(row["Question"]).strip(), shown),
        key=LETTERS[int(np.flatnonzero(order == 0)[0])],
        source=digest([row["Question"], *options]),
        options=shown,
    )


def math_prompt(problem: str) -> str:
    """What is asked of a problem."""
    return (
        f"{problem}\n\nReason step by step, and put the final answer, and nothing else, into "
        "\\boxed{}."
    )


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """What is asked of a question with four options."""
    listed = "\n".join(f"{x}) {option}" for x, option in zip(LETTERS, options, strict=True))
    return (
        f"{question}\n\n{listed}\n\nReason step by step. End with a line of this form, where "
        "LETTER is one of A, B, C and D:\nAnswer: LETTER"
    )


BENCHMARKS: Mapping[str, Benchmark] = {
    "math-500": Benchmark(
        "HuggingFaceH4/MATH-500",
        None,
        "test",
        ("problem", "answer", "subject", "level", "unique_id"),
        math_question,
    ),
    "gpqa-diamond": Benchmark(
        "Idavidrein/gpqa",
        "gpqa_diamond",
        "train",
        ("Record ID", "Question", "Correct Answer", *_WRONG, "High-level domain"),
        gpqa_question,
    ),
}


def load(name: str, path: str | None, seed: int) -> list[Question]:
    """The questions of a benchmark, in the order of their data set.

    Args:
        name: which of the :data:`BENCHMARKS`.
        path: JSONL file in the schema of the data set; None takes the Hub.
        seed: of the order of options.

    Raises:
        DataNotFound: there is no such file, or the Hub does not give the data set.
        DataCorrupt: a row lacks a column, or two have the same id.
        MissingExtra: datasets is not installed.
    """
    benchmark = BENCHMARKS[name]
    place = path or benchmark.repo
    rows = _from_hub(benchmark) if path is None else _from_file(Path(path))
    questions = []
    for number, row in enumerate(rows, 1):
        missing = [column for column in benchmark.columns if row.get(column) in (None, "")]
        if missing:
            raise DataCorrupt(
                f"row {number} of {place} has no {missing[0]!r}; it has {', '.join(row)[:120]}. "
                f"{name} needs the columns of {benchmark.repo}."
            )
        questions.append(benchmark.read(row, seed))
    if len({question.name for question in questions}) < len(questions) or not questions:
        raise DataCorrupt(f"{place} holds no questions, or two with the same id. Make it anew.")
    return questions


def _from_file(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataNotFound(
            f"{path} does not exist. Give a JSONL file, or leave it out for the Hub."
        ) from error
    try:
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise DataCorrupt(f"{path} is no JSONL: {error}. Give one question a line.") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataCorrupt(f"{path} holds lines that are no JSON objects. Give one question a line.")
    return rows


def _from_hub(benchmark: Benchmark) -> Iterable[Any]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(
            'datasets is not installed. Run: pip install "agentic-critical-training[train]".'
        ) from error
    try:
        return datasets.load_dataset(benchmark.repo, benchmark.config, split=benchmark.split)
    except OSError as error:  # not there, gated, or no network: all are, in datasets
        if "gated" in str(error):
            raise DataNotFound(
                f"{benchmark.repo} is gated. Accept its terms at "
                f"https://huggingface.co/datasets/{benchmark.repo}, then sign in: hf auth login "
                "(or set HF_TOKEN). A local JSONL file in its schema goes as --questions FILE."
            ) from error
        raise DataNotFound(
            f"the Hub does not give {benchmark.repo}: {str(error).splitlines()[0]}. Look after the "
            "network, or give a local JSONL file in its schema: --questions FILE."
        ) from error
