"""The tables of results: beside the paper, by task list, and where everything comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from act_data.policies.too_long import TOO_LONG
from act_train.evaluation.anatomy import anatomy
from act_train.evaluation.measures import NEXT_ACTION, REASONING, Line
from act_train.reporting.experiments import Experiment, cell, measures
from act_train.reporting.figures import bars
from act_train.reporting.published import Paper, Published
from act_train.reporting.sections import Figure, Table, Value
from act_train.reporting.trainings import Training

_TITLES = {"success": "won", "score": "score", "next-action": "next action", "accuracy": "right"}


def beside_paper(paper: Paper, table: Published, found: Sequence[Experiment]) -> Table:
    """One table of the paper with ours in a column of its own beside each of its columns."""
    benchmarks = [paper.benchmarks[column.benchmark] for column in table.columns]
    rows = []
    for method, numbers in table.rows.items():
        title = table.names.get(method, paper.methods[method])
        row: list[str | Value] = [Value(title, f"({method})")]
        own = [one for one in found if one.label == method]
        for number, column, benchmark in zip(numbers, table.columns, benchmarks, strict=True):
            row.append(str(number))
            if method in paper.published_only:
                row.append(Value("published only"))
            else:
                row.append(cell(own, column.benchmark, benchmark, column.measure))
        rows.append(row)
    names = [
        f"{benchmark.title} ({_TITLES[column.measure]})"
        for benchmark, column in zip(benchmarks, table.columns, strict=True)
    ]
    return Table(
        caption=f"{table.title}; {table.backbone}",
        header=("method", *(("published", "ours") * len(names))),
        rows=rows,
        groups=(("", 1), *((name, 2) for name in names)),
    )


def task_lists(found: Iterable[Experiment]) -> dict[str, list[Experiment]]:
    """Experiments on the same tasks, measured alike, by what these are."""
    lists: dict[str, list[Experiment]] = {}
    for one in found:
        request = one.first.request
        if one.first.kind == REASONING:
            words = [request["benchmark"]]
        else:
            made = [f"{name} {value}" for name, value in request["env_kwargs"].items()]
            words = [request["env"], *made, request["split"]]
        words.append(f"task list {request['task_list']}")
        if one.first.kind == NEXT_ACTION:
            words.append("next action at the expert's states")
        elif isinstance(cap := request.get("step_limit"), int):  # else the environment's own
            words.append(f"at most {cap} actions")
        lists.setdefault(", ".join(words), []).append(one)
    return lists


def outcomes(name: str, number: int, found: Sequence[Experiment]) -> Figure:
    """Every experiment on one task list, with intervals.

    Args:
        name: what they share.
        number: makes the figure's name unique.
        found: at least one.
    """
    told = measures(found)
    rows = []
    for one in found:
        row: list[str | Value] = [Value(one.label, _state(one)), str(one.tasks)]
        for measure in told:
            strict, lenient = one.estimate(measure), one.estimate(f"lenient {measure}")
            row += [Value(strict.text, strict.interval), lenient.text]
        rows.append(row)
    titles = [_TITLES[measure] for measure in told]
    header = ("run", "tasks", *(("strict [95 %]", "lenient") * len(told)))
    groups = (("", 2), *((title, 2) for title in titles))
    drawn = {
        title: [_bar(one, measure) for one in found]
        for title, measure in zip(titles, told, strict=True)
    }
    figure = bars(f"outcomes-{number}", [one.label for one in found], drawn)
    return Figure(name, figure, Table(name, header, rows, groups))


def failures(found: Sequence[Experiment]) -> Table | None:
    """How episodes fail, one row per experiment; None where there are none."""
    rows = []
    for one in (one for one in found if one.first.kind == "episodes"):
        lines = [line for result in one.results for line in result.lines]
        shares = anatomy([(line["turns"], line["won"]) for line in lines])
        steps = shares["steps_to_success"]
        rows.append(
            (
                one.label,
                *(_percent(shares[key]) for key in _SHARES),
                "–" if steps is None else f"{steps:.1f}",
            )
        )
    header = ("run", *_SHARES.values(), "steps to success")
    caption = "How episodes fail, with the strict reader of answers"
    return Table(caption, header, rows) if rows else None


def by_part(one: Experiment) -> Table:
    """Accuracy on questions by subject and by level, and what was not asked or not graded."""
    lines = [line for result in one.results for line in result.lines]
    rows = []
    for key in ("subject", "level"):
        parts: dict[str, list[bool]] = {}
        for line in lines:
            if line[key]:
                parts.setdefault(str(line[key]), []).append(line["correct"])
        rows += [
            (f"{key}: {name}", f"{100 * sum(right) / len(right):.1f}", str(len(right)))
            for name, right in sorted(parts.items())
        ]
    unknown = {
        "prompt too long, not asked": sum(line["fault"] == TOO_LONG for line in lines),
        "not to be graded in time": sum(line["undecided"] for line in lines),
    }
    rows += [(name, "counted as wrong", str(count)) for name, count in unknown.items() if count]
    caption = f"{one.label}, {one.first.request['benchmark']}: by subject and level"
    return Table(caption, ("part", "right", "answers"), rows)


def sources(found: Sequence[Experiment], trainings: Sequence[Training]) -> list[Table]:
    """Where the results come from: files, policies, weights, prompts, versions."""
    rows = [
        (
            one.label,
            str(result.path),
            str(result.request.get("policy", "–")),
            str(result.request.get("revision") or "–"),
            _settings(result.request),
        )
        for one in found
        for result in one.results
    ]
    stages = [
        (
            one.label,
            one.stage,
            str(one.manifest.get("weights", "–")),
            ", ".join(_data(one.manifest)) or "–",
            f"{one.log[-1].get('step', '–')}" if one.log else "–",
            _settings(one.manifest),
        )
        for one in trainings
    ]
    tables = []
    if rows:
        header = ("run", "file", "policy", "weights", "settings and versions")
        tables.append(Table("Results", header, rows))
    if stages:
        header = ("run", "stage", "started from weights", "data (rows, fingerprint)", "steps",
                  "settings and versions")  # fmt: skip
        tables.append(Table("Training stages", header, stages))
    return tables


_SHARES = {
    "invalid_share": "actions refused",
    "format_failure_share": "no action to be read",
    "recovery_share": "recovered after a refusal",
    "repeated_share": "actions repeated in vain",
    "loop_share": "episodes that end in a loop",
}


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _state(one: Experiment) -> str:
    words = [f"{len(one.results)} runs"] if len(one.results) > 1 else []
    return ", ".join(words if one.whole else [*words, "unfinished"])


def _bar(one: Experiment, measure: str) -> tuple[float, float, float]:
    estimate = one.estimate(measure)
    return estimate.value, estimate.low, estimate.high


def _data(manifest: Line) -> list[str]:
    return [
        f"{name} {about['rows']:,} {about['fingerprint']}"
        for name, about in (manifest.get("data") or {}).items()
    ]


def _settings(request: Line) -> str:
    """What shapes a result beside tasks and weights, in short."""
    shown: dict[str, Any] = {**(request.get("sampling") or {}), **(request.get("engine") or {})}
    shown |= {key: request[key] for key in ("history", "seed") if key in request}
    shown |= {"prompt": request.get("prompt_version"), **(request.get("versions") or {})}
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in shown.items()
        if value is not None
    )
