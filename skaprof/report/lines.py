"""Which line of a figure is which: the colour is the mixer's, dash and marker say what else tells lines apart.

What these cannot tell, and what would make too many lines, stands in panels of its own. Importing loads matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skaprof.errors import SkaprofError, named
from skaprof.measured import MeasuredRow
from skaprof.records import Record
from skaprof.report.style import DASHES, MARKERS, NEUTRAL, colors_of
from skaprof.results import ResultRow, name_of, values_of

FORM_KEYS = ("form", "mode", "dtype")
MOST_LINES = 8
"""In one panel."""
_MOST_PANELS = 12
_MOST_MARKED_POINTS = 24
_LEVEL = ":"
"""A mixer that does not have the axis."""
Values = tuple[Any, ...]


class Panel(NamedTuple):
    """Rows of some lines, and what they have in common that other panels' have not."""

    heading: str
    rows: list[ResultRow]


class Look:
    """How the lines of these rows look, and the panels that they stand in; `others` are the swept keys but the axis.

    Raises:
        SkaprofError: more panels than a figure holds.
    """

    def __init__(self, rows: Sequence[ResultRow], others: Sequence[str] = ()) -> None:
        self.colors = colors_of(list(map(name_of, rows)))
        told = [key for key in (*FORM_KEYS, *others) if len({_at(row, key) for row in rows} - {None}) > 1]
        apart: list[str] = []
        while told and (len(told) > 2 or self._most_lines(rows, told, apart) > MOST_LINES):
            apart.insert(0, told.pop())
        self.dash_key, self.marker_key = [*told, None, None][:2]
        self.dashes, self.markers = _values(rows, self.dash_key), _values(rows, self.marker_key)
        self.panels = [panel for each in _split(rows, apart) for panel in self._of_few_mixers(each)]
        if len(self.panels) > _MOST_PANELS:
            raise SkaprofError(
                f"{named('plot')}: {len(self.panels)} panels of at most {MOST_LINES} lines: expected at most "
                f"{_MOST_PANELS}; sweep fewer values"
            )

    @staticmethod
    def _most_lines(rows: Sequence[ResultRow], told: Sequence[str], apart: Sequence[str]) -> int:
        """The lines of the fullest panel."""
        lines = {(values_of(row, apart), name_of(row), values_of(row, told)) for row in rows}
        panels = [panel for panel, *_ in lines]
        return max(map(panels.count, set(panels)), default=0)

    def _of_few_mixers(self, panel: Panel) -> list[Panel]:
        """The panel, or several alike where it has more mixers than lines."""
        names = list(dict.fromkeys(map(name_of, panel.rows)))
        if len(names) <= MOST_LINES:
            return [panel]
        panels = ceil(len(names) / MOST_LINES)
        groups = [names[place * len(names) // panels : (place + 1) * len(names) // panels] for place in range(panels)]
        return [Panel(panel.heading, [row for row in panel.rows if name_of(row) in group]) for group in groups]

    def of(self, row: ResultRow) -> dict[str, Any]:
        """The colour, dash and marker of the row's line, as matplotlib takes them."""
        name = name_of(row)
        mixer, dash, marker = list(self.colors).index(name), self._place(row, "dash"), self._place(row, "marker")
        if self.marker_key is None:
            marker = mixer if self.dash_key is None else dash
        return {
            "color": self.colors[name],
            "linestyle": DASHES[dash % len(DASHES)],
            "marker": MARKERS[marker % len(MARKERS)],
        }

    def _place(self, row: ResultRow, what: str) -> int:
        key, values = (self.dash_key, self.dashes) if what == "dash" else (self.marker_key, self.markers)
        value = _at(row, key) if key else None
        return values.index(value) if value in values else 0

    def legend(self) -> list[tuple[Artist, str]]:
        """What colours mean, then dashes, then markers."""
        found: list[tuple[Artist, str]] = []
        alone = self.dash_key is None
        for place, (name, color) in enumerate(self.colors.items()):
            marker = MARKERS[place % len(MARKERS)] if alone else ""
            found.append((Line2D([], [], color=color, linewidth=1.4, marker=marker, markersize=3.5), name))
        for place, value in enumerate(self.dashes):
            marker = MARKERS[place % len(MARKERS)] if self.marker_key is None else ""
            dash = DASHES[place % len(DASHES)]
            handle = Line2D([], [], color=NEUTRAL, linewidth=1.2, linestyle=dash, marker=marker, markersize=3.5)
            found.append((handle, detail(str(self.dash_key), value)))
        for place, value in enumerate(self.markers):
            handle = Line2D([], [], color=NEUTRAL, linestyle="", marker=MARKERS[place % len(MARKERS)], markersize=4)
            found.append((handle, detail(str(self.marker_key), value)))
        return found

    def draw(self, axes: Axes, rows: Sequence[ResultRow], axis: str, key: str) -> None:
        """Each line of a panel over the axis, and the intervals of what was measured."""
        lines: dict[Values, list[ResultRow]] = {}
        for row in rows:
            lines.setdefault((name_of(row), *values_of(row, self._told())), []).append(row)
        for of_line in lines.values():
            self._line(axes, of_line, axis, key)

    def _told(self) -> list[str]:
        return [key for key in (self.dash_key, self.marker_key) if key]

    def _line(self, axes: Axes, rows: Sequence[ResultRow], axis: str, key: str) -> None:
        looks = self.of(rows[0])
        line = sorted((row for row in rows if _at(row, axis) is not None), key=lambda row: _at(row, axis))
        points = [pair for row in line if None not in (pair := values_of(row, (axis, key)))]
        if not line and _at(rows[0], key) is not None:  # without this axis, as a convolution is without heads
            axes.axhline(_at(rows[0], key), color=looks["color"], linestyle=_LEVEL)
        if not points:
            return
        every = max(1, len(points) // _MOST_MARKED_POINTS)
        axes.plot(*zip(*points, strict=True), **looks, markersize=3.5, markevery=every, linewidth=1.4)
        if banded := [row for row in line if isinstance(row, MeasuredRow) and row.interval]:
            low, high = zip(*(_band(row, key) for row in banded), strict=True)
            axes.fill_between([_at(row, axis) for row in banded], low, high, color=looks["color"], alpha=0.2, lw=0)


def detail(key: str, value: Any) -> str:
    """A value as a legend names it: `dim 64`, `sdpa`."""
    return str(value) if key in FORM_KEYS else f"{key.replace('_', ' ')} {value:,}"


def _values(rows: Sequence[ResultRow], key: str | None) -> list[Any]:
    return [] if key is None else list(dict.fromkeys(value for row in rows if (value := _at(row, key)) is not None))


def _split(rows: Sequence[ResultRow], keys: Sequence[str]) -> list[Panel]:
    """The rows by their values of the keys."""
    found: dict[Values, list[ResultRow]] = {}
    for row in rows:
        found.setdefault(values_of(row, keys), []).append(row)
    return [
        Panel(", ".join(detail(key, value) for key, value in zip(keys, values, strict=True) if value is not None), own)
        for values, own in found.items()
    ]


def _at(row: Record, key: str) -> Any:
    return getattr(row, key, None)


def _band(row: MeasuredRow, key: str) -> tuple[float, float]:
    """The interval around a measured value; throughput falls where latency rises."""
    low, high = row.interval or (row.median_ms, row.median_ms)
    return (row.batch / high * 1e3, row.batch / low * 1e3) if key == "images_per_s" else (low, high)
