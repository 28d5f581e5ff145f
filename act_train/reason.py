"""``act-train reason``: the accuracy of a model on the questions of MATH-500 or GPQA-Diamond.

Every question is asked once, without examples, in the order of its data set. Answers are read
strictly, in the format that was asked for, and leniently (:mod:`act_train.reasoning.extraction`),
and graded (:mod:`act_train.reasoning.equality` for formulas). One line per question is on the disk
before the next one; after a kill, the same command goes on. Lines hold what the model said, which
may quote the question: those of GPQA are not for the open.

Left out: several samples of one question, whose mean a greedy answer does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from act_data.policies.base import Sample, check_seed, seed_of
from act_data.provenance import versions
from act_data.runs.run import digest
from act_envs.types import Task
from act_train.evaluation.results import Line, opened
from act_train.reasoning.algebra import Algebra
from act_train.reasoning.equality import same_answer
from act_train.reasoning.extraction import read_formula, read_letter
from act_train.reasoning.models import Asked, Chat, make_chat
from act_train.reasoning.questions import PROMPT_VERSION, Question, load
from act_train.recipe import ReasonArguments
from act_train.statistics import mean_interval


def run(arguments: ReasonArguments) -> dict[str, Any]:
    """Ask, or go on asking.

    Returns:
        Accuracies with their 95 % intervals (bootstrap over questions), strict and lenient; the
        share of answers that the strict reader cannot read; accuracies by subject and level.

    Raises:
        DataNotFound, DataCorrupt: the questions cannot be had.
        ModelNotFound, UnknownArgument: there is no such model.
        ResultMismatch: the file holds the answers of another request.
        RunLocked: another process writes to the file.
    """
    check_seed(arguments.seed)
    questions = load(arguments.benchmark, arguments.questions, arguments.seed)[: arguments.limit]
    chat = make_chat(
        arguments.policy,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        max_new_tokens=arguments.max_new_tokens,
        thinking=arguments.thinking,
        base_url=arguments.base_url,
    )
    named = [Task(one.name, arguments.benchmark, one.subject) for one in questions]
    request = _request(arguments, chat, questions)
    with opened(Path(arguments.output), request, named) as file, Algebra() as algebra:
        while rest := questions[len(file.lines) :]:
            some = rest[: chat.at_once]
            asked = [
                Asked(one.prompt, seed_of(arguments.seed, arguments.benchmark, one.name))
                for one in some
            ]
            for question, sample in zip(some, chat.ask(asked), strict=True):
                file.add(_graded(arguments.benchmark, question, sample, algebra))
        return summary(file.lines)


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """The figures of one file."""
    accuracy, accuracy_95 = mean_interval([line["correct"] for line in lines])
    lenient, lenient_95 = mean_interval([line["lenient_correct"] for line in lines])
    return {
        "policy": lines[0]["policy"],
        "benchmark": lines[0]["benchmark"],
        "questions": len(lines),
        "accuracy": accuracy,
        "accuracy_95": accuracy_95,
        "lenient_accuracy": lenient,
        "lenient_accuracy_95": lenient_95,
        "no_answer_share": sum(line["answer"] is None for line in lines) / len(lines),
        "by_subject": _by("subject", lines),
        "by_level": _by("level", lines),
    }


def words(report: Mapping[str, Any]) -> str:
    """What is printed."""
    rows = [
        f"{report['policy']} on {report['benchmark']}: {report['questions']} questions, each once",
        f"right, answers read strictly  {_interval(report, 'accuracy')}",
        f"right, read leniently         {_interval(report, 'lenient_accuracy')}",
        f"no answer in the format       {report['no_answer_share']:.1%}",
    ]
    parts = {**report["by_subject"], **{f"level {k}": v for k, v in report["by_level"].items()}}
    width = max(map(len, parts), default=0)
    rows += [f"  {name:<{width}}  {right:.3f} of {n}" for name, (right, n) in parts.items()]
    return "\n".join(rows)


def _request(arguments: ReasonArguments, chat: Chat, questions: Sequence[Question]) -> Line:
    """The part of a line that all lines of a file share."""
    libraries = ("torch", "transformers") if chat.revision else ()
    return {
        "metric": "reasoning",
        "benchmark": arguments.benchmark,
        "task_list": digest([[one.name, one.source] for one in questions]),
        "tasks": len(questions),
        "policy": chat.name,
        "revision": chat.revision,
        "sampling": chat.sampling,
        "prompt_version": PROMPT_VERSION,
        "seed": arguments.seed,
        "versions": versions("numpy", "sympy", *libraries),
    }


def _graded(benchmark: str, question: Question, sample: Sample, algebra: Algebra) -> Line:
    """The part of a line that is about its question."""
    formulas = benchmark == "math-500"
    answers = read_formula(sample.text) if formulas else read_letter(sample.text)

    def right(answer: str | None) -> bool:
        if answer is None:
            return False
        if formulas:
            return same_answer(answer, question.key, algebra.equal)
        return answer == question.key

    strict, lenient = answers
    correct = right(strict)
    return {
        "task_id": question.name,
        "subject": question.subject,
        "level": question.level,
        "key": question.key,
        "answer": strict,
        "lenient_answer": lenient,
        "correct": correct,
        "lenient_correct": correct if lenient == strict else right(lenient),
        "fault": sample.fault,
        "text": sample.text,
    }


def _by(key: str, lines: Sequence[Line]) -> dict[str, tuple[float, int]]:
    """Accuracy and number of questions of each part."""
    parts: dict[str, list[bool]] = {}
    for line in lines:
        if line[key]:
            parts.setdefault(line[key], []).append(line["correct"])
    return {name: (sum(right) / len(right), len(right)) for name, right in sorted(parts.items())}


def _interval(report: Mapping[str, Any], name: str) -> str:
    low, high = report[f"{name}_95"]
    return f"{report[name]:.3f} ({low:.3f} to {high:.3f})"
