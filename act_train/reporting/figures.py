"""Figures as inline SVG, drawn by matplotlib in the colours of the page that they stand in.

Colours are names of the page's style sheet, so that a figure turns dark with its page; where there
is no such sheet, those of the light page hold.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from act_envs.errors import MissingExtra

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

INK, SOFT, LINE = "#1c2430", "#5b6676", "#e2e6ec"
ACCENT = "#2458a6"
_SERIES = (ACCENT, "#b4561f", "#3a7d44", "#7a4fa3", "#0f7c86", "#a8326b", "#8a6d0b", "#50607a")
_NAMES = {
    INK: "ink", SOFT: "soft", LINE: "line",
    **{colour: f"series-{number}" for number, colour in enumerate(_SERIES, 1)},
}  # fmt: skip


def bars(
    name: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float, float]]],
) -> Markup:
    """Horizontal bars with intervals.

    Args:
        name: unique name of the figure within the page.
        labels: one per group of bars, shown from top to bottom.
        series: per series one (value, low, high) a label, all in [0, 1].
    """
    height = 0.55 + 0.32 * len(labels) * len(series) + 0.15 * len(labels)
    figure, axes = _axes(height)
    thickness = 0.8 / len(series)
    for number, (title, values) in enumerate(series.items()):
        places = [i + (number - (len(series) - 1) / 2) * thickness for i in range(len(labels))]
        heights = [value for value, _, _ in values]
        errors = [[v - low for v, low, _ in values], [high - v for v, _, high in values]]
        axes.barh(
            places, heights, 0.86 * thickness, xerr=errors, color=_SERIES[number % len(_SERIES)],
            label=title, error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2.5},
        )  # fmt: skip
        for place, (value, _, high) in zip(places, values, strict=True):
            axes.text(high + 0.015, place, f"{value:.2f}", va="center", color=SOFT, fontsize=9)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(axis="x", color=LINE)
    if len(series) > 1:
        axes.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series),
            labelcolor=SOFT,
        )  # fmt: skip
    return _svg(figure, name)


def curves(name: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> Markup:
    """Lines over training steps: the points faint, their running mean strong."""
    figure, axes = _axes(2.9 + 0.2 * (len(series) // 3))
    looks = itertools.product(("-", "--", ":"), _SERIES)
    for (dashes, colour), (title, points) in zip(looks, series.items(), strict=False):
        steps, values = [step for step, _ in points], [value for _, value in points]
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
        axes.plot(
            steps, running_mean(values), dashes, color=colour, linewidth=2, label=title,
            marker="o" if len(values) == 1 else None,
        )  # fmt: skip
    axes.set_xlabel("optimiser step")
    axes.grid(color=LINE)
    if len(series) > 1:
        axes.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, labelcolor=SOFT
        )
    return _svg(figure, name)


def reliability(name: str, points: Sequence[tuple[float, float, float, float, int]]) -> Markup:
    """A reliability diagram: accuracy over confidence, with intervals, and how many there are.

    Args:
        name: unique name of the figure within the page.
        points: (confidence, accuracy, low, high, observations) of each bin that is not empty.
    """
    figure, axes = _axes(4.0)
    axes.plot([0.5, 1], [0.5, 1], "--", color=SOFT, linewidth=1)
    most = max((count for *_, count in points), default=1)
    sizes = [18 + 150 * count / most for *_, count in points]
    confidence = [point[0] for point in points]
    accuracy = [point[1] for point in points]
    errors = [[p[1] - p[2] for p in points], [p[3] - p[1] for p in points]]
    axes.errorbar(
        confidence, accuracy, yerr=errors, fmt="none", ecolor=SOFT, elinewidth=1, capsize=2.5
    )
    axes.scatter(confidence, accuracy, s=sizes, color=ACCENT, zorder=3)
    for x, y, _, _, count in points:
        axes.annotate(
            f"{count:,}", (x, y), xytext=(7, -10), textcoords="offset points", color=SOFT,
            fontsize=8,
        )  # fmt: skip
    axes.set_xlim(0.48, 1.04)
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlabel("mean confidence")
    axes.set_ylabel("accuracy")
    axes.grid(color=LINE)
    return _svg(figure, name)


def running_mean(values: Sequence[float]) -> list[float]:
    """Mean of the last points up to each, an eighth of all, so that the eye sees the trend."""
    window = max(1, len(values) // 8)
    return [
        sum(part) / len(part)
        for end in range(1, len(values) + 1)
        for part in [values[max(0, end - window) : end]]
    ]


def _axes(height: float) -> tuple[Any, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra(
            'matplotlib is not installed. Run: pip install "agentic-critical-training[train]".'
        ) from error
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
    drawn = text.getvalue()[text.getvalue().index("<svg") :]
    for colour, known in _NAMES.items():
        drawn = drawn.replace(colour, f"var(--{known}, {colour})")
    return Markup(drawn)
