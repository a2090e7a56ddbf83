"""`skaprof figure`: the paper's figures, redrawn."""

from __future__ import annotations

from math import inf
from typing import Annotated

import typer

from skaprof.cli.output import PLOT_ENDINGS, require_destinations, say, say_notices, suffix_of
from skaprof.errors import SkaprofError
from skaprof.files import write_whole
from skaprof.workload import check_choice

_FIGURES = ("3", "4")


def figure(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Which figure of arXiv 2412.07049: 3 or 4.")],
    output: Annotated[
        list[str], typer.Option("--output", "-o", metavar="FILE", help="Where to: .png, .svg or .pdf; repeatable.")
    ],
    parts: Annotated[
        bool, typer.Option("--parts", help="Figure 4 only: MACs and parameters, the two parts of the ratio, below it.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="NAME", help="Figure 3 only: auto, cpu, cuda or cuda:INDEX.")] = "auto",
    accuracy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Figure 3 only: runs of skaprof accuracy, of networks whose mixers differ in their heads; repeatable.",
        ),
    ] = None,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="With --accuracy: times of those networks, of skaprof latency --model; repeatable."
        ),
    ] = None,
) -> None:
    """Redraw a figure of the paper.

    3: its speed half, throughput of MHSA, SKA and CSKA over the number of heads, measured here (n = 196, d = 384); with
    --accuracy, both halves from files: accuracy of networks over their heads, and with --latency their throughput.

    4: FLOPs per parameter over the spatial dimension (d = 256) and over the embedding dimension (n = 256), with the
    closed forms that they are drawn from.
    """
    number = check_choice("NUMBER", number, _FIGURES)
    if parts and number != "4":
        raise SkaprofError(f"--parts: expected figure 4 with it, not figure {number}")
    if (accuracy or latency) and number != "3":
        raise SkaprofError(f"--{'accuracy' if accuracy else 'latency'}: expected figure 3 with it, not figure {number}")
    if latency and not accuracy:
        raise SkaprofError("--latency: expected --accuracy with it: times alone are measured here")
    suffixes = [suffix_of("--output", path, PLOT_ENDINGS) for path in output]
    require_destinations(output, ())
    drawn = _of_files(accuracy, latency or [], suffixes) if accuracy else _draw(number, suffixes, device, parts=parts)
    for path, image in zip(output, drawn, strict=True):
        write_whole("--output", path, [image])
        say(f"wrote {path}")


def _draw(number: str, suffixes: list[str], device: str, *, parts: bool) -> list[bytes]:
    if number == "4":
        from skaprof.report.figures import draw_figure_4

        return draw_figure_4(suffixes, parts=parts)
    from skaprof.analysis.paper_figures import PAPER_MIXERS, figure_3_plan
    from skaprof.cli.watch import timed
    from skaprof.measured import result_row
    from skaprof.model.spec import parse_mixer
    from skaprof.report.figures import draw_figure_3

    plan = figure_3_plan([parse_mixer(text) for text in PAPER_MIXERS])
    return draw_figure_3(list(map(result_row, timed([plan], ("sdpa",), device, inf))), suffixes)


def _of_files(accuracy: list[str], latency: list[str], suffixes: list[str]) -> list[bytes]:
    """Figure 3 of networks that were trained, and timed.

    Raises:
        SkaprofError: a file cannot be read, holds accuracies on several data sets, or none over heads.
    """
    from skaprof.analysis.heads import heads_points
    from skaprof.api.trade_offs import read_trade_offs
    from skaprof.report.canvas import encoded_as
    from skaprof.report.heads_figure import heads_figure

    rows, warnings = read_trade_offs(accuracy, "--accuracy", None, latency, None)
    say_notices(warnings)
    if len({row.data for row in rows}) > 1:
        raise SkaprofError("--accuracy: accuracies on several data sets do not compare: expected one")
    return encoded_as(heads_figure(heads_points(rows)), suffixes)
