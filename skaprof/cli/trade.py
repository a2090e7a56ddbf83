"""`--latency` of `skaprof model` and `skaprof swap`: the whole answer in one table, before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from skaprof.analysis.trade import trade_rows
from skaprof.cli import options as opt
from skaprof.errors import SkaprofError, require_package, shown_option
from skaprof.own_rows import TradeRow
from skaprof.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skaprof.bench.configuration import Timed
    from skaprof.foreign_model import UserModel
    from skaprof.model.network import Network
    from skaprof.model.spec import MixerSpec
    from skaprof.nn.user_model import Change

_PANEL = "Before and after, timed"


class Timing(NamedTuple):
    """How many seconds a timing may take, inf for no limit, and in how many threads: None for PyTorch's own."""

    seconds: float
    threads: int | None


class Trade(opt.Options):
    """Whether both are timed, and how, as typed."""

    latency: Annotated[
        bool,
        typer.Option(
            "--latency",
            help="One table of the whole model before and after: parameters, MACs, bytes, and milliseconds, timed "
            "together here.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    max_seconds: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="End the timing after that.", rich_help_panel=_PANEL)
    ] = None

    threads: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT", help="PyTorch's threads in the timing. Default: as it takes.", rich_help_panel=_PANEL
        ),
    ] = None

    @property
    def timing(self) -> Timing:
        """How long the timing may take, and in how many threads.

        Raises:
            SkaprofError: one of them is no such number, or is given without --latency.
        """
        for option, given in (("--max-seconds", self.max_seconds), ("--threads", self.threads)):
            if given is not None and not self.latency:
                raise SkaprofError(f"{option}: {shown_option(given)} needs --latency, which is not given")
        from skaprof.cli.latency_options import positive_number, thread_count

        seconds = inf if self.max_seconds is None else positive_number("--max-seconds", self.max_seconds)
        return Timing(seconds, thread_count(self.threads))


def traded(
    forward: tuple[Record, Record],
    trained: tuple[Record, Record],
    entries: Callable[[], Sequence[Timed]],
    timing: Timing,
    names: tuple[str, str],
) -> list[TradeRow]:
    """The rows of a model before and after, the two timed together. `names`: the model, and what was put in.

    Raises:
        SkaprofError: torch is not installed, or what `entries` makes cannot be.
    """
    require_package("torch", "--latency")
    from skaprof.bench.default_session import measured_rows
    from skaprof.cli.watch import Terminal

    measured: list[dict[str, Any]] = measured_rows(
        lambda: [entries()], "auto", timing.seconds, Terminal("timing"), threads=timing.threads
    )
    return trade_rows(forward, trained, measured, *names)


def traded_swap(
    user: UserModel, replacements: Sequence[tuple[str, MixerSpec]], hints: Mapping[str, Any], timing: Timing
) -> list[TradeRow]:
    """The rows of a model of the user's own, before and after its submodules are replaced.

    Raises:
        SkaprofError: as `traded`, and `skaprof.count.swap.swapped_rows`.
    """
    from skaprof.bench.user_models import ModelEntry
    from skaprof.count.model_parts import count_model

    change = change_of(replacements, hints)
    changed = ",".join(f"{pattern}={spec.text}" for pattern, spec in replacements)
    counted = {
        mode: tuple(count_model(user, mode, "MODEL", each).rows(0)[-1] for each in (None, change))
        for mode in ("forward", "train")
    }
    before, after = counted["forward"]
    entries = [ModelEntry(user, before, "eager"), ModelEntry(user, after, "eager", changed, change)]
    names = (user.path, changed)
    return traded((before, after), (counted["train"][0], counted["train"][1]), lambda: entries, timing, names)


def change_of(replacements: Sequence[tuple[str, MixerSpec]], hints: Mapping[str, Any]) -> Change:
    """What puts these mixers into a model that was built, by what `skaprof swap` was told."""
    from skaprof.count.swap import swap_change
    from skaprof.nn.sites import Asked

    asked = Asked(hints["grid"], hints["layout"], "--replace", (lambda skipped: None) if hints["skips"] else None)
    return swap_change(replacements, asked)


def traded_network(name: str, before: Network, after: Network, dtype: str, timing: Timing) -> list[TradeRow]:
    """The rows of a backbone with its own mixers, and with others; `name` is a built-in's, or a TOML file's.

    Raises:
        SkaprofError: as `traded`.
    """
    from skaprof.analysis.scopes import TOTAL, costed

    def counted(mode: str) -> tuple[Record, Record]:
        ((one,), (other,)) = (costed(network, dtype, mode).rows(TOTAL) for network in (before, after))
        return one, other

    def entries() -> Sequence[Timed]:
        from skaprof.bench.modules import NetworkEntry

        image = before.height, before.width
        return [
            NetworkEntry(name, ",".join(network.choice.texts), image, before.batch, "forward", dtype, "eager")
            for network in (before, after)
        ]

    mixers = ",".join(after.choice.texts)
    return traded(counted("forward"), counted("train"), entries, timing, (after.backbone.name, mixers))
