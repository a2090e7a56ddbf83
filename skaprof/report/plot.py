"""Figures: rows in, PNG or SVG bytes out, the same bytes for the same rows (importing this loads matplotlib)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    Formatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)

from skaprof.errors import SkaprofError, named, printable
from skaprof.measured import MeasuredRow
from skaprof.records import Record
from skaprof.report.numbers import si, significant
from skaprof.report.style import MARKERS, PALETTE, STYLE, wrapped
from skaprof.results import ResultRow, name_of, values_of

PLOT_FORMATS = {".png": "png", ".svg": "svg"}
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
_METRICS = {"macs": "MACs", "params": "parameters"}
_WORDS = {**_METRICS, "median_ms": "latency (ms)", "images_per_s": "images per second"}

_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MOST_MARKED_POINTS = 24
_MOST_LINES = 24
_LABEL_WIDTH = 22
_TITLE_INCHES = 0.08  # of a character of the title
_LEGEND_HANDLE, _LEGEND_CHARACTER, _LEGEND_LINE = 0.6, 0.075, 0.18  # inches


def cost_plot(rows: Sequence[ResultRow], swept: Sequence[str], title: str, suffix: str) -> bytes:
    """MACs and parameters of every mixer over the first of the `swept` row keys, or as bars where there is none.

    The other swept keys tell the lines apart. Where rows have a baseline, the ratios to it are drawn.
    `suffix` is ".png" or ".svg".

    Raises:
        SkaprofError: nothing to draw.
    """
    if not rows:
        raise SkaprofError(f"{named('plot')}: there are no rows to draw")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.3 if swept else max(3.3, 0.5 + 0.32 * len(rows))), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2), _METRICS, strict=True):
            if swept:
                _lines(axes, rows, metric, swept)
            else:
                _bars(axes, rows, metric)
        finish(figure, title, legend=bool(swept))
        return encoded(figure, suffix)


def latency_plot(
    rows: Sequence[ResultRow], swept: Sequence[str], title: str, suffix: str, key: str = "median_ms"
) -> bytes:
    """`latency_figure` as ".png" or ".svg"."""
    return encoded(latency_figure(rows, swept, title, key), suffix)


def latency_figure(rows: Sequence[ResultRow], swept: Sequence[str], title: str, key: str = "median_ms") -> Figure:
    """Latency over the first swept key with interval bands, one line a mixer and implementation; else as bars.

    `key` is "median_ms", or "images_per_s" for throughput.

    Raises:
        SkaprofError: nothing was measured.
    """
    measured = [row for row in rows if isinstance(row, MeasuredRow)]
    if not measured:
        raise SkaprofError(f"{named('plot')}: nothing was measured, there is nothing to draw")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.8), layout="constrained")
        axes = figure.subplots()
        if swept:
            _lines(axes, measured, key, swept)
        else:
            _bars(axes, measured, key)
        finish(figure, title, legend=bool(swept))
        return figure


def panel_figure(panels: Sequence[tuple[str, str, Sequence[ResultRow]]], title: str) -> Figure:
    """MACs above parameters for each (heading, axis, rows): the shape of the paper's figure 4."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.4), layout="constrained")
        grid = figure.subplots(len(_METRICS), len(panels), squeeze=False)
        for column, (heading, axis, rows) in enumerate(panels):
            for line, metric in enumerate(_METRICS):
                _lines(grid[line][column], rows, metric, (axis,))
            grid[0][column].set_title(printable(heading), fontsize=9, loc="left")
        finish(figure, title, legend=True)
        return figure


def require_few_lines(rows: Sequence[ResultRow], others: Sequence[str]) -> dict[str, list[ResultRow]]:
    """The rows of each line, under its label; `others` are the swept keys but the axis.

    Raises:
        SkaprofError: more lines than can be told apart.
    """
    series = _series(rows, others)
    if len(series) > _MOST_LINES:
        raise SkaprofError(f"{named('plot')}: {len(series)} lines: expected at most {_MOST_LINES}; sweep fewer values")
    return series


def _series(rows: Sequence[ResultRow], others: Sequence[str]) -> dict[str, list[ResultRow]]:
    """The rows of each line, under its label: the mixer and whatever else tells lines apart."""
    varying = [key for key in ("implementation", "mode", "dtype") if len({_at(row, key) for row in rows}) > 1]
    series: dict[str, list[ResultRow]] = {}
    for row in rows:
        details = [_detail(key, _at(row, key)) for key in (*varying, *others) if _at(row, key) is not None]
        series.setdefault(", ".join([name_of(row), *details]), []).append(row)
    return series


def _detail(key: str, value: Any) -> str:
    return str(value) if key in ("implementation", "mode", "dtype") else f"{key} {value}"


