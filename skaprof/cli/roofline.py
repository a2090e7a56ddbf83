"""`skaprof roofline`: each mixer and each of its kernels against a machine's ceilings."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from skaprof.analysis.roofline_request import machine_rows, measured_against, peaks_of
from skaprof.analysis.roofline_rows import RooflinePoint, measured_with_tf32
from skaprof.answers import RooflineRow
from skaprof.cli import options as opt
from skaprof.cli.output import PLOT_ENDINGS, draw, require_destinations, say_notices, suffix_of
from skaprof.cli.show import MOST_TABLE_ROWS, Page, View, show
from skaprof.errors import SkaprofError
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.saved import read_results


@opt.with_options
def roofline(
    *,
    hardware: Annotated[str, opt.HARDWARE] = "h100-sxm",
    sizes: opt.Sizes,
    dtype: Annotated[
        str | None, typer.Option(metavar="LIST", help="float64, float32, bfloat16, float16. Default: float32.")
    ] = None,
    implementation: Annotated[
        str | None, typer.Option(metavar="LIST", help="eager, sdpa, tiled, triton. Default: eager.")
    ] = None,
    tf32: Annotated[bool, opt.TF32] = False,
    per_op: Annotated[bool, typer.Option("--per-op", help="One row for each kernel of each mixer.")] = False,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Results of skaprof latency: its rows of mixers are held against the ceilings, and no size is given.",
        ),
    ] = None,
    allow_different_machine: Annotated[bool, opt.DIFFERENT_MACHINE] = False,
    plot_predicted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Draw predicted against measured times of --results: .png, .svg or .pdf; repeatable.",
            rich_help_panel="Output",
        ),
    ] = None,
    to: opt.Drawn,
) -> None:
    """Arithmetic intensity, bound, ideal and predicted time of mixers and their kernels on a machine, forward.

    Ideal times are the machine's ceilings; predictions need a file of skaprof calibrate. With --results, the measured
    times, their share of the peak, and how far the predictions are off.
    """
    to.require()
    for path in plot_predicted or ():
        suffix_of("--plot-predicted", path, PLOT_ENDINGS)
    require_destinations(plot_predicted or (), ())
    machine = find_hardware(hardware)
    if results is None:
        if plot_predicted:
            raise SkaprofError("--plot-predicted: expected --results with it, whose times are drawn")
        plan = sizes.plan(dtype or "float32", "forward", implementation or "eager")
        points = [RooflinePoint(row.variant, row.workload) for row in plan.rows()]
    else:
        if sizes.given("mixer") or dtype is not None or implementation is not None:
            raise SkaprofError(
                "--results: sizes, dtypes and implementations are those of the file: expected no option for them"
            )
        if per_op:
            raise SkaprofError("--per-op: a results file has times of whole mixers: expected no --results with it")
        saved = read_results(results, "--results")
        points, notices = measured_against(saved, sizes.mixer, machine, allow_different_machine=allow_different_machine)
        say_notices(notices)
        tf32 = tf32 or measured_with_tf32(saved)
    peaks = peaks_of(points, tf32=tf32)
    if len(points) > MOST_TABLE_ROWS:
        raise SkaprofError(f"{len(points):,} rows: expected at most {MOST_TABLE_ROWS:,}; use coarser grids")
    from skaprof.api.loading import load_predict

    predict = None if per_op else load_predict(machine, allow_different_machine=allow_different_machine)
    rows = machine_rows(points, machine, tf32=tf32, per_op=per_op, predict=predict)
    if plot_predicted:
        from skaprof.report.prediction_plot import prediction_plot

        draw(plot_predicted, partial(prediction_plot, rows), "--plot-predicted")
    view = View(lambda: _page(rows, machine, peaks), lambda ending: _figure(rows, machine, peaks, ending))
    show(rows, to, view)


def _figure(rows: list[RooflineRow], machine: Hardware, peaks: list[str], ending: str) -> bytes:
    from skaprof.report.roofline_plot import roofline_plot

    return roofline_plot(rows, machine, peaks, ending)


def _page(rows: list[RooflineRow], machine: Hardware, peaks: list[str]) -> Page:
    from skaprof.report import roofline as report
    from skaprof.report.table import caption

    if not rows:
        return Page(None, words=["There are no kernels: nothing is computed."])
    heading = f"{report.caption(machine, peaks)}\n{caption(rows)}"
    return Page(report.roofline_table(rows), heading, report.sentences(rows, machine, peaks))
