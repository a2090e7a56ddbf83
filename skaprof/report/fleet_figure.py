"""Devices against mixers as a figure: on each the time over the baseline's, with intervals (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.fleets import FleetRow
from skaprof.implementations import form_of
from skaprof.report.canvas import finish, grid_of
from skaprof.report.macs_vs_time import ticks_between
from skaprof.report.style import NEUTRAL, STYLE, colors_of, wrapped
from skaprof.results import name_of

_TITLE = "Time over the baseline's on each device, a line a size, the smallest at the top"
_LINE, _LABEL = 0.13, 22
"""Inches of height a point, and characters of a device's name a line."""


def fleet_figure(rows: Sequence[FleetRow]) -> Figure:
    """A panel a form, mode and dtype, a band a device; left of 1 the mixer is faster than the baseline there."""
    kinds = list(dict.fromkeys(map(_kind, rows)))
    devices = list(dict.fromkeys(row.device for row in rows))
    colors = colors_of([name_of(row) for row in rows])
    deepest = max(len([row for row in rows if _kind(row) == kind]) for kind in kinds)
    columns = min(2, len(kinds))
    with matplotlib.rc_context(STYLE):
        height = max(1.6, 0.5 + _LINE * deepest + 0.3 * len(devices))
        size = (6.4 if columns == 1 else 8.6, 0.8 + height * -(-len(kinds) // columns))
        figure = Figure(figsize=size, layout="constrained")
        for place, (axes, kind) in enumerate(zip(grid_of(figure, len(kinds), columns), kinds, strict=True)):
            _panel(axes, [row for row in rows if _kind(row) == kind], devices, colors)
            axes.set_title(", ".join(kind), fontsize=9, loc="left")
            if place % columns:
                axes.set_yticklabels([])
        finish(figure, _TITLE, legend=_legend(rows, colors))
        return figure


def _kind(row: FleetRow) -> tuple[str, ...]:
    return form_of(row.implementation, row.runtime, row.precision), row.mode, row.dtype


def _panel(axes: Axes, rows: Sequence[FleetRow], devices: Sequence[str], colors: dict[str, str]) -> None:
    """Each device's points in its own band, from the top down: mixer by mixer, and size by size."""
    top, middles = 0.0, []
    values = [1.0]
    for device in devices:
        own = sorted(
            (row for row in rows if row.device == device),
            key=lambda row: (list(colors).index(name_of(row)), _work(row)),
        )
        for line, row in enumerate(own):
            _point(axes, row, -top - line, colors[name_of(row)])
            values += [value for value in (row.ratio, row.ratio_low, row.ratio_high, row.predicted_ratio) if value]
        depth = max(1, len(own))
        middles.append(-top - (depth - 1) / 2)
        top += depth + 1
        axes.axhline(-top + 0.5, color="#DDDDDD", linewidth=0.8, zorder=0) if device != devices[-1] else None
    low, high = min(values) / 1.1, max(values) * 1.1
    axes.set(xscale="log", xlim=(low, high), ylim=(-top + 0.5, 0.8))
    axes.axvline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.xaxis.set_major_locator(FixedLocator(ticks_between(low, high)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("time over the baseline's")
    axes.set_yticks(middles, [wrapped(device, _LABEL) for device in devices])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _work(row: FleetRow) -> tuple[int, ...]:
    image = (row.image_height or 0) * (row.image_width or 0)
    return (row.tokens or image) * (row.dim or 1) * row.batch, row.heads or 0


def _point(axes: Axes, row: FleetRow, at: float, color: str) -> None:
    ratio = row.ratio or 1.0
    low, high = row.ratio_low or ratio, row.ratio_high or ratio
    decided = row.verdict in ("faster", "slower", "same")
    axes.errorbar(
        [ratio],
        [at],
        xerr=([max(0.0, ratio - low)], [max(0.0, high - ratio)]),
        color=color,
        marker="o",
        markersize=3.5,
        markerfacecolor=color if decided else "white",
        linestyle="",
        elinewidth=0.9,
    )
    if row.predicted_ratio:
        axes.plot([row.predicted_ratio], [at], marker="|", markersize=7, color=NEUTRAL, zorder=3)


def _legend(rows: Sequence[FleetRow], colors: dict[str, str]) -> list[tuple[Artist, str]]:
    found: list[tuple[Artist, str]] = [
        (Line2D([], [], color=color, marker="o", markersize=4, linewidth=1), name) for name, color in colors.items()
    ]
    if any(row.verdict == "inconclusive" for row in rows):
        hollow = Line2D([], [], color=NEUTRAL, marker="o", markersize=4, markerfacecolor="white", linestyle="")
        found.append((hollow, "no verdict"))
    if any(row.predicted_ratio for row in rows):
        found.append((Line2D([], [], color=NEUTRAL, marker="|", markersize=7, linestyle=""), "predicted"))
    return found
