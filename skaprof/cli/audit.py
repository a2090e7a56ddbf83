"""`skaprof audit`: what other people's FLOP counters capture of each mixer, and which rankings they turn round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from skaprof.analysis.plan import Plan
from skaprof.analysis.planned_rows import require_memory
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.progress import Progress
from skaprof.cli.show import Page, View, environment, show
from skaprof.counters import COUNTERS, Counter
from skaprof.errors import EXIT_MISSING, SkaprofError, require_package
from skaprof.report.formats import flat
from skaprof.workload import check_choice

Row = dict[str, Any]


@opt.with_options
def audit(
    *,
    sizes: opt.Sizes,
    counter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Repeatable: {', '.join(COUNTERS)}. Default: all that are installed."),
    ] = None,
    to: opt.Shown,
) -> None:
    """What other FLOP counters capture of each mixer, in each way to write it in PyTorch, at one size.

    Per cent of the closed form's MACs, the time a count takes, and a warning where a counter turns the ranking of two
    mixers round. Each counter runs in a process of its own: one that crashes is a row.
    """
    chosen = to.require()
    asked = _counters(counter)
    plan = sizes.plan()
    _require_one_size(plan)
    require_memory(plan)
    require_package("torch", "skaprof audit")
    rows = _rows(plan, *asked)
    show(rows, to, View(lambda: _page(rows), None, environment(counters=True), lambda _: map(flat, rows)))
    if to.output is not None or chosen != "table":
        _warn(rows)


def every_installed(plan: Plan) -> list[Row]:
    """The rows of every counter that is installed, for other commands."""
    present, absent = _counters(None)
    return _rows(plan, present, absent)


def _counters(names: Sequence[str] | None) -> tuple[list[Counter], list[Counter]]:
    """The counters asked for, or all: those that are installed, and those that are not.

    Raises:
        SkaprofError: an unknown name, or one asked for that is not installed (exit 3), or none is.
    """
    wanted = [COUNTERS[check_choice("--counter", name, tuple(COUNTERS))] for name in dict.fromkeys(names or COUNTERS)]
    present = [counter for counter in wanted if counter.installed]
    absent = [counter for counter in wanted if not counter.installed]
    if absent and (names or not present):
        found = absent[0]
        raise SkaprofError(f"--counter: {found.name} is not installed; run: {found.install}", EXIT_MISSING)
    return present, absent


def _require_one_size(plan: Plan) -> None:
    if plan.swept:
        raise SkaprofError(f"--{plan.swept[0].replace('_', '-')}: several values: expected one size to audit at")


def _rows(plan: Plan, present: Sequence[Counter], absent: Sequence[Counter]) -> list[Row]:
    from skaprof.count.audit import absent_row, audit_rows, cases_of
    from skaprof.report.audit import with_reversals

    cases = cases_of(plan)
    rows: list[Row] = []
    with Progress("auditing", len(present)) as bar:
        for counter in present:
            rows += audit_rows(counter, cases)
            bar.advance()
    return with_reversals(rows + [absent_row(counter) for counter in absent])


def _warn(rows: list[Row]) -> None:
    """On stderr what only a table has room to say."""
    from skaprof.report.audit import error_sentences, reversal_sentences

    for sentence in (*reversal_sentences(rows), *error_sentences(rows)):
        say(f"skaprof: {sentence}")


def _page(rows: list[Row]) -> Page:
    from skaprof.report import audit as report
    from skaprof.report.table import caption

    counted = [row for row in rows if row["mixer"] is not None]
    return Page(report.audit_table(rows), caption(counted), report.sentences(rows))
