"""`skaprof roofline`: each mixer and each of its kernels against a machine's ceilings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import deliver, draw, require_destinations
from skaprof.cli.run import MOST_TABLE_ROWS, command_line, data_text, environment, format_of, table_text
from skaprof.errors import SkaprofError, bad_value
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.report.ceilings import Point, kernel_rows, measured_points, mixer_row, require_possible
from skaprof.saved import read_results

Row = dict[str, Any]


HardwareOption = Annotated[
    str,
    typer.Option(
        "--hardware",
        metavar="NAME|FILE",
        help="h100-sxm, h100-pcie, h200-sxm, a100-sxm-80, a100-pcie-80, a100-sxm-40, a100-pcie-40, l4, rtx-4090, "
        "jetson-agx-orin-64, epyc-9654, xeon-8480, ryzen-7950x, or a TOML file, such as skaprof calibrate writes.",
    ),
]
Tf32 = Annotated[bool, typer.Option("--tf32", help="Against the TF32 peak; the bytes stay float32's.")]


def roofline(
    hardware: HardwareOption = "h100-sxm",
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
    implementation: Annotated[str, typer.Option(metavar="LIST", help="eager, sdpa.")] = "eager",
    tf32: Tf32 = False,
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
    if results is not None:
        if any(value is not None for value in sizes):
            raise SkaprofError("--results: the sizes and dtypes are those of the file: expected no option for them")
        points = measured_points(read_results(results, "--results"), mixer)
    else:
        plan = opt.plan_of(mixer, *sizes[:-1], dtype or "float32", "forward", implementation)
        points = [Point(row.variant, row.workload) for row in plan.rows()]
    rows = _rows(points, machine, tf32=tf32, per_op=per_op)
    if plot:
        _draw(rows, machine, _peak(points[0], tf32=tf32), plot)
    deliver(_text(rows, machine, _peak(points[0], tf32=tf32), chosen, to_terminal=output is None), output)


def _peak(point: Point, *, tf32: bool) -> str:
    """The name of the peak that a point is held against."""
    if tf32 and point.variant.dtype != "float32":
        raise bad_value("--tf32", "true", f"--dtype float32 with it, not {point.variant.dtype}")
    return "tf32" if tf32 else point.variant.dtype


def _rows(points: list[Point], machine: Hardware, *, tf32: bool, per_op: bool) -> list[Row]:
    if len(points) > MOST_TABLE_ROWS:
        raise SkaprofError(f"{len(points):,} rows: expected at most {MOST_TABLE_ROWS:,}; use coarser grids")
    found: list[Row] = []
    for point in points:
        peak = _peak(point, tf32=tf32)
        require_possible([point], machine, peak)
        found += kernel_rows(point, machine, peak) if per_op else [mixer_row(point, machine, peak)]
    return found


def _draw(rows: list[Row], machine: Hardware, peak: str, paths: list[str]) -> None:
    from skaprof.report.roofline_plot import roofline_plot

    draw(paths, lambda suffix: roofline_plot(rows, machine, peak, suffix))


def _text(rows: list[Row], machine: Hardware, peak: str, chosen: str, *, to_terminal: bool) -> Iterator[str]:
    if chosen != "table":
        return data_text(rows, chosen, command_line(), environment())
    from skaprof.report import roofline as report
    from skaprof.report.table import caption

    if not rows:
        return iter(["There are no kernels: nothing is computed.\n"])
    heading = f"{report.caption(machine, peak)}\n{caption(rows)}"
    words = report.sentences(rows, machine, peak)
    return table_text(report.roofline_table(rows), heading, words, to_terminal=to_terminal)
