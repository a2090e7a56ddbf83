"""`skaprof crossover`: where one mixer overtakes another along a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer

from skaprof.analysis.crossover_request import free_axis, pairs_of, require_tf32_machine, times_of
from skaprof.analysis.crossover_times import SampledTimes, sampled_rows
from skaprof.analysis.mixer_pair import AXES, MixerPair, Sizes
from skaprof.answers import CrossoverRow
from skaprof.cli import options as opt
from skaprof.cli.output import say, say_notices
from skaprof.cli.show import Page, View, show
from skaprof.errors import SkaprofError
from skaprof.grids import DEFAULT_PATCH, class_token_notices, parse_count
from skaprof.model.hardware import find_hardware
from skaprof.saved import read_results
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, DTYPE_BYTES, check_choice, require_odd_kernel

Crossed = tuple[MixerPair, list[CrossoverRow], list[SampledTimes]]

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
            help="Draw one --mixer and the baseline: .png, .svg or .pdf; repeatable.",
            rich_help_panel="Output",
        ),
    ] = None


@opt.with_options
def crossover(
    *,
    mixer: opt.Mixers = None,
    baseline: Annotated[str, typer.Option(metavar="SPEC", help="What each mixer is compared with.")] = "mhsa",
    axis: Annotated[str, typer.Option(metavar="SIZE", help=f"The size that grows: {', '.join(AXES)}.")] = "tokens",
    counts: Counts,
    results: Annotated[
        str | None,
        typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency: adds measured time."),
    ] = None,
    hardware: Annotated[str | None, opt.HARDWARE] = None,
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    tf32: Annotated[bool, opt.TF32] = False,
    to: DrawnPair,
) -> None:
    """Where one mixer starts or stops costing less than another as a size grows.

    In parameters, MACs, activation traffic and memory saved for backward: exact, from the closed forms, as a formula
    and at your sizes. With --results also in measured time: between which sizes the verdict changes. With --hardware
    also in predicted time, or for a machine that skaprof calibrate has not measured, in time at its ceilings.
    """
    to.require()
    axis = free_axis(axis, counts.patch, vars(counts))
    saved = read_results(results, "--results") if results is not None else None
    if saved is not None and saved.warning:
        say(f"skaprof: {saved.warning}")
    machine = find_hardware(hardware) if hardware is not None else None
    say_notices(class_token_notices(counts.tokens, offered=False))
    require_tf32_machine(machine, counts.dtype, tf32=tf32)
    from skaprof.analysis.crossover import crossover_rows

    drawn: list[Crossed] = []
    from skaprof.api.loading import load_predict

    allowed = allow_different_machine
    predict = load_predict(machine, allow_different_machine=allowed) if machine is not None else None
    for pair in pairs_of(mixer, baseline, axis, counts.sizes()):
        timed = times_of(pair, saved, machine, predict, tf32=tf32)
        say_notices(filter(None, (each.notice(pair.axis) for each in timed)))
        drawn.append((pair, [*crossover_rows(pair), *sampled_rows(pair, timed)], timed))
    rows = [row for _, found, _ in drawn for row in found]
    show(rows, to, View(lambda: _page(rows), lambda ending: _figure(drawn, ending)))


def _figure(drawn: Sequence[Crossed], ending: str) -> bytes:
    if len(drawn) > 1:
        raise SkaprofError(f"--plot: {len(drawn)} mixers: expected one --mixer, drawn with the baseline")
    from skaprof.analysis.crossover_panels import panels_of
    from skaprof.report.crossover import caption
    from skaprof.report.crossover_plot import crossover_plot
    from skaprof.report.plot import AXES

    pair, rows, timed = drawn[0]
    panels, names = panels_of(pair, rows, timed), (pair.mixer.text, pair.baseline.text)
    words = AXES.get(pair.axis, "resolution r (pixels)")
    return crossover_plot(panels, names, words, f"{pair.mixer.text} {caption(rows)}", ending)


def _page(rows: Sequence[CrossoverRow]) -> Page:
    from skaprof.report.crossover import caption, crossover_sentences, crossover_table

    return Page(crossover_table(rows), caption(rows), crossover_sentences(rows))
