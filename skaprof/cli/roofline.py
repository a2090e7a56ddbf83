"""`skaprof roofline`: each mixer and each of its kernels against a machine's ceilings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from skaprof.analysis.roofline_rows import RooflinePoint, kernel_rows, measured_with_tf32, mixer_row, require_possible
from skaprof.answers import RooflineRow
from skaprof.cli import options as opt
from skaprof.cli.output import deliver, draw, require_destinations
from skaprof.cli.results import points_of
from skaprof.cli.run import MOST_TABLE_ROWS, command_line, data_text, environment, format_of, table_text
from skaprof.errors import SkaprofError
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.saved import read_results


def roofline(
    hardware: Annotated[str, opt.HARDWARE] = "h100-sxm",
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
    dtype: Annotated[
        str | None, typer.Option(metavar="LIST", help="float64, float32, bfloat16, float16. Default: float32.")
    ] = None,
    implementation: Annotated[str | None, typer.Option(metavar="LIST", help="eager, sdpa. Default: eager.")] = None,
    tf32: Annotated[bool, opt.TF32] = False,
    per_op: Annotated[bool, typer.Option("--per-op", help="One row for each kernel of each mixer.")] = False,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Results of skaprof latency: its forward rows are held against the ceilings, and no size is given.",
        ),
    ] = None,
    format: opt.Format = None,
    output: opt.Output = None,
    plot: opt.Plot = None,
) -> None:
    """Arithmetic intensity, bound, ideal and predicted time of mixers and their kernels on a machine, forward.

    Ideal times are the machine's ceilings; predictions need a file of skaprof calibrate. With --results, the measured
    times, their share of the peak, and how far the predictions are off.
    """
    chosen = format_of(format, output)
    require_destinations(output, plot)
    machine = find_hardware(hardware)
    sizes = (tokens, size, resolution, patch, dim, batch, heads, head_dim, kernel_size, dtype)
    if results is None:
        plan = opt.plan_of(mixer, *sizes[:-1], dtype or "float32", "forward", implementation or "eager")
        points = [RooflinePoint(row.variant, row.workload) for row in plan.rows()]
    else:
        if any(value is not None for value in (*sizes, implementation)):
            raise SkaprofError(
                "--results: sizes, dtypes and implementations are those of the file: expected no option for them"
            )
        if per_op:
            raise SkaprofError("--per-op: a results file has times of whole mixers: expected no --results with it")
        saved = read_results(results, "--results")
        points, tf32 = points_of(saved, mixer, machine), tf32 or measured_with_tf32(saved)
    peaks = _peaks(points, tf32=tf32)
    rows = _rows(points, machine, tf32=tf32, per_op=per_op)
    if plot:
        _draw(rows, machine, peaks, plot)
    deliver(_text(rows, machine, peaks, chosen, to_terminal=output is None), output)


def _peaks(points: list[RooflinePoint], *, tf32: bool) -> list[str]:
    """The names of the peaks that the points are held against, each once."""
    found = list(dict.fromkeys(point.peak(tf32=tf32) for point in points))
    if tf32 and "tf32" not in found:
        raise SkaprofError(f"--tf32: it is for float32, and the dtype is {', '.join(found)}: expected float32")
    return found


def _rows(points: list[RooflinePoint], machine: Hardware, *, tf32: bool, per_op: bool) -> list[RooflineRow]:
    if len(points) > MOST_TABLE_ROWS:
        raise SkaprofError(f"{len(points):,} rows: expected at most {MOST_TABLE_ROWS:,}; use coarser grids")
    require_possible(points, machine, tf32=tf32)
    found: list[RooflineRow] = []
    for point in points:
        peak = point.peak(tf32=tf32)
        found += kernel_rows(point, machine, peak) if per_op else [mixer_row(point, machine, peak)]
    return found


def _draw(rows: list[RooflineRow], machine: Hardware, peaks: list[str], paths: list[str]) -> None:
    from skaprof.report.roofline_plot import roofline_plot

    draw(paths, lambda suffix: roofline_plot(rows, machine, peaks, suffix))


def _text(
    rows: list[RooflineRow], machine: Hardware, peaks: list[str], chosen: str, *, to_terminal: bool
) -> Iterator[str]:
    if chosen != "table":
        return data_text(rows, chosen, command_line(), environment())
    from skaprof.report import roofline as report
    from skaprof.report.table import caption

    if not rows:
        return iter(["There are no kernels: nothing is computed.\n"])
    heading = f"{report.caption(machine, peaks)}\n{caption(rows)}"
    words = report.sentences(rows, machine, peaks)
    return table_text(report.roofline_table(rows), heading, words, to_terminal=to_terminal)
