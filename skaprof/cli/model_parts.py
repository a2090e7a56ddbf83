"""`skaprof model FILE.py:NAME`: a model of the user's own, counted exactly, submodule by submodule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.own_model import OwnModel
from skaprof.cli.show import MOST_TABLE_ROWS, Page, View, environment, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, shown_option
from skaprof.foreign_model import UserModel
from skaprof.grids import parse_count
from skaprof.own_rows import PartRow, ProvedPart

PredictParts = Callable[[UserModel, str, Sequence[PartRow]], Sequence[PartRow]]
"""The rows of a model in a mode, with what a machine will take."""
_DEPTH = 2
_EAGER = "eager"


def show_parts(
    path: str,
    own: OwnModel,
    of_backbones: Mapping[str, Any],
    depth: str | None,
    forms: opt.Forms,
    *,
    verify: bool,
    predict: PredictParts | None,
    to: opt.Drawn,
) -> None:
    """Count the model in each mode and dtype asked for, and show its parts. Exit 1 where there is no count or proof.

    Raises:
        SkaprofError: a value that is not valid, an option of backbones, or a model that does not build or run.
    """
    for option, given in of_backbones.items():
        if given:
            raise SkaprofError(f"{option}: {shown_option(given)}: expected a backbone, not a model of your own")
    if forms.implementation != _EAGER:
        raise SkaprofError(f"--implementation: {forms.implementation!r}: a model of your own runs as it is written")
    levels = 0 if depth == "total" else parse_count("--depth", depth) if depth else _DEPTH
    users = [own.named(path, dtype) for dtype in (forms.dtypes if forms.dtype else (None,))]
    from skaprof.api.loading import load_count_model

    count_model, proved_rows = load_count_model()
    rows: list[PartRow] = []
    for user, mode in product(users, forms.modes):
        found = count_model(user, mode)
        parts = found.rows(levels)
        rows += proved_rows(found, parts) if verify else predict(user, mode, parts) if predict else parts
    view = View(lambda: _page(rows), lambda ending: _figure(rows, ending), environment(counters=True))
    show(rows, to, view)
    wholes = [row for row in rows if not row.scope]
    if any(row.macs is None or (isinstance(row, ProvedPart) and row.verified is False) for row in wholes):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _page(rows: Sequence[PartRow]) -> Page:
    from skaprof.report import parts as report

    if len(rows) > MOST_TABLE_ROWS:
        raise SkaprofError(
            f"{len(rows):,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use a smaller --depth, or --format "
            "csv or json"
        )
    return Page(report.part_table(rows), report.caption(rows), report.sentences(rows), legend=report.LEGEND)


def _figure(rows: Sequence[PartRow], ending: str) -> bytes:
    from skaprof.report.parts import caption
    from skaprof.report.parts_plot import part_plot

    return part_plot(rows, caption(rows), ending)
