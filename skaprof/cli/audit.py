"""`skaprof audit`: what other people's FLOP counters capture of each mixer, and which rankings they turn round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from skaprof.analysis.audit_cases import cases_for, chosen_spellings
from skaprof.analysis.plan import Plan
from skaprof.analysis.planned_rows import require_one_size
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.cli import options as opt
from skaprof.cli.cluster_options import Clustered
from skaprof.cli.output import say_notices
from skaprof.cli.progress import Progress
from skaprof.cli.show import Page, View, environment, show
from skaprof.counters import COUNTERS, SPELLINGS, Counter, chosen_counters
from skaprof.errors import SkaprofError, require_package, shown_path
from skaprof.report.formats import SPOKEN_FORMATS, flat
from skaprof.saved import read_results
from skaprof.shards import parse_shard
from skaprof.where import beside

T = TypeVar("T")
Audited = Sequence[AuditRow | AbsentCounter]


@opt.with_options
def audit(
    *,
    sizes: opt.Sizes,
    counter: Annotated[
        list[str] | None,
        typer.Option(metavar="COUNTER", help=f"Repeatable: {', '.join(COUNTERS)}. Default: all that are installed."),
    ] = None,
    spelling: Annotated[
        list[str] | None,
        typer.Option(metavar="SPELLING", help=f"Repeatable: {', '.join(SPELLINGS)}. Default: all that a mixer has."),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="JSON of skaprof audit in another environment: its counters are shown too, and not run again. "
            "Repeatable.",
        ),
    ] = None,
    shard: Annotated[str | None, opt.shard_option("counter")] = None,
    detail: Annotated[
        bool, typer.Option("--detail", help="Each mixer in each spelling, not a line a counter.")
    ] = False,
    clustered: Clustered,
    to: opt.Tabled,
) -> None:
    """What other FLOP counters capture of each mixer, in each way to write it, at one size, and in training.

    Per cent of the closed form's MACs, of parameters and of memory, what explains them, and a warning where a counter
    turns the ranking of two mixers round. Each counter runs in a process of its own: one that crashes is a row.
    """
    to.require()
    clustered.require()
    share = parse_shard("--shard", shard)
    plan = sizes.plan(class_token_in=False)
    require_one_size(plan)
    spellings = chosen_spellings(spelling or ())
    elsewhere = [row for path in results or () for row in _of_file(path, plan, "--results")]
    present, absent = chosen_counters(counter, {row.counter for row in elsewhere})
    to.require_columns((*AuditRow.fields, *(("mode", *SPELLINGS) if detail else ("exact", "trained"))))
    require_package("torch", "skaprof audit")
    counting = [each for each in present if cases_for(each, plan, spellings)]
    if not counting and not elsewhere:
        raise SkaprofError("--spelling: none of these mixers has one that these counters count: expected another")
    if share is not None:
        counting = list(share.of(_in_order(counting, lambda each: each.name), "--shard", "counters that count here"))
    rows = _rows(plan, counting, absent, elsewhere, spellings, clustered)
    settings = None if share is None else {"shard": str(share)}
    view = View(lambda: _page(rows, detail=detail), None, environment(counters=True), lambda: map(flat, rows), settings)
    show(rows, to, view)
    if not to.tells_on_stdout(*SPOKEN_FORMATS):
        _warn(rows)


def every_installed(plan: Plan, files: Sequence[str] = (), option: str = "--results") -> list[dict[str, Any]]:
    """The rows of every counter that is installed or that a file has, for other commands.

    Raises:
        SkaprofError: a file is no audit's, or is of other mixers or sizes.
    """
    elsewhere = [row for path in files for row in _of_file(path, plan, option)]
    present, absent = chosen_counters(None, {row.counter for row in elsewhere})
    return [row.as_dict() for row in _rows(plan, present, absent, elsewhere)]


def _of_file(path: str, plan: Plan, option: str) -> list[AuditRow]:
    """The rows that another environment's audit wrote.

    Raises:
        SkaprofError: it is no audit's file, or its mixers or sizes are others.
    """
    rows = [row for row in read_results(path, option).records if isinstance(row, AuditRow)]
    if not rows:
        raise SkaprofError(f"{option}: {shown_path(path)} has no counts: expected a file of skaprof audit")
    wanted = {(row.variant.spec.text, *tuple(row.workload)[:-1]) for row in plan.rows()}
    for row in rows:
        sizes = (row.mixer, row.batch, row.height, row.width, row.dim, row.heads, row.head_dim, row.kernel_size)
        if sizes not in wanted:
            here = f"{row.mixer} at {row.tokens} tokens, dim {row.dim}, batch {row.batch}"
            raise SkaprofError(f"{option}: {shown_path(path)} has {here}: expected the mixers and sizes asked for")
    return rows


def _rows(
    plan: Plan,
    present: Sequence[Counter],
    absent: Sequence[Counter],
    elsewhere: Sequence[AuditRow] = (),
    spellings: Sequence[str] = (),
    clustered: Clustered | None = None,
) -> Audited:
    from skaprof.count.audit import absent_row, audited

    with Progress("auditing", len(present)) as bar:
        if clustered is not None and clustered.cluster is not None:
            counted = _on_cluster(plan, present, spellings, clustered, bar)
        else:
            counted = audited(plan, present, spellings, bar.advance)
        found = [*counted, *elsewhere]
    return [*_in_order(found, lambda row: row.counter), *map(absent_row, absent)]


def _on_cluster(
    plan: Plan, counters: Sequence[Counter], spellings: Sequence[str], clustered: Clustered, bar: Progress
) -> list[AuditRow]:
    """What the counters say on the machines of a cluster, each row with what its machine has beside this one.

    Raises:
        SkaprofError: there is no such cluster, or one of its workers lacks a counter or has another version of it.
    """
    from skaprof.cluster.tasks import ClusterTasks
    from skaprof.count.answering import versions
    from skaprof.count.elsewhere import MACHINE, audited_elsewhere

    here = versions()
    ours = {"skaprof": here["skaprof"], "torch": here["torch"], **{each.name: each.version for each in counters}}
    with clustered.joined(MACHINE, {"counters": [each.name for each in counters]}, ours, "cpu") as pool:
        there = ClusterTasks(pool, anonymous=clustered.anonymous)
        rows = audited_elsewhere(plan, counters, spellings, there, bar.tell, bar.advance)
    same = {**here, **{each.name: each.version for each in counters}}
    return [row.replace(environment=beside(row.environment or {}, same)) for row in rows]


def _in_order(things: Iterable[T], name_of: Callable[[T], str]) -> list[T]:
    """By their counters, those unknown here last."""
    places = list(COUNTERS)
    return sorted(things, key=lambda each: places.index(name_of(each)) if name_of(each) in places else len(places))


def _warn(rows: Audited) -> None:
    """On stderr what only a page has room to say."""
    from skaprof.report.audit import error_sentences, reversal_sentences

    counted = [row for row in rows if isinstance(row, AuditRow)]
    say_notices((*reversal_sentences(counted), *error_sentences(counted)))


def _page(rows: Audited, *, detail: bool) -> Page:
    from skaprof.report import audit as report
    from skaprof.report.table import caption

    counted = [row for row in rows if isinstance(row, AuditRow)]
    words = report.sentences(counted, [row for row in rows if isinstance(row, AbsentCounter)])
    table = report.detail_table(counted) if detail else report.audit_table(counted)
    return Page(table, caption(counted), words)
