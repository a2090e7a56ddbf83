"""The figure of a backbone: MACs and parameters of each scope as bars (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from skaprof.errors import SkaprofError, named
from skaprof.report.canvas import encoded, finish, scale_axis
from skaprof.report.model import apart_text
from skaprof.report.search import FIGURE_WORDS
from skaprof.report.style import ACCENT, FAINT, STYLE, wrapped
from skaprof.results import ScopeRow

_DRAWN = ("macs", "params")
_MOST_BARS = 100
_LABEL_WIDTH = 34
_LINE_INCHES = 0.17  # of a line of a label
_BAR_INCHES = 0.24


def scope_plot(rows: Sequence[ScopeRow], title: str, suffix: str) -> bytes:
    """`scope_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(scope_figure(rows, title), suffix)


def scope_figure(rows: Sequence[ScopeRow], title: str) -> Figure:
    """MACs and parameters of each scope as bars, the part that its mixers hold apart from the rest.

    A bar is labelled with its scope and the mixer there; the rows of one size and form stand together, under what
    tells them from the others.

    Raises:
        SkaprofError: too many rows for bars.
    """
    if len(rows) > _MOST_BARS:
        raise SkaprofError(
            f"{named('plot')}: {len(rows)} bars: expected at most {_MOST_BARS}; use another {named('depth')}"
        )
    lines = _lines(rows)
    labels = [wrapped(label, _LABEL_WIDTH) for label, _ in lines]
    deepest = max(label.count("\n") + 1 for label in labels)
    height = max(2.1, 1.2 + max(_BAR_INCHES, _LINE_INCHES * deepest) * len(lines))
    places = [place for place, (_, row) in enumerate(lines) if row is not None]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2, sharey=True), _DRAWN, strict=True):
            mixers = [getattr(row, f"mixer_{metric}") for row in rows]
            rest = [getattr(row, metric) - getattr(row, f"mixer_{metric}") for row in rows]
            axes.barh(places, mixers, color=ACCENT, height=0.62, label="mixers")
            axes.barh(places, rest, left=mixers, color=FAINT, height=0.62, label="the rest")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
            scale_axis(axes.xaxis, [getattr(row, metric) for row in rows], FIGURE_WORDS[metric], log=False)
        left = figure.axes[0]
        left.set_yticks(range(len(lines)), labels)
        left.set_ylim(len(lines) - 0.4, -0.6)
        for label, (_, row) in zip(left.get_yticklabels(), lines, strict=True):
            label.set_fontweight("bold" if row is None else "normal")
        finish(figure, title, legend=True)
        return figure


def _lines(rows: Sequence[ScopeRow]) -> list[tuple[str, ScopeRow | None]]:
    """The labels from top to bottom, each with its bar's row; None where it heads the rows of one size and form."""
    found: list[tuple[str, ScopeRow | None]] = []
    heading = ""
    for row in rows:
        apart = apart_text(row, rows)
        if apart != heading:
            found += [("", None), (apart, None)] if found else [(apart, None)]
            heading = apart
        mixer = "" if row.mixer is None else " " + row.mixer.replace(",", ", ")
        found.append((f"{row.scope}{mixer}", row))
    return found
