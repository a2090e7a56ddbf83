"""Accuracy beside costs and times, as a table, sentences and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from skaprof.analysis.trade_off import ACCURACY, TRADED
from skaprof.published import TradeOffRow
from skaprof.report.model import Column, scaled, table_of
from skaprof.report.numbers import counted, significant
from skaprof.report.plain_table import PlainTable
from skaprof.report.table import MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORDS = {
    "params": "parameters",
    "macs": "MACs",
    "peak_bytes": "peak in inference",
    "saved_bytes": "kept in training",
    "median_ms": "measured",
    "predicted_ms": "predicted",
}
"""What each figure is called on an axis."""
FRONT_MARK = "no other network of the same data is as good in all of it and better in one"


def shown_keys(rows: Sequence[TradeOffRow]) -> list[str]:
    """The figures that some row has."""
    return [key for key in TRADED if any(getattr(row, key) is not None for row in rows)]


def trade_off_table(rows: Sequence[TradeOffRow]) -> PlainTable:
    """One line a network, those that no other beats marked."""
    columns = [
        Column(("model",), "model", False, lambda row: row.model),
        *([Column(("image_height", "image_width"), "image", True, _image)] if _sizes(rows) > 1 else []),
        Column(("data",), "data", False, lambda row: row.data or "-"),
        Column(("seeds",), "seeds", True, lambda row: "-" if row.seeds is None else f"{row.seeds:,}"),
        Column(("accuracy", "unbeaten"), "accuracy\n(%)", True, lambda row: _percent(row.accuracy)),
        Column(("accuracy_low", "accuracy_high"), "95 % CI", True, _interval),
        scaled(rows, "params", "params", ""),
        scaled(rows, "macs", "MACs", ""),
    ]
    shown = shown_keys(rows)
    columns += [scaled(rows, key, WORDS[key], "B") for key in ("peak_bytes", "saved_bytes") if key in shown]
    columns += [_milliseconds(key) for key in ("median_ms", "predicted_ms") if key in shown]
    table = table_of(columns)
    place = next(place for place, column in enumerate(columns) if column.keys[0] == ACCURACY)
    for row in rows:
        cells: list[str | Text] = [column.text(row) for column in columns]
        if row.unbeaten:
            cells[place] = Text(f"{cells[place]}{MARK}", style="bold green")
        table.add_row(*cells, of=row)
    return table


def _sizes(rows: Sequence[TradeOffRow]) -> int:
    return len({(row.image_height, row.image_width) for row in rows})


def _image(row: TradeOffRow) -> str:
    return "-" if row.image_height is None else f"{row.image_height} x {row.image_width}"


def _named(rows: Sequence[TradeOffRow]) -> list[tuple[str, TradeOffRow]]:
    """Each row with its model's name, and the image where that is what tells it from another."""
    names = [row.model for row in rows]
    return [(row.model if names.count(row.model) == 1 else f"{row.model} at {_image(row)}", row) for row in rows]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _interval(row: TradeOffRow) -> str:
    if row.accuracy_low is None or row.accuracy_high is None:
        return "-" if row.measured_here else "published"
    return f"{_percent(row.accuracy_low)} to {_percent(row.accuracy_high)}"


def _milliseconds(key: str) -> Column:
    def text(row: TradeOffRow) -> str:
        value = getattr(row, key)
        return "-" if value is None else significant(value)

    return Column((key,), f"{WORDS[key]}\n(ms)", True, text)


def sentences(rows: Sequence[TradeOffRow]) -> list[str]:
    """What is on the front, what the intervals are of, and what was not measured here."""
    told = []
    for data in dict.fromkeys(row.data for row in rows):
        of_data = [row for row in rows if row.data == data]
        front = [name for name, row in _named(of_data) if row.unbeaten]
        about = data or "data that is not named"
        told.append(f"{about}: {len(front):,} of {counted(len(of_data), 'network')} on the front: {', '.join(front)}.")
    if any(row.accuracy_low is not None for row in rows):
        told.append("Intervals: 95 %, of the mean over seeds; they say nothing of the choice of test images.")
    published = [name for name, row in _named(rows) if not row.measured_here]
    if published:
        told.append(f"Published, not measured here: {', '.join(published)}.")
    told += [
        f"Times: {row.device}, {row.implementation}, batch {row.batch:,}."
        for row in list({(row.device, row.implementation, row.batch): row for row in rows if row.device}.values())
    ]
    return told


def trade_off_figure(rows: Sequence[TradeOffRow]) -> Figure:
    """A panel for each figure that is known: accuracy over it, intervals drawn; what is published is hollow."""
    import matplotlib
    from matplotlib.figure import Figure

    from skaprof.report.canvas import finish, grid_of
    from skaprof.report.style import STYLE, colors_of

    keys = shown_keys(rows)
    colors = colors_of([name for name, _ in _named(rows)])
    with matplotlib.rc_context(STYLE):
        columns = min(2, len(keys))
        figure = Figure(figsize=(7.2, 2.7 * -(-len(keys) // columns) + 0.8), layout="constrained")
        for key, axes in zip(keys, grid_of(figure, len(keys), columns), strict=True):
            _draw(axes, rows, key, colors)
        data = ", ".join(dict.fromkeys(row.data or "?" for row in rows))
        hollow = "" if all(row.measured_here for row in rows) else "; hollow: published, not measured here"
        finish(figure, f"Accuracy on {data} against what it costs; line: no other is better{hollow}", legend=True)
    return figure


def _draw(axes: Axes, rows: Sequence[TradeOffRow], key: str, colors: dict[str, str]) -> None:
    from skaprof.report.canvas import scale_axis, unit_of
    from skaprof.report.style import FAINT, MARKERS

    known = [row for row in rows if getattr(row, key) is not None]
    axes.plot(*_front(known, key), color=FAINT, linewidth=1, zorder=1, drawstyle="steps-post")
    for place, (name, row) in enumerate(_named(rows)):
        if getattr(row, key) is not None:
            axes.errorbar(
                getattr(row, key),
                100 * row.accuracy,
                yerr=_error(row.accuracy, row.accuracy_low, row.accuracy_high, 100),
                xerr=_error(row.median_ms, row.ci_low_ms, row.ci_high_ms) if key == "median_ms" else None,
                color=colors[name],
                marker=MARKERS[place % len(MARKERS)],
                markersize=5,
                markerfacecolor=colors[name] if row.measured_here else "white",
                linestyle="",
                capsize=2,
                linewidth=1,
                label=name,
            )
    scale_axis(axes.xaxis, [getattr(row, key) for row in known], WORDS[key], unit_of(key))
    axes.set_ylabel("accuracy (%)")


def _error(value: float | None, low: float | None, high: float | None, factor: float = 1) -> Any:
    if value is None or low is None or high is None:
        return None
    return [[factor * (value - low)], [factor * (high - value)]]


def _front(rows: Sequence[TradeOffRow], key: str) -> tuple[list[float], list[float]]:
    """The corners of the step line of those that no other is better than in accuracy and this figure."""
    corners: list[tuple[float, float]] = []
    for cost, accuracy in sorted((getattr(row, key), -row.accuracy) for row in rows):
        if not corners or -accuracy > corners[-1][1]:
            corners.append((cost, -accuracy))
    return [cost for cost, _ in corners], [100 * accuracy for _, accuracy in corners]
