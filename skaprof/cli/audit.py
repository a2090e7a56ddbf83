"""`skaprof audit`: what other people's FLOP counters capture of each mixer, and which rankings they turn round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.costs import variant_op_costs
from skaprof.analysis.plan import Plan
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.cli import options as opt
from skaprof.cli.output import deliver, require_writable, say
from skaprof.cli.progress import Progress
from skaprof.cli.run import command_line, data_text, environment, format_of, require_package, table_text
from skaprof.counters import COUNTERS, Counter
from skaprof.errors import EXIT_MISSING, SkaprofError
from skaprof.machine import available_bytes
from skaprof.report.formats import flat
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.count.audit import Case


def audit(
    mixer: opt.Mixers = None,
    tokens: opt.Tokens = None,
    size: opt.Size = None,
    resolution: opt.Resolution = None,
    patch: opt.Patch = None,
    dim: opt.Dim = None,
    batch: opt.Batch = None,
    heads: opt.Heads = None,
    head_dim: opt.HeadDim = None,
    kernel_size: opt.KernelSize = None,
    counter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Repeatable: {', '.join(COUNTERS)}. Default: all that are installed."),
    ] = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """What other FLOP counters capture of each mixer, in each way to write it in PyTorch, at one size.

    Per cent of the closed form's MACs, the time a count takes, and a warning where a counter turns the ranking of two
    mixers round. Each counter runs in a process of its own: one that crashes is a row.
    """
    chosen = format_of(format, output)
    if output is not None:
        require_writable("--output", output)
    present, absent = _counters(counter)
    plan = opt.plan_of(
        mixer, tokens, size, resolution, patch, dim, batch, heads, head_dim, kernel_size, "float32", "forward", "eager"
    )
    _require_one_size(plan)
    _require_memory(plan)
    require_package("torch", "skaprof audit")
    rows = _rows(plan, present, absent)
    deliver(_text(rows, chosen, to_terminal=output is None), output)
    if output is not None or chosen != "table":
        _warn(rows)


def every_installed(plan: Plan) -> list[dict[str, Any]]:
    """The rows of every counter that is installed, for other commands."""
    present, absent = _counters(None)
    return [row.as_dict() for row in _rows(plan, present, absent)]


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


def _require_memory(plan: Plan) -> None:
    """Refuse what must fail: the counters run real tensors, several processes after one another."""
    free = available_bytes()
    for row in plan.rows():
        costs = variant_op_costs(row.variant, row.workload)
        needed = sum(cost.weight_bytes for cost in costs) + max((cost.traffic_bytes for cost in costs), default=0)
        if free is not None and needed > free:
            raise SkaprofError(
                f"{row.variant.spec.text}: a count on real tensors needs at least {needed / 2**30:,.1f} GiB, and "
                f"{free / 2**30:,.1f} GiB are free: expected smaller sizes"
            )


def _rows(plan: Plan, present: Sequence[Counter], absent: Sequence[Counter]) -> list[AuditRow | AbsentCounter]:
    from skaprof.analysis.audit import with_reversals
    from skaprof.count.audit import absent_row, audit_rows

    cases = _cases(plan)
    rows: list[AuditRow] = []
    with Progress("auditing", len(present)) as bar:
        for counter in present:
            rows += audit_rows(counter, cases)
            bar.advance()
    return [*with_reversals(rows), *(absent_row(counter) for counter in absent)]


def _warn(rows: list[AuditRow | AbsentCounter]) -> None:
    """On stderr what only a table has room to say."""
    from skaprof.report.audit import error_sentences, reversal_sentences

    counted = [row for row in rows if isinstance(row, AuditRow)]
    for sentence in (*reversal_sentences(counted), *error_sentences(counted)):
        say(f"skaprof: {sentence}")


def _cases(plan: Plan) -> list[Case]:
    from skaprof.count.audit import Case
    from skaprof.count.spellings import spellings_of

    return [
        Case(row.variant.spec.text, spelling, tuple(row.workload))
        for row in plan.rows()
        for spelling in spellings_of(row.variant.spec, row.workload)
    ]


def _text(rows: list[AuditRow | AbsentCounter], chosen: str, *, to_terminal: bool) -> Iterator[str]:
    if chosen != "table":
        found = rows if chosen == "json" else [flat(row) for row in rows]
        return data_text(found, chosen, command_line(), environment(counters=True))
    from skaprof.report import audit as report
    from skaprof.report.table import caption

    counted = [row for row in rows if isinstance(row, AuditRow)]
    words = report.sentences(counted, [row for row in rows if isinstance(row, AbsentCounter)])
    return table_text(report.audit_table(counted), caption(counted), words, to_terminal=to_terminal)
