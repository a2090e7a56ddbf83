"""What MACs promise against what the clock says, as a figure (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.analysis.promises import KeptOrNot
from skaprof.report.canvas import finish
from skaprof.report.style import MARKERS, NEUTRAL, STYLE, colors_of

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_FINE_TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.5, 3)
_FEWEST_TICKS = 4


def promise_figure(compared: Sequence[KeptOrNot], title: str) -> Figure:
    """Each row's time ratio over its MACs ratio, with intervals; on the line MACs told the time."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes = figure.subplots()
        colors = colors_of([kept.row.name for kept in compared])
        forms = list(dict.fromkeys(kept.row.implementation for kept in compared))
        for contender in dict.fromkeys(kept.row.contender for kept in compared):
            own = [kept for kept in compared if kept.row.contender == contender]
            _points(axes, own, colors[own[0].row.name], MARKERS[forms.index(own[0].row.implementation) % len(MARKERS)])
        _guides(axes, compared)
        finish(figure, title, legend=True)
        return figure


def _points(axes: Axes, compared: Sequence[KeptOrNot], color: str, marker: str) -> None:
    row = compared[0].row
    axes.errorbar(
        [kept.macs_ratio for kept in compared],
        [kept.row.ratio for kept in compared],
        (
            [kept.row.ratio - kept.interval[0] for kept in compared],
            [kept.interval[1] - kept.row.ratio for kept in compared],
        ),
        label=f"{row.name}, {row.implementation}",
        color=color,
        marker=marker,
        markersize=4,
        linestyle="",
        elinewidth=0.9,
    )


def _guides(axes: Axes, compared: Sequence[KeptOrNot]) -> None:
    values = [value for kept in compared for value in (kept.macs_ratio, *kept.interval)] + [1.0]
    low, high = min(values) / 1.15, max(values) * 1.15
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.plot((low, high), (low, high), color="#666666", linewidth=0.8, linestyle="--", zorder=1)
    axes.axhline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.axvline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.fill_between((low, 1), 1, high, color=NEUTRAL, alpha=0.08, linewidth=0, zorder=0)
    axes.annotate("fewer MACs,\nyet slower", (low * 1.04, high / 1.04), va="top", fontsize=8, color=NEUTRAL)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    if len(ticks) < _FEWEST_TICKS:
        ticks = [tick for tick in _FINE_TICKS if low <= tick <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(lambda value, _: f"{value:g}x")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("MACs over the baseline's")
    axes.set_ylabel("time over the baseline's")
