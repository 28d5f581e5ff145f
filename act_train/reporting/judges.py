"""Judges: their figures in a table, and how far their confidence can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from act_data.analysis.bootstrap import ENOUGH
from act_train.evaluation.measures import Line
from act_train.judging.part import may_be_known, part_of
from act_train.reporting.figures import reliability
from act_train.reporting.judgements import Judgement
from act_train.reporting.published import Paper
from act_train.reporting.sections import Figure, Table, Value

_FIGURES = {
    "accuracy": "accuracy",
    "swap_consistent": "right in both orders",
    "position_bias": "position bias",
    "no_state_accuracy": "without the state",
    "text_accuracy": "texts alone",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
}


def judged(found: Sequence[Judgement]) -> Table:
    """One row per judge; a figure that a result does not hold is left open."""
    rows = [
        [
            Value(one.label, str(one.found["model"])),
            Value(f"{one.found['pairs']:,}", _tasks(one.found)),
            part_of(one.found) or "–",
            _above_floors(one.found),
            *(_figure(one.found, name) for name in _FIGURES),
        ]
        for one in found
    ]
    header = ("judge", "pairs", "of which", "above both floors", *_FIGURES.values())
    return Table("Pairs that were judged, in points [95 %, bootstrap over tasks]", header, rows)


def verified(found: Sequence[Judgement]) -> Table | None:
    """Against verified verdicts, each reading by itself; None where no result has any."""
    rows = [
        [
            one.label,
            str(row["reading"]),
            str(row["pairs"]),
            _figure(row, "auroc"),
            _figure(row, "decided_accuracy"),
        ]
        for one in found
        for row in one.found.get("verified") or ()
    ]
    header = ("judge", "reading", "pairs", "AUROC", "accuracy where one is better")
    return Table("Against verified verdicts", header, rows) if rows else None


def interventions(found: Sequence[Judgement], paper: Paper, backbone: str) -> Table | None:
    """Choice accuracy by what becomes of the rationale, beside the paper's numbers.

    Returns:
        None where there are neither ours nor the paper's.
    """
    own = [one for one in found if one.found.get("rationales")]
    known = paper.interventions if backbone == paper.intervened_backbone else {}
    rows: list[list[str | Value]] = []
    if known:
        numbers = map(str, known.values())
        rows.append([f"published, {backbone}", str(paper.intervened_pairs), *numbers])
    for one in own:
        choices = one.found["rationales"]
        accuracies = [_figure(choices, f"{name}_accuracy") for name in paper.interventions]
        rows.append([one.label, str(choices["pairs"]), *accuracies])
    if known and not own:
        rows.append(["ours", *["not run"] * (1 + len(known))])
    header = ("judge", "pairs", *(f"rationale {name}" for name in paper.interventions))
    caption = "Accuracy of the choice by what becomes of the rationale"
    return Table(caption, header, rows) if rows else None


def diagrams(found: Sequence[Judgement]) -> list[Figure]:
    """A reliability diagram for each judge whose result holds its bins."""
    return [
        _diagram(number, one) for number, one in enumerate(found) if one.found.get("reliability")
    ]


def _diagram(number: int, one: Judgement) -> Figure:
    known = ("confidence", "accuracy", "accuracy_95")
    bins = [
        row for row in one.found["reliability"] if all(row.get(name) is not None for name in known)
    ]
    points = [
        (row["confidence"], row["accuracy"], *row["accuracy_95"], row["prompts"]) for row in bins
    ]
    rows = [
        [
            f"{row['from']:.2f} to {row['to']:.2f}",
            str(row["prompts"]),
            f"{100 * row['confidence']:.1f}",
            Value(f"{100 * row['accuracy']:.1f}", _bounds(row["accuracy_95"])),
        ]
        for row in bins
    ]
    caption = f"{one.label}: accuracy by confidence; the dashed line is perfect calibration"
    header = ("confidence", "prompts", "mean confidence", "accuracy [95 %]")
    drawing = reliability(f"reliability-{number}", points)
    return Figure(caption, drawing, Table(caption, header, rows), small=True)


def _tasks(found: Line) -> str:
    tasks = found.get("tasks")
    return "" if tasks is None else f"of {tasks} tasks"


def _above_floors(found: Line) -> str:
    """Whether the judge has shown that it judges."""
    if may_be_known(found):
        return "not held out"
    if found.get("above_floor") is None or found.get("tasks") is None:
        return "–"
    if found["tasks"] < ENOUGH:
        return "too few tasks to tell"
    return "yes" if found["above_floor"] else "not shown"


def _figure(found: Line, name: str) -> Value:
    value, bounds = found.get(name), found.get(f"{name}_95")
    if value is None:
        return Value("–")
    return Value(f"{100 * value:.1f}", _bounds(bounds) if bounds else "")


def _bounds(bounds: Sequence[float]) -> str:
    low, high = bounds
    return f"[{100 * low:.1f}, {100 * high:.1f}]"
