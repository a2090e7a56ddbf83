"""What MACs promise against what the clock says, as a figure (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.analysis.promises import Compared
from skaprof.report.canvas import finish, grid_of
from skaprof.report.style import MARKERS, NEUTRAL, STYLE, colors_of

_LADDERS = (
    (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100),
    (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10),
    (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.5, 3),
)
_FEWEST_TICKS = 4


def promise_figure(pairs: Sequence[Compared], title: str) -> Figure:
    """Each pair's time ratio over its MACs ratio, with intervals; on the line MACs told the time.

    A panel a mode and dtype; the colour is the mixer's, the marker the form that both have.
    """
    kinds = list(dict.fromkeys(pair.kind for pair in pairs))
    columns = min(2, len(kinds))
    with matplotlib.rc_context(STYLE):
        size = (5.4, 4.2) if len(kinds) == 1 else (7.2, 0.6 + 3.2 * -(-len(kinds) // columns))
        figure = Figure(figsize=size, layout="constrained")
        colors = colors_of([pair.row.name for pair in pairs])
        markers = dict(zip(dict.fromkeys(pair.form for pair in pairs), cycle(MARKERS), strict=False))
        for axes, kind in zip(grid_of(figure, len(kinds), columns), kinds, strict=True):
            for pair in (pair for pair in pairs if pair.kind == kind):
                _point(axes, pair, colors[pair.row.name], markers[pair.form])
            _guides(axes, pairs)
            axes.set_title(", ".join(kind), fontsize=9, loc="left")
        finish(figure, title, legend=[*_colors(colors), *_markers(markers)])
        return figure


def _colors(colors: Mapping[str, str]) -> list[tuple[Artist, str]]:
    return [(Line2D([], [], color=color, linewidth=2), name) for name, color in colors.items()]


def _markers(markers: Mapping[str, str]) -> list[tuple[Artist, str]]:
    return [(Line2D([], [], color=NEUTRAL, linestyle="", marker=mark), form) for form, mark in markers.items()]


def _point(axes: Axes, pair: Compared, color: str, marker: str) -> None:
    low, high = pair.interval or (pair.ratio, pair.ratio)
    axes.errorbar(
        [pair.macs_ratio or 1.0],
        [pair.ratio],
        ([max(0.0, pair.ratio - low)], [max(0.0, high - pair.ratio)]),
        color=color,
        marker=marker,
        markersize=4,
        linestyle="",
        elinewidth=0.9,
    )


def ticks_between(low: float, high: float) -> list[float]:
    """The coarsest ticks that are enough between these ratios."""
    for ladder in _LADDERS:
        ticks = [tick for tick in ladder if low <= tick <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    return ticks


def _guides(axes: Axes, pairs: Sequence[Compared]) -> None:
    values = [value for pair in pairs for value in (pair.macs_ratio or 1.0, *(pair.interval or ()))] + [1.0]
    low, high = min(values) / 1.15, max(values) * 1.15
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.plot((low, high), (low, high), color="#666666", linewidth=0.8, linestyle="--", zorder=1)
    axes.axhline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.axvline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.fill_between((low, 1), 1, high, color=NEUTRAL, alpha=0.08, linewidth=0, zorder=0)
    axes.annotate("fewer MACs,\nyet slower", (low * 1.04, high / 1.04), va="top", fontsize=7, color=NEUTRAL)
    ticks = ticks_between(low, high)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(lambda value, _: f"{value:g}x")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("MACs over the baseline mixer's")
    axes.set_ylabel("time over the baseline mixer's, same form")
