"""One self-contained HTML file from tables, figures and texts: no script, no network.

This module draws and renders; what is shown is decided by its callers.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from act_envs.errors import MissingExtra

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

INK, SOFT, LINE, GREY = "#1c2430", "#5b6676", "#e2e6ec", "#b9c1cc"
ACCENT = "#2458a6"
_SERIES = (ACCENT, "#b4561f", "#3a7d44", "#7a4fa3")
_TEMPLATES = Path(__file__).parent / "templates"


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
            'reports need jinja2. Run: pip install "agentic-critical-training[train]"'
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
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


def bars(
    name: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    colours: Sequence[str] = _SERIES,
    chance: float | None = None,
) -> Markup:
    """Horizontal bars with intervals.

    Args:
        name: unique name of the figure within the page.
        labels: one per group of bars, shown from top to bottom.
        series: per series one (value, low, high) a label, all in [0, 1].
        colours: one per series.
        chance: draws a dashed line at this value.
    """
    height = 0.55 + 0.32 * len(labels) * len(series) + 0.15 * len(labels)
    figure, axes = _axes(height)
    thickness = 0.8 / len(series)
    for number, (title, values) in enumerate(series.items()):
        places = [i + (number - (len(series) - 1) / 2) * thickness for i in range(len(labels))]
        heights = [value for value, _, _ in values]
        errors = [[v - low for v, low, _ in values], [high - v for v, _, high in values]]
        axes.barh(
            places, heights, 0.86 * thickness, xerr=errors, color=colours[number], label=title,
            error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2.5},
        )  # fmt: skip
        for place, (value, _, high) in zip(places, values, strict=True):
            axes.text(high + 0.015, place, f"{value:.2f}", va="center", color=SOFT, fontsize=9)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(axis="x", color=LINE)
    if chance is not None:
        axes.axvline(chance, color=SOFT, linestyle="--", linewidth=1)
    if len(series) > 1:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series))
    return _svg(figure, name)


def stacked(name: str, labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Markup:
    """Horizontal stacked counts, one bar a label."""
    figure, axes = _axes(0.9 + 0.3 * len(labels))
    start = [0] * len(labels)
    for colour, (title, counts) in zip((ACCENT, GREY), series.items(), strict=False):
        axes.barh(labels, counts, 0.68, left=start, color=colour, label=title)
        start = [a + b for a, b in zip(start, counts, strict=True)]
    axes.invert_yaxis()
    axes.grid(axis="x", color=LINE)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series))
    return _svg(figure, name)


def curves(
    name: str, series: Mapping[str, Sequence[tuple[float, float]]], *, ylabel: str
) -> Markup:
    """Lines over training steps: the points faint, their running mean strong."""
    figure, axes = _axes(2.9)
    for colour, (title, points) in zip(_SERIES, series.items(), strict=False):
        steps, values = [step for step, _ in points], [value for _, value in points]
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
        axes.plot(steps, _running_mean(values), color=colour, linewidth=2, label=title)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(ylabel)
    axes.grid(color=LINE)
    if len(series) > 1:
        axes.legend(frameon=False)
    return _svg(figure, name)


def _running_mean(values: Sequence[float]) -> list[float]:
    """Mean of the last eighth of the points so far, so that the eye sees the trend."""
    window = max(1, len(values) // 8)
    return [
        sum(part) / len(part)
        for end in range(1, len(values) + 1)
        for part in [values[max(0, end - window) : end]]
    ]


def _axes(height: float) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=SOFT, length=0)
    axes.xaxis.label.set_color(SOFT)
    axes.yaxis.label.set_color(SOFT)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Any, name: str) -> Markup:
    """The figure as inline SVG, its ids unique to ``name`` and the same in every run."""
    from markupsafe import Markup
    from matplotlib import rc_context

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return Markup(text.getvalue()[text.getvalue().index("<svg") :])


def _is_number(cell: object) -> bool:
    return str(cell)[:1].isdigit() or str(cell)[:1] in "-+.–"