def _lines(axes: Axes, rows: Sequence[ResultRow], metric: str, swept: Sequence[str]) -> None:
    axis, *others = swept
    key = _drawn_key(rows, metric)
    names = list(dict.fromkeys(map(name_of, rows)))
    series = require_few_lines(rows, others)
    for number, (label, of_label) in enumerate(series.items()):
        line = sorted((row for row in of_label if _at(row, axis) is not None), key=lambda row: _at(row, axis))
        line = line or of_label[:1]
        points = [pair for row in line if None not in (pair := values_of(row, (axis, key)))]
        if not points and _at(line[0], key) is None:
            continue  # a ratio over nothing
        if not points:  # a mixer without this axis (a convolution over heads) is a level, not a line
            axes.axhline(_at(line[0], key), label=label, color=color_of(line[0], names), linestyle=":")
            continue
        axes.plot(
            *zip(*points, strict=True),
            label=label,
            color=color_of(line[0], names),
            linestyle=_DASHES[number % len(_DASHES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.5,
            markevery=max(1, len(points) // _MOST_MARKED_POINTS),
            linewidth=1.4,
        )
        if banded := [row for row in line if isinstance(row, MeasuredRow) and row.interval]:
            low, high = zip(*(_band(row, key) for row in banded), strict=True)
            axes.fill_between(
                [_at(row, axis) for row in banded], low, high, color=color_of(line[0], names), alpha=0.2, lw=0
            )
    _scale_axes(axes, rows, key, axis)
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel(_drawn_words(rows, metric))


def _at(row: Record, key: str) -> Any:
    return getattr(row, key, None)


def _band(row: MeasuredRow, key: str) -> tuple[float, float]:
    """The interval around a measured value; throughput falls where latency rises."""
    low, high = row.interval or (row.median_ms, row.median_ms)
    return (row.batch / high * 1e3, row.batch / low * 1e3) if key == "images_per_s" else (low, high)


def color_of(row: Record, names: Sequence[str]) -> str:
    """The colour of what the row is of: the place of its name among `names`."""
    return PALETTE[names.index(name_of(row)) % len(PALETTE)]


def _scale_axes(axes: Axes, rows: Sequence[ResultRow], key: str, axis: str) -> None:
    xs = sorted({_at(row, axis) for row in rows} - {None})
    ys = [value for row in rows if (value := _at(row, key)) is not None]
    if xs and xs[-1] >= 8 * xs[0] and axis != "kernel_size":
        axes.set_xscale("log", base=2)
        ticks = [2**power for power in range(60) if xs[0] <= 2**power <= xs[-1]]
        axes.xaxis.set_major_locator(FixedLocator(ticks[:: max(1, (len(ticks) + 5) // 6)]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if ys and min(ys) > 0 and max(ys) >= 10 * min(ys):
        axes.set_yscale("log")
        within = (1.0, 2.0, 5.0) if max(ys) < 100 * min(ys) else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=within, numticks=12))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if key.endswith("_ratio"):
        axes.axhline(1, color="#666666", linewidth=0.8, zorder=1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    else:
        axes.yaxis.set_major_formatter(number_format(key))


def number_format(key: str) -> Formatter:
    """Ticks with SI prefixes, but plain numbers where the unit has its own already (0.2 ms, not 200 m ms)."""
    return StrMethodFormatter("{x:,g}") if key.endswith("_ms") else EngFormatter(sep=" ")


def _bars(axes: Axes, rows: Sequence[ResultRow], metric: str) -> None:
    key = _drawn_key(rows, metric)
    varying = [name for name in ("implementation", "mode", "dtype") if len({_at(row, name) for row in rows}) > 1]
    described = (" ".join([name_of(row), *(str(_at(row, key)) for key in varying)]) for row in rows)
    labels = [wrapped(text.replace(",", ", "), _LABEL_WIDTH) for text in described]
    names = list(dict.fromkeys(map(name_of, rows)))
    places = range(len(rows))
    values = [_at(row, key) or 0 for row in rows]
    axes.barh(places, values, color=[color_of(row, names) for row in rows], height=0.62)
    for place, value in zip(places, values, strict=True):
        if _at(rows[place], key) is None:
            axes.annotate("undefined", (0, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
            continue
        text = f"{value:.3f}x" if key.endswith("_ratio") else significant(value) if "ms" in key else si(value)
        axes.annotate(text, (value, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.margins(x=0.22)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(number_format(key))
    axes.set_xlabel(_drawn_words(rows, metric))


def _drawn_key(rows: Sequence[ResultRow], metric: str) -> str:
    return f"{metric}_ratio" if rows[0].baseline and metric in _METRICS else metric


def _drawn_words(rows: Sequence[ResultRow], metric: str) -> str:
    baseline = rows[0].baseline
    return f"{_METRICS[metric]} over {printable(baseline)}'s" if baseline and metric in _METRICS else _WORDS[metric]


def finish(figure: Figure, title: str, *, legend: bool) -> None:
    """The title, wrapped to the figure's width, and a legend below that makes the figure as high as it needs."""
    figure.suptitle(wrapped(title, int(figure.get_size_inches()[0] / _TITLE_INCHES)), fontsize=9.5)
    if legend:
        handles, names = figure.axes[0].get_legend_handles_labels()
        labels = list(map(printable, names))
        width, height = figure.get_size_inches()
        fitting = int((width - 0.4) / (_LEGEND_HANDLE + _LEGEND_CHARACTER * max(map(len, labels), default=1)))
        columns = max(1, min(len(labels), fitting))
        lines = -(-len(labels) // columns)
        figure.set_size_inches(width, height + _LEGEND_LINE * max(0, lines - 2))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def encoded(figure: Figure, suffix: str) -> bytes:
    """The figure's bytes as ".png" or ".svg", the same for the same figure."""
    return encoded_as(figure, (suffix,))[0]


def encoded_as(figure: Figure, suffixes: Sequence[str]) -> list[bytes]:
    """The figure in several formats. It is laid out once: that takes as long as drawing it."""
    with matplotlib.rc_context(STYLE):
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        return [_saved(figure, PLOT_FORMATS[suffix]) for suffix in suffixes]


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": "skaprof"} if kind == "svg" else {"Software": "skaprof"}
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
