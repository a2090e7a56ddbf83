"""Measured rows against a machine's ceilings: ideal and predicted times, shares of the peak, prediction error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from statistics import fmean, median
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, shown_path
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.hardware import Hardware, in_unit
from skaprof.model.plan import Variant
from skaprof.model.roofline import Kernel, Times, ideal, kernels, predicted
from skaprof.model.rows import cost_row
from skaprof.model.spec import parse_mixer
from skaprof.results import SIZE_KEYS
from skaprof.saved import SavedResults
from skaprof.workload import Workload

Row = Mapping[str, Any]

ALLOWANCE = 1.1
"""How far a measured rate may pass a machine's peak before one of the two must be wrong: clocks boost a little."""


class Point(NamedTuple):
    """One mixer at one size on a machine; `measured_ms` is None where nothing was measured."""

    variant: Variant
    workload: Workload
    measured_ms: float | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The keys that say what a row is about."""
        row = cost_row(self.variant, self.workload).as_dict()
        return {key: row[key] for key in SIZE_KEYS}


class Timed(NamedTuple):
    """A kernel with its times at the ceilings, and as predicted, None where the machine is not calibrated for it."""

    kernel: Kernel
    ideal: Times
    predicted: Times | None

    @property
    def best_known(self) -> Times:
        """As predicted, or else at the ceilings."""
        return self.predicted or self.ideal


def timed_kernels(point: Point, hardware: Hardware, peak: str) -> list[Timed]:
    """Every kernel of a point. `peak` is the dtype, or "tf32"."""
    return [
        Timed(kernel, ideal(kernel, hardware, peak), predicted(kernel, hardware, point.variant.dtype))
        for kernel in kernels(point.variant, point.workload)
    ]


def predicted_seconds(timed: Sequence[Timed]) -> float | None:
    """The sum over the kernels; None where one of them cannot be predicted."""
    times = [kernel.predicted for kernel in timed]
    found = [time.seconds for time in times if time is not None]
    return sum(found) if len(found) == len(times) else None


def measured_points(saved: SavedResults, mixers: Sequence[str] | None) -> list[Point]:
    """The file's forward rows in eager or fused form that hold a time, of these mixers, or of all.

    Raises:
        SkaprofError: there is none.
    """
    rows = [row for row in saved.rows if _is_usable(row) and (not mixers or row["mixer"] in mixers)]
    if not rows:
        wanted = f" of {', '.join(mixers)}" if mixers else ""
        raise SkaprofError(
            f"--results: {shown_path(saved.path)} has no measured forward rows{wanted}, eager or sdpa: "
            "expected what skaprof latency saved"
        )
    return [_point(row) for row in rows]


def _is_usable(row: Row) -> bool:
    how = IMPLEMENTATIONS.get(row.get("implementation") or "")
    plain = how is not None and not how.compiled and not how.channels_last
    return bool(row.get("median_ms")) and row.get("mode") == "forward" and plain and "op" not in row


def _point(row: Row) -> Point:
    form = IMPLEMENTATIONS[row["implementation"]].form
    variant = Variant(parse_mixer(row["mixer"]), form, "forward", row["dtype"])
    sizes = (row[key] for key in ("batch", "height", "width", "dim", "heads", "head_dim", "kernel_size"))
    return Point(variant, Workload(*sizes), row["median_ms"])


def require_possible(points: Iterable[Point], hardware: Hardware, peak: str) -> None:
    """Nothing, where no measured rate is beyond the machine's peak.

    Raises:
        SkaprofError: one is: the peak is wrong, or was measured on another machine.
    """
    limit = hardware.peak(peak)
    for point in points:
        if point.measured_ms is None:
            continue
        reached = cost_row(point.variant, point.workload).flops / point.measured_ms * 1e3
        if reached > ALLOWANCE * limit:
            raise SkaprofError(
                f"--hardware: {hardware.id}: a peak of {in_unit(limit, 'FLOP/s')} for {peak} is impossible: "
                f"{point.variant.spec.text} at {point.workload.tokens} tokens was measured at "
                f"{in_unit(reached, 'FLOP/s')}; expected the machine that the results are of"
            )


def mixer_row(point: Point, hardware: Hardware, peak: str) -> dict[str, Any]:
    """The row of a mixer: its kernels one after the other."""
    timed = timed_kernels(point, hardware, peak)
    kernel = Kernel("", "", *(sum(getattr(each.kernel, key) for each in timed) for key in _SUMMED))
    bounds: Counter[str] = Counter()
    for each in timed:
        bounds[each.best_known.bound] += each.best_known.seconds  # type: ignore[assignment]  # seconds, not counts
    bound = max(bounds, key=lambda name: bounds[name]) if bounds else None
    row = _row(point, hardware, kernel, bound, sum(each.ideal.seconds for each in timed), predicted_seconds(timed))
    if point.measured_ms is None:
        return row
    seconds = point.measured_ms / 1e3
    row["measured_ms"] = point.measured_ms
    row["peak_share"] = kernel.flops / seconds / hardware.peak(peak)
    row["ideal_share"] = row["ideal_ms"] / point.measured_ms
    return row


_SUMMED = ("flops", "elementwise_flops", "bytes")


def kernel_rows(point: Point, hardware: Hardware, peak: str) -> list[dict[str, Any]]:
    """One row a kernel: an op, or a fused group."""
    return [
        {
            **_row(
                point,
                hardware,
                each.kernel,
                each.best_known.bound,
                each.ideal.seconds,
                each.predicted.seconds if each.predicted else None,
            ),
            "op": each.kernel.name,
            "kind": each.kernel.kind,
        }
        for each in timed_kernels(point, hardware, peak)
    ]


def _row(
    point: Point, hardware: Hardware, kernel: Kernel, bound: str | None, ideal_s: float, predicted_s: float | None
) -> dict[str, Any]:
    return {
        **point.identity,
        "hardware": hardware.id,
        "flops": kernel.flops,
        "elementwise_flops": kernel.elementwise_flops,
        "moved_bytes": kernel.bytes,
        "intensity": kernel.intensity if kernel.bytes else None,
        "bound": bound,
        "ideal_ms": ideal_s * 1e3,
        "predicted_ms": None if predicted_s is None else predicted_s * 1e3,
        "measured_ms": None,
        "peak_share": None,
        "ideal_share": None,
    }


class PredictionError(NamedTuple):
    """How far predictions are off: medians of |predicted / measured - 1|.

    `plain` over all `rows`, none of which the calibration has seen; `held_out` over the `held_out_rows` of every other
    size, with one factor for each mixer and form learned from the remaining sizes. None where there are too few.
    """

    rows: int
    plain: float
    held_out_rows: int
    held_out: float | None


def prediction_error(rows: Sequence[Row]) -> PredictionError | None:
    """The error over rows that were both predicted and measured; None where there are none."""
    both = [row for row in rows if row["predicted_ms"] and row["measured_ms"]]
    if not both:
        return None
    left = [off for group in _by_form(both).values() if len(group) > 1 for off in _held_out(group)]
    plain = median(abs(row["predicted_ms"] / row["measured_ms"] - 1) for row in both)
    return PredictionError(len(both), plain, len(left), median(left) if left else None)


def _by_form(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["mixer"], row["implementation"], row["dtype"]), []).append(row)
    return groups


def _held_out(rows: Sequence[Row]) -> list[float]:
    """The relative errors of every other row, once the mean log ratio of the others is taken off."""
    factor = exp(fmean(log(row["measured_ms"] / row["predicted_ms"]) for row in rows[::2]))
    return [abs(factor * row["predicted_ms"] / row["measured_ms"] - 1) for row in rows[1::2]]
