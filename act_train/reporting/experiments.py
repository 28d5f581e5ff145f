"""Runs of one experiment together, and their estimates: what the rows of all tables are."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from act_train.evaluation.measures import (
    EPISODES,
    MEASURES,
    NEXT_ACTION,
    READINGS,
    REASONING,
    values,
)
from act_train.evaluation.pairing import apart
from act_train.reporting.published import Benchmark
from act_train.reporting.results import Result
from act_train.reporting.sections import Value
from act_train.statistics import mean_interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean in [0, 1] over tasks, and over runs where there are several.

    Attributes:
        value: the mean.
        low: lower end of its 95 % interval over tasks (:func:`act_train.statistics.mean_interval`).
        high: upper end.
        deviation: standard deviation of the runs' means; None of a single run.
    """

    value: float
    low: float
    high: float
    deviation: float | None = None

    @property
    def text(self) -> str:
        """In percent."""
        spread = "" if self.deviation is None else f" ± {100 * self.deviation:.1f}"
        return f"{100 * self.value:.1f}{spread}"

    @property
    def interval(self) -> str:
        """In percent, in brackets."""
        return f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Experiment:
    """Results under one name and one protocol, such as those of three seeds.

    Attributes:
        label: name of the run, or the row of the paper that it stands for.
        results: at least one.
    """

    label: str
    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        """What speaks for all of them: their requests are the same, or their tasks are."""
        return self.results[0]

    @property
    def whole(self) -> bool:
        """Whether no result is still to be finished."""
        return all(result.whole for result in self.results)

    @property
    def tasks(self) -> int:
        """How many different tasks or questions."""
        return max(len(result.lines) for result in self.results)

    def estimate(self, measure: str) -> Estimate:
        """The mean of a measure (:mod:`act_train.evaluation.measures`) with its interval."""
        found = [result.values(measure) for result in self.results]
        pooled = [one for values in found for one in values]
        mean, (low, high) = mean_interval(
            [value for _, value in pooled], [task for task, _ in pooled]
        )
        means = [statistics.fmean(value for _, value in values) for values in found]
        return Estimate(mean, low, high, statistics.stdev(means) if len(means) > 1 else None)

    def apart(self, other: Experiment) -> str:
        """Why the two cannot be paired; "" where they can.

        They must be finished, and all their results be about the same tasks and states.
        """
        if not (self.whole and other.whole):
            return "unfinished"
        results = (*self.results, *other.results)
        reasons = (apart(self.first.lines, result.lines) for result in results)
        return next(filter(None, reasons), "")

    def fills(self, name: str, benchmark: Benchmark, measure: str) -> bool:
        """Whether a column of the paper is about this."""
        request = self.first.request
        if measure not in MEASURES[self.first.kind]:
            return False
        if self.first.kind == REASONING:
            return request["benchmark"] == name
        return request["env"] == benchmark.env and request["split"] in benchmark.splits


def experiments(results: Iterable[Result]) -> list[Experiment]:
    """Results by name and protocol, in their order."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        found.setdefault((result.label, result.protocol), []).append(result)
    return [Experiment(label, tuple(group)) for (label, _), group in found.items()]


def measures(found: Iterable[Experiment]) -> tuple[str, ...]:
    """What is told of experiments of one kind: no scores where they say no more than wins do."""
    runs = [result for one in found for result in one.results]
    told = MEASURES[runs[0].kind]
    if runs[0].kind == EPISODES and all(
        values(line, f"{reading}score") == values(line, f"{reading}success")
        for run in runs
        for line in run.lines
        for reading in READINGS[EPISODES]
    ):
        return tuple(measure for measure in told if measure != "score")
    return told


def cell(found: Sequence[Experiment], name: str, benchmark: Benchmark, measure: str) -> Value:
    """What stands beside a published number: ours, or that there is none.

    Args:
        found: experiments of the row; those of other benchmarks are left out.
        name: of the benchmark.
        benchmark: what the column is about.
        measure: which of the :data:`act_train.evaluation.measures.MEASURES`.
    """
    here = [one for one in found if one.fills(name, benchmark, measure)]
    if not here:
        return Value("not run")
    estimates = [one.estimate(_as_printed(measure)) for one in here]
    notes = [
        _note(one, estimate, benchmark, measure)
        for one, estimate in zip(here, estimates, strict=True)
    ]
    return Value(" / ".join(one.text for one in estimates), " / ".join(notes), ours=True)


def _as_printed(measure: str) -> str:
    """A measure as the paper takes it: it compares actions letter by letter."""
    return f"exact {measure}" if measure == NEXT_ACTION else measure


def _note(one: Experiment, estimate: Estimate, benchmark: Benchmark, measure: str) -> str:
    request = one.first.request
    there = "" if benchmark.tasks in (None, one.tasks) else f" (paper: {benchmark.tasks})"
    words = [estimate.interval, f"n = {one.tasks}{there}"]
    read = one.estimate(measure)
    if read.value != estimate.value:
        words.append(f"as the environment reads it {read.text}")
    lenient = one.estimate(f"lenient {measure}")
    if lenient.value != read.value:
        words.append(f"lenient {lenient.text}")
    if benchmark.splits and request["split"] != benchmark.splits[0]:
        words.append(request["split"])
    words.append(f"list {request['task_list']}")
    if not one.whole:
        words.append("unfinished")
    return ", ".join(words)
