"""`skaprof audit`: what other people's FLOP counters capture of each mixer, and which rankings they turn round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from skaprof.analysis.plan import Plan
from skaprof.analysis.planned_rows import require_memory, require_one_size
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.cli import options as opt
from skaprof.cli.output import say_notices
from skaprof.cli.progress import Progress
from skaprof.cli.show import Page, View, environment, show
from skaprof.counters import COUNTERS, Counter, chosen_counters
from skaprof.errors import require_package
from skaprof.report.formats import SPOKEN_FORMATS, flat

Audited = Sequence[AuditRow | AbsentCounter]


@opt.with_options
def audit(
    *,
    sizes: opt.Sizes,
    counter: Annotated[
        list[str] | None,
        typer.Option(metavar="COUNTER", help=f"Repeatable: {', '.join(COUNTERS)}. Default: all that are installed."),
    ] = None,
    to: opt.Tabled,
) -> None:
    """What other FLOP counters capture of each mixer, in each way to write it in PyTorch, at one size.

    Per cent of the closed form's MACs, the time a count takes, and a warning where a counter turns the ranking of two
    mixers round. Each counter runs in a process of its own: one that crashes is a row.
    """
    to.require()
    asked = chosen_counters(counter)
    to.require_columns((*AuditRow.fields, *COUNTERS))
    plan = sizes.plan(class_token_in=False)
    require_one_size(plan)
    require_memory(plan)
    require_package("torch", "skaprof audit")
    rows = _rows(plan, *asked)
    show(rows, to, View(lambda: _page(rows), None, environment(counters=True), lambda: map(flat, rows)))
    if not to.tells_on_stdout(*SPOKEN_FORMATS):
        _warn(rows)


def every_installed(plan: Plan) -> list[dict[str, Any]]:
    """The rows of every counter that is installed, for other commands."""
    present, absent = chosen_counters(None)
    return [row.as_dict() for row in _rows(plan, present, absent)]


def _rows(plan: Plan, present: Sequence[Counter], absent: Sequence[Counter]) -> Audited:
    from skaprof.analysis.audit import with_reversals
    from skaprof.count.audit import absent_row, audit_rows, cases_of

    cases = cases_of(plan)
    rows: list[AuditRow] = []
    with Progress("auditing", len(present)) as bar:
        for counter in present:
            rows += audit_rows(counter, cases)
            bar.advance()
    return [*with_reversals(rows), *(absent_row(counter) for counter in absent)]


def _warn(rows: Audited) -> None:
    """On stderr what only a page has room to say."""
    from skaprof.report.audit import error_sentences, reversal_sentences

    counted = [row for row in rows if isinstance(row, AuditRow)]
    say_notices((*reversal_sentences(counted), *error_sentences(counted)))


def _page(rows: Audited) -> Page:
    from skaprof.report import audit as report
    from skaprof.report.table import caption

    counted = [row for row in rows if isinstance(row, AuditRow)]
    words = report.sentences(counted, [row for row in rows if isinstance(row, AbsentCounter)])
    return Page(report.audit_table(counted), caption(counted), words)
