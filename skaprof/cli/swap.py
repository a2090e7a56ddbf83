"""`skaprof swap`: what replacing submodules of any model by a token mixer changes, place by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from skaprof.answers import SwapRow
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.own_model import OwnModel
from skaprof.cli.show import Page, View, environment, show
from skaprof.cli.trade import Trade, change_of, traded_swap
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, bad_value
from skaprof.foreign_code import MAP_LAYOUTS
from skaprof.foreign_model import UserModel
from skaprof.grids import parse_sizes
from skaprof.model.hardware import find_hardware
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.own_rows import TradeRow
from skaprof.workload import check_choice


@opt.with_options
def swap(
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="PACKAGE.MODULE:NAME", help="A class or function of yours that gives a torch.nn.Module."
        ),
    ],
    replace: Annotated[
        list[str],
        typer.Option(
            metavar="PATTERN=SPEC",
            help="Put the mixer into each submodule that PATTERN matches: a name (blocks.*.attn), its end (attn), "
            "or a class (Attention). Repeatable; the first that matches counts.",
        ),
    ],
    arg: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="As --model-arg.", hidden=True)] = None,
    own: OwnModel,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="The token grid, where the tokens are no square; those beyond it are class tokens."
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            metavar="LAYOUT",
            help="How a submodule's four-dimensional input lies, BHWC or BCHW, where its layers do not tell.",
        ),
    ] = None,
    skip_unsupported: Annotated[
        bool,
        typer.Option(
            "--skip-unsupported",
            help="Leave what no mixer can stand for as it is, with the reason, and replace the rest.",
        ),
    ] = False,
    trade: Trade,
    hardware: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help="Predicted milliseconds on a machine that skaprof calibrate measured."),
    ] = None,
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    to: opt.Tabled,
) -> None:
    """Parameters and MACs of any model before and after its attention (or other submodules) is another mixer.

    An example input tells each mixer its tokens, grid and dim. Both counters count the model before and after; an op
    that a counter does not know is named, and never counted as 0. A submodule that is given a mask or is causal is
    refused, or left as it is with --skip-unsupported. Exit 1 where there is no count, or a mixer is not verified.
    """
    to.require()
    if hardware is not None and trade.latency:
        raise SkaprofError("--hardware: a prediction is no measurement: expected no --latency with it")
    replacements = [_replacement(text) for text in replace]
    timing = trade.timing
    user = own.but(model_arg=[*(own.model_arg or ()), *(arg or ())]).named(model)
    grid = parse_sizes("--size", size) if size is not None else (None,)
    if len(grid) > 1:
        raise bad_value("--size", size, "one grid")
    layout = None if input is None else check_choice("--input", input, MAP_LAYOUTS)
    from skaprof.api import load_swapped_rows

    hints = {"grid": grid[0], "layout": layout, "skips": skip_unsupported}
    rows: Sequence[SwapRow] = load_swapped_rows()(user, replacements, _warn, **hints)
    if hardware is not None:
        rows = _predicted(rows, user, replacements, hints, hardware, allowed=allow_different_machine)
    traded = traded_swap(user, replacements, hints, timing) if trade.latency else []
    view = View(lambda: _page(rows, user, traded), environment=environment(counters=True))
    show([*rows, *traded], to, view)
    if rows[-1].macs_delta is None or any(row.verified is False for row in rows[:-1]):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _predicted(
    rows: Sequence[SwapRow],
    user: UserModel,
    replacements: Sequence[tuple[str, MixerSpec]],
    hints: Mapping[str, Any],
    hardware: str,
    *,
    allowed: bool,
) -> Sequence[SwapRow]:
    """The rows with what the machine will take for the model and for each place, before and after."""
    from skaprof.analysis.scopes import predicted_swap
    from skaprof.api.loading import load_predictor

    machine = find_hardware(hardware)
    predictor = load_predictor(machine, allow_different_machine=allowed)
    change = change_of(replacements, hints)
    before, after = (predictor.own_model(user, option="MODEL", change=each) for each in (None, change))
    return predicted_swap(rows, before, after, machine.id)


def _warn(message: str) -> None:
    say(f"skaprof: {message}")


def _replacement(text: str) -> tuple[str, MixerSpec]:
    pattern, equals, spec = text.partition("=")
    if not equals or not pattern:
        raise bad_value("--replace", text, "PATTERN=SPEC, such as attn=ska or Attention=cska:kernel_size=5")
    return pattern, parse_mixer(spec, "--replace")


def _page(rows: Sequence[SwapRow], user: UserModel, traded: Sequence[TradeRow]) -> Page:
    from skaprof.report import swap as report
    from skaprof.report.cost_sentences import LEGEND

    ids = "" if set(user.input_dtypes) == {"float32"} else f" of {', '.join(user.input_dtypes)}"
    given = user.inputs or " and ".join(" x ".join(map(str, shape)) for shape in user.shapes)
    heading = f"{rows[-1].model}, input {given}{ids}, forward, {rows[-1].dtype}"
    if traded:
        from skaprof.report import trade

        words = [*trade.sentences(traded), *report.sentences(rows)]
        return Page(trade.trade_table(traded), heading, words, legend=trade.TRADE_LEGEND)
    return Page(report.swap_table(rows), heading, report.sentences(rows), legend=LEGEND)
