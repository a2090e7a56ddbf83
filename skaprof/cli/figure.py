"""`skaprof figure`: the paper's figures, redrawn."""

from __future__ import annotations

from math import inf
from typing import Annotated

import typer

from skaprof.cli.output import require_destinations, say, suffix_of
from skaprof.files import write_whole
from skaprof.workload import check_choice

_ENDINGS = (".png", ".svg")
_FIGURES = ("3", "4")


def figure(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Which figure of arXiv 2412.07049: 3 or 4.")],
    output: Annotated[
        list[str], typer.Option("--output", "-o", metavar="FILE", help="Where to: .png or .svg; repeatable.")
    ],
    device: Annotated[str, typer.Option(metavar="NAME", help="Figure 3 only: auto, cpu, cuda or cuda:INDEX.")] = "auto",
) -> None:
    """Redraw a figure of the paper.

    3: its speed half, throughput of MHSA, SKA and CSKA over the number of heads, measured here (n = 196, d = 384).

    4: MACs and parameters over the spatial dimension (d = 256) and the embedding dimension (n = 256), from the closed
    forms.
    """
    number = check_choice("NUMBER", number, _FIGURES)
    suffixes = [suffix_of("--output", path, _ENDINGS) for path in output]
    require_destinations(output, ())
    for path, image in zip(output, _draw(number, suffixes, device), strict=True):
        write_whole("--output", path, [image])
        say(f"wrote {path}")


def _draw(number: str, suffixes: list[str], device: str) -> list[bytes]:
    if number == "4":
        from skaprof.report.figures import draw_figure_4

        return draw_figure_4(suffixes)
    from skaprof.analysis.paper_figures import PAPER_MIXERS, figure_3_plan
    from skaprof.cli.watch import timed
    from skaprof.measured import result_row
    from skaprof.model.spec import parse_mixer
    from skaprof.report.figures import draw_figure_3

    plan = figure_3_plan([parse_mixer(text) for text in PAPER_MIXERS])
    return draw_figure_3(list(map(result_row, timed([plan], ("sdpa",), device, inf))), suffixes)
