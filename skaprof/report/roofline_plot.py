"""The classic roofline figure: a machine's ceilings over arithmetic intensity, every mixer a point below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skaprof.errors import SkaprofError
from skaprof.model.hardware import Hardware, in_unit
from skaprof.model.roofline import ridge
from skaprof.report.plot import MARKERS, STYLE, color_of, encoded, finish

Row = Mapping[str, Any]

_MARGIN = 4.0  # how far the axes go beyond the points, as a factor
_MOST_LABELS = 24


def roofline_plot(rows: Sequence[Row], hardware: Hardware, peak: str, suffix: str) -> bytes:
    """Attainable FLOP/s over FLOPs per byte on logarithmic axes: ideal, predicted (hollow), measured (filled).

    Raises:
        SkaprofError: no row computes anything.
    """
    drawn = [row for row in rows if row["intensity"] and row["ideal_ms"]]
    if not drawn:
        raise SkaprofError("--plot: nothing is computed, there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.8), layout="constrained")
        axes = figure.subplots()
        _ceilings(axes, drawn, hardware, peak)
        _points(axes, drawn)
        axes.set_xlabel("arithmetic intensity (FLOPs per byte)")
        axes.set_ylabel("FLOP/s")
        title = (
            f"{hardware.name}: {in_unit(hardware.peak(peak), 'FLOP/s')} {peak}, {in_unit(hardware.bandwidth, 'B/s')}"
        )
        finish(figure, title, legend=True)
        return encoded(figure, suffix)


def _ceilings(axes: Axes, rows: Sequence[Row], hardware: Hardware, peak: str) -> None:
    meeting = ridge(hardware, peak)
    low = min(meeting, *(row["intensity"] for row in rows)) / _MARGIN
    high = max(meeting, *(row["intensity"] for row in rows)) * _MARGIN
    axes.set_xscale("log")
    axes.set_yscale("log")
    top = hardware.peak(peak)
    axes.plot([low, meeting, high], [low * hardware.bandwidth, top, top], color="#444444", linewidth=1.6)


def _points(axes: Axes, rows: Sequence[Row]) -> None:
    mixers = list(dict.fromkeys(row["mixer"] for row in rows))
    told: set[str] = set()
    for number, row in enumerate(rows):
        label = ", ".join(str(row[key]) for key in ("mixer", "implementation", "op") if row.get(key))
        color = color_of(row, mixers)
        marker = MARKERS[mixers.index(row["mixer"]) % len(MARKERS)]
        for key, face in (("ideal_ms", "none"), ("predicted_ms", "#FFFFFF"), ("measured_ms", color)):
            if row[key]:
                work = row["flops"] + row["elementwise_flops"]
                axes.plot(
                    [row["intensity"]],
                    [work / row[key] * 1e3],
                    linestyle="none",
                    marker=marker,
                    markersize=5,
                    color=color,
                    markerfacecolor=face,
                    alpha=0.4 if key == "ideal_ms" else 1.0,
                    label=label if label not in told and number < _MOST_LABELS else None,
                )
                told.add(label)
