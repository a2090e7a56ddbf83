"""What MACs promise against what the clock says: one figure, and the sentences that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from skaprof.report.plot import MARKERS, STYLE, color_of, finish
from skaprof.results import name_of

Row = Mapping[str, Any]

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_FINE_TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.5, 3)
_FEWEST_TICKS = 4


def promise_figure(rows: Sequence[Row], title: str) -> Figure:
    """Each row's time ratio over its MACs ratio, both to the baseline, with intervals; on the line MACs told the time.

    `rows` carry `macs_ratio`, `ratio`, `ratio_low` and `ratio_high`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes = figure.subplots()
        names = list(dict.fromkeys(map(name_of, rows)))
        contenders = list(dict.fromkeys((name_of(row), row["implementation"]) for row in rows))
        for place, contender in enumerate(contenders):
            own = [row for row in rows if (name_of(row), row["implementation"]) == contender]
            _points(axes, own, names, place)
        _guides(axes, rows)
        finish(figure, title, legend=True)
        return figure


def _points(axes: Axes, rows: Sequence[Row], names: Sequence[str], place: int) -> None:
    ratios = [row["ratio"] for row in rows]
    below = [row["ratio"] - row["ratio_low"] for row in rows]
    above = [row["ratio_high"] - row["ratio"] for row in rows]
    axes.errorbar(
        [row["macs_ratio"] for row in rows],
        ratios,
        (below, above),
        label=f"{name_of(rows[0])}, {rows[0]['implementation']}",
        color=color_of(rows[0], names),
        marker=MARKERS[place % len(MARKERS)],
        markersize=4,
        linestyle="",
        elinewidth=0.9,
    )


def _guides(axes: Axes, rows: Sequence[Row]) -> None:
    values = [row[key] for row in rows for key in ("macs_ratio", "ratio_low", "ratio_high")] + [1.0]
    low, high = min(values) / 1.15, max(values) * 1.15
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.plot((low, high), (low, high), color="#666666", linewidth=0.8, linestyle="--", zorder=1)
    axes.axhline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.axvline(1, color="#666666", linewidth=0.8, zorder=1)
    axes.fill_between((low, 1), 1, high, color="#D55E00", alpha=0.10, linewidth=0, zorder=0)
    axes.annotate("fewer MACs,\nyet slower", (low * 1.04, high / 1.04), va="top", fontsize=8, color="#8A3C00")
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    if len(ticks) < _FEWEST_TICKS:
        ticks = [tick for tick in _FINE_TICKS if low <= tick <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(lambda value, _: f"{value:g}x")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("MACs over the baseline's")
    axes.set_ylabel("time over the baseline's")


def kept_promises(rows: Sequence[Row]) -> list[str]:
    """How often fewer MACs were faster, and the worst broken promise."""
    told = [row for row in rows if row["macs_ratio"] < 1 and row["verdict"] != "inconclusive"]
    if not told:
        return []
    kept = [row for row in told if row["verdict"] == "faster"]
    sentences = [f"Fewer MACs than the baseline were also faster in {len(kept):,} of {len(told):,} decided cases."]
    broken = [row for row in told if row["verdict"] == "slower"]
    if broken:
        worst = max(broken, key=lambda row: row["ratio"])
        sentences.append(
            f"The worst: {worst['mixer']} ({worst['implementation']}) at {worst['tokens']:,} tokens, dim "
            f"{worst['dim']:,}, batch {worst['batch']:,}, {worst['mode']}, {worst['dtype']}: "
            f"{worst['macs_ratio']:.2f}x the MACs and {worst['ratio']:.2f}x the time."
        )
    return sentences
