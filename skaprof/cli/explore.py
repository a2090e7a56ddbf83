"""`skaprof explore`: one HTML page in which sizes, mixers and backbones are turned like knobs."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.analysis.explorer import explorer_data, explorer_request
from skaprof.cli import options as opt
from skaprof.cli.output import STDOUT, deliver, require_no_input, say, suffix_of
from skaprof.files import require_writable
from skaprof.report.explorer import TITLE, explorer_page

_ENDINGS = (".html", ".htm")


def explore(
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="The page to write, .html; - is stdout."),
    ],
    mixer: opt.Mixers = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="A backbone to begin with, such as caformer_s18[stage3=ska], beside those built in; repeatable.",
        ),
    ] = None,
    hardware: Annotated[list[str] | None, opt.HARDWARE] = None,
    results: Annotated[
        list[str] | None,
        typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency: adds measured times."),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What the page is called.")] = TITLE,
) -> None:
    """One HTML page to look at what mixers and backbones cost: no server, no network, nothing to install.

    Sliders and fields for every size; a table, bars op by op, curves with their crossings, a roofline; backbones with a
    mixer to choose in each stage. Its numbers come from the closed forms, to the digit that the commands print, and its
    address holds what is looked at.
    """
    if output != STDOUT:
        suffix_of("--output", output, _ENDINGS)
        require_writable("--output", output)
    require_no_input("--output", output, {"--model": model, "--hardware": hardware, "--results": results})
    request = explorer_request(mixer or (), model or (), hardware or (), results or ())
    for saved in request.results:
        if saved.warning:
            say(f"skaprof: {saved.warning}")
    deliver([explorer_page(explorer_data(request), title)], output)
