"""`skaprof latency`: how long token mixers take, with an interval, a verdict and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.bench.store import require_free
from skaprof.cli import latency_networks as networks
from skaprof.cli import latency_protocol as protocol
from skaprof.cli import options as opt
from skaprof.cli import user as own
from skaprof.cli.output import draw, format_of, say, suffix_of
from skaprof.cli.show import Page, View, command_line, show
from skaprof.cli.watch import Terminal
from skaprof.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, SkaprofError, bad_value, require_package
from skaprof.grids import parse_choices
from skaprof.implementations import GRAPHS, IMPLEMENTATIONS, TIMINGS, all_implementations
from skaprof.measured import SAMPLE_KEYS, result_row
from skaprof.report.formats import ENDINGS, flat
from skaprof.results import ScopeRow
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed
    from skaprof.bench.session import Session

Row = dict[str, Any]

MOST_CONFIGURATIONS = 10_000
_LINES = ".jsonl"
_MEASURING = "Measuring"


class Measuring(opt.Options):
    """How to measure, as typed."""

    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.", rich_help_panel=_MEASURING)
    ] = "auto"
    timing: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="cold: caches flushed before each sample; hot; graph: CUDA graph replays, inputs and weights rotated; "
            "graph-resident: inputs alone; wall: launch included. Default: cold on a GPU, hot on a processor.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC[/IMPLEMENTATION]",
            help="Compare with this one, each form with its same form where no IMPLEMENTATION is named. Default: the "
            "first mixer.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    tolerance: Annotated[
        str,
        typer.Option(metavar="PERCENT", help="Differences below this are none.", rich_help_panel=_MEASURING),
    ] = "2"
    max_seconds: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit of the whole run, shared among its sizes; one that was begun is brought to two rounds.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    clock: protocol.Clock = "auto"
    threads: protocol.Threads = None
    allocator: protocol.Allocator = "keep"
    rounds: protocol.Rounds = None
    min_rounds: protocol.MinRounds = None
    tf32: Annotated[
        bool,
        typer.Option(
            "--tf32",
            help="Allow TF32, for matrix products and convolutions alike. Default: neither.",
            rich_help_panel=_MEASURING,
        ),
    ] = False
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Each size in a process of its own.", rich_help_panel=_MEASURING),
    ] = False
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Go on with a FILE.jsonl of the same device and settings.", rich_help_panel=_MEASURING
        ),
    ] = None

    def require_known(self, implementation: str) -> None:
        """Raise unless timing and implementations are known: that is told before PyTorch is loaded.

        Raises:
            SkaprofError: one is not.
        """
        if self.timing is not None:
            check_choice("--timing", self.timing, TIMINGS)
        _implementations(implementation, on_gpu=False)

    def held(self) -> dict[str, Any]:
        """What holds of this process from here on: allocator and threads, and the clock and rounds asked for.

        Raises:
            SkaprofError: as `latency_protocol.parse`.
        """
        asked = protocol.parse(self.clock, self.threads, self.allocator, self.rounds, self.min_rounds)
        return asked.hold(say)

    def how(self, *, on_gpu: bool) -> str:
        """The timing mode on this device.

        Raises:
            SkaprofError: the device has none such, or no TF32.
        """
        if self.tf32 and not on_gpu:
            raise bad_value("--tf32", "true", "a GPU: a processor has no TF32")
        if self.timing in GRAPHS and not on_gpu:
            raise bad_value("--timing", self.timing, "cold, hot or wall on a processor: graphs are CUDA's")
        from skaprof.bench.session import default_timing

        return self.timing or default_timing(on_gpu=on_gpu)


class Times(opt.DrawnCosts):
    """As `DrawnCosts`, and lines of JSON, which are written as they are measured."""

    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to FILE: .jsonl saves each size as soon as it is measured (with --format, stdout gets that "
            "format too); .json, .csv, .md, .txt at the end.",
            rich_help_panel="Output",
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a FILE.jsonl that is there, once something is measured.",
            rich_help_panel="Output",
        ),
    ] = False
    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Draw latency: .png or .svg; repeatable.", rich_help_panel="Output"),
    ] = None

    @property
    def read_and_written(self) -> tuple[str, ...]:
        """The options whose file is gone on with, and not replaced."""
        return ("--resume",) if self.lines is not None else ()

    @property
    def lines(self) -> str | None:
        """The file of lines, if that is what --output names."""
        return self.output if self.output is not None and self.output.lower().endswith(_LINES) else None

    @property
    def chosen(self) -> str:
        """The format; `.jsonl` where lines alone are asked for.

        Raises:
            SkaprofError: as `format_of`.
        """
        if self.lines is not None:
            return _LINES if self.format is None else format_of(self.format, None, self.formats)
        if self.format is None and self.output is not None:
            return ENDINGS[suffix_of("--output", self.output, (*ENDINGS, _LINES))]
        return super().chosen


@opt.with_options
def latency(
    *,
    sizes: opt.Sizes,
    dtype: opt.Dtype = "float32",
    mode: opt.Mode = "forward",
    implementation: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="eager, channels-last (convolution weights), sdpa (PyTorch picks the backend), sdpa-flash, "
            "sdpa-efficient, sdpa-cudnn, sdpa-math, compile; all: the backends on a GPU only.",
            rich_help_panel="Sizes",
        ),
    ] = "eager,sdpa",
    measuring: Measuring,
    backbones: networks.Backbones,
    users: own.Users,
    to: Times,
) -> None:
    """How long token mixers take here: median, 95 % interval, ratio to the baseline, verdict, and the evidence.

    All mixers of one size are timed in interleaved rounds, and the baseline twice: what it differs from itself widens
    the tolerance. A verdict needs the whole interval beyond the tolerance, and sound conditions.
    """
    to.require()
    require_free(to.lines, measuring.resume, force=to.force)
    seconds = inf if measuring.max_seconds is None else positive_number("--max-seconds", measuring.max_seconds)
    fraction = positive_number("--tolerance", measuring.tolerance) / 100
    modules = users.modules()
    own.say_hidden_mixers()
    if measuring.isolate and (backbones.model or modules):
        raise SkaprofError("--isolate: expected without --model and --module")
    backbones.require_apart({"--mixer": sizes.mixer, "--module": users.module, **sizes.given("resolution", "batch")})
    plan = (sizes.but(resolution=None) if backbones.model else sizes).plan(dtype, mode)
    wanted = networks.parse(backbones.model or (), backbones.mixers, sizes.resolution, sizes.batch, dtype, mode)
    counted = own.counted_rows(plan, modules)
    measuring.require_known(implementation)
    require_package("torch", "skaprof latency")
    held = measuring.held()
    from skaprof.bench.configuration import Options, configurations, open_device
    from skaprof.bench.environment import put_tf32, require_clock, resolve_device
    from skaprof.bench.session import Session, baseline_label, with_modules

    where = resolve_device(measuring.device)
    timing, names = measuring.how(on_gpu=where != "cpu"), _implementations(implementation, on_gpu=where != "cpu")
    groups: list[Sequence[Timed]] = list(networks.groups(wanted, names) if wanted else configurations(plan, names))
    if modules:
        groups = with_modules(groups, modules, counted)
    if len(groups) > MOST_CONFIGURATIONS:
        raise SkaprofError(f"the sweep has {len(groups):,} sizes: expected at most {MOST_CONFIGURATIONS:,}")
    require_clock(measuring.clock, timing, where)
    chosen = baseline_label(measuring.baseline, groups, names)
    options = Options(where, timing, fraction, measuring.tf32, **chosen, **held)
    put_tf32(measuring.tf32)
    swept = networks.swept(wanted) if wanted else plan.swept
    if to.plots and swept:
        _require_drawable(groups, swept)
    session = Session(options, open_device(where), seconds, Terminal("timing"), isolate=measuring.isolate)
    session.prepare(to.lines, measuring.resume, command_line(), force=to.force)
    interrupted = False
    try:
        interrupted = session.run(groups)
    finally:  # whatever ended it, what was measured is shown
        if session.rows:
            _show(session.rows, swept, session.environment, to)
    _end(session, len(groups), interrupted=interrupted)


def _show(rows: list[Row], swept: Sequence[str], environment: dict[str, Any], to: Times) -> None:
    """The rows first, then their figure: one that cannot be drawn costs none of them."""
    if to.chosen != _LINES:
        view = View(lambda: _page(rows), environment=environment, cells=lambda chosen: _cells(rows, chosen))
        show(rows, to.but(format=to.chosen, output=None) if to.lines else to, view)
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
    from skaprof.report.plot import require_few_lines

    require_few_lines([result_row(entry.head()) for group in groups for entry in group], swept[1:])


def positive_number(option: str, text: str) -> float:
    """The number that an option holds.

    Raises:
        SkaprofError: it is none above 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < inf:
        raise bad_value(option, text, "a number above 0")
    return value


