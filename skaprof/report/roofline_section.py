"""The report's section of its machine's roofline, and of predicted against measured times where it has both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from skaprof.analysis.roofline_rows import machine_of
from skaprof.answers import RooflineRow
from skaprof.report.markdown import bullets, from_terminal
from skaprof.report.roofline import caption, roofline_table, sentences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rendered = tuple[str, Sequence[str], Mapping[str, Callable[[], "Figure"]]]


def roofline_section(rows: Sequence[RooflineRow], figure: Callable[[str, str], str]) -> Rendered:
    """The section's markdown, no findings, and its figures."""
    hardware = machine_of(rows)
    peaks = list(dict.fromkeys(row.dtype for row in rows))

    def draw_roofline() -> Figure:
        from skaprof.report.roofline_plot import roofline_figure

        return roofline_figure(rows, hardware, peaks)

    def draw_prediction() -> Figure:
        from skaprof.report.prediction_plot import prediction_figure

        return prediction_figure(rows)

    figures: dict[str, Callable[[], Figure]] = {"roofline": draw_roofline}
    alt = f"Roofline of {hardware.name}: FLOP/s over FLOPs per byte of {len(rows)} mixers and sizes"
    shown = figure("roofline", alt)
    if any(row.predicted_ms and row.measured_ms for row in rows):
        figures["prediction"] = draw_prediction
        shown += f"\n{figure('prediction', 'Predicted over measured times, with lines at 5 and 10 % off')}"
    said = [caption(hardware, peaks), *sentences(rows, hardware, peaks)]
    return f"{shown}\n{from_terminal(roofline_table(rows))}\n{bullets(said)}", (), figures
