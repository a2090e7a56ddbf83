"""`skaprof model`: what a mixer swap does to a whole backbone, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated

import typer

from skaprof.analysis.scopes import DEPTHS, Prove, predicted_rows, scope_rows
from skaprof.cli import options as opt
from skaprof.cli.model_parts import PredictParts, show_parts
from skaprof.cli.output import say
from skaprof.cli.own_model import OwnModel
from skaprof.cli.progress import progress
from skaprof.cli.show import MOST_TABLE_ROWS, Page, View, environment, show
from skaprof.cli.trade import Timing, Trade, traded_network
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.foreign_model import is_path
from skaprof.grids import parse_choices, parse_grid, parse_sizes
from skaprof.model.choice import Choice, open_backbone
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.network import HEADED_TASK, TASKS, Network, image_size, make_network
from skaprof.results import ScopeRow
from skaprof.workload import FORMS, MODES, check_choice

if TYPE_CHECKING:
    from skaprof.count.verification import Verification
MOST_NETWORKS = 1_000


@opt.with_options
def model(
    *,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="caformer_s18, _s36, _m36, _b36; convformer_s18, _s36; poolformerv2_s12; identityformer_s12; "
            "vit_tiny, _small, _base; vit_cifar; NAME\\[stage3=SPEC]; a TOML file; or FILE.py:NAME, your own model.",
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
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="DEPTH",
            help="One row for each block, stage, or total (default: stage); of a model of your own, for each submodule "
            "of at most so many names in its path (default: 2), or total.",
        ),
    ] = None,
    batch: opt.Batch = None,
    forms: opt.Forms,
    own: OwnModel,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Prove each op: the built network, fvcore and FlopCounterMode. Exit 1 if not."),
    ] = False,
    trade: Trade,
    hardware: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help="Predicted milliseconds on a machine that skaprof calibrate measured."),
    ] = None,
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    to: opt.Drawn,
) -> None:
    """Parameters, MACs and bytes of a whole backbone with any mixer in any stage, and the most a swap could save.

    Of a model of your own, FILE.py:NAME: all its submodules, counted exactly op by op, and their memory.
    Differences are against the backbone with its own mixers. 1 MAC is one multiply-add; FLOPs = 2 x MACs.
    """
    to.require()
    timing = trade.timing
    if hardware is not None and (verify or trade.latency):
        other = "--verify" if verify else "--latency"
        raise SkaprofError(f"--hardware: a prediction is no proof and no measurement: expected no {other} with it")
    if is_path(name):
        if trade.latency:
            raise SkaprofError("--latency: a model of your own has other mixers by skaprof swap --latency")
        backbones = {
            "--mixers": mixers,
            "--stage": stage,
            "--resolution": resolution,
            "--batch": batch,
            "--task": None if task == HEADED_TASK else task,
        }
        machine = None if hardware is None else find_hardware(hardware)
        told = _told_of(machine, allowed=allow_different_machine)
        show_parts(name, own, backbones, depth, forms, verify=verify, predict=told, to=to)
        return
    own.require_none()
    depth = check_choice("--depth", "stage" if depth is None else depth, DEPTHS)
    task = check_choice("--task", task, tuple(TASKS))
    networks = networks_of(open_backbone(name, mixers, stage or []), resolution, task, batch, forms)
    if trade.latency:
        if verify or hardware or task != HEADED_TASK or forms.modes != MODES[:1]:
            raise SkaprofError("--latency: expected no --verify and no --hardware, and the whole network, forward")
        _show_trade(name, networks, forms.dtypes, timing, to)
        return
    variants = list(product(networks, forms.dtypes, forms.modes))
    if hardware is not None:
        rows, totals = _predicted(variants, depth, hardware, allowed=allow_different_machine)
    else:
        prove = _told_proof() if verify else None
        rows, totals = scope_rows(progress(variants, len(variants), "verifying") if verify else variants, depth, prove)
    view = View(
        lambda: _page(rows, totals, networks, task),
        lambda ending: _figure(rows, task, ending),
        environment(counters=verify),
    )
    show(rows, to, view)
    if not all(getattr(total, "verified", True) for total in totals):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _show_trade(name: str, networks: Sequence[Network], dtypes: Sequence[str], timing: Timing, to: opt.Drawn) -> None:
    """The one backbone asked for beside itself with its own mixers, timed together.

    Raises:
        SkaprofError: several backbones, or one with its own mixers.
    """
    if len(networks) != 1 or len(dtypes) != 1 or to.plots:
        raise SkaprofError("--latency: expected one size, batch, form and dtype, and no --plot")
    (network,) = networks
    if not network.choice.is_modified:
        raise SkaprofError("--latency: the mixers are the backbone's own: put another in with --stage or --mixers")
    from skaprof.report import trade

    own = make_network(network.choice.unmodified, network.height, network.width, network.batch, network.implementation)
    rows = traded_network(name.partition("[")[0], own, network, dtypes[0], timing)
    heading = f"{network.backbone.name}, {network.height} x {network.width}, batch {network.batch:,}, {dtypes[0]}"
    page = Page(trade.trade_table(rows), heading, trade.sentences(rows), legend=trade.TRADE_LEGEND)
    show(rows, to, View(lambda: page))


def _predicted(
    variants: list[tuple[Network, str, str]], depth: str, hardware: str, *, allowed: bool
) -> tuple[list[ScopeRow], list[ScopeRow]]:
    from skaprof.api.loading import load_predictor

    machine = find_hardware(hardware)
    predict = load_predictor(machine, allow_different_machine=allowed).network
    return predicted_rows(progress(variants, len(variants), "predicting"), depth, predict, machine.id)


def _told_of(machine: Hardware | None, *, allowed: bool) -> PredictParts | None:
    """What adds to the rows of a model of the user's own what the machine will take; None where there is no machine."""
    if machine is None:
        return None
    from skaprof.analysis.scopes import predicted_parts
    from skaprof.api.loading import load_predictor

    predictor = load_predictor(machine, allow_different_machine=allowed)
    return lambda user, mode, rows: predicted_parts(rows, predictor.own_model(user, mode), machine.id)


