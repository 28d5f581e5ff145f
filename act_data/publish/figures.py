"""Figures of a dataset's card: PNG, 1400 pixels wide, made to be shown at half that width.

They stand on an opaque light panel, so that they read the same where the page is dark. The bytes
follow from the values and the versions of matplotlib and Pillow, which writes them. What is drawn
is decided by :mod:`act_data.publish.pictures`; this module only draws.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from act_envs.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_P = ParamSpec("_P")

_INK, _SOFT, _LINE, _PANEL = "#1c2430", "#5b6676", "#dfe4ea", "#fbfcfd"
_TWO = ("#2458a6", "#d0762b")  # blue and orange differ in lightness, too
_VERDICTS = {
    "expert_better": ("expert better", "#2458a6", "white"),
    "equivalent": ("equivalent", "#b9c4d3", _INK),
    "alternative_better": ("alternative better", "#d0762b", _INK),
    "unknown": ("unknown", "#f0f1f3", _SOFT),
}
_WIDTH, _DPI = 7.0, 200  # inches, and pixels of one
_SHOWN = 0.06  # share of a bar that has room for its number
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _LINE,
    "axes.facecolor": _PANEL,
    "figure.facecolor": _PANEL,
    "xtick.color": _SOFT,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def _styled(draw: Callable[_P, bytes]) -> Callable[_P, bytes]:
    """In our own style, whatever that of the process is.

    Raises:
        MissingExtra: by what is returned, where matplotlib is not installed.
    """

    @functools.wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> bytes:
        try:
            from matplotlib import rc_context, rcParamsDefault
        except ImportError as error:
            raise MissingExtra(
                'matplotlib is not installed. Run: pip install "agentic-critical-training[data]".'
            ) from error
        style: Any = {**rcParamsDefault, **_STYLE, "backend": "agg"}
        with rc_context(style):
            return draw(*args, **kwargs)

    return drawn


@_styled
def stacked(groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bytes:
    """Verdicts as stacked bars, one below the other.

    Args:
        groups: by title, bars by label: the share of each verdict in [0, 1]; those of a bar sum
            to 1, and one that is left out is 0.
    """
    bars = sum(map(len, groups.values()))
    figure = _figure(0.75 + 0.3 * bars + 0.42 * len(groups))
    axes = figure.subplots()
    at, ticks, labels = 0.0, [], []
    for title, some in groups.items():
        at += 0.35
        axes.text(0, at, title, ha="left", va="center", weight="bold", color=_INK)
        at += 0.85
        for label, shares in some.items():
            start = 0.0
            for verdict, (_, colour, ink) in _VERDICTS.items():
                share = shares.get(verdict, 0.0)
                axes.barh(at, share, 0.74, left=start, color=colour, edgecolor=_PANEL, lw=0.6)
                if share >= _SHOWN:
                    middle = start + share / 2
                    axes.text(middle, at, f"{share:.0%}", ha="center", va="center", color=ink)
                start += share
            ticks.append(at)
            labels.append(label)
            at += 1
        at += 0.1
    axes.set_yticks(ticks, labels)
    axes.set_ylim(at - 0.4, -0.1)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    handles = [_patch(name, colour) for name, colour, _ in _VERDICTS.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False,
                  handlelength=1.0, columnspacing=1.6)  # fmt: skip
    return _png(figure)


@_styled
def bins(
    panels: Mapping[str, Mapping[str, Sequence[float]]], labels: Sequence[str], xlabel: str
) -> bytes:
    """Shares in named bins: a panel for each title, from four on in two columns.

    Args:
        panels: by title, up to two series by name: a share in [0, 1] for each bin.
        labels: of the bins, in their order.
        xlabel: what the bins are of.
    """
    columns = 1 if len(panels) < 4 else 2
    lines = -(-len(panels) // columns)
    figure = _figure(0.75 + 1.45 * lines)
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    names = [*dict.fromkeys(name for series in panels.values() for name in series)]
    width = 0.8 / len(names)
    places = np.arange(len(labels))
    for axes, (title, series) in zip(grid, panels.items(), strict=False):
        for number, name in enumerate(names):
            if name in series:
                left = places - 0.4 + (number + 0.5) * width
                axes.bar(left, 100 * np.array(series[name]), width * 0.92, color=_TWO[number])
        _plain(axes, title)
        axes.set_xticks(places, labels)
        axes.tick_params(axis="x", labelsize=9.5 if columns == 1 else 7.5)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel(xlabel, fontsize=_STYLE["font.size"], color=_SOFT)
    _key(figure, names)
    return _png(figure)


@_styled
def histograms(panels: Mapping[str, Mapping[str, Mapping[int, int]]], xlabel: str) -> bytes:
    """Histograms of whole numbers from 0, in shares of their series: up to three panels a line.

    Args:
        panels: by title, up to two series by name: how often each number occurs; a series may be
            empty.
        xlabel: what the numbers are of.
    """
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = _figure(0.45 + 1.75 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    names = [*dict.fromkeys(name for series in panels.values() for name in series)]
    for axes, (title, series) in zip(grid, panels.items(), strict=False):
        values = {name: np.array([*found.items()]) for name, found in series.items() if found}
        top = max((int(found[:, 0].max()) for found in values.values()), default=0)
        size = _nice(top + 1)
        edges = np.arange(0, top + size + 1, size) - 0.5
        for name, found in values.items():
            number = names.index(name)
            counts, _ = np.histogram(found[:, 0], edges, weights=found[:, 1])
            shares = 100 * counts / counts.sum()
            axes.stairs(shares, edges, fill=True, color=_TWO[number], alpha=0.3)
            axes.stairs(shares, edges, color=_TWO[number], lw=1.4)
        _plain(axes, title)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel(xlabel, fontsize=_STYLE["font.size"], color=_SOFT)
    _key(figure, names)
    return _png(figure)


def _nice(span: int) -> int:
    """Width of a bin: 1, 2 or 5 times a power of ten, the least that gives at most 24."""
    size = 1
    while span > 24 * size:
        size = next(
            step
            for power in range(12)
            for step in (10**power, 2 * 10**power, 5 * 10**power)
            if step > size
        )
    return size


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, math.ceil(height * 20) / 20), layout="constrained")


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure)  # whatever backend the process has chosen for its windows
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", weight="bold", fontsize=9.5, color=_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=_LINE)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0f} %")
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.tick_params(axis="y", colors=_SOFT)


def _key(figure: Any, names: Sequence[str]) -> None:
    if len(names) > 1:
        handles = [_patch(name, colour) for name, colour in zip(names, _TWO, strict=False)]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False,
                      handlelength=1.0)  # fmt: skip


def _patch(name: str, colour: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor=_LINE, linewidth=0.5, label=name)
