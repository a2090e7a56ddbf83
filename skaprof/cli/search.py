"""`skaprof search`: the best trade-offs over mixers in each stage of a backbone, within limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Annotated, NamedTuple

import typer

from skaprof.analysis.limits import parse_limit
from skaprof.analysis.search import (
    DEFAULT_OBJECTIVES,
    SEARCHED,
    Found,
    Limit,
    Search,
    expanded,
    find,
    make_search,
    open_axes,
)
from skaprof.cli import options as opt
from skaprof.cli.model import networks_of
from skaprof.cli.output import deliver, draw, require_destinations, say
from skaprof.cli.run import MOST_TABLE_ROWS, command_line, data_text, environment, format_of, table_text
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, bad_value
from skaprof.grids import parse_choices, parse_optional_grid
from skaprof.model.choice import Choice, open_backbone, parse_override
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.network import HEADED_TASK
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import ScopeRow
from skaprof.workload import DTYPE_BYTES, MODES, require_odd_kernel

Result = tuple[Search, Found]


class _Asked(NamedTuple):
    """What the tables and figures of all results say alike."""

    objectives: Sequence[str]
    limits: Sequence[Limit]
    task: str


def search(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A backbone of skaprof model, or a TOML file.")],
    mixer: Annotated[
        list[str] | None,
        typer.Option(
            "--mixer",
            "-m",
            metavar="SPEC",
            help="A candidate for every stage; repeatable. Default: the backbone's own, and mhsa, ska, cska.",
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(metavar="N=SPEC", help="A candidate for stage N, which then has only such; repeatable."),
    ] = None,
    kernel_size: Annotated[
        str | None,
        typer.Option(metavar="GRID", help="Each candidate with a kernel, at each of these sizes: 3,5,7."),
    ] = None,
    head_dim: Annotated[
        str | None, typer.Option(metavar="GRID", help="Each candidate with heads, at each of these widths: 16,32.")
    ] = None,
    objective: Annotated[
        str, typer.Option(metavar="LIST", help=f"What to minimize, the first sorts: {', '.join(SEARCHED)}.")
    ] = ",".join(DEFAULT_OBJECTIVES),
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT",
            help="What a network must keep to: 'params<=28M', 'macs<=4.1G', 'traffic_bytes<=350MiB'; repeatable.",
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(metavar="PIXELS", help="Image sizes, such as 224,800x1280 or 224:448:32, each searched."),
    ] = None,
    task: opt.Task = HEADED_TASK,
    batch: opt.Batch = None,
    dtype: opt.Dtype = "float32",
    mode: opt.Mode = "forward",
    implementation: opt.Implementation = "eager",
    format: opt.Format = None,
    output: opt.Output = None,
    plot: opt.Plot = None,
) -> None:
    """The networks that no other mixers beat: the Pareto front of parameters, MACs and traffic, within limits.

    Each row is a network as skaprof model --depth total has it, differences against the backbone's own mixers. Exit 1
    where none is within the limits; the message says which comes nearest.
    """
    chosen = format_of(format, output)
    objectives = parse_choices("--objective", objective, SEARCHED)
    if plot and len(objectives) < 2:
        raise bad_value("--objective", objective, "two or more with --plot, for its axes")
    limits = [parse_limit("--limit", text) for text in limit or ()]
    choice = open_backbone(name)
    candidates = _candidates(choice, mixer, stage or [], kernel_size, head_dim)
    dtypes, modes = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)), parse_choices("--mode", mode, MODES)
    networks = networks_of(choice, resolution, task, batch, implementation)
    require_destinations(output, plot)
    if plot and len(networks) * len(dtypes) * len(modes) > 1:
        raise SkaprofError("--plot: several sizes, forms, modes or dtypes: expected one of each in a figure")
    from skaprof.report.search import left_out_words, nothing_within

    results = []
    for network, each_dtype, each_mode in product(networks, dtypes, modes):
        made = make_search(network, candidates, each_dtype, each_mode)
        results.append((made, find(made, objectives, limits)))
    for words in left_out_words([made for made, _ in results]):
        say(f"skaprof: {words}")
    asked = _Asked(objectives, limits, task)
    _deliver(results, asked, chosen, output)
    if plot:
        _draw(results[0], asked, plot)
    for made, found in results:
        if not found.within:
            say(f"skaprof: {nothing_within(made, found, _where(made, results))}")
    if not all(found.within for _, found in results):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _candidates(
    choice: Choice, mixers: Sequence[str] | None, stages: Sequence[str], kernel_size: str | None, head_dim: str | None
) -> list[list[MixerSpec]]:
    """The candidates of each stage: those of --stage N=SPEC where there are some, else those of --mixer."""
    kernel_sizes = parse_optional_grid("--kernel-size", kernel_size)
    head_dims = parse_optional_grid("--head-dim", head_dim)
    for size in kernel_sizes:
        require_odd_kernel(size, "--kernel-size")
    named: list[list[str]] = [[] for _ in choice.specs]
    for setting in stages:
        number, spec = parse_override(choice.backbone, setting)
        named[number - 1].append(spec.text)
    if mixers and all(named):
        raise bad_value("--mixer", mixers[0], "a stage that is left to it, and --stage names candidates for each")
    everywhere = list(mixers or [*choice.texts, *DEFAULT_MIXERS])
    texts = [of_stage or everywhere for of_stage in named]
    axes = {axis for text in {*chain(*texts)} for axis in open_axes(parse_mixer(text, "--mixer"))}
    for option, given, axis in (
        ("--kernel-size", kernel_size, "kernel_size"),
        ("--head-dim", head_dim, "head_dim"),
    ):
        if given is not None and axis not in axes:
            raise bad_value(option, given, f"a candidate that has a {axis} and names none, and there is none")
    return [
        expanded(of_stage, kernel_sizes, head_dims, "--stage" if own else "--mixer")
        for of_stage, own in zip(texts, named, strict=True)
    ]


def _deliver(results: Sequence[Result], asked: _Asked, chosen: str, output: str | None) -> None:
    rows = [made.row(number) for made, found in results for number in found.front]
    if chosen != "table":
        deliver(data_text(rows, chosen, command_line(), environment()), output)
    elif rows:
        deliver(_table(results, rows, asked, to_terminal=output is None), output)


def _table(results: Sequence[Result], rows: list[ScopeRow], asked: _Asked, *, to_terminal: bool) -> Iterator[str]:
    from skaprof.report import model, search

    if len(rows) > MOST_TABLE_ROWS:
        raise SkaprofError(
            f"{len(rows):,} networks on the front: expected at most {MOST_TABLE_ROWS:,} in a table; "
            "use --format csv or json"
        )
    words = []
    for made, found in results:
        if found.front:
            words += search.search_sentences(made, found, asked.objectives, asked.limits, _where(made, results))
    words += search.closing_sentences([made for made, _ in results])
    heading = f"{model.caption(rows)}, {asked.task}"
    return table_text(model.network_table(rows), heading, words, to_terminal=to_terminal)


def _where(made: Search, results: Sequence[Result]) -> str:
    """The size and form of a search, where there are several."""
    from skaprof.report.model import network_text

    return network_text(made.own) if len(results) > 1 else ""


def _draw(result: Result, asked: _Asked, paths: list[str]) -> None:
    from skaprof.report.model import caption
    from skaprof.report.search_plot import search_plot

    title = f"{caption([result[0].own])}, {asked.task}"
    draw(paths, lambda suffix: search_plot(*result, asked.objectives, asked.limits, title, suffix))
