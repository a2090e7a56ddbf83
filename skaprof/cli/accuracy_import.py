"""`skaprof accuracy import`: accuracies trained elsewhere, beside exact costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from skaprof.cli import options as opt
from skaprof.cli.show import Page, View, show

if TYPE_CHECKING:
    from skaprof.published import ImportedRow


@opt.with_options
def import_accuracies(
    *,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE.csv",
            help="timm's results (model, top1), or model, accuracy (0 to 1, or with a % sign) and source.",
        ),
    ],
    data: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What they are on, where the file does not say: ImageNet-1k.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Where they are from, where the file does not say. Default: FILE."),
    ] = None,
    to: opt.Tabled,
) -> None:
    """Accuracies that were measured elsewhere, joined to the exact costs of their networks, and marked as not measured
    here.

    A model is a backbone here (with mixers in brackets, or a TOML file), or timm's name of one. Where the file has
    param_count, a network with another number of parameters is not joined.
    """
    to.require()
    from skaprof.analysis.imported import imported_rows

    rows = imported_rows(file, source, data)
    show([row.as_dict() for row in rows], to, View(lambda: _page(rows)))


def _page(rows: Sequence[ImportedRow]) -> Page:
    from skaprof.report import imported as report

    return Page(report.imported_table(rows), "Accuracies measured elsewhere, costs exact", report.sentences(rows))
