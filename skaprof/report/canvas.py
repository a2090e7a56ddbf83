"""What every figure shares: axes in one unit, the title, the legend, and bytes that are the same for the same figure.

Importing this loads matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, SymmetricalLogLocator

from skaprof.errors import printable
from skaprof.report.numbers import prefix_for
from skaprof.report.style import STYLE, wrapped
from skaprof.results import FLOPS_PER_PARAM

PLOT_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "skaprof"},
    "svg": {"Date": None, "Creator": "skaprof"},
    "pdf": {"CreationDate": None, "Creator": "skaprof", "Producer": None},
}
_TITLE_INCHES = 0.08  # of a character of the title
_LEGEND_HANDLE, _LEGEND_CHARACTER, _LEGEND_LINE = 0.6, 0.075, 0.18  # inches
_LOGARITHMIC = 10
"""An axis whose largest value is so many times its smallest is logarithmic."""
_BELOW = 0.5
"""How high the part of a logarithmic axis is that goes from the least value to 0, where one is 0: in powers of ten."""
_MARGIN = 0.3
_TENS = 100
"""One that spans this has ticks at powers of ten alone."""


def scale_axis(
    axis: Axis,
    values: Iterable[float],
    words: str,
    unit: str | None = "",
    *,
    log: bool | None = None,
    beside: Iterable[float] = (),
) -> None:
    """Scale, ticks and label of an axis of figures, all in one unit: `parameters (M)`, and 0.1, 1, 10.

    Without words the label is the unit alone.

    Args:
        values: all that the axis shows.
        unit: what an SI prefix goes before; "ms" has its own, and None is no unit and no prefix.
        log: whether the axis is logarithmic; None: where the values are wide apart, above a 0 if there is one.
        beside: what other axes of the figure show in the same unit.
    """
    found = [float(value) for value in values]
    above = [value for value in found if value > 0]
    low, high = min(above, default=0.0), max(above, default=0.0)
    logarithmic = (min(found, default=0.0) >= 0 and high >= _LOGARITHMIC * low > 0) if log is None else log
    scale, prefix = (1, "") if unit in ("ms", None) else _prefix([*found, *map(float, beside)], logarithmic=logarithmic)
    if logarithmic and len(above) < len(found):
        _set_scale(axis)("symlog", linthresh=low, linscale=_BELOW)
        axis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=low))
        axis.set_view_interval(-_MARGIN * low, (1 + _MARGIN) * high, ignore=True)  # nothing is below 0
    elif logarithmic:
        _set_scale(axis)("log")
        axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if high < _TENS * low else (1,), numticks=12))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(lambda value, _: plain(value / scale))
    shown = f"{prefix}{unit or ''}"
    axis.set_label_text(f"{words} ({shown})" if words and shown else words or shown)


def unit_of(key: str) -> str | None:
    """The unit of a row's key, as `scale_axis` takes it."""
    if key.endswith("_bytes"):
        return "B"
    return "ms" if key.endswith("_ms") else None if key == FLOPS_PER_PARAM or key.endswith("_ratio") else ""


def _prefix(values: Sequence[float], *, logarithmic: bool) -> tuple[int, str]:
    """Of the largest value, or of the middle of a logarithmic axis."""
    high = max(values, default=0.0)
    return prefix_for([sqrt(min(value for value in values if value > 0) * high) if logarithmic else high])


def _set_scale(axis: Axis) -> Callable[..., None]:
    """What sets an axis's scale: only a figure's axes can."""
    return axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale


def plain(value: float) -> str:
    """A tick's number, without an exponent: `0.05`, `1,000`."""
    return f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:,.10g}"


def finish(figure: Figure, title: str, *, legend: bool | Sequence[tuple[Artist, str]]) -> None:
    """The title, wrapped to the figure's width, and a legend below that makes the figure as high as it needs.

    `legend` may be the entries themselves; else they are those of the first axes.
    """
    figure.suptitle(wrapped(title, int(figure.get_size_inches()[0] / _TITLE_INCHES)), fontsize=9.5)
    if legend is False:
        return
    entries = list(zip(*figure.axes[0].get_legend_handles_labels(), strict=True)) if legend is True else legend
    labels = [printable(label) for _, label in entries]
    width, height = figure.get_size_inches()
    fitting = int((width - 0.4) / (_LEGEND_HANDLE + _LEGEND_CHARACTER * max(map(len, labels), default=1)))
    columns = max(1, min(len(labels), fitting))
    lines = -(-len(labels) // columns)
    figure.set_size_inches(width, height + _LEGEND_LINE * max(0, lines - 2))
    figure.legend([handle for handle, _ in entries], labels, loc="outside lower center", ncols=columns)


def grid_of(figure: Figure, count: int, columns: int) -> list[Axes]:
    """So many axes, a few a line; what the last line has too many is not shown."""
    lines = -(-count // columns)
    found: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axes in found[count:]:
        axes.set_visible(False)
    return found[:count]


def share_scale(axes: Sequence[Axes]) -> None:
    """One range of values for all: panels are there to be compared."""
    limits = [each.get_ylim() for each in axes]
    for each in axes:
        each.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def encoded(figure: Figure, suffix: str) -> bytes:
    """The figure's bytes as one of `PLOT_FORMATS`, the same for the same figure."""
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
    figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()
