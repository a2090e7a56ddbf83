"""`skaprof latency`: how long token mixers take, with an interval, a verdict and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.bench.store import require_free
from skaprof.cli import latency_networks as networks
from skaprof.cli import latency_own as own_models
from skaprof.cli import options as opt
from skaprof.cli import user as own
from skaprof.cli.cluster_options import Clustered
from skaprof.cli.latency_options import Measuring, Times, implementations_of, positive_number
from skaprof.cli.latency_runtimes import Runtimes
from skaprof.cli.output import draw, say
from skaprof.cli.own_model import OwnModel
from skaprof.cli.show import Page, View, command_line, show
from skaprof.cli.watch import Terminal
from skaprof.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, SkaprofError, printable, require_package
from skaprof.measured import FailedRow, MeasuredRow, result_row
from skaprof.report.formats import flat
from skaprof.results import ScopeRow
from skaprof.shards import parse_shard
from skaprof.workload import DEFAULT_DTYPE

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed
    from skaprof.bench.session import Session

Row = dict[str, Any]

MOST_CONFIGURATIONS = 10_000


@opt.with_options
def latency(
    *,
    sizes: opt.Sizes,
    dtype: opt.Dtype = None,
    mode: opt.Mode = "forward",
    implementation: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="eager, channels-last (convolution weights), sdpa (PyTorch picks the backend), sdpa-flash, "
            "sdpa-efficient, sdpa-cudnn, sdpa-math, tiled (rows of queries at a time), triton (static keys, on a GPU), "
            "compile; all: the backends and triton on a GPU only.",
            rich_help_panel="Sizes",
        ),
    ] = "eager,sdpa",
    measuring: Measuring,
    clustered: Clustered,
    runtimes: Runtimes,
    backbones: networks.Backbones,
    own_model: OwnModel,
    users: own.Users,
    to: Times,
) -> None:
    """How long token mixers take here: median, 95 % interval, ratio to the baseline, verdict, and the evidence.

    All mixers of one size are timed in interleaved rounds, and the baseline twice: what it differs from itself widens
    the tolerance. A verdict needs the whole interval beyond the tolerance, and sound conditions.
    """
    to.require()
    to.require_columns((*MeasuredRow.fields, "bar"))
    require_free(to.lines, measuring.resume, force=to.force)
    seconds = inf if measuring.max_seconds is None else positive_number("--max-seconds", measuring.max_seconds)
    fraction = positive_number("--tolerance", measuring.tolerance) / 100
    shard = parse_shard("--shard", measuring.shard)
    clustered.require()
    runtimes.require()
    modules = users.modules()
    own.say_hidden_mixers()
    if measuring.isolate and (backbones.model or modules):
        raise SkaprofError("--isolate: expected without --model and --module")
    backbones.require_apart(
        {"--mixer": sizes.mixer, "--module": users.module, **sizes.given("class_token", "resolution", "batch")}
    )
    plan = (sizes.but(resolution=None) if backbones.model else sizes).plan(
        dtype or DEFAULT_DTYPE, mode, class_token_in=not (modules or backbones.model)
    )
    of_backbones = {"--mixers": backbones.mixers, "--resolution": sizes.resolution, "--batch": sizes.batch}
    named, paths = own_models.split(backbones.model or (), of_backbones)
    wanted = networks.parse(named, backbones.mixers, sizes.resolution, sizes.batch, dtype or DEFAULT_DTYPE, mode)
    own_counts = own_models.counted(paths, own_model, dtype, mode)
    counted = own.counted_rows(plan, modules)
    measuring.require_known(implementation)
    require_package("torch", "skaprof latency")
    held = measuring.held()
    from skaprof.bench.baseline import baseline_label
    from skaprof.bench.configuration import Options, configurations, open_device
    from skaprof.bench.environment import put_tf32
    from skaprof.bench.session import Session, with_modules

    with clustered.timing(
        measuring, held, implementation, runtimes.names, (modules, backbones.model or (), own_model.inputs)
    ) as elsewhere:
        where = measuring.where() if elsewhere is None else elsewhere.device
        timing, names = measuring.how(on_gpu=where != "cpu"), implementations_of(implementation, on_gpu=where != "cpu")
        of_networks = own_models.groups(own_counts, networks.groups(wanted, names), names)
        groups: list[Sequence[Timed]] = of_networks or list(configurations(plan, names))
        if modules:
            groups = with_modules(groups, modules, counted)
        groups = runtimes.of(groups, where)
        if len(groups) > MOST_CONFIGURATIONS:
            raise SkaprofError(f"the sweep has {len(groups):,} sizes: expected at most {MOST_CONFIGURATIONS:,}")
        if elsewhere is None:
            measuring.require_here(timing, where, names)
        chosen = baseline_label(measuring.baseline, groups)  # of all sizes, that shards compare with the same
        if shard is not None:
            groups = list(shard.of(groups, "--shard", "sizes"))
        options = Options(where, timing, fraction, measuring.tf32, **chosen, **held, shard=shard and str(shard))
        put_tf32(measuring.tf32)
        swept = networks.swept(wanted) if of_networks else plan.swept
        _require_drawable(groups, swept if to.plots else ())
        device = open_device(where if elsewhere is None else "cpu", runtimes=runtimes.names)
        session = Session(options, device, seconds, Terminal("timing"), isolate=measuring.isolate, elsewhere=elsewhere)
        session.prepare(to.lines, measuring.resume, command_line(), force=to.force)
        _run(session, groups, swept, to, to.lines or measuring.resume)


def _run(
    session: Session, groups: Sequence[Sequence[Timed]], swept: Sequence[str], to: Times, kept: str | None
) -> None:
    """Measure, and show what was measured, whatever ended it; `kept` is the file that has it."""
    interrupted = False
    try:
        interrupted = session.run(groups)
    finally:
        if session.rows:
            if kept is not None:
                say(f"wrote {printable(kept)}")
            _show(session.rows, swept, session.environment, to)
    _end(session, len(groups), interrupted=interrupted)


def _show(rows: list[Row], swept: Sequence[str], environment: dict[str, Any], to: Times) -> None:
    """The rows first, then their figure: one that cannot be drawn costs none of them."""
    show(rows, to, View(lambda: _page(rows), environment=environment, cells=lambda: _cells(rows)))
    draw(to.plots, lambda ending: _figure(rows, swept, ending))


def _end(session: Session, sizes: int, *, interrupted: bool) -> None:
    """Exit with what ended the run, unless something was measured and nobody interrupted it."""
    if interrupted:
        say(f"skaprof: interrupted after {session.finished:,} of {sizes:,} sizes")
        raise SystemExit(EXIT_INTERRUPTED)
    if session.rows and all(row["median_ms"] is None for row in session.rows):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _require_drawable(groups: Sequence[Sequence[Timed]], swept: Sequence[str]) -> None:
    """Raise unless the plot has few enough lines: that is known before any time is spent.

    Raises:
        SkaprofError: it would.
    """
    from skaprof.report.lines import Look

    if not swept:
        return
    said = {"device": "", "timing": "", "verdict": "", "flags": []}
    Look([FailedRow.read(entry.head() | said) for group in groups for entry in group], swept[1:])


def _figure(rows: list[Row], swept: Sequence[str], ending: str) -> bytes:
    from skaprof.report.plot import latency_plot

    return latency_plot(list(map(result_row, rows)), swept, _caption(rows), ending)


def _caption(rows: list[Row]) -> str:
    """What all rows share."""
    from skaprof.report import model, table

    if any(row.get("input_shape") for row in rows):
        return own_models.caption(rows)
    of_model = rows[0].get("model") is not None
    return model.caption(list(map(ScopeRow.read, rows))) if of_model else table.caption(list(map(result_row, rows)))


def _cells(rows: list[Row]) -> Iterable[Row]:
    """The rows, each with every key that one of them has: a module's say more than a mixer's."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [flat(dict.fromkeys(keys) | row) for row in rows]


def _page(rows: list[Row]) -> Page:
    from skaprof.report import latency as report
    from skaprof.report.runtimes import runtime_sentences

    told = list(map(result_row, rows))
    pairs, evidence, shares = (of(told) for of in (report.pair_sentences, report.run_sentences, report.share_sentences))
    sentences = [*pairs, *evidence, *shares, *runtime_sentences(told)]
    return Page(report.latency_table(told), _caption(rows), sentences)
