"""What a report holds, before it is a page: sections of texts, tables, figures and episodes.

HTML comes from ``templates/report.html``, Markdown from :func:`markdown`. Markdown has no room for
figures: each comes with a table of what it draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from act_data.analysis.table import as_is, markdown_table

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in a cell: the number, and beneath it what goes with it."""

    text: str
    note: str = ""
    ours: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.note}".strip()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header.

    Attributes:
        caption: what it is, in a sentence.
        header: one title per column.
        rows: cells.
        groups: (title, columns) above the header; none if empty.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str | Value]]
    groups: tuple[tuple[str, int], ...] = ()
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, and the table that says the same in numbers.

    Attributes:
        caption: what it shows, in a sentence.
        svg: the drawing.
        numbers: the table.
        small: whether two of them stand side by side, with the numbers folded away.
    """

    caption: str
    svg: Markup
    numbers: Table
    small: bool = False
    kind: str = "figure"


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of an episode."""

    action: str
    valid: bool
    observation: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of two episodes; None where one has ended."""

    number: int
    left: Moment | None
    right: Moment | None

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.left != self.right


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One task as two runs played it.

    Attributes:
        title: which task, and who did better.
        goal: the instruction.
        start: what both saw first.
        names: of the two runs, with how they ended.
        same: the steps before the first difference.
        steps: those from there on in which both play.
        alone: those after one of them has ended.
    """

    title: str
    goal: str
    start: str
    names: tuple[str, str]
    same: tuple[Step, ...]
    steps: tuple[Step, ...]
    alone: tuple[Step, ...]
    kind: str = "episodes"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report under one heading."""

    title: str
    paragraphs: tuple[str, ...]
    parts: tuple[Table | Figure | SideBySide, ...]


def markdown(title: str, lead: str, sections: Iterable[Section]) -> str:
    """The report as Markdown."""
    blocks = [f"# {as_is(title)}", as_is(lead)]
    for section in sections:
        blocks += [f"## {as_is(section.title)}", *map(as_is, section.paragraphs)]
        for part in section.parts:
            if isinstance(part, SideBySide):
                blocks += _episodes(part)
            else:
                blocks += _table(part.numbers if isinstance(part, Figure) else part)
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> list[str]:
    groups = [group for group, columns in table.groups for _ in range(columns)]
    above = groups or [""] * len(table.header)
    titles = [f"{group} {title}" for group, title in zip(above, table.header, strict=True)]
    return [f"**{as_is(table.caption)}**", _lined(titles, table.rows)]


def _episodes(part: SideBySide) -> list[str]:
    first, second = part.names
    lines: list[Sequence[object]] = [
        (f"{step.number}", "same", _moment(step.left)) for step in part.same
    ]
    lines += [
        (f"{step.number}{' ≠' if step.differs else ''}", _moment(step.left), _moment(step.right))
        for step in (*part.steps, *part.alone)
    ]
    start = f"Start: {part.start}"
    return [f"### {as_is(part.title)}", as_is(part.goal), as_is(start),
            _lined(("step", first, second), lines)]  # fmt: skip


def _moment(moment: Moment | None) -> str:
    if moment is None:
        return "–"
    refused = "" if moment.valid else " (refused)"
    return f"> {moment.action}{refused}: {moment.observation}"


def _lined(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    return markdown_table(
        [*map(as_is, head)], [[as_is(str(cell)) for cell in line] for line in lines]
    )