def _implementations(text: str, *, on_gpu: bool) -> tuple[str, ...]:
    if text == "all":
        return all_implementations(on_gpu=on_gpu)
    return parse_choices("--implementation", text, tuple(IMPLEMENTATIONS))


def _figure(rows: list[Row], swept: Sequence[str], ending: str) -> bytes:
    from skaprof.report.plot import latency_plot

    return latency_plot(list(map(result_row, rows)), swept, _caption(rows), ending)


def _caption(rows: list[Row]) -> str:
    """What all rows share."""
    from skaprof.report import model, table

    of_model = rows[0].get("model") is not None
    return model.caption(list(map(ScopeRow.read, rows))) if of_model else table.caption(list(map(result_row, rows)))


def _cells(rows: list[Row], chosen: str) -> Iterable[Row]:
    """The rows, each with every key that one of them has: a module's say more than a mixer's."""
    keys = dict.fromkeys(key for row in rows for key in row)
    dropped = () if chosen == "csv" else (*SAMPLE_KEYS, "kernels")
    return [flat(dict.fromkeys(keys) | row, dropped) for row in rows]


def _page(rows: list[Row]) -> Page:
    from skaprof.report import latency as report

    told = list(map(result_row, rows))
    sentences = [*report.pair_sentences(told), *report.run_sentences(told), *report.share_sentences(told)]
    return Page(report.latency_table(told), _caption(rows), sentences)
