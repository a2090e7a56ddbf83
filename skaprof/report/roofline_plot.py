"""The classic roofline figure: a machine's ceilings over arithmetic intensity, every mixer a point below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skaprof.analysis.roofline import ridge
from skaprof.answers import RooflineRow
from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import Hardware
from skaprof.report.canvas import encoded, finish, scale_axis
from skaprof.report.roofline import ceilings_text
from skaprof.report.style import MARKERS, NEUTRAL, STYLE, colors_of
from skaprof.results import name_of, values_of

_MARGIN = 4.0  # how far the axes go beyond the points, as a factor
_MOST_LABELS = 24


def roofline_plot(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str], suffix: str) -> bytes:
    """`roofline_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(roofline_figure(rows, hardware, peaks), suffix)


def roofline_figure(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> Figure:
    """FLOP/s over FLOPs per byte on logarithmic axes: measured (filled), predicted, or else ideal (hollow).

    There is a roof for each of `peaks`.

    Raises:
        SkaprofError: no row computes anything.
    """
    drawn = [row for row in rows if row.intensity and row.ideal_ms]
    if not drawn:
        raise SkaprofError(f"{named('plot')}: nothing is computed, there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.8), layout="constrained")
        axes = figure.subplots()
        legend = _points(axes, drawn)
        _ceilings(axes, drawn, hardware, peaks)
        finish(figure, _title(drawn, hardware, peaks), legend=legend)
        return figure


def _title(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> str:
    hollow = "predicted" if any(row.predicted_ms for row in rows) else "at the ceilings"
    shown = f"filled: measured, hollow: {hollow}" if any(row.measured_ms for row in rows) else hollow
    return f"{hardware.name}: {ceilings_text(hardware, peaks)} ({shown})"


def _ceilings(axes: Axes, rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> None:
    reached = [*(ridge(hardware, peak) for peak in peaks), *(row.intensity or 0.0 for row in rows)]
    low, high = min(reached) / _MARGIN, max(reached) * _MARGIN
    tops = [hardware.peak(peak) for peak in peaks]
    for peak, top in zip(peaks, tops, strict=True):
        roof = [low * hardware.bandwidth, top, top]
        axes.plot([low, ridge(hardware, peak), high], roof, color=NEUTRAL, linewidth=1.6, zorder=1)
        if len(peaks) > 1:
            axes.annotate(
                peak, (high, top), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8, color=NEUTRAL
            )
    scale_axis(axes.xaxis, (low, high), "arithmetic intensity (FLOPs per byte)", None, log=True)
    scale_axis(axes.yaxis, tops, "rate", "FLOP/s", log=True)


def _points(axes: Axes, rows: Sequence[RooflineRow]) -> list[tuple[Artist, str]]:
    """Every row's best figures: measured and predicted, or where it has neither, what the ceilings allow.

    The colour is the mixer's; the marker is that of all else that tells rows apart but their sizes.
    """
    colors = colors_of(list(map(name_of, rows)))
    kinds = list(dict.fromkeys(values_of(row, _TOLD_BY_MARKERS) for row in rows))
    for row in rows:
        measured_or_predicted = [key for key in ("predicted_ms", "measured_ms") if getattr(row, key)]
        for key in measured_or_predicted or ["ideal_ms"]:
            color = colors[name_of(row)]
            axes.plot(
                [row.intensity or 0.0],
                [(row.flops + row.elementwise_flops) / getattr(row, key) * 1e3],
                linestyle="none",
                marker=_marker(kinds, values_of(row, _TOLD_BY_MARKERS)),
                markersize=5,
                color=color,
                markerfacecolor=color if key == "measured_ms" else "white",
            )
    mixers: list[tuple[Artist, str]] = [
        (Line2D([], [], color=color, linestyle="", marker="s", markersize=6), name) for name, color in colors.items()
    ]
    told = [at for at, values in enumerate(zip(*kinds, strict=True)) if at == 0 or len(set(values)) > 1]
    shown = kinds[:_MOST_LABELS]
    return mixers + [
        (
            Line2D([], [], color=NEUTRAL, linestyle="", marker=_marker(kinds, kind), markerfacecolor="white"),
            ", ".join(str(kind[at]) for at in told if kind[at] is not None),
        )
        for kind in shown
    ]


_TOLD_BY_MARKERS = ("implementation", "op", "dtype", "device", "timing")


def _marker(kinds: Sequence[tuple[Any, ...]], kind: tuple[Any, ...]) -> str:
    return MARKERS[kinds.index(kind) % len(MARKERS)]
