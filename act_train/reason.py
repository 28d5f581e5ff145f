"""``act-train reason``: the accuracy of a model on the questions of MATH-500 or GPQA-Diamond.

Every question is asked once, without examples, in the order of its data set. Answers are read
strictly, in the format that was asked for, and leniently (:mod:`act_train.reasoning.extraction`),
and graded (:mod:`act_train.reasoning.equality` for formulas). An answer that was not given because
its prompt is too long, and one that cannot be graded, are not right and are counted apart. One line
per question is on the disk before the next one; after a kill, the same command goes on. Lines hold
what the model said, which may quote the question: those of GPQA are not for the open.

Left out: several samples of one question, whose mean a greedy answer does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from act_data.policies.base import PACKAGES, Policy, Sample, check_seed, seed_of
from act_data.policies.too_long import TOO_LONG
from act_data.provenance import versions
from act_data.runs.run import digest
from act_envs.types import Task
from act_train.arguments.measuring import ReasonArguments
from act_train.evaluation.measures import check_line
from act_train.evaluation.results import Line, opened
from act_train.evaluation.summary import interval
from act_train.reasoning.extraction import read_formula
from act_train.reasoning.grader import GRADER_VERSION, Grader
from act_train.reasoning.letters import read_letter
from act_train.reasoning.models import asked, at_once, find_model
from act_train.reasoning.questions import PROMPT_VERSION, Question, load
from act_train.statistics import mean_interval


def run(arguments: ReasonArguments) -> dict[str, Any]:
    """Ask, or go on asking.

    Returns:
        Accuracies with their 95 % intervals (Wilson's), strict and lenient; the shares of answers
        that the strict reader cannot read, that were not given because the prompt is too long, and
        that could not be graded; accuracies by subject and level.

    Raises:
        DataNotFound, DataCorrupt: the questions cannot be had.
        GradingFailed: the process that grades formulas is gone.
        MissingExtra: sympy, which grades formulas, or what the model needs is not installed.
        ModelNotFound, UnknownArgument: there is no such model.
        ResultMismatch: the file holds the answers of another request.
        RunLocked: another process writes to the file.
    """
    check_seed(arguments.seed)
    questions = load(arguments.benchmark, arguments.questions, arguments.seed)[: arguments.limit]
    model = find_model(
        arguments.policy,
        temperature=arguments.temperature,
        top_p=arguments.top_p,
        max_new_tokens=arguments.max_new_tokens,
        thinking=arguments.thinking,
        base_url=arguments.base_url,
    )
    named = [Task(one.name, arguments.benchmark, one.subject) for one in questions]
    request = _request(arguments, model, questions)
    with opened(Path(arguments.output), request, named, check_line) as file, Grader() as grader:
        if arguments.benchmark == "math-500":
            grader.start()  # it fails before the model works, or not at all
        while rest := questions[len(file.lines) :]:
            some = rest[: at_once(model)]
            queries = [
                asked(one.prompt, seed_of(arguments.seed, arguments.benchmark, one.name))
                for one in some
            ]
            for question, [sample] in zip(some, model.sample(queries, 1), strict=True):
                file.add(_graded(arguments.benchmark, question, sample, grader))
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
        "no_answer_share": fmean(
            line["answer"] is None and line["fault"] != TOO_LONG for line in lines
        ),
        "too_long_share": fmean(line["fault"] == TOO_LONG for line in lines),
        "undecided_share": fmean(line["undecided"] for line in lines),
        "by_subject": _by("subject", lines),
        "by_level": _by("level", lines),
    }


def words(report: Mapping[str, Any]) -> str:
    """What is printed."""
    rows = [
        f"{report['policy']} on {report['benchmark']}: {report['questions']} questions, each once",
        f"right, answers read strictly  {interval(report, 'accuracy')}",
        f"right, read leniently         {interval(report, 'lenient_accuracy')}",
        f"no answer in the format       {report['no_answer_share']:.1%}",
    ]
    if report["too_long_share"]:
        rows.append(f"no answer, prompt too long    {report['too_long_share']:.1%}")
    if report["undecided_share"]:
        rows.append(f"not to be graded in time      {report['undecided_share']:.1%}")
    parts = {**report["by_subject"], **{f"level {k}": v for k, v in report["by_level"].items()}}
    width = max(map(len, parts), default=0)
    rows += [f"  {name:<{width}}  {right:.3f} of {n}" for name, (right, n) in parts.items()]
    return "\n".join(rows)


def _request(arguments: ReasonArguments, model: Policy, questions: Sequence[Question]) -> Line:
    """The part of a line that all lines of a file share."""
    sampling = {name: value for name, value in model.sampling.items() if name != "history"}
    return {
        "metric": "reasoning",
        "benchmark": arguments.benchmark,
        "task_list": digest([[one.name, one.source] for one in questions]),
        "tasks": len(questions),
        "policy": model.name,
        "revision": model.revision,
        "sampling": sampling,
        "engine": model.engine,
        "prompt_version": PROMPT_VERSION,
        "grader_version": GRADER_VERSION,
        "seed": arguments.seed,
        "versions": versions("numpy", "sympy", *PACKAGES.get(model.name.partition(":")[0], ())),
    }


def _graded(benchmark: str, question: Question, sample: Sample, grader: Grader) -> Line:
    """The part of a line that is about its question."""
    formulas = benchmark == "math-500"
    read = read_formula(sample.text) if formulas else read_letter(sample.text, question.options)
    strict, lenient = read
    right = {
        answer: grader.same(answer, question.key) if formulas else answer == question.key
        for answer in dict.fromkeys(read)
        if answer is not None
    }
    return {
        "task_id": question.name,
        "subject": question.subject,
        "level": question.level,
        "key": question.key,
        "answer": strict,
        "lenient_answer": lenient,
        "correct": right.get(strict or "") is True,
        "lenient_correct": right.get(lenient or "") is True,
        "undecided": None in right.values(),
        "fault": sample.fault or "",
        "text": sample.text,
    }


def _by(key: str, lines: Sequence[Line]) -> dict[str, tuple[float, int]]:
    """Accuracy and number of questions of each part."""
    parts: dict[str, list[bool]] = {}
    for line in lines:
        if line[key]:
            parts.setdefault(line[key], []).append(line["correct"])
    return {name: (sum(right) / len(right), len(right)) for name, right in sorted(parts.items())}
