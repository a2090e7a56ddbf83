"""`skaprof crossover`: where one mixer overtakes another along a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import typer

from skaprof.analysis.crossover_times import Timed, sampled_rows, timed_samples
from skaprof.analysis.mixer_pair import Duel, Sizes, has_axis, make_duel
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.show import Page, View, show
from skaprof.errors import SkaprofError, shown
from skaprof.grids import DEFAULT_PATCH, parse_count
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import AXIS_SYMBOLS
from skaprof.saved import SavedResults, read_results
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, DTYPE_BYTES, check_choice, require_odd_kernel

Row = dict[str, Any]
Crossed = tuple[Duel, list[Row], list[Timed]]

One = Annotated[str | None, typer.Option(metavar="COUNT", rich_help_panel="Sizes")]


class Counts(opt.Options):
    """One value for each size that does not grow, as typed."""

    tokens: One = None
    patch: One = None
    dim: One = None
    batch: One = None
    heads: One = None
    head_dim: One = None
    kernel_size: One = None
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="Sets the bytes.", rich_help_panel="Sizes")] = "float32"

    def require_free(self, axis: str) -> None:
        """Raise unless the size that grows is left to --axis.

        Raises:
            SkaprofError: an unknown axis, or a value for it.
        """
        check_choice("--axis", axis, tuple(AXIS_SYMBOLS))
        if self.patch is not None and axis != "resolution":
            raise SkaprofError(f"--patch: {shown(self.patch)}: expected --axis resolution with it")
        taken = "tokens" if axis == "resolution" else axis
        if getattr(self, taken) is not None:
            raise SkaprofError(f"--{taken.replace('_', '-')} and --axis {axis} both set it: expected one of them")

    def sizes(self) -> Sizes:
        """The sizes that the options mean.

        Raises:
            SkaprofError: a value that is not valid, naming its option.
        """
        kernel_size = _count("--kernel-size", self.kernel_size, None)
        return Sizes(
            _count("--batch", self.batch, 1),
            _count("--tokens", self.tokens, DEFAULT_TOKENS),
            _count("--dim", self.dim, DEFAULT_DIM),
            _count("--heads", self.heads, None),
            _count("--head-dim", self.head_dim, None),
            None if kernel_size is None else require_odd_kernel(kernel_size, "--kernel-size"),
            _count("--patch", self.patch, DEFAULT_PATCH),
            check_choice("--dtype", self.dtype, tuple(DTYPE_BYTES)),
        )


Default = TypeVar("Default", int, None)


def _count(option: str, text: str | None, default: Default) -> int | Default:
    return default if text is None else parse_count(option, text)


class DrawnPair(opt.Drawn):
    """As `Drawn`, where one figure holds one pair."""

    plot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Draw one --mixer and the baseline: .png or .svg; repeatable.",
            rich_help_panel="Output",
        ),
    ] = None


@opt.with_options
def crossover(
    *,
    mixer: opt.Mixers = None,
    baseline: Annotated[str, typer.Option(metavar="SPEC", help="What each mixer is compared with.")] = "mhsa",
    axis: Annotated[
        str, typer.Option(metavar="SIZE", help=f"The size that grows: {', '.join(AXIS_SYMBOLS)}.")
    ] = "tokens",
    counts: Counts,
    results: Annotated[
        str | None,
        typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency: adds measured time."),
    ] = None,
    hardware: Annotated[str | None, opt.HARDWARE] = None,
    tf32: Annotated[bool, opt.TF32] = False,
    to: DrawnPair,
) -> None:
    """Where one mixer starts or stops costing less than another as a size grows.

    In parameters, MACs, activation traffic and memory saved for backward: exact, from the closed forms, as a formula
    and at your sizes. With --results also in measured time: between which sizes the verdict changes. With --hardware
    also in predicted time, or for a machine that skaprof calibrate has not measured, in time at its ceilings.
    """
    to.require()
    counts.require_free(axis)
    saved = read_results(results, "--results") if results is not None else None
    if saved is not None and saved.warning:
        say(f"skaprof: {saved.warning}")
    machine = find_hardware(hardware) if hardware is not None else None
    if tf32 and (machine is None or counts.dtype != "float32"):
        raise SkaprofError("--tf32: expected --hardware and --dtype float32 with it")
    from skaprof.analysis.crossover import crossover_rows

    drawn: list[Crossed] = []
    for duel in _duels(mixer, baseline, axis, counts.sizes()):
        timed = _timed(duel, saved, machine, tf32=tf32)
        drawn.append((duel, [*crossover_rows(duel), *sampled_rows(duel, timed)], timed))
    rows = [row for _, found, _ in drawn for row in found]
    show(rows, to, View(lambda: _page(rows), lambda ending: _figure(drawn, ending)))


def _duels(mixers: list[str] | None, baseline: str, axis: str, sizes: Sizes) -> list[Duel]:
    reference = parse_mixer(baseline, "--baseline")
    named = mixers or _default_mixers(reference, axis)
    return [make_duel(parse_mixer(text, "--mixer"), reference, axis, sizes) for text in dict.fromkeys(named)]


def _default_mixers(reference: MixerSpec, axis: str) -> list[str]:
    """The default mixers but the baseline; on an axis that some lack, those that have it."""
    others = [name for name in DEFAULT_MIXERS if name != reference.text]
    return [name for name in others if has_axis(parse_mixer(name), axis) or has_axis(reference, axis)] or others


def _timed(duel: Duel, saved: SavedResults | None, machine: Hardware | None, *, tf32: bool) -> list[Timed]:
    """The duel's times: as predicted for a machine, and as a results file has them."""
    found: list[Timed] = []
    if machine is not None:
        from skaprof.analysis.predicted_crossovers import predicted_samples

        found += predicted_samples(duel, machine, tf32=tf32)
    return found + (timed_samples(saved, duel) if saved is not None else [])


def _figure(drawn: Sequence[Crossed], ending: str) -> bytes:
    if len(drawn) > 1:
        raise SkaprofError(f"--plot: {len(drawn)} mixers: expected one --mixer, drawn with the baseline")
    from skaprof.report.crossover import caption
    from skaprof.report.crossover_panels import panels_of
    from skaprof.report.crossover_plot import crossover_plot
    from skaprof.report.plot import AXES

    duel, rows, timed = drawn[0]
    panels, names = panels_of(duel, rows, timed), (duel.mixer.text, duel.baseline.text)
    words = AXES.get(duel.axis, "resolution r (pixels)")
    return crossover_plot(panels, names, words, f"{duel.mixer.text} {caption(rows)}", ending)


def _page(rows: Sequence[Row]) -> Page:
    from skaprof.report.crossover import caption, crossover_sentences, crossover_table

    return Page(crossover_table(rows), caption(rows), crossover_sentences(rows))
