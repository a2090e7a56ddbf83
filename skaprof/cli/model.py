"""`skaprof model`: what a mixer swap does to a whole backbone, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated

import typer

from skaprof.analysis.scopes import DEPTHS, TOTAL, costed
from skaprof.cli import options as opt
from skaprof.cli.output import deliver, draw, require_destinations, say
from skaprof.cli.progress import progress
from skaprof.cli.run import MOST_TABLE_ROWS, command_line, environment, format_of, rendered, table_text
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.grids import parse_choices, parse_grid, parse_sizes
from skaprof.model.choice import Choice, open_backbone
from skaprof.model.network import HEADED_TASK, TASKS, Network, image_size, make_network
from skaprof.results import ProvedScope, ScopeRow
from skaprof.workload import DTYPE_BYTES, FORMS, MODES, check_choice

if TYPE_CHECKING:
    from skaprof.count import Verification

MOST_NETWORKS = 1_000


def model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="caformer_s18, _s36, _m36, _b36; convformer_s18, _s36; poolformerv2_s12; identityformer_s12; "
            "vit_tiny, _small, _base; vit_cifar; NAME\\[stage3=SPEC]; or a TOML file of your own.",
        ),
    ],
    mixers: Annotated[
        str | None,
        typer.Option(metavar="SPEC,...", help="A mixer for each stage, or one for all. Default: the backbone's own."),
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="N=SPEC", help="Put a mixer into stage N; repeatable.")
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(metavar="PIXELS", help="Image sizes, such as 224,800x1280 or 224:448:32. Default: the task's."),
    ] = None,
    task: opt.Task = HEADED_TASK,
    depth: Annotated[str, typer.Option(metavar="DEPTH", help="One row for each block, stage, or total.")] = "stage",
    batch: opt.Batch = None,
    dtype: opt.Dtype = "float32",
    mode: opt.Mode = "forward",
    implementation: opt.Implementation = "eager",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Prove each op: the built network, fvcore and FlopCounterMode. Exit 1 if not."),
    ] = False,
    format: opt.Format = None,
    output: opt.Output = None,
    plot: opt.Plot = None,
) -> None:
    """Parameters, MACs and bytes of a whole backbone with any mixer in any stage, and the most a swap could save.

    Differences are against the backbone with its own mixers. 1 MAC is one multiply-add; FLOPs = 2 x MACs.
    """
    chosen = format_of(format, output)
    check_choice("--depth", depth, DEPTHS)
    dtypes, modes = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)), parse_choices("--mode", mode, MODES)
    networks = networks_of(open_backbone(name, mixers, stage or []), resolution, task, batch, implementation)
    require_destinations(output, plot)
    rows, totals = _rows(list(product(networks, dtypes, modes)), depth, verify=verify)
    if plot:
        _draw(rows, task, plot)
    if chosen == "table":
        text = _table(rows, totals, networks, task, to_terminal=output is None)
    else:
        text = rendered(rows, chosen, command_line(), environment(counters=verify), [], to_terminal=False)
    deliver(text, output)
    if not all(getattr(total, "verified", True) for total in totals):
        raise typer.Exit(EXIT_CHECK_FAILED)


def networks_of(
    choice: Choice, resolution: str | None, task: str, batch: str | None, implementation: str
) -> list[Network]:
    """The backbone at every size, batch and form asked for."""
    check_choice("--task", task, tuple(TASKS))
    sizes = (image_size(choice, task),) if resolution is None else parse_sizes("--resolution", resolution)
    batches = (1,) if batch is None else parse_grid("--batch", batch)
    forms = parse_choices("--implementation", implementation, FORMS)
    count = len(sizes) * len(batches) * len(forms)
    if count > MOST_NETWORKS:
        raise SkaprofError(f"--resolution and --batch: {count:,} networks: expected at most {MOST_NETWORKS:,}")
    return [
        make_network(choice, *size, each_batch, form, has_head=task == HEADED_TASK, option="--resolution")
        for size, each_batch, form in product(sizes, batches, forms)
    ]


def _rows(
    variants: Sequence[tuple[Network, str, str]], depth: str, *, verify: bool
) -> tuple[list[ScopeRow], list[ScopeRow]]:
    """The rows of each (network, dtype, mode) at this depth, and their totals, with what the counters say."""
    rows: list[ScopeRow] = []
    totals: list[ScopeRow] = []
    for variant in progress(variants, len(variants), "verifying") if verify else variants:
        proof = _proved(*variant) if verify else None
        costs = costed(*variant)
        for at, collected in ((depth, rows), (TOTAL, totals)):
            for row in costs.rows(at):
                told = proof.of_scope(row.scope) if proof else None
                collected.append(ProvedScope(**row.as_dict(), **told) if told else row)
    return rows, totals


def _proved(network: Network, dtype: str, mode: str) -> Verification:
    """The proof; differences go to stderr, op by op."""
    from skaprof.api import load_verify_network

    proof = load_verify_network()(network, dtype, mode)
    for difference in proof.differences:
        say(f"{network.backbone.name}, {network.height} x {network.width}, {mode}: {difference}")
    return proof


def _draw(rows: list[ScopeRow], task: str, paths: list[str]) -> None:
    from skaprof.report.model import caption
    from skaprof.report.model_plot import scope_plot

    draw(paths, lambda suffix: scope_plot(rows, f"{caption(rows)}, {task}", suffix))


def _table(
    rows: list[ScopeRow], totals: list[ScopeRow], networks: Sequence[Network], task: str, *, to_terminal: bool
) -> Iterator[str]:
    from skaprof.report import model as report

    if len(rows) > MOST_TABLE_ROWS:
        raise SkaprofError(
            f"{len(rows):,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use --format csv or json"
        )
    sentences = report.sentences(rows, totals, networks)
    heading = f"{report.caption(totals)}, {task}"
    return table_text(report.scope_table(rows, totals), heading, sentences, to_terminal=to_terminal)
