"""One self-contained HTML file from templates and tables: no script, no network.

What is shown is decided by its callers; the look of all pages is ``templates/page.html``.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from act_envs.errors import MissingExtra

if TYPE_CHECKING:
    from markupsafe import Markup


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of ``act_train/templates``; every value is escaped unless it is Markup.

    Raises:
        MissingExtra: jinja2 is not installed.
        jinja2.UndefinedError: the template names a value that is not given.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra(
            'reports need jinja2. Run: pip install "agentic-critical-training[train]".'
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("act_train").joinpath("templates"))),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """An HTML table; columns after the first that hold numbers are set flush right."""
    from markupsafe import Markup

    numeric = [
        bool(rows) and column > 0 and all(_is_number(row[column]) for row in rows)
        for column in range(len(header))
    ]

    def line(cells: Sequence[object], tag: str) -> str:
        parts = []
        for cell, right in zip(cells, numeric, strict=True):
            kind = ' class="n"' if right else ""
            parts.append(f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return Markup(f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>")


def _is_number(cell: object) -> bool:
    return str(cell)[:1].isdigit() or str(cell)[:1] in "-+.–"