def networks_of(
    choice: Choice, resolution: str | None, task: str, batch: str | None, forms: opt.Forms
) -> list[Network]:
    """The backbone at every size, batch and form asked for."""
    sizes = (image_size(choice, task),) if resolution is None else parse_sizes("--resolution", resolution)
    batches = (1,) if batch is None else parse_grid("--batch", batch)
    implementations = parse_choices("--implementation", forms.implementation, FORMS)
    count = len(sizes) * len(batches) * len(implementations)
    if count > MOST_NETWORKS:
        raise SkaprofError(f"--resolution and --batch: {count:,} networks: expected at most {MOST_NETWORKS:,}")
    return [
        make_network(choice, *size, each_batch, form, has_head=task == HEADED_TASK, option="--resolution")
        for size, each_batch, form in product(sizes, batches, implementations)
    ]


def _told_proof() -> Prove:
    """What proves a network, its differences on stderr, op by op."""
    from skaprof.api import load_verify_network

    prove = load_verify_network()

    missing: set[str] = set()

    def proved(network: Network, dtype: str, mode: str) -> Verification:
        proof = prove(network, dtype, mode)
        if proof.missing and not missing:
            missing.add(proof.missing)
            say(f"proved without fvcore: {proof.missing}")
        for difference in proof.differences:
            say(f"{network.backbone.name}, {network.height} x {network.width}, {mode}: {difference}")
        return proof

    return proved


def _figure(rows: list[ScopeRow], task: str, ending: str) -> bytes:
    from skaprof.report.model import caption
    from skaprof.report.model_plot import scope_plot

    return scope_plot(rows, f"{caption(rows)}, {task}", ending)


def _page(rows: list[ScopeRow], totals: list[ScopeRow], networks: Sequence[Network], task: str) -> Page:
    from skaprof.report import model as report

    if len(rows) > MOST_TABLE_ROWS:
        raise SkaprofError(
            f"{len(rows):,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use --format csv or json"
        )
    heading = f"{report.caption(totals)}, {task}"
    words = report.sentences(rows, totals, networks)
    return Page(report.scope_table(rows, totals), heading, words, legend=report.LEGEND)
