"""Figures of costs and times: rows in, a figure or its bytes out (importing this loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.errors import SkaprofError, named, printable
from skaprof.measured import MeasuredRow
from skaprof.report.canvas import encoded, finish, grid_of, plain, scale_axis, share_scale, unit_of
from skaprof.report.lines import FORM_KEYS, Look
from skaprof.report.numbers import NumberFormat, significant
from skaprof.report.style import NEUTRAL, STYLE, colors_of, wrapped
from skaprof.results import FLOPS_PER_PARAM, ResultRow, name_of

AXES = {
    "tokens": "tokens n",
    "dim": "embedding dim d",
    "batch": "batch",
    "heads": "heads",
    "head_dim": "head dim e",
    "kernel_size": "kernel size k",
    "resolution": "image side (pixels)",
    "image_height": "image height (pixels)",
    "image_width": "image width (pixels)",
}
_COSTS = ("macs", "params")
WORDS = {
    "macs": "MACs",
    "params": "parameters",
    FLOPS_PER_PARAM: "FLOPs per parameter",
    "median_ms": "latency",
    "images_per_s": "images per second",
}
_WIDE = 8
"""An axis whose last size is so many times its first has a step for each power of two."""
_PANELS_A_LINE = 3
_PANEL_INCHES = 2.5
_LABEL_WIDTH = 22


def cost_plot(rows: Sequence[ResultRow], swept: Sequence[str], title: str, suffix: str) -> bytes:
    """`cost_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(cost_figure(rows, swept, title), suffix)


def cost_figure(rows: Sequence[ResultRow], swept: Sequence[str], title: str) -> Figure:
    """MACs and parameters of every mixer over the first of the `swept` row keys, or as bars where there is none.

    The other swept keys tell the lines apart. Where rows have a baseline, the ratios to it are drawn.

    Raises:
        SkaprofError: nothing to draw, or more than a figure holds.
    """
    if not rows:
        raise SkaprofError(f"{named('plot')}: there are no rows to draw")
    with matplotlib.rc_context(STYLE):
        return _over(rows, swept, title, _COSTS) if swept else _bars_of(rows, title, _COSTS)


def latency_plot(
    rows: Sequence[ResultRow], swept: Sequence[str], title: str, suffix: str, key: str = "median_ms"
) -> bytes:
    """`latency_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(latency_figure(rows, swept, title, key), suffix)


