"""The paper's figures, redrawn (the drawing loads matplotlib, the closed forms sympy)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING

from skaprof.analysis.paper_figures import FIGURE_4_METRICS, Crossing, figure_4_crossings, figure_4_panels, known_specs
from skaprof.errors import printable
from skaprof.results import FLOPS_PER_PARAM, ResultRow
from skaprof.workload import AXIS_SYMBOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Panels = Sequence[tuple[str, str, Sequence[ResultRow]]]
"""(heading, axis, rows) of each."""
_LINE_INCHES = 2.5


def draw_figure_4(suffixes: Sequence[str], *, parts: bool = False) -> list[bytes]:
    """`figure_4` of the paper's mixers, once for each of the endings asked for."""
    from skaprof.report.canvas import encoded_as

    panels = [
        (heading, axis, [ResultRow.read(row.as_dict()) for row in rows]) for heading, axis, rows in figure_4_panels()
    ]
    return encoded_as(figure_4(panels, "batch 1, heads of 32, k = 3", parts=parts), suffixes)


def figure_4(panels: Panels, sizes: str = "batch 1", *, parts: bool = False) -> Figure:
    """Figure 4 of arXiv 2412.07049: FLOPs per parameter over the tokens (left) and over the embedding dim (right).

    The legend has the closed forms; circles mark where two lines cross. With `parts` MACs and parameters, whose
    quotient it is but for the 2, are drawn below.
    """
    import matplotlib
    from matplotlib.figure import Figure

    from skaprof.report.canvas import finish
    from skaprof.report.lines import Look
    from skaprof.report.plot import draw_lines
    from skaprof.report.style import STYLE

    metrics = FIGURE_4_METRICS if parts else FIGURE_4_METRICS[:1]
    mixers = list(dict.fromkeys(str(row.mixer) for *_, rows in panels for row in rows))
    crossings = figure_4_crossings(mixers, metrics)
    all_rows = [row for *_, rows in panels for row in rows]
    look = Look(all_rows)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, _LINE_INCHES * len(metrics) + 0.9), layout="constrained")
        grid = figure.subplots(len(metrics), len(panels), squeeze=False)
        for column, (heading, axis, rows) in enumerate(panels):
            for metric, axes in zip(metrics, grid[:, column], strict=True):
                draw_lines(axes, look, rows, metric, axis, all_rows)
                _mark(axes, rows, [each for each in crossings if (each.axis, each.metric) == (axis, metric)])
            grid[0][column].set_title(printable(heading), fontsize=9, loc="left")
        forms = _closed_forms(mixers)
        finish(
            figure, _title(crossings, sizes), legend=[(handle, forms.get(name, name)) for handle, name in look.legend()]
        )
        return figure


def _title(crossings: Sequence[Crossing], sizes: str) -> str:
    if not crossings:
        marked = "no two lines cross here"
    elif any(each.metric == FLOPS_PER_PARAM for each in crossings):
        marked = "circles: where two lines cross"
    else:
        marked = "no two ratios cross here; circles: where two lines of their parts do"
    return f"FLOPs per parameter of one mixer: {sizes}; FLOPs = 2 x MACs; {marked}"


def _closed_forms(mixers: Sequence[str]) -> dict[str, str]:
    """`mhsa: n (2 d + n) / d`, from the op lists; the name alone without parameters, or where that is not known."""
    from skaprof.analysis.symbolic import flops_per_param_text

    found = {text: flops_per_param_text(spec) for text, spec in known_specs(mixers).items()}
    return {text: text if found.get(text) is None else f"{text}: {found[text]}" for text in mixers}


def _mark(axes: Axes, rows: Sequence[ResultRow], crossings: Sequence[Crossing]) -> None:
    """A circle at each crossing, on the line of the first of the two, and the size below it."""
    for each in crossings:
        line = sorted(
            (getattr(row, each.axis), getattr(row, each.metric)) for row in rows if row.mixer == each.mixers[0]
        )
        at = (each.at, _between(line, each.at))
        axes.plot(*at, marker="o", markersize=9, markerfacecolor="none", color="black", linestyle="", zorder=4)
        axes.annotate(
            f"{AXIS_SYMBOLS[each.axis]} = {each.at:.4g}",
            at,
            xytext=(-2, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5},
        )


def _between(line: Sequence[tuple[float, float]], at: float) -> float:
    """The height of a line at a size, as logarithmic axes draw it."""
    place = min(max(1, bisect_left(line, (at,))), len(line) - 1)
    (left, low), (right, high) = line[place - 1 : place + 1]
    share = log(at / left) / log(right / left)
    return exp(log(low) + share * (log(high) - log(low)))


def draw_figure_3(rows: Sequence[ResultRow], suffixes: Sequence[str]) -> list[bytes]:
    """`figure_3`, once for each of the endings asked for."""
    from skaprof.report.canvas import encoded_as

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
