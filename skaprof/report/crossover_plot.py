"""Both mixers' curves along an axis, the winning region shaded, and where fewer MACs take more time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skaprof.analysis.crossover_panels import Panel
from skaprof.report.canvas import encoded, finish, grid_of, scale_axis, unit_of
from skaprof.report.style import MARKERS, NEUTRAL, STYLE, colors_of, wrapped

_TITLE_WIDTH = 40
_WORSE: dict[str, Any] = {"facecolor": "none", "edgecolor": NEUTRAL, "hatch": "//", "lw": 0}


def crossover_plot(panels: Sequence[Panel], names: tuple[str, str], axis: str, title: str, suffix: str) -> bytes:
    """The panels, two a line, in a format of `skaprof.report.canvas`; `names` are the mixer's and the baseline's."""
    lines = -(-len(panels) // 2)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.6 * lines + 0.6), layout="constrained")
        grid = grid_of(figure, len(panels), 2)
        for axes, panel in zip(grid, panels, strict=True):
            _draw(axes, panel, names)
            axes.set_xlabel(axis)
        _explain(grid[0], panels, names)
        finish(figure, title, legend=True)
        return encoded(figure, suffix)


def _draw(axes: Axes, panel: Panel, names: tuple[str, str]) -> None:
    sizes = [size for size, _, _ in panel.points]
    colors = colors_of(names)
    for which, name in enumerate(names):
        values = [point[1 + which] for point in panel.points]
        marker = MARKERS[which] if panel.is_measured else None
        color = colors[name]
        axes.plot(sizes, values, label=name, color=color, marker=marker, markersize=4, linewidth=1.4)
        hollow = [(size, value) for size, value in zip(sizes, values, strict=True) if size in panel.undecided]
        if hollow and panel.is_measured:
            axes.plot(*zip(*hollow, strict=True), color=color, marker=marker, markersize=4, ls="", mfc="white")
    for low, high in panel.wins:
        axes.axvspan(low, high, **_wins(names))
    for low, high in panel.worse:
        axes.axvspan(low, high, **_WORSE)
    values = [value for point in panel.points for value in point[1:]]
    if not panel.is_measured:
        axes.set_xlim(sizes[0], max(sizes[-1], sizes[0] + 1))
    scale_axis(axes.yaxis, values, "", unit_of(panel.metric))
    unit = axes.get_ylabel()
    axes.set_ylabel("")
    axes.set_title(wrapped(f"{panel.words} ({unit})" if unit else panel.words, _TITLE_WIDTH), loc="left", fontsize=9)


def _wins(names: tuple[str, str]) -> dict[str, Any]:
    """A shade of the mixer's colour, where it costs less."""
    return {"color": colors_of(names)[names[0]], "alpha": 0.12, "lw": 0}


def _explain(axes: Axes, panels: Sequence[Panel], names: tuple[str, str]) -> None:
    """Names the shades of all panels in the first one's legend, which is the figure's."""
    if any(panel.wins for panel in panels):
        axes.fill_between([], [], label=f"{names[0]} below {names[1]}", **_wins(names))
    if any(panel.worse for panel in panels):
        axes.fill_between([], [], label="fewer MACs, and more time", **_WORSE)
