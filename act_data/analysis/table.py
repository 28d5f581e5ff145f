"""Tables as text: cells in columns for a terminal, and Markdown.

Cells may come from models: what would steer a terminal, or end a line, is shown as its code.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]~#])")


def printable(text: str) -> str:
    """The text with codes in place of what is no sign of its own, ends of lines too."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def aligned(lines: Iterable[Sequence[str]], gap: str = " ") -> list[str]:
    """Cells in columns: the first to the left, the others to the right.

    Args:
        lines: as many cells in each.
        gap: between columns.
    """
    lines = [[*map(printable, line)] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        gap.join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def titled(lines: Sequence[str], titles: Mapping[int, Sequence[str]]) -> list[str]:
    """Lines with titles between them.

    Args:
        lines: of a table.
        titles: what stands before the line of a number; after all, for their number.
    """
    return [
        line
        for at in range(len(lines) + 1)
        for line in (*map(printable, titles.get(at, ())), *lines[at : at + 1])
    ]


def as_is(text: str) -> str:
    """A text that Markdown shows as it is, on one line, in a table or not."""
    line = html.escape(printable(" ".join(text.split())), quote=False)
    return _SPECIAL.sub(r"\\\1", line).replace("|", "&#124;")


def markdown_table(
    head: Sequence[str], lines: Iterable[Sequence[str]], *, numbers: int | None = None
) -> str:
    """A table whose cells are Markdown.

    Args:
        head: its first line.
        lines: the others.
        numbers: the column from which on cells are set flush right; none by default.
    """
    left = len(head) if numbers is None else numbers
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))