def latency_figure(rows: Sequence[ResultRow], swept: Sequence[str], title: str, key: str = "median_ms") -> Figure:
    """Latency over the first swept key with interval bands, one line a mixer and implementation; else as bars.

    `key` is "median_ms", or "images_per_s" for throughput.

    Raises:
        SkaprofError: nothing was measured, or more than a figure holds.
    """
    measured = [row for row in rows if isinstance(row, MeasuredRow)]
    if not measured:
        raise SkaprofError(f"{named('plot')}: nothing was measured, there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        return _over(measured, swept, title, (key,)) if swept else _bars_of(measured, title, (key,))


def _over(rows: Sequence[ResultRow], swept: Sequence[str], title: str, metrics: Sequence[str]) -> Figure:
    """The metrics over the first swept key: side by side, and a line of panels for each value that needs its own."""
    axis, *others = swept
    look = Look(rows, others)
    count = len(look.panels) * len(metrics)
    columns = len(metrics) if len(metrics) > 1 else min(count, _PANELS_A_LINE)
    height = 3.3 if count == columns else _PANEL_INCHES * -(-count // columns)
    figure = Figure(figsize=(7.2 if columns > 1 else 5.4, height + 0.5), layout="constrained")
    grid = grid_of(figure, count, columns)
    for place, axes in enumerate(grid):
        panel, metric = look.panels[place // len(metrics)], metrics[place % len(metrics)]
        draw_lines(axes, look, panel.rows, metric, axis, rows, alike=True)
        axes.set_title(printable(panel.heading), fontsize=9, loc="left")
    for place in range(len(metrics)):
        share_scale(grid[place :: len(metrics)])
    finish(figure, title, legend=look.legend())
    return figure


def draw_lines(
    axes: Axes,
    look: Look,
    rows: Sequence[ResultRow],
    metric: str,
    axis: str,
    beside: Sequence[ResultRow],
    *,
    alike: bool = False,
) -> None:
    """One panel: a metric over the sizes of an axis, in a unit that suits the rows `beside` it too.

    `alike`: and with a scale that does.
    """
    key = _drawn_key(rows, metric)
    look.draw(axes, rows, axis, key)
    _scale_sizes(axes, sorted({size for row in rows if (size := getattr(row, axis)) is not None}), axis)
    values = _values(beside if alike else rows, key)
    scale_axis(axes.yaxis, values, _drawn_words(rows, metric), unit_of(key), beside=_values(beside, key))
    if key.endswith("_ratio"):
        axes.axhline(1, color=NEUTRAL, linewidth=0.8, zorder=1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{plain(value)}x")


def _values(rows: Sequence[ResultRow], key: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, key, None)) is not None]


def _scale_sizes(axes: Axes, sizes: Sequence[int], axis: str) -> None:
    axes.set_xlabel(AXES[axis])
    if sizes and sizes[-1] >= _WIDE * sizes[0] and axis != "kernel_size":
        axes.set_xscale("log", base=2)
        ticks = [2**power for power in range(60) if sizes[0] <= 2**power <= sizes[-1]]
        axes.xaxis.set_major_locator(FixedLocator(ticks[:: max(1, (len(ticks) + 5) // 6)]))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: plain(value))


def _bars_of(rows: Sequence[ResultRow], title: str, metrics: Sequence[str]) -> Figure:
    height = max(3.3, 0.5 + 0.32 * len(rows)) if len(metrics) > 1 else 3.8
    figure = Figure(figsize=(7.2 if len(metrics) > 1 else 5.4, height), layout="constrained")
    for axes, metric in zip(grid_of(figure, len(metrics), len(metrics)), metrics, strict=True):
        _bars(axes, rows, metric)
    finish(figure, title, legend=False)
    return figure


def _bars(axes: Axes, rows: Sequence[ResultRow], metric: str) -> None:
    key = _drawn_key(rows, metric)
    varying = [name for name in FORM_KEYS if len({getattr(row, name) for row in rows}) > 1]
    described = (" ".join([name_of(row), *(str(getattr(row, key)) for key in varying)]) for row in rows)
    colors = colors_of(list(map(name_of, rows)))
    values = [getattr(row, key, None) for row in rows]
    places = range(len(rows))
    axes.barh(places, [value or 0 for value in values], color=[colors[name_of(row)] for row in rows], height=0.62)
    for place, text in zip(places, _bar_texts(values, key), strict=True):
        axes.annotate(
            text, (values[place] or 0, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(places, [wrapped(text.replace(",", ", "), _LABEL_WIDTH) for text in described])
    axes.invert_yaxis()
    axes.margins(x=0.22)
    axes.grid(axis="y", visible=False)
    scale_axis(axes.xaxis, _values(rows, key), _drawn_words(rows, metric), unit_of(key), log=False)


def _bar_texts(values: Sequence[Any], key: str) -> list[str]:
    """What stands at the end of each bar, in the unit of the axis."""
    number = NumberFormat.of([value for value in values if value is not None])
    write = significant if key.endswith("_ms") else number.text
    if key.endswith("_ratio"):
        write = "{:.3f}x".format
    return ["undefined" if value is None else write(value) for value in values]


def _drawn_key(rows: Sequence[ResultRow], metric: str) -> str:
    return f"{metric}_ratio" if rows[0].baseline and metric in _COSTS else metric


def _drawn_words(rows: Sequence[ResultRow], metric: str) -> str:
    baseline = rows[0].baseline
    return f"{WORDS[metric]} over {printable(baseline)}'s" if baseline and metric in _COSTS else WORDS[metric]
