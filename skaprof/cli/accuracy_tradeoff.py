"""`skaprof accuracy tradeoff`: what networks are worth beside what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import say_notices
from skaprof.cli.show import Page, View, show
from skaprof.errors import SkaprofError

if TYPE_CHECKING:
    from skaprof.published import TradeOffRow


@opt.with_options
def tradeoff(
    *,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Runs of skaprof accuracy (JSON lines), and what skaprof accuracy import gave (JSON).",
        ),
    ],
    latency: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Times of skaprof latency --model, joined by model and image; repeatable."),
    ] = None,
    hardware: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help="Predicted milliseconds on a machine that skaprof calibrate measured."),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Only networks of this data.")] = None,
    to: opt.Drawn,
) -> None:
    """Accuracy against parameters, MACs, memory and milliseconds: a row a network, and those that no other beats.

    Accuracies measured here are means over seeds with 95 % intervals; published ones are marked.
    """
    to.require()
    from skaprof.api.trade_offs import read_trade_offs

    rows, warnings = read_trade_offs(files, "FILE", data, latency or [], hardware)
    if to.plots and len({row.data for row in rows}) > 1:
        names = ", ".join(str(name) for name in dict.fromkeys(row.data for row in rows))
        raise SkaprofError(f"--plot: accuracies on several data sets ({names}) do not compare: expected --data with it")
    say_notices(warnings)
    view = View(lambda: _page(rows), lambda ending: _figure(rows, ending))
    show([row.as_dict() for row in rows], to, view)


def _page(rows: Sequence[TradeOffRow]) -> Page:
    from skaprof.report import trade_off as report

    return Page(report.trade_off_table(rows), "", report.sentences(rows), report.FRONT_MARK)


def _figure(rows: Sequence[TradeOffRow], ending: str) -> bytes:
    from skaprof.report.canvas import encoded
    from skaprof.report.trade_off import trade_off_figure

    return encoded(trade_off_figure(rows), ending)
