"""`skaprof figure`: the paper's figures, redrawn."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.cli.output import require_writable, say, suffix_of, write_whole
from skaprof.workload import check_choice

_ENDINGS = (".png", ".svg")


def figure(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Which figure of arXiv 2412.07049: 4.")],
    output: Annotated[
        list[str], typer.Option("--output", "-o", metavar="FILE", help="Where to: .png or .svg; repeatable.")
    ],
) -> None:
    """Redraw a figure of the paper from the closed forms.

    4: MACs and parameters of MHSA, SKA and CSKA over the spatial dimension (d = 256) and the embedding dimension
    (n = 256).
    """
    from skaprof.report.figures import FIGURES, draw_figure_4

    check_choice("NUMBER", number, FIGURES)
    suffixes = [suffix_of("--output", path, _ENDINGS) for path in output]
    for path in output:
        require_writable("--output", path)
    for path, image in zip(output, draw_figure_4(suffixes), strict=True):
        write_whole("--output", path, [image])
        say(f"wrote {path}")
