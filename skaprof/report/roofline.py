"""Roofline rows as a table and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.analysis.prediction import PredictionError, prediction_error
from skaprof.analysis.roofline import ridge
from skaprof.answers import KernelRow, RooflineRow
from skaprof.model.hardware import CALIBRATED_HEAD_DIM, CALIBRATED_KERNEL_SIZE, Hardware, in_unit
from skaprof.report.numbers import significant
from skaprof.report.plain_table import PlainTable
from skaprof.report.predicted import outside_words
from skaprof.report.table import add_sizes, size_cells, size_columns

_COLUMNS = {
    "intensity": "FLOPs\nper byte",
    "bound": "bound",
    "ideal_ms": "ideal\n(ms)",
    "predicted_ms": "predicted\n(ms)",
    "measured_ms": "measured\n(ms)",
    "peak_share": "of\npeak",
    "ideal_share": "of\nroofline",
}
_SHARES = ("peak_share", "ideal_share")


def roofline_table(rows: Sequence[RooflineRow]) -> PlainTable:
    """One line a mixer or kernel; columns that no row has a figure for are left out."""
    table = PlainTable()
    sizes = size_columns(rows)
    add_sizes(table, sizes, rows)
    kept = {key: words for key, words in _COLUMNS.items() if any(getattr(row, key) is not None for row in rows)}
    for key, words in kept.items():
        table.add(key, words=words, number=key != "bound", needed=key == "measured_ms")
    for row in rows:
        table.add_row(*size_cells(sizes, row), *(_cell(key, getattr(row, key)) for key in kept), of=row)
    return table


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{100 * value:.3g} %" if key in _SHARES else significant(value)


def ceilings_text(hardware: Hardware, peaks: Sequence[str]) -> str:
    """The peaks of these names, and the bandwidth, to as many digits as a table has."""
    flops = [f"{in_unit(hardware.peak(peak), 'FLOP/s', 4)} {peak}" for peak in peaks]
    return ", ".join([*flops, in_unit(hardware.bandwidth, "B/s", 4)])


def caption(hardware: Hardware, peaks: Sequence[str]) -> str:
    """The machine and its ceilings."""
    ceilings = [ceilings_text(hardware, peaks)]
    if hardware.launch is not None:
        ceilings.append(f"{in_unit(hardware.launch, 's', 4)} a launch")
    return f"{hardware.name}: {', '.join(ceilings)}"


def sentences(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> list[str]:
    """Where the ceilings meet, what bounds what, how good the predictions are, and where the figures come from."""
    found = [_meeting_sentence(rows, hardware, peaks)]
    error = prediction_error(rows)
    if error is not None:
        found.append(error_sentence(error))
    elif not hardware.calibrated and hardware.kernels is None:
        found.append(
            "No times are predicted: that takes a launch cost and the rates of small kernels, which skaprof calibrate "
            "measures."
        )
    if any(row.predicted_ms for row in rows):
        found += _predicted_from(rows, hardware)
    if any((row.ideal_share or 0) > 1 for row in rows):
        found.append(
            "Above 100 % of the roofline: data that stays in a cache moves faster than the bandwidth of memory."
        )
    found.append(
        "Ideal: each kernel takes as long as its FLOPs at the peak, or its bytes (activations and weights, once) at "
        "the bandwidth, and launches are free. FLOPs per byte include elementwise FLOPs; shares of the peak do not."
    )
    return [*found, f"Ceilings: {hardware.source}, {hardware.date}."]


def _meeting_sentence(rows: Sequence[RooflineRow], hardware: Hardware, peaks: Sequence[str]) -> str:
    """Where the ceilings meet, and what that says of the rows' bounds: of a kernel by itself, and of no whole mixer."""
    meetings = ", ".join(f"{significant(ridge(hardware, peak))} ({peak})" for peak in peaks)
    met = f"The ceilings meet at {meetings} FLOPs per byte"
    if not all(isinstance(row, KernelRow) for row in rows):
        return (
            f"{met}, for a kernel by itself (skaprof roofline --per-op shows each). A mixer's bound is that of the "
            "kernels that take most of its time; its FLOPs per byte are of all its kernels together, and may lie on "
            "the other side."
        )
    if all(_is_on_its_side(row, hardware, peaks) for row in rows):
        return f"{met}; below, memory is the bound."
    reasons = ["a launch may take longer than both"] if any(row.bound == "launch" for row in rows) else []
    reasons += ["elementwise FLOPs have a lower peak"] if hardware.vector is not None else []
    return f"{met}; a kernel's bound is what takes longest in it, on either side: {', and '.join(reasons)}."


def _is_on_its_side(row: RooflineRow, hardware: Hardware, peaks: Sequence[str]) -> bool:
    """Whether a kernel's bound is what the ceilings' meeting point says."""
    if row.intensity is None:
        return row.bound is None
    peak = "tf32" if row.dtype == "float32" and "tf32" in peaks else row.dtype
    return row.bound == ("memory" if row.intensity < ridge(hardware, peak) else "compute")


def _predicted_from(rows: Sequence[RooflineRow], hardware: Hardware) -> list[str]:
    """What the predictions rest on."""
    if hardware.kernels is None or any(isinstance(row, KernelRow) for row in rows):
        return _extrapolated(rows)
    missing = [row for row in rows if row.predicted_ms is None]
    said = (
        [f"{len(missing)} of {len(rows)} rows are not predicted: an op of theirs was never timed."] if missing else []
    )
    far = [row for row in rows if row.outside_ops]
    if far:
        ops = dict.fromkeys(op for row in far for op in str(row.outside_ops).split(", "))
        said.append(f"{len(far)} of {len(rows)} rows:{outside_words(list(ops))}")
    costs = hardware.kernels.calls.get(rows[0].mode)
    spread = 100 * costs.spread if costs is not None else 0.0
    return [
        f"Predicted: the sum over the ops that a call dispatches, in CPU time of one thread; nine in ten calls of the "
        f"calibration were predicted within {spread:.0f} % from the others.",
        *said,
    ]


def _extrapolated(rows: Sequence[RooflineRow]) -> list[str]:
    """Where rates of other kernels than the machine was calibrated with are taken to be theirs."""
    sizes = {"head_dim": CALIBRATED_HEAD_DIM, "kernel_size": CALIBRATED_KERNEL_SIZE}
    if all(getattr(row, key, None) in (None, size) for row in rows for key, size in sizes.items()):
        return []
    return [
        f"Rates were measured with heads {CALIBRATED_HEAD_DIM} wide and {CALIBRATED_KERNEL_SIZE} x "
        f"{CALIBRATED_KERNEL_SIZE} kernels; for others, as here, predictions may be far off."
    ]


def error_sentence(error: PredictionError) -> str:
    """The prediction error in words."""
    text = (
        f"Prediction: median error {100 * error.plain:.1f} % over {error.rows} measured rows, none of which the "
        f"calibration saw, {_bias(error.bias)}; {100 * error.within_5:.0f} % are within 5 %, "
        f"{100 * error.within_10:.0f} % within 10 %"
    )
    if error.held_out is None:
        return f"{text}."
    return (
        f"{text}; with one factor for each mixer and form, learned from every other size, "
        f"{100 * error.held_out:.1f} % over the {error.held_out_rows} rows left out."
    )


def _bias(bias: float) -> str:
    return f"in the middle {abs(100 * bias):.1f} % too {'long' if bias > 0 else 'short'}"
