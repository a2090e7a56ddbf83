"""Both mixers' curves along an axis, the winning region shaded, and where fewer MACs take more time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from skaprof.analysis.crossover_panels import Panel
from skaprof.report.plot import encoded, finish, number_format
from skaprof.report.style import MARKERS, PALETTE, STYLE, wrapped

_TITLE_WIDTH = 48
_WINS: dict[str, Any] = {"color": PALETTE[0], "alpha": 0.12, "lw": 0}
_WORSE: dict[str, Any] = {"facecolor": "none", "edgecolor": PALETTE[1], "hatch": "//", "lw": 0}


def crossover_plot(panels: Sequence[Panel], names: tuple[str, str], axis: str, title: str, suffix: str) -> bytes:
    """The panels, two a line, as ".png" or ".svg"; `names` are the mixer's and the baseline's."""
    lines = -(-len(panels) // 2)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.6 * lines + 0.6), layout="constrained")
        grid = figure.subplots(lines, 2, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw(axes, panel, names)
            axes.set_xlabel(axis)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        _explain(grid[0], panels, names[0])
        finish(figure, title, legend=True)
        return encoded(figure, suffix)


def _draw(axes: Axes, panel: Panel, names: tuple[str, str]) -> None:
    sizes = [size for size, _, _ in panel.points]
    for which, name in enumerate(names):
        values = [point[1 + which] for point in panel.points]
        marker = MARKERS[which] if panel.is_measured else None
        color = PALETTE[which]
        axes.plot(sizes, values, label=name, color=color, marker=marker, markersize=4, linewidth=1.4)
        hollow = [(size, value) for size, value in zip(sizes, values, strict=True) if size in panel.undecided]
        if hollow and panel.is_measured:
            axes.plot(*zip(*hollow, strict=True), color=color, marker=marker, markersize=4, ls="", mfc="white")
    for low, high in panel.wins:
        axes.axvspan(low, high, **_WINS)
    for low, high in panel.worse:
        axes.axvspan(low, high, **_WORSE)
    values = [value for point in panel.points for value in point[1:]]
    if min(values) > 0 and max(values) >= 10 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=8))
    if not panel.is_measured:
        axes.set_xlim(sizes[0], max(sizes[-1], sizes[0] + 1))
    axes.yaxis.set_major_formatter(number_format(panel.metric))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(wrapped(panel.words, _TITLE_WIDTH), loc="left", fontsize=9)


def _explain(axes: Axes, panels: Sequence[Panel], mixer: str) -> None:
    """Names the shades of all panels in the first one's legend, which is the figure's."""
    if any(panel.wins for panel in panels):
        axes.fill_between([], [], label=f"{mixer} costs less", **_WINS)
    if any(panel.worse for panel in panels):
        axes.fill_between([], [], label="fewer MACs, and more time", **_WORSE)
