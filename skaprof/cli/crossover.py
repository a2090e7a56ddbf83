"""`skaprof crossover`: where one mixer overtakes another along a size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from skaprof.analysis.crossover_times import SampledTimes, measured_times, predicted_times, sampled_rows
from skaprof.analysis.mixer_pair import MixerPair, Sizes, has_axis, make_pair
from skaprof.answers import CrossoverRow
from skaprof.cli import options as opt
from skaprof.cli.output import deliver, draw, require_destinations, say
from skaprof.cli.run import command_line, data_text, environment, format_of, table_text
from skaprof.errors import SkaprofError, shown
from skaprof.grids import DEFAULT_PATCH, parse_count
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.saved import SavedResults, read_results
from skaprof.workload import AXIS_SYMBOLS, DEFAULT_DIM, DEFAULT_TOKENS, DTYPE_BYTES, check_choice, require_odd_kernel

One = Annotated[str | None, typer.Option(metavar="COUNT", rich_help_panel="Sizes")]


def crossover(
    mixer: opt.Mixers = None,
    baseline: Annotated[str, typer.Option(metavar="SPEC", help="What each mixer is compared with.")] = "mhsa",
    axis: Annotated[
        str, typer.Option(metavar="SIZE", help=f"The size that grows: {', '.join(AXIS_SYMBOLS)}.")
    ] = "tokens",
    tokens: One = None,
    patch: One = None,
    dim: One = None,
    batch: One = None,
    heads: One = None,
    head_dim: One = None,
    kernel_size: One = None,
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="Sets the bytes.", rich_help_panel="Sizes")] = "float32",
    results: Annotated[
        str | None,
        typer.Option("--results", "-r", metavar="FILE", help="Results of skaprof latency: adds measured time."),
    ] = None,
    hardware: Annotated[str | None, opt.HARDWARE] = None,
    tf32: Annotated[bool, opt.TF32] = False,
    format: opt.Format = None,
    output: opt.Output = None,
    plot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Draw one --mixer and the baseline: .png or .svg; repeatable.",
            rich_help_panel="Output",
        ),
    ] = None,
) -> None:
    """Where one mixer starts or stops costing less than another as a size grows.

    In parameters, MACs, activation traffic and memory saved for backward: exact, from the closed forms, as a formula
    and at your sizes. With --results also in measured time: between which sizes the verdict changes. With --hardware
    also in predicted time, or for a machine that skaprof calibrate has not measured, in time at its ceilings.
    """
    chosen = format_of(format, output)
    require_destinations(output, plot)
    _require_free(axis, patch, tokens=tokens, dim=dim, heads=heads, kernel_size=kernel_size)
    saved = read_results(results, "--results") if results is not None else None
    if saved is not None and saved.warning:
        say(f"skaprof: {saved.warning}")
    machine = find_hardware(hardware) if hardware is not None else None
    if tf32 and (machine is None or dtype != "float32"):
        raise SkaprofError("--tf32: expected --hardware and --dtype float32 with it")
    from skaprof.analysis.crossover import crossover_rows

    sizes = Sizes(
        _one("--batch", batch, 1),
        _one("--tokens", tokens, DEFAULT_TOKENS),
        _one("--dim", dim, DEFAULT_DIM),
        _optional("--heads", heads),
        _optional("--head-dim", head_dim),
        _kernel(kernel_size),
        _one("--patch", patch, DEFAULT_PATCH),
        check_choice("--dtype", dtype, tuple(DTYPE_BYTES)),
    )
    rows: list[CrossoverRow] = []
    drawn = []
    for pair in _pairs(mixer, baseline, axis, sizes):
        timed = _timed(pair, saved, machine, tf32=tf32)
        found = [*crossover_rows(pair), *sampled_rows(pair, timed)]
        rows += found
        drawn.append((pair, found, timed))
    if plot:
        _draw(drawn, plot)
    deliver(_text(rows, chosen, to_terminal=output is None), output)


def _require_free(axis: str, patch: str | None, **sizes: str | None) -> None:
    check_choice("--axis", axis, tuple(AXIS_SYMBOLS))
    if patch is not None and axis != "resolution":
        raise SkaprofError(f"--patch: {shown(patch)}: expected --axis resolution with it")
    taken = "tokens" if axis == "resolution" else axis
    if sizes.get(taken) is not None:
        raise SkaprofError(f"--{taken.replace('_', '-')} and --axis {axis} both set it: expected one of them")


def _one(option: str, text: str | None, default: int) -> int:
    return default if text is None else parse_count(option, text)


def _optional(option: str, text: str | None) -> int | None:
    return None if text is None else parse_count(option, text)


def _kernel(text: str | None) -> int | None:
    return None if text is None else require_odd_kernel(parse_count("--kernel-size", text), "--kernel-size")


def _pairs(mixers: list[str] | None, baseline: str, axis: str, sizes: Sizes) -> list[MixerPair]:
    reference = parse_mixer(baseline, "--baseline")
    named = mixers or _default_mixers(reference, axis)
    return [make_pair(parse_mixer(text, "--mixer"), reference, axis, sizes) for text in dict.fromkeys(named)]


def _default_mixers(reference: MixerSpec, axis: str) -> list[str]:
    """The default mixers but the baseline; on an axis that some lack, those that have it."""
    others = [name for name in DEFAULT_MIXERS if name != reference.text]
    return [name for name in others if has_axis(parse_mixer(name), axis) or has_axis(reference, axis)] or others


def _timed(pair: MixerPair, saved: SavedResults | None, machine: Hardware | None, *, tf32: bool) -> list[SampledTimes]:
    """The pair's times: as predicted for a machine, and as a results file has them."""
    found: list[SampledTimes] = []
    if machine is not None:
        found += predicted_times(pair, machine, tf32=tf32)
    return found + (measured_times(saved, pair) if saved is not None else [])


def _draw(drawn: Sequence[tuple[MixerPair, list[CrossoverRow], list[SampledTimes]]], paths: Sequence[str]) -> None:
    if len(drawn) > 1:
        raise SkaprofError(f"--plot: {len(drawn)} mixers: expected one --mixer, drawn with the baseline")
    from skaprof.analysis.crossover_panels import panels_of
    from skaprof.report.crossover import caption
    from skaprof.report.crossover_plot import crossover_plot
    from skaprof.report.plot import AXES

    pair, rows, timed = drawn[0]
    panels, names = panels_of(pair, rows, timed), (pair.mixer.text, pair.baseline.text)
    words = AXES.get(pair.axis, "resolution r (pixels)")
    title = f"{pair.mixer.text} {caption(rows)}"
    draw(paths, lambda suffix: crossover_plot(panels, names, words, title, suffix))


def _text(rows: list[CrossoverRow], chosen: str, *, to_terminal: bool) -> Iterable[str]:
    if chosen != "table":
        return data_text(rows, chosen, command_line(), environment())
    from skaprof.report.crossover import caption, crossover_sentences, crossover_table

    return table_text(crossover_table(rows), caption(rows), crossover_sentences(rows), to_terminal=to_terminal)
