"""Predicted against measured times: a panel a form, each row a point, with the lines at 5 and 10 % off."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skaprof.analysis.prediction import prediction_error
from skaprof.answers import RooflineRow
from skaprof.errors import SkaprofError, named
from skaprof.report.canvas import encoded, finish, grid_of, scale_axis
from skaprof.report.roofline import error_sentence
from skaprof.report.style import NEUTRAL, STYLE, colors_of
from skaprof.results import name_of

OFF = (0.05, 0.10)
"""How far off the lines are; the first is dashed, the second dotted."""
_DASHES = ("--", ":")
_COLUMNS = 3
_MARGIN = 1.3


def prediction_plot(rows: Sequence[RooflineRow], suffix: str) -> bytes:
    """`prediction_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(prediction_figure(rows), suffix)


def prediction_figure(rows: Sequence[RooflineRow]) -> Figure:
    """Predicted over measured milliseconds on logarithmic axes: the diagonal is right, above it is too long.

    Raises:
        SkaprofError: no row was both predicted and measured.
    """
    drawn = [row for row in rows if row.predicted_ms and row.measured_ms]
    error = prediction_error(drawn)
    if error is None:
        raise SkaprofError(f"{named('plot_predicted')}: no row was both predicted and measured: nothing to draw")
    forms = list(dict.fromkeys((row.implementation, row.mode) for row in drawn))
    colors = colors_of(list(map(name_of, drawn)))
    width = 3.1 * min(len(forms), _COLUMNS)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(4.2, width), 3.4 * -(-len(forms) // _COLUMNS)), layout="constrained")
        for axes, form in zip(grid_of(figure, len(forms), min(len(forms), _COLUMNS)), forms, strict=True):
            of_form = [row for row in drawn if (row.implementation, row.mode) == form]
            _panel(axes, of_form, colors)
            axes.set_title(", ".join(form))
        finish(figure, error_sentence(error), legend=_legend(colors))
        return figure


def _panel(axes: Axes, rows: Sequence[RooflineRow], colors: dict[str, str]) -> None:
    figures = [value for row in rows for value in (row.predicted_ms, row.measured_ms) if value]
    low, high = min(figures) / _MARGIN, max(figures) * _MARGIN
    axes.plot([low, high], [low, high], color=NEUTRAL, linewidth=1.0, zorder=1)
    for off, dashes in zip(OFF, _DASHES, strict=True):
        for factor in (1 + off, 1 - off):
            axes.plot([low, high], [factor * low, factor * high], dashes, color=NEUTRAL, linewidth=0.8, zorder=1)
    for row in rows:
        axes.plot([row.measured_ms or 0.0], [row.predicted_ms or 0.0], "o", markersize=3.5, color=colors[name_of(row)])
    scale_axis(axes.xaxis, (low, high), "measured", "ms", log=True)
    scale_axis(axes.yaxis, (low, high), "predicted", "ms", log=True)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _legend(colors: dict[str, str]) -> list[tuple[Artist, str]]:
    points: list[tuple[Artist, str]] = [
        (Line2D([], [], color=color, linestyle="", marker="o", markersize=5), name) for name, color in colors.items()
    ]
    lines: list[tuple[Artist, str]] = [
        (Line2D([], [], color=NEUTRAL, linestyle=dashes, linewidth=0.8), f"{100 * off:.0f} % off")
        for off, dashes in zip(OFF, _DASHES, strict=True)
    ]
    return points + lines
