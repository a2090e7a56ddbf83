"""The figure of a search: every network by its first two objectives, the front drawn (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from skaprof.model.search import Found, Search
from skaprof.report.plot import PALETTE, STYLE, encoded, finish
from skaprof.report.search import FIGURE_WORDS


def search_plot(search: Search, found: Found, objectives: Sequence[str], title: str, suffix: str) -> bytes:
    """Every network as a point, those beyond the limits pale, the front and the unmodified backbone marked.

    `objectives` are the two on the axes. `suffix` is ".png" or ".svg".
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.8, 4.2), layout="constrained")
        axes = figure.subplots()
        within = set(found.within)
        beyond = [number for number in range(search.size) if number not in within]
        _scatter(axes, found, beyond, "beyond the limits", "#DDDDDD", 6)
        _scatter(axes, found, found.within, "networks", PALETTE[5], 6)
        _scatter(axes, found, found.front, "front", PALETTE[1], 16)
        across, up = (getattr(search.own, objective) for objective in objectives)
        axes.scatter(across, up, s=60, marker="*", color=PALETTE[6], label="own mixers", zorder=4)
        for axis, objective in zip((axes.xaxis, axes.yaxis), objectives, strict=True):
            axis.set_major_locator(MaxNLocator(6))
            axis.set_major_formatter(EngFormatter("B" if objective.endswith("bytes") else "", sep=" "))
        axes.set_xlabel(FIGURE_WORDS[objectives[0]])
        axes.set_ylabel(FIGURE_WORDS[objectives[1]])
        finish(figure, title, legend=True)
        return encoded(figure, suffix)


def _scatter(axes: Axes, found: Found, numbers: Sequence[int], label: str, color: str, size: int) -> None:
    """The networks of these numbers; rasterized, so that ten thousand points do not fill a drawing with paths."""
    if not numbers:
        return
    across, up = ([found.points[number][axis] for number in numbers] for axis in (0, 1))
    axes.scatter(across, up, s=size, color=color, label=label, linewidths=0, rasterized=True)
