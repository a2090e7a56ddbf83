"""The report's section on accuracy: what networks are worth beside what they cost, and over their heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from skaprof.analysis.heads import heads_points
from skaprof.errors import SkaprofError
from skaprof.published import TradeOffRow
from skaprof.report.markdown import bullets, from_terminal
from skaprof.report.trade_off import FRONT_MARK, sentences, trade_off_figure, trade_off_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rendered: TypeAlias = "tuple[str, Sequence[str], Mapping[str, Callable[[], Figure]]]"
"""A section's markdown, its findings, and its figures."""


def worth_section(rows: Sequence[TradeOffRow], figure: Callable[[str, str], str]) -> Rendered:
    """The trade-off of the first data set drawn, all in the table; figure 3 where mixers differ in their heads."""
    drawn = [row for row in rows if row.data == rows[0].data]
    figures: dict[str, Callable[[], Figure]] = {"accuracy": partial(trade_off_figure, drawn)}
    shown = figure("accuracy", f"Accuracy of {len(drawn)} networks on {rows[0].data} over each of their costs")
    try:
        points = heads_points(drawn)
    except SkaprofError:  # no mixer is there with two numbers of heads
        points = []
    if points:
        from skaprof.report.heads_figure import heads_figure

        figures["heads"] = partial(heads_figure, points)
        shown += figure("heads", "Accuracy, and images a second, over the number of heads")
    said = sentences(rows)
    return f"{shown}\n{from_terminal(trade_off_table(rows))}\nBold: {FRONT_MARK}.\n{bullets(said)}", said[:1], figures
