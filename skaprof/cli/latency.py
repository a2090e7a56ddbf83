"""`skaprof latency`: how long token mixers take, with an interval, a verdict and the evidence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.plan import Plan
from skaprof.cli import latency_networks as networks
from skaprof.cli import options as opt
from skaprof.cli import user as own
from skaprof.cli.output import deliver, draw, require_destinations, say, suffix_of
from skaprof.cli.run import command_line, format_of, require_package, table_text
from skaprof.cli.session import Interrupted, Session
from skaprof.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, SkaprofError, bad_value
from skaprof.grids import parse_choices
from skaprof.implementations import GRAPHS, IMPLEMENTATIONS, TIMINGS, all_implementations
from skaprof.measured import SAMPLE_KEYS, result_row
from skaprof.report.formats import COST_FORMATS, ENDINGS, flat, to_bmf, to_csv, to_json, to_markdown
from skaprof.results import ScopeRow
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed

Row = dict[str, Any]

MOST_CONFIGURATIONS = 10_000
_LINES = ".jsonl"

_MEASURING = "Measuring"


def latency(
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
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.", rich_help_panel=_MEASURING)
    ] = "auto",
    timing: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="cold: caches flushed before each sample; hot; graph: CUDA graph replays, inputs and weights rotated; "
            "graph-resident: inputs alone; wall: launch included. Default: cold on a GPU, hot on a processor.",
            rich_help_panel=_MEASURING,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC[/IMPLEMENTATION]",
            help="Compare with this one. Default: the first mixer's first implementation.",
            rich_help_panel=_MEASURING,
        ),
    ] = None,
    tolerance: Annotated[
        str,
        typer.Option(metavar="PERCENT", help="Differences below this are none.", rich_help_panel=_MEASURING),
    ] = "2",
    max_seconds: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit of the whole run, shared among its sizes; one that was begun is brought to two rounds.",
            rich_help_panel=_MEASURING,
        ),
    ] = None,
    tf32: Annotated[
        bool,
        typer.Option(
            "--tf32",
            help="Allow TF32, for matrix products and convolutions alike. Default: neither.",
            rich_help_panel=_MEASURING,
        ),
    ] = False,
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Each size in a process of its own.", rich_help_panel=_MEASURING),
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Go on with a FILE.jsonl of the same device and settings.", rich_help_panel=_MEASURING
        ),
    ] = None,
    model: networks.Model = None,
    mixers: networks.StageMixers = None,
    module: own.Module = None,
    arg: own.Argument = None,
    input: own.Input = None,
    format: opt.CostFormat = None,
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
    ] = None,
    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Draw latency: .png or .svg; repeatable.", rich_help_panel="Output"),
    ] = None,
) -> None:
    """How long token mixers take here: median, 95 % interval, ratio to the baseline, verdict, and the evidence.

    All mixers of one size are timed in interleaved rounds, and the baseline twice: what it differs from itself widens
    the tolerance. A verdict needs the whole interval beyond the tolerance, and sound conditions.
    """
    chosen = _format(format, output)
    require_destinations(output, plot)
    seconds = positive_number("--max-seconds", max_seconds) if max_seconds is not None else inf
    fraction = positive_number("--tolerance", tolerance) / 100
    modules = own.user_modules(module, arg, input)
    own.say_hidden_mixers()
    if isolate and (model or modules):
        raise SkaprofError("--isolate: expected without --model and --module")
    networks.require_apart(
        {"--model": model, "--mixers": mixers},
        {
            "--mixer": mixer,
            "--module": module,
            "--tokens": tokens,
            "--size": size,
            "--patch": patch,
            "--dim": dim,
            "--heads": heads,
            "--head-dim": head_dim,
            "--kernel-size": kernel_size,
        },
    )
    plan = opt.plan_of(
        mixer,
        tokens,
        size,
        None if model else resolution,
        patch,
        dim,
        batch,
        heads,
        head_dim,
        kernel_size,
        dtype,
        mode,
        "eager",
    )
    wanted = networks.parse(model, mixers, resolution, batch, dtype, mode) if model else []
    counted = own.counted_rows(list(plan.rows()), modules)
    _check_timing(timing)
    _implementations(implementation, on_gpu=False)
    require_package("torch", "skaprof latency")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler that names kernels would write to stderr
    from skaprof.bench.configuration import Options, configurations, open_device
    from skaprof.bench.environment import put_tf32, resolve_device

    where = resolve_device(device)
    on_gpu = where != "cpu"
    if tf32 and not on_gpu:
        raise bad_value("--tf32", "true", "a GPU: a processor has no TF32")
    names = _implementations(implementation, on_gpu=on_gpu)
    groups: list[Sequence[Timed]] = list(networks.groups(wanted, names) if model else configurations(plan, names))
    if modules:
        groups = own.with_timed(groups, modules, counted)
    if len(groups) > MOST_CONFIGURATIONS:
        raise SkaprofError(f"the sweep has {len(groups):,} sizes: expected at most {MOST_CONFIGURATIONS:,}")
    how = _timing(timing, on_gpu=on_gpu)
    options = Options(where, how, fraction, tf32, _baseline(baseline, groups, names))
    put_tf32(tf32)
    swept = networks.swept(wanted) if model else plan.swept
    if plot and swept:
        _require_drawable(groups, swept)
    session = Session(options, open_device(where), seconds, isolate=isolate)
    lines = output if output is not None and output.lower().endswith(_LINES) else None
    session.prepare(lines, resume)
    interrupted = False
    try:
        interrupted = session.run(groups)
    finally:  # whatever ended it, what was measured is shown
        if session.rows and chosen != _LINES:
            _deliver(session.rows, chosen, None if lines else output, session.environment)
        if session.rows and plot:
            _draw(session.rows, swept, plot)
    _end(session, len(groups), interrupted=interrupted)


def _end(session: Session, sizes: int, *, interrupted: bool) -> None:
    """Nothing, where something was measured and nobody interrupted it; else the exit code that says so."""
    if interrupted:
        say(f"skaprof: interrupted after {session.finished:,} of {sizes:,} sizes")
        raise SystemExit(EXIT_INTERRUPTED)
    if session.rows and all(row["median_ms"] is None for row in session.rows):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _require_drawable(groups: Sequence[Sequence[Timed]], swept: Sequence[str]) -> None:
    """Nothing, where the plot will not have too many lines: that is known before any time is spent.

    Raises:
        SkaprofError: it would.
    """
    from skaprof.report.plot import require_few_lines

    require_few_lines([result_row(entry.head()) for group in groups for entry in group], swept[1:])


def measured_rows(
    plans: Sequence[Plan], implementations: tuple[str, ...], device: str, seconds: float = inf
) -> list[Row]:
    """The rows of the plans timed with default settings on `device`, for other commands.

    Raises:
        SkaprofError: as the command.
        Interrupted: Ctrl-C; it has the rows measured so far.
    """
    require_package("torch", "timing")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from skaprof.bench.configuration import Options, configurations, open_device
    from skaprof.bench.environment import put_tf32, resolve_device

    where = resolve_device(device)
    groups = [group for plan in plans for group in configurations(plan, implementations)]
    options = Options(where, _timing(None, on_gpu=where != "cpu"), baseline=_baseline(None, groups, implementations))
    put_tf32(options.tf32)
    session = Session(options, open_device(where), seconds, isolate=False)
    if session.run(groups):
        raise Interrupted(session.rows)
    return session.rows


def _format(format: str | None, output: str | None) -> str:
    if output is not None and output.lower().endswith(_LINES):
        return _LINES if format is None else format_of(format, None, COST_FORMATS)
    if format is None and output is not None:
        return ENDINGS[suffix_of("--output", output, (*ENDINGS, _LINES))]
    return format_of(format, output, COST_FORMATS)


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


def _check_timing(timing: str | None) -> None:
    if timing is not None:
        check_choice("--timing", timing, TIMINGS)


def _timing(timing: str | None, *, on_gpu: bool) -> str:
    if timing is None:
        return "cold" if on_gpu else "hot"
    if timing in GRAPHS and not on_gpu:
        raise bad_value("--timing", timing, "cold, hot or wall on a processor: graphs are CUDA's")
    return timing


def _implementations(text: str, *, on_gpu: bool) -> tuple[str, ...]:
    if text == "all":
        return all_implementations(on_gpu=on_gpu)
    return parse_choices("--implementation", text, tuple(IMPLEMENTATIONS))


def _baseline(text: str | None, groups: Sequence[Sequence[Timed]], implementations: tuple[str, ...]) -> str:
    """The label of the baseline's contender, `mhsa (eager)` say."""
    mixers = list(dict.fromkeys(entry.name for group in groups for entry in group))
    mixer, implementation = text or mixers[0], implementations[0]
    if mixer not in mixers and "/" in mixer:  # a file's path may hold some too
        mixer, _, implementation = mixer.rpartition("/")
    if mixer not in mixers:
        raise bad_value("--baseline", mixer, f"one of the mixers timed: {', '.join(mixers)}", mixers)
    if implementation not in implementations:
        expected = f"one of the implementations timed: {', '.join(implementations)}"
        raise bad_value("--baseline", implementation, expected, implementations)
    return f"{mixer} ({implementation})"


