"""Each contender's difference to the baseline with its interval, and the margin within which it is as good as none."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from skaprof.errors import SkaprofError, named, printable
from skaprof.report.canvas import encoded, finish
from skaprof.report.style import FAINT, NEUTRAL, STYLE, colors_of
from skaprof.trained import VerdictRow


def accuracy_plot(verdicts: Sequence[VerdictRow], title: str, suffix: str) -> bytes:
    """A line a contender, the first on top, in a format of `skaprof.report.canvas`; a control's point is hollow.

    Raises:
        SkaprofError: no contender has a difference.
    """
    rows = [row for row in verdicts if row.difference is not None]
    if not rows:
        raise SkaprofError(f"{named('plot')}: no difference to draw: expected two networks trained with one seed")
    colors = colors_of([row.model for row in rows])
    margin = rows[0].margin
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.3 + 0.38 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.4, lw=0, label=f"within the margin of {margin:g}")
        axes.axvline(0, color=NEUTRAL, linewidth=1)
        for place, row in enumerate(rows):
            color, fill = colors[row.model], "white" if row.is_control else colors[row.model]
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [place, place], color=color, linewidth=2)
            axes.plot(row.difference or 0.0, place, "o", color=color, markerfacecolor=fill, markersize=6)
        axes.set_yticks(range(len(rows)), [printable(f"{row.model}: {row.verdict}") for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(printable(f"accuracy less that of {rows[0].baseline} (points), 95 % interval over seeds"))
        finish(figure, title, legend=True)
        return encoded(figure, suffix)
