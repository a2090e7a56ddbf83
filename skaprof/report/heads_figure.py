"""Figure 3 of the paper whole: accuracy and speed over the number of heads (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.analysis.heads import HeadsPoint
from skaprof.published import TradeOffRow
from skaprof.report.canvas import finish, plain, scale_axis
from skaprof.report.style import MARKERS, STYLE, colors_of

_MILLISECONDS = 1e3


def heads_figure(points: Sequence[HeadsPoint]) -> Figure:
    """Accuracy of each mixer's networks over their heads, with intervals, and images a second where they were timed."""
    timed = [point for point in points if point.row.median_ms]
    first = points[0].row
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2 if timed else 4.8, 3.4), layout="constrained")
        axes = figure.subplots(1, 2 if timed else 1, squeeze=False)[0]
        _accuracies(axes[0], points)
        if timed:
            _speeds(axes[1], timed)
        where = f"; {timed[0].row.device}, batch {timed[0].row.batch}" if timed else ""
        finish(figure, f"Over the number of heads: {first.data}{where}", legend=True)
    return figure


def _accuracies(axes: Axes, points: Sequence[HeadsPoint]) -> None:
    for mixer, look in _looks(points).items():
        own = [point for point in points if point.mixer == mixer]
        heads, values = [point.heads for point in own], [100 * point.row.accuracy for point in own]
        errors = list(zip(*(_half_widths(point.row) for point in own), strict=True))
        axes.errorbar(heads, values, yerr=errors, label=mixer, capsize=2, linewidth=1.2, markersize=4.5, **look)
    axes.set_ylabel("accuracy (%)")
    _scale_heads(axes, points)


def _half_widths(row: TradeOffRow) -> tuple[float, float]:
    """How far the interval goes below and above, in points; nowhere where there is none."""
    if row.accuracy_low is None or row.accuracy_high is None:
        return 0, 0
    return 100 * (row.accuracy - row.accuracy_low), 100 * (row.accuracy_high - row.accuracy)


def _speeds(axes: Axes, points: Sequence[HeadsPoint]) -> None:
    speeds = {point: _MILLISECONDS * (point.row.batch or 1) / (point.row.median_ms or 1) for point in points}
    for mixer, look in _looks(points).items():
        own = [point for point in points if point.mixer == mixer]
        axes.plot(
            [point.heads for point in own], [speeds[point] for point in own], linewidth=1.2, markersize=4.5, **look
        )
    scale_axis(axes.yaxis, speeds.values(), "images per second", "")
    _scale_heads(axes, points)


def _looks(points: Sequence[HeadsPoint]) -> dict[str, dict[str, Any]]:
    colors = colors_of([point.mixer for point in points])
    return {
        mixer: {"color": color, "marker": MARKERS[place % len(MARKERS)]}
        for place, (mixer, color) in enumerate(colors.items())
    }


def _scale_heads(axes: Axes, points: Sequence[HeadsPoint]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted({point.heads for point in points})))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: plain(value))
    axes.set_xlabel("heads")
