"""The report's Pareto section: every network that mixers in each stage make, and those that no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skaprof.answers import ParetoRow
from skaprof.report.markdown import table_of
from skaprof.report.numbers import si, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pareto_table(rows: Sequence[ParetoRow]) -> str:
    """The networks on the front, those of fewest MACs first, with what changes against the backbone's own mixers."""
    headers = ("mixers", "params", "change", "MACs", "change", "traffic", "change")
    front = sorted((row for row in rows if row.on_front), key=lambda row: (row.macs, row.params))
    cells = [
        (
            row.mixer,
            si(row.params),
            signed(row.params_delta),
            si(row.macs),
            signed(row.macs_delta),
            si(row.traffic_bytes, "B"),
            signed(row.traffic_bytes_delta, "B"),
        )
        for row in front
    ]
    return table_of(headers, cells)


def pareto_findings(rows: Sequence[ParetoRow]) -> list[str]:
    """How many networks there are, how many on the front, and whether the unmodified backbone is one of them."""
    front = [row for row in rows if row.on_front]
    own = next((row for row in rows if _is_own(row)), None)
    networks = f"Of {len(rows):,} networks that these mixers make of {rows[0].model}"
    said = f"{networks}, {len(front):,} are on the Pareto front of parameters, MACs and traffic"
    if own is None:
        return [f"{said}."]
    place = "is one of them" if own.on_front else "is not: another is as good in all three and better in one"
    return [f"{said}; the backbone with its own mixers {place}."]


def pareto_figure(rows: Sequence[ParetoRow]) -> Figure:
    """Every network's MACs over its parameters, the front and the unmodified backbone marked."""
    import matplotlib
    from matplotlib.figure import Figure

    from skaprof.report.canvas import finish, scale_axis
    from skaprof.report.style import ACCENT, FAINT, STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.8, 4.2), layout="constrained")
        axes = figure.subplots()
        groups = {
            "networks": ([row for row in rows if not row.on_front], FAINT, 10, "o"),
            "front": ([row for row in rows if row.on_front], ACCENT, 20, "o"),
            "own mixers": ([row for row in rows if _is_own(row)], "black", 70, "*"),
        }
        for label, (shown, color, size, marker) in groups.items():
            across, up = ([getattr(row, key) for row in shown] for key in ("params", "macs"))
            axes.scatter(across, up, s=size, color=color, label=label, marker=marker, linewidths=0)
        scale_axis(axes.xaxis, [row.params for row in rows], "parameters", log=False)
        scale_axis(axes.yaxis, [row.macs for row in rows], "MACs", log=False)
        finish(figure, f"Every mixer in every stage of {rows[0].model}", legend=True)
        return figure


def _is_own(row: ParetoRow) -> bool:
    return not (row.params_delta or row.macs_delta or row.traffic_bytes_delta)
