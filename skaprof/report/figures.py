"""The paper's figures, redrawn from the closed forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.model.spec import parse_mixer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_MIXERS = ("mhsa", "ska", "cska")
FIGURE_3_AXIS = (1, 2, 4, 8, 16, 32)
FIGURE_3_DIM = 384
_FIXED = 256
_SIDES = tuple((side, side) for side in (4, 6, 8, 11, 16, 23, 32, 45, 64))
_DIMS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def figure_4_panels(mixers: Sequence[str] = PAPER_MIXERS) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """(heading, axis, rows) of both panels: over the tokens at d = 256, and over d at n = 256; heads of 32, k = 3."""
    over_tokens, over_dim = SizeGrid(sides=_SIDES, dims=(_FIXED,)), SizeGrid(sides=((16, 16),), dims=_DIMS)
    return [
        (f"(a) over the spatial dimension, d = {_FIXED}", "tokens", _rows(mixers, over_tokens)),
        (f"(b) over the embedding dimension, n = {_FIXED}", "dim", _rows(mixers, over_dim)),
    ]


def draw_figure_4(suffixes: Sequence[str]) -> list[bytes]:
    """Figure 4 of arXiv 2412.07049, once for each of ".png" and ".svg" asked for."""
    from skaprof.report.plot import encoded_as, panel_figure

    panels = figure_4_panels()
    title = "MACs and parameters of one mixer: batch 1, heads of 32, k = 3; FLOPs = 2 x MACs"
    return encoded_as(panel_figure(panels, title), suffixes)


def draw_figure_3(rows: Sequence[Mapping[str, Any]], suffixes: Sequence[str]) -> list[bytes]:
    """`figure_3`, once for each of ".png" and ".svg" asked for."""
    from skaprof.report.plot import encoded_as

    return encoded_as(figure_3(rows), suffixes)


def figure_3(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The speed half of figure 3 from measured rows: images per second over the heads, with interval bands."""
    from skaprof.report.plot import latency_figure

    first = rows[0]
    title = (
        f"Throughput on {first['device']}: {first['tokens']} tokens, dim {first['dim']}, batch {first['batch']}, "
        f"{first['dtype']}, {first['implementation']}, {first['timing']}"
    )
    return latency_figure(rows, ("heads",), title, "images_per_s")


def _rows(mixers: Sequence[str], grid: SizeGrid) -> list[dict[str, Any]]:
    plan = make_plan([parse_mixer(text) for text in mixers], grid)
    return [cost_row(variant, workload).as_dict() for variant, workload, *_ in plan.rows()]
