"""The classic roofline figure: a machine's ceilings over arithmetic intensity, every mixer a point below them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

from skaprof.analysis.roofline import ridge
from skaprof.answers import RooflineRow
from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import Hardware
from skaprof.report.plot import color_of, encoded, finish
from skaprof.report.roofline import ceilings_text
from skaprof.report.style import MARKERS, STYLE
from skaprof.results import name_of, values_of

_MARGIN = 4.0  # how far the axes go beyond the points, as a factor
_MOST_LABELS = 24


def roofline_plot(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str], suffix: str) -> bytes:
    """`roofline_figure` as ".png" or ".svg"."""
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
        _ceilings(axes, drawn, hardware, peaks)
        _points(axes, drawn)
        axes.set_xlabel("arithmetic intensity (FLOPs per byte)")
        axes.set_ylabel("FLOP/s")
        finish(figure, _title(drawn, hardware, peaks), legend=True)
        return figure


def _title(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> str:
    hollow = "predicted" if any(row.predicted_ms for row in rows) else "at the ceilings"
    shown = f"filled: measured, hollow: {hollow}" if any(row.measured_ms for row in rows) else hollow
    return f"{hardware.name}: {ceilings_text(hardware, peaks)} ({shown})"


def _ceilings(axes: Axes, rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> None:
    reached = [*(ridge(hardware, peak) for peak in peaks), *(row.intensity or 0.0 for row in rows)]
    low, high = min(reached) / _MARGIN, max(reached) * _MARGIN
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    for peak in peaks:
        top, meeting = hardware.peak(peak), ridge(hardware, peak)
        axes.plot([low, meeting, high], [low * hardware.bandwidth, top, top], color="#444444", linewidth=1.6)
        if len(peaks) > 1:
            axes.annotate(
                peak, (high, top), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8, color="#444444"
            )


def _points(axes: Axes, rows: Sequence[RooflineRow]) -> None:
    """Every row's best figures: measured and predicted, or where it has neither, what the ceilings allow."""
    names = list(dict.fromkeys(map(name_of, rows)))
    varying = [key for key in ("dtype", "device", "timing") if len({getattr(row, key, None) for row in rows}) > 1]
    labels = list(dict.fromkeys(_label(row, varying) for row in rows))
    told: set[str] = set()
    for row in rows:
        label = _label(row, varying)
        measured_or_predicted = [key for key in ("predicted_ms", "measured_ms") if getattr(row, key)]
        for key in measured_or_predicted or ["ideal_ms"]:
            color = color_of(row, names)
            axes.plot(
                [row.intensity or 0.0],
                [(row.flops + row.elementwise_flops) / getattr(row, key) * 1e3],
                linestyle="none",
                marker=MARKERS[labels.index(label) % len(MARKERS)],
                markersize=5,
                color=color,
                markerfacecolor=color if key == "measured_ms" else "white",
                label=label if label not in told and len(told) < _MOST_LABELS else None,
            )
            told.add(label)


def _label(row: RooflineRow, varying: Sequence[str]) -> str:
    return ", ".join(str(value) for value in values_of(row, ("mixer", "implementation", "op", *varying)) if value)