def _draw(rows: list[Row], swept: Sequence[str], paths: list[str]) -> None:
    from skaprof.report.plot import latency_plot

    measured = list(map(result_row, rows))
    draw(paths, lambda suffix: latency_plot(measured, swept, _caption(rows), suffix))


def _caption(rows: list[Row]) -> str:
    """What all rows share."""
    from skaprof.report import model, table

    measured = list(map(result_row, rows))
    return table.caption(measured) if measured[0].model is None else model.caption(list(map(ScopeRow.read, rows)))


def _deliver(rows: list[Row], chosen: str, output: str | None, environment: dict[str, Any]) -> None:
    renderers: dict[str, Callable[[], Iterator[str]]] = {
        "json": lambda: to_json(command_line(), environment, rows),
        "bmf": lambda: to_bmf(rows),
        "csv": lambda: to_csv(map(flat, _alike(rows))),
        "markdown": lambda: to_markdown(flat(row, (*SAMPLE_KEYS, "kernels")) for row in _alike(rows)),
        "table": lambda: _table(rows, to_terminal=output is None),
    }
    text = renderers[chosen]()
    deliver(text, output)


def _alike(rows: list[Row]) -> list[Row]:
    """The rows, each with every key that one of them has: a module's say more than a mixer's."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [dict.fromkeys(keys) | row for row in rows]


def _table(rows: list[Row], *, to_terminal: bool) -> Iterator[str]:
    from skaprof.report import latency as report

    told = list(map(result_row, rows))
    sentences = [*report.pair_sentences(told), *report.run_sentences(told), *report.share_sentences(told)]
    return table_text(report.latency_table(told), _caption(rows), sentences, to_terminal=to_terminal)
