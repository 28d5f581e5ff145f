"""``act-train report RUN ...``: runs beside the published numbers, as Markdown and one HTML file.

A RUN is a folder or a result file; ``ROW=PATH`` says which row of the paper it stands for
(``il=runs/il``). What lies there goes into the tables: evaluations, answers to questions, judges,
logs of training stages. Several RUNs of one ROW and protocol are runs of one experiment, and share
a row. The paper's numbers stand in columns of their own; a row that nobody has run says so. Results
on other environments, or under other names, have tables of their own.

Equal runs give equal bytes. Left out: a correction for the number of comparisons that are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from act_data.analysis.bootstrap import ENOUGH
from act_data.storage.files import write_text
from act_envs import __version__
from act_train.arguments.measuring import ReportArguments
from act_train.reporting import comparisons, judges, tables
from act_train.reporting.experiments import Experiment, experiments
from act_train.reporting.learning import learning_curves
from act_train.reporting.page import render
from act_train.reporting.published import Paper, paper
from act_train.reporting.runs import Found, find
from act_train.reporting.sections import Figure, Section, SideBySide, Table, markdown

_TITLE = "Agentic Critical Training: runs and published numbers"

Part = Table | Figure | SideBySide


def run(arguments: ReportArguments) -> dict[str, Any]:
    """Write ``report.md`` and ``report.html``.

    Returns:
        Where they are, and how much they show.

    Raises:
        RecipeError: a run cannot be shown, or the paper has no such backbone.
        ResultMismatch: a result is damaged.
    """
    known = paper()
    known.of(arguments.backbone)  # refused before anything is read
    found = find(arguments.runs, known.methods)
    rows = experiments(found.results)
    sections = [
        _beside_paper(known, arguments.backbone, rows, found),
        *sections_of(found, rows, arguments.examples),
    ]
    lead = (
        f"{len(found.results)} results, {len(found.judgements)} judges and "
        f"{len(found.trainings)} training stages, beside {known.source}. Intervals hold 95 %: "
        "Wilson's where each task is a single yes or no, else by bootstrap over tasks."
    )
    footer = f"agentic-critical-training {__version__}. Published numbers: {known.source}."
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    written = {"html": out / "report.html", "markdown": out / "report.md"}
    values = {"title": _TITLE, "lead": lead, "sections": sections, "footer": footer}
    write_text(written["html"], render("report.html", values))
    write_text(written["markdown"], markdown(_TITLE, lead, sections))
    return {
        **{name: str(path.resolve()) for name, path in written.items()},
        "results": len(found.results),
        "judges": len(found.judgements),
        "training stages": len(found.trainings),
        "rows of the paper": ", ".join(m for m in known.methods if _has(found, m)) or "none",
    }


def sections_of(found: Found, rows: list[Experiment], examples: int) -> list[Section]:
    """All that is shown of runs by themselves; no section is empty.

    Args:
        found: what is shown.
        rows: its results, as :func:`experiments` groups them.
        examples: so many wins and losses of each.
    """
    sections = [
        _outcomes(rows),
        _paired(rows),
        _judges(found),
        _learning(found),
        _episodes(rows, examples),
        _sources(rows, found),
    ]
    return [section for section in sections if section.parts]


def _has(found: Found, label: str) -> bool:
    return any(one.label == label for one in found.results)


def _beside_paper(known: Paper, backbone: str, rows: list[Experiment], found: Found) -> Section:
    parts: list[Part | None] = [
        tables.beside_paper(known, table, rows) for table in known.of(backbone)
    ]
    parts.append(judges.interventions(found.judgements, known, backbone))
    return _section(
        "Beside the paper",
        [
            f"Published: {known.source}, {backbone}, as printed there, in percent. Ours: what was "
            "measured here, with the models named under “Where it comes from”. The two are not one "
            "experiment: prompts, step limits and history lengths of the paper are not published.",
            "“not run”: no result of this row was given. “published only”: a method of others that "
            "this package does not train.",
        ],
        parts,
    )


def _outcomes(rows: list[Experiment]) -> Section:
    lists = tables.task_lists(rows)
    parts: list[Part | None] = []
    for number, (name, group) in enumerate(lists.items()):
        parts += [tables.outcomes(name, number, group), tables.failures(group)]
        parts += [tables.by_part(one) for one in group if one.first.kind == "reasoning"]
    return _section(
        "Results",
        [
            "In percent, every task once. Strict: answers in the format that was asked for. "
            "Lenient: a right answer in a wrong format counts as well. Where all tasks end alike, "
            "bounds allow for what so many tasks may not have shown. Scores are left out where "
            "they are 1 for a win and 0 otherwise."
        ],
        parts,
    )


def _paired(rows: list[Experiment]) -> Section:
    return _section(
        "Paired by task",
        [
            "Two runs on one task list share what makes a task hard, so that differences task by "
            "task tell more than two intervals. Of next actions, states are paired, and resampled "
            "by task, as act-train compare does. What else differs is said; runs of which the "
            "tasks, states or environments differ are not paired. Of fewer than "
            f"{ENOUGH} tasks an interval tells too little. The p-values are not corrected for "
            "their number."
        ],
        [comparisons.differences(comparisons.pairs(rows)), comparisons.unpaired(rows)],
    )


def _judges(found: Found) -> Section:
    if not found.judgements:
        return _section("Judges", [], [])
    parts: list[Part | None] = [
        judges.judged(found.judgements),
        judges.verified(found.judgements),
        *judges.diagrams(found.judgements),
    ]
    text = (
        "How often a judge names the better of two actions. Without the state, or from the texts "
        "alone, is what the look of the actions gives away: only what lies above is judgment. Of "
        "pairs that were not held out (part train or all) nothing is claimed: the judge may have "
        "been trained on them."
    )
    return _section("Judges", [text], parts)


def _learning(found: Found) -> Section:
    text = "Faint: what was logged. Strong: the mean of the steps before, an eighth of the run's."
    return _section("Learning curves", [text], learning_curves(found.trainings))


def _episodes(rows: list[Experiment], examples: int) -> Section:
    text = (
        "One task as two runs played it, step by step; “≠” marks a step that is not the same. Each "
        "run is set against the first that it can be paired with (of seeds, the first). Shown "
        f"are the largest gains and losses, at most {examples} of each. Long observations are cut; "
        "the result files hold them whole."
    )
    return _section("Wins and losses", [text], comparisons.wins_and_losses(rows, examples))


def _sources(rows: list[Experiment], found: Found) -> Section:
    return _section("Where it comes from", [], tables.sources(rows, found.trainings))


def _section(title: str, paragraphs: list[str], parts: Iterable[Part | None]) -> Section:
    return Section(title, tuple(paragraphs), tuple(part for part in parts if part is not None))
