"""Measured rows against a machine's ceilings: ideal and predicted times, and shares of the peak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline import Kernel, Times, ideal, kernels, predicted
from skaprof.analysis.row_trust import why_unsound
from skaprof.errors import SkaprofError, named, shown_path
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.hardware import Hardware, in_unit
from skaprof.model.spec import parse_mixer
from skaprof.results import SIZE_KEYS
from skaprof.saved import SavedResults
from skaprof.workload import Workload

Row = Mapping[str, Any]

ALLOWANCE = 1.1
"""How far a measured rate may pass a machine's peak before one of the two must be wrong: clocks boost a little."""


class Point(NamedTuple):
    """One mixer at one size on a machine; `measured` is its row of `skaprof latency`, None where there is none."""

    variant: Variant
    workload: Workload
    measured: Row | None = None

    @property
    def measured_ms(self) -> float | None:
        """The median time."""
        return self.measured["median_ms"] if self.measured else None

    @property
    def identity(self) -> dict[str, Any]:
        """The keys that say what a row is about."""
        row = cost_row(self.variant, self.workload).as_dict()
        return {key: row[key] for key in SIZE_KEYS} | self.conditions

    @property
    def conditions(self) -> dict[str, Any]:
        """Where and how it was timed; None where it was not."""
        return {key: self.measured.get(key) if self.measured else None for key in ("device", "timing")}

    def peak(self, *, tf32: bool) -> str:
        """The name of the peak that it is held against: its dtype, or "tf32" where float32 may use that."""
        return "tf32" if tf32 and self.variant.dtype == "float32" else self.variant.dtype


class Timed(NamedTuple):
    """A kernel with its times at the ceilings, and as predicted, None where the machine is not calibrated for it."""

    kernel: Kernel
    ideal: Times
    predicted: Times | None

    @property
    def best_known(self) -> Times:
        """As predicted, or else at the ceilings."""
        return self.predicted or self.ideal

    @property
    def bound(self) -> str:
        """Launch, where it is predicted to take longer than all else; otherwise the ceiling above its intensity."""
        expected = self.predicted
        if expected is not None and expected.launch > max(expected.compute, expected.memory):
            return "launch"
        return self.ideal.bound


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


class MeasuredPoints(NamedTuple):
    """What a results file holds of single mixers, forward, eager or fused, and how many of its rows were left out."""

    points: list[Point]
    left_out: Mapping[str, int]

    def notice(self) -> str | None:
        """The rows left out, in words; None where there are none."""
        if not self.left_out:
            return None
        return f"rows left out: {', '.join(f'{count:,} {why}' for why, count in self.left_out.items())}"


def measured_points(saved: SavedResults, mixers: Sequence[str] | None) -> MeasuredPoints:
    """The file's sound rows of these mixers, or of all, that can be held against a machine's ceilings.

    Raises:
        SkaprofError: there is none.
    """
    rows = [row for row in saved.rows if not mixers or row.get("mixer") in mixers]
    reasons = [_why_left_out(row) for row in rows]
    left_out = Counter(why for why in reasons if why is not None)
    found = MeasuredPoints([_point(row) for row, why in zip(rows, reasons, strict=True) if why is None], left_out)
    if not found.points:
        wanted = f" of {', '.join(mixers)}" if mixers else ""
        also = f" ({found.notice()})" if left_out else ""
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no measured forward rows{wanted}, eager or sdpa{also}: "
            "expected what skaprof latency saved"
        )
    return found


def measured_with_tf32(saved: SavedResults) -> bool:
    """Whether the file's times were taken with TF32 allowed."""
    return bool((saved.settings or {}).get("tf32", saved.environment.get("tf32")))


def _why_left_out(row: Row) -> str | None:
    """Why a row is not held against the ceilings; None where it is."""
    how = IMPLEMENTATIONS.get(row.get("implementation") or "")
    if row.get("model") is not None or row.get("op") is not None or not _is_mixer(row):
        return "not of a mixer"
    if not row.get("median_ms"):
        return "without a time"
    if row.get("mode") != "forward":
        return "in training"
    if how is None or how.compiled or how.channels_last:
        return "compiled or channels-last"
    return why_unsound(row)


def _is_mixer(row: Row) -> bool:
    """Whether a row is of a mixer that has closed forms, at known sizes."""
    if any(key not in row for key in SIZE_KEYS) or any(row[key] is None for key in ("batch", "height", "width", "dim")):
        return False
    try:
        parse_mixer(str(row["mixer"]))
    except SkaprofError:  # a module of the user's own
        return False
    return True


def _point(row: Row) -> Point:
    form = IMPLEMENTATIONS[row["implementation"]].form
    variant = Variant(parse_mixer(row["mixer"]), form, "forward", row["dtype"])
    sizes = (row[key] for key in ("batch", "height", "width", "dim", "heads", "head_dim", "kernel_size"))
    return Point(variant, Workload(*sizes), row)


def require_possible(points: Iterable[Point], hardware: Hardware, *, tf32: bool = False) -> None:
    """Nothing, where no measured rate is beyond the machine's peak.

    Raises:
        SkaprofError: one is: the peak is wrong, or was measured on another machine.
    """
    for point in points:
        peak = point.peak(tf32=tf32)
        limit = hardware.peak(peak)
        if point.measured_ms is None:
            continue
        reached = cost_row(point.variant, point.workload).flops / point.measured_ms * 1e3
        if reached > ALLOWANCE * limit:
            raise SkaprofError(
                f"{named('hardware')}: {hardware.id}: a peak of {in_unit(limit, 'FLOP/s')} for {peak} is impossible: "
                f"{point.variant.spec.text} at {point.workload.tokens} tokens was measured at "
                f"{in_unit(reached, 'FLOP/s')}; expected the machine that the results are of"
            )


def mixer_row(point: Point, hardware: Hardware, peak: str) -> dict[str, Any]:
    """The row of a mixer: its kernels one after the other."""
    timed = timed_kernels(point, hardware, peak)
    kernel = Kernel("", "", *(sum(getattr(each.kernel, key) for each in timed) for key in _SUMMED))
    bounds: defaultdict[str, float] = defaultdict(float)
    for each in timed:
        bounds[each.bound] += each.best_known.seconds
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
                each.bound,
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
