"""The figure of a search: its networks by the first two objectives, and the front among them (loads matplotlib)."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import compress

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from skaprof.analysis.fronts import undominated_rows
from skaprof.analysis.search import Amounts, Limit, Search
from skaprof.analysis.search_front import Chosen, Found, is_listed
from skaprof.report.canvas import encoded, finish, scale_axis, unit_of
from skaprof.report.search import FIGURE_WORDS, counted_words, mixer_text
from skaprof.report.style import ACCENT, FAINT, NEUTRAL, STYLE

_MOST_NAMED = 8  # networks of the front
_WIDE = 4  # the ratio from which an axis is logarithmic
_MARGIN = 0.12  # of the view, on each side
Span = tuple[float, float]


def search_plot(
    search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit], title: str, suffix: str
) -> bytes:
    """`search_figure` as one of `skaprof.report.canvas.PLOT_FORMATS`."""
    return encoded(search_figure(search, found, objectives, limits, title), suffix)


def search_figure(
    search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit], title: str
) -> Figure:
    """The networks around the front by the first two objectives, the front joined and named, and the limits as lines.

    The view holds the front, the unmodified backbone and the limits near them; the title says how many networks lie
    beyond it. Where no network is within the limits, it holds all networks and limits, and marks the nearest network.
    """
    shown = found.front if found.nearest is None else [found.nearest[0]]
    # too many to be drawn one by one: those on the front stand for them, and the title says how many were searched
    points = search.points(found.metrics) if is_listed(search) else [chosen.figures for chosen in shown]
    own = tuple(search.own_figures[objective] for objective in objectives[:2])
    marked = points if found.nearest is not None else [chosen.figures for chosen in shown]
    lines = [[limit for limit in limits if limit.metric == objective] for objective in objectives[:2]]
    reach = 1.0 if found.nearest is None else math.inf
    spans = [
        _span([*(point[axis] for point in marked), own[axis]], [float(limit.value) for limit in of_axis], reach)
        for axis, of_axis in enumerate(lines)
    ]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        axes = figure.subplots()
        places = [found.metrics.index(limit.metric) for limit in limits]
        held = [all(limit.holds(point[at]) for limit, at in zip(limits, places, strict=True)) for point in points]
        _scatter(axes, list(compress(points, map(operator.not_, held))), "beyond the limits", "#DDDDDD", 8)
        _scatter(axes, list(compress(points, held)), "networks", FAINT, 8)
        axes.scatter(
            own[0], own[1], s=130, marker="*", facecolors="none", edgecolors="black", label="own mixers", zorder=3
        )
        _scale(axes, objectives, spans)
        _draw_limits(axes, lines)
        _draw_front(axes, shown, is_front=found.nearest is None)
        views = axes.get_xlim(), axes.get_ylim()
        outside = sum(
            any(not low <= value <= high for value, (low, high) in zip(point, views, strict=False)) for point in points
        )
        hidden = f"; {outside:,} {'lies' if outside == 1 else 'lie'} outside this view" if outside else ""
        finish(figure, f"{title}: {counted_words(search, found, objectives, limits)}{hidden}", legend=True)
        return figure


def _span(values: Sequence[float], limits: Sequence[float], reach: float) -> Span:
    """From the lowest to the highest value, and to the limits within `reach` times their distance of them."""
    low, high = min(values), max(values)
    around = reach * ((high - low) or 0.1 * (high or 1))
    near = [limit for limit in limits if low - around <= limit <= high + around]
    return min([low, *near]), max([high, *near])


def _scatter(axes: Axes, points: Sequence[Amounts], label: str, color: str, size: int) -> None:
    """These networks; rasterized, so that ten thousand points do not fill a drawing with paths."""
    if points:
        across, up = ([point[axis] for point in points] for axis in (0, 1))
        axes.scatter(across, up, s=size, color=color, label=label, linewidths=0, rasterized=True)


def _draw_limits(axes: Axes, lines: Sequence[Sequence[Limit]]) -> None:
    """A line for each limit in view."""
    views = axes.get_xlim(), axes.get_ylim()
    for draw, (low, high), of_axis in zip((axes.axvline, axes.axhline), views, lines, strict=True):
        for limit in (limit for limit in of_axis if low <= limit.value <= high):
            draw(float(limit.value), color=NEUTRAL, linestyle="--", linewidth=1, label=limit.text)


def _draw_front(axes: Axes, shown: Sequence[Chosen], *, is_front: bool) -> None:
    """The networks of the front, a line through those that these two objectives put on it, and their names if few."""
    points = [chosen.figures for chosen in shown]
    _scatter(axes, points, "front" if is_front else "nearest", ACCENT, 26)
    if is_front:
        corners = sorted(set(compress((point[:2] for point in points), undominated_rows([p[:2] for p in points]))))
        across, up = ([corner[axis] for corner in corners] for axis in (0, 1))
        axes.plot(across, up, color=ACCENT, linewidth=1, drawstyle="steps-post")
    if len(shown) > _MOST_NAMED:
        return
    named: dict[tuple[int, int], list[str]] = {}
    for place, chosen in enumerate(shown, 1):
        named.setdefault((chosen.figures[0], chosen.figures[1]), []).append(str(place))
        axes.scatter([], [], marker=_numeral(place), color="black", label=mixer_text(chosen))
    for at, places in named.items():
        axes.annotate(", ".join(places), at, xytext=(4, 4), textcoords="offset points", fontsize=8)


def _numeral(place: int) -> MarkerStyle:
    """A number as a marker, which mathematics draws."""
    with matplotlib.rc_context({"text.parse_math": True}):
        return MarkerStyle(f"${place}$")


def _scale(axes: Axes, objectives: Sequence[str], spans: Sequence[Span]) -> None:
    """Each axis from end to end of its span with a margin, logarithmic where that is wide."""
    for axis, objective, (low, high) in zip((axes.xaxis, axes.yaxis), objectives, spans, strict=False):
        set_limits = axes.set_xlim if axis is axes.xaxis else axes.set_ylim
        is_wide = low > 0 and high >= _WIDE * low
        scale_axis(axis, (low, high), FIGURE_WORDS[objective], unit_of(objective), log=is_wide)
        if is_wide:
            factor = (high / low) ** _MARGIN
            set_limits(low / factor, high * factor)
        else:
            margin = _MARGIN * (high - low) or 0.05 * (high or 1)
            set_limits(low - margin, high + margin)
