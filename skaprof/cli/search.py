"""`skaprof search`: the best trade-offs over mixers in each stage or block of a backbone, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Annotated, NamedTuple

import typer

from skaprof.analysis.limits import parse_limit
from skaprof.analysis.search import DEFAULT_OBJECTIVES, PLACES, PREDICTED, SEARCHED, Limit, Search, make_search
from skaprof.analysis.search_front import Found, find, found_rows
from skaprof.analysis.search_request import candidates_of
from skaprof.cli import options as opt
from skaprof.cli.model import networks_of
from skaprof.cli.output import say
from skaprof.cli.progress import progress
from skaprof.cli.search_measured import is_over_accuracy, show_measured
from skaprof.cli.show import MOST_TABLE_ROWS, Page, View, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, bad_value
from skaprof.grids import parse_choices, parse_optional_grid
from skaprof.model.choice import open_backbone
from skaprof.model.network import HEADED_TASK, TASKS
from skaprof.results import ScopeRow
from skaprof.workload import check_choice

Result = tuple[Search, Found]


class _Asked(NamedTuple):
    """What the tables and figures of all results say alike."""

    objectives: Sequence[str]
    limits: Sequence[Limit]
    task: str


@opt.with_options
def search(
    *,
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
    per: Annotated[
        str, typer.Option(metavar="stage|block", help="What gets a mixer of its own: a stage, or every block.")
    ] = "stage",
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
    hardware: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help=f"Predicts {PREDICTED} on a machine that skaprof calibrate measured."),
    ] = None,
    accuracy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Runs of skaprof accuracy, or what skaprof accuracy import gave: with --objective accuracy,macs the "
            "search is over the networks whose accuracy is known; repeatable.",
        ),
    ] = None,
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    resolution: Annotated[
        str | None,
        typer.Option(metavar="PIXELS", help="Image sizes, such as 224,800x1280 or 224:448:32, each searched."),
    ] = None,
    task: opt.Task = HEADED_TASK,
    batch: opt.Batch = None,
    forms: opt.Forms,
    to: opt.Drawn,
) -> None:
    """The networks that no other mixers beat: the Pareto front of parameters, MACs and traffic, within limits.

    Each row is a network as skaprof model --depth total has it, differences against the backbone's own mixers. Exit 1
    where none is within the limits; the message says which comes nearest.
    """
    to.require()
    if accuracy or is_over_accuracy(objective):
        options = {
            "--mixer": mixer,
            "--stage": stage,
            "--kernel-size": kernel_size,
            "--head-dim": head_dim,
            "--resolution": resolution,
            "--batch": batch,
        }
        show_measured(name, objective, limit or [], accuracy or [], hardware, options, to)
        return
    objectives = parse_choices("--objective", objective, SEARCHED)
    task = check_choice("--task", task, tuple(TASKS))
    if to.plots and len(objectives) < 2:
        raise bad_value("--objective", objective, "two or more with --plot, for its axes")
    limits = [parse_limit("--limit", text) for text in limit or ()]
    choice = open_backbone(name)
    kernel_sizes, head_dims = (
        parse_optional_grid("--kernel-size", kernel_size),
        parse_optional_grid("--head-dim", head_dim),
    )
    candidates = candidates_of(choice, mixer, stage or [], kernel_sizes, head_dims)
    networks = networks_of(choice, resolution, task, batch, forms)
    variants = list(product(networks, forms.dtypes, forms.modes))
    if to.plots and len(variants) > 1:
        raise SkaprofError("--plot: several sizes, forms, modes or dtypes: expected one of each in a figure")
    from skaprof.api.loading import load_machine
    from skaprof.report.search import left_out_words, nothing_within

    check_choice("--per", per, PLACES)
    metrics = [*objectives, *(limit.metric for limit in limits)]
    machine = load_machine(hardware, metrics, allow_different_machine=allow_different_machine)
    searches = [
        make_search(network, candidates, dtype, mode, per, machine)
        for network, dtype, mode in (progress(variants, len(variants), "predicting") if machine else variants)
    ]
    results = [(made, find(made, objectives, limits)) for made in searches]
    for words in left_out_words(searches):
        say(f"skaprof: {words}")
    asked = _Asked(objectives, limits, task)
    rows = [row for made, found in results for row in found_rows(made, found)]
    figure = partial(_figure, results[0], asked)
    show(rows, to, View(lambda: _page(results, rows, asked), figure))
    for made, found in results:
        if not found.front:
            say(f"skaprof: {nothing_within(made, found, _where(made, results))}")
    if not all(found.front for _, found in results):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _page(results: Sequence[Result], rows: list[ScopeRow], asked: _Asked) -> Page:
    from skaprof.report import model, search

    if not rows:
        return Page(None)
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
    return Page(model.network_table(rows), heading, words, legend=model.LEGEND)


def _where(made: Search, results: Sequence[Result]) -> str:
    """The size and form of a search, where there are several."""
    from skaprof.report.model import network_text

    return network_text(made.own) if len(results) > 1 else ""


def _figure(result: Result, asked: _Asked, ending: str) -> bytes:
    from skaprof.report.model import caption
    from skaprof.report.search_plot import search_plot

    title = f"{caption([result[0].own])}, {asked.task}"
    return search_plot(*result, asked.objectives, asked.limits, title, ending)
