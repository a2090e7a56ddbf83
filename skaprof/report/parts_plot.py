"""The figure of a model of the user's own: MACs and parameters of its parts as bars (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from skaprof.errors import SkaprofError, named
from skaprof.own_rows import PartRow
from skaprof.report.canvas import encoded, finish, scale_axis
from skaprof.report.search import FIGURE_WORDS
from skaprof.report.style import ACCENT, STYLE, wrapped
from skaprof.results import values_of

_DRAWN = ("macs", "params")
_MOST_BARS = 100
_LABEL_WIDTH = 34
_LINE_INCHES = 0.24


def part_plot(rows: Sequence[PartRow], title: str, suffix: str) -> bytes:
    """Bars of the parts that hold no other part among the rows, which therefore add up, in a plot's format.

    Raises:
        SkaprofError: too many for bars.
    """
    drawn = _innermost(rows)
    if len(drawn) > _MOST_BARS:
        raise SkaprofError(
            f"{named('plot')}: {len(drawn)} bars: expected at most {_MOST_BARS}; use a smaller {named('depth')}"
        )
    labels = [wrapped(_label(row, rows), _LABEL_WIDTH) for row in drawn]
    lines = sum(label.count("\n") + 1 for label in labels)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, max(2.1, 1.2 + _LINE_INCHES * lines)), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2, sharey=True), _DRAWN, strict=True):
            axes.barh(range(len(drawn)), [getattr(row, metric) or 0 for row in drawn], color=ACCENT, height=0.62)
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
            scale_axis(axes.xaxis, [getattr(row, metric) or 0 for row in drawn], FIGURE_WORDS[metric], log=False)
        left = figure.axes[0]
        left.set_yticks(range(len(drawn)), labels)
        left.set_ylim(len(drawn) - 0.4, -0.6)
        finish(figure, title, legend=False)
        return encoded(figure, suffix)


def _innermost(rows: Sequence[PartRow]) -> list[PartRow]:
    holders = {row.scope.rpartition(".")[0] for row in rows if row.scope}
    found = [row for row in rows if row.scope and row.scope not in holders]
    return found or list(rows)


def _label(row: PartRow, rows: Sequence[PartRow]) -> str:
    apart = [str(getattr(row, key)) for key in ("mode", "dtype") if len({values_of(each, (key,)) for each in rows}) > 1]
    told = "" if row.macs is not None else "MACs not known"
    return " ".join(each for each in (row.scope or "total", *apart, told) if each)
