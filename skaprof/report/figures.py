"""The paper's figures, redrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skaprof.analysis.paper_figures import figure_4_panels
from skaprof.results import ResultRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_figure_4(suffixes: Sequence[str]) -> list[bytes]:
    """Figure 4 of arXiv 2412.07049, once for each of ".png" and ".svg" asked for."""
    from skaprof.report.plot import encoded_as, panel_figure

    panels = [
        (heading, axis, [ResultRow.read(row.as_dict()) for row in rows]) for heading, axis, rows in figure_4_panels()
    ]
    title = "MACs and parameters of one mixer: batch 1, heads of 32, k = 3; FLOPs = 2 x MACs"
    return encoded_as(panel_figure(panels, title), suffixes)


def draw_figure_3(rows: Sequence[ResultRow], suffixes: Sequence[str]) -> list[bytes]:
    """`figure_3`, once for each of ".png" and ".svg" asked for."""
    from skaprof.report.plot import encoded_as

    return encoded_as(figure_3(rows), suffixes)


def figure_3(rows: Sequence[ResultRow]) -> Figure:
    """The speed half of figure 3 from measured rows: images per second over the heads, with interval bands."""
    from skaprof.report.plot import latency_figure

    first = rows[0]
    title = (
        f"Throughput on {first.device}: {first.tokens} tokens, dim {first.dim}, batch {first.batch}, "
        f"{first.dtype}, {first.implementation}, {first.timing}"
    )
    return latency_figure(rows, ("heads",), title, "images_per_s")
