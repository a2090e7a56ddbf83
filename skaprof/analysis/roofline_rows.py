"""Measured rows against a machine's ceilings: ideal and predicted times, and shares of the peak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline import Kernel, Times, ideal, kernels, predicted
from skaprof.analysis.row_trust import why_unsound
from skaprof.answers import KernelRow, RooflineRow
from skaprof.errors import SkaprofError, bad_value, named, shown_path
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.measured import MeasuredRow
from skaprof.model.hardware import Hardware, in_unit, known_hardware
from skaprof.model.spec import parse_mixer
from skaprof.records import Record
from skaprof.results import CONDITION_KEYS, SIZE_KEYS, values_of
from skaprof.saved import SavedResults
from skaprof.workload import MODES, Workload

ALLOWANCE = 1.1
"""How far a measured rate may pass a machine's peak before one of the two must be wrong: clocks boost a little."""


class RooflinePoint(NamedTuple):
    """One mixer at one size on a machine; `measured` is its row of `skaprof latency`, None where there is none."""

    variant: Variant
    workload: Workload
    measured: MeasuredRow | None = None

    @property
    def measured_ms(self) -> float | None:
        """The median time."""
        return self.measured.median_ms if self.measured else None

    @property
    def identity(self) -> dict[str, Any]:
        """The keys that say what a row is about, by name."""
        row = cost_row(self.variant, self.workload)
        return {key: getattr(row, key) for key in SIZE_KEYS} | dict(zip(CONDITION_KEYS, self.conditions, strict=True))

    @property
    def conditions(self) -> tuple[str | None, ...]:
        """By `CONDITION_KEYS`; None where it was not timed."""
        return self.measured.conditions if self.measured else (None,) * len(CONDITION_KEYS)

    def peak(self, *, tf32: bool) -> str:
        """The name of the peak that it is held against: its dtype, or "tf32" where float32 may use that."""
        return "tf32" if tf32 and self.variant.dtype == "float32" else self.variant.dtype


class TimedKernel(NamedTuple):
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


def timed_kernels(point: RooflinePoint, hardware: Hardware, peak: str) -> list[TimedKernel]:
    """Every kernel of a point. `peak` is the dtype, or "tf32"."""
    known = None if point.measured and point.measured.elsewhere else point.variant.dtype
    return [
        TimedKernel(kernel, ideal(kernel, hardware, peak), predicted(kernel, hardware, known) if known else None)
        for kernel in kernels(point.variant, point.workload)
    ]


Predict = Callable[["RooflinePoint"], Predicted]
"""What a call of the point will take."""


def predicted_call(point: RooflinePoint, hardware: Hardware, predict: Predict | None) -> Predicted:
    """What `predict` says of a point, or the rates do; nothing of one that another runtime ran."""
    if point.measured and point.measured.elsewhere:
        return Predicted(None)
    return (predict or predict_by_rates(hardware))(point)


def predict_by_rates(hardware: Hardware) -> Predict:
    """What a machine will take, forward, where the ops of calls were not timed, as on a GPU: its kernels at the rates
    of their kinds; nothing is predicted where there is none for one.
    """

    def predict(point: RooflinePoint) -> Predicted:
        timed = timed_kernels(point, hardware, point.peak(tf32=False))
        times = [kernel.predicted for kernel in timed if kernel.predicted is not None]
        if len(times) < len(timed) or point.variant.mode != MODES[0]:
            return Predicted(None)
        launches = sum(time.launch for time in times)
        seconds = sum(time.seconds for time in times)
        return Predicted(seconds, kernels=seconds - launches)

    return predict


class MeasuredPoints(NamedTuple):
    """What a results file holds of single mixers, eager or fused, and how many of its rows were left out."""

    points: list[RooflinePoint]
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
    wanted = {parse_mixer(text, named("mixer")).text for text in mixers or ()}
    found = points_of([row for row in saved.records if not wanted or getattr(row, "mixer", None) in wanted])
    if not found.points:
        of = f" of {', '.join(mixers)}" if mixers else ""
        also = f" ({found.notice()})" if found.left_out else ""
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no measured rows{of}, eager or sdpa{also}: "
            "expected what skaprof latency saved"
        )
    return found


def points_of(rows: Sequence[Record]) -> MeasuredPoints:
    """The sound ones of these rows, that can be held against a machine's ceilings."""
    reasons = [_why_left_out(row) for row in rows]
    left_out = Counter(why for why in reasons if why is not None)
    sound = [row for row, why in zip(rows, reasons, strict=True) if why is None and isinstance(row, MeasuredRow)]
    return MeasuredPoints(list(map(_point, sound)), left_out)


def measured_with_tf32(saved: SavedResults) -> bool:
    """Whether the file's times were taken with TF32 allowed."""
    return bool((saved.settings or {}).get("tf32", saved.environment.get("tf32")))


def _why_left_out(row: Record) -> str | None:
    """Why a row is not held against the ceilings; None where it is."""
    if any(value is not None for value in values_of(row, ("model", "op"))) or not _is_mixer(row):
        return "not of a mixer"
    if not isinstance(row, MeasuredRow):
        return "without a time"
    how = IMPLEMENTATIONS.get(row.implementation)
    if how is None or how.compiled or how.channels_last:
        return "compiled or channels-last"
    if len(row.elsewhere) > 1:  # its op list and the peak are of the dtype
        return "computed in less than their dtype"
    return why_unsound(row)


def _is_mixer(row: Record) -> bool:
    """Whether a row is of a mixer that has closed forms, at known sizes, heads and a kernel among them."""
    mixer, heads, head_dim, kernel_size, *sizes = values_of(
        row, ("mixer", "heads", "head_dim", "kernel_size", "batch", "height", "width", "dim")
    )
    try:
        spec = parse_mixer(str(mixer))
    except SkaprofError:  # a module of the user's own
        return False
    sizes += [heads, head_dim] if spec.mixer.has_heads else []
    sizes += [kernel_size] if spec.mixer.kernel_size is not None else []
    return None not in sizes


def _point(row: MeasuredRow) -> RooflinePoint:
    form = IMPLEMENTATIONS[row.implementation].form
    variant = Variant(parse_mixer(str(row.mixer)), form, row.mode, row.dtype)
    sizes = row.batch, row.height, row.width, row.dim, row.heads, row.head_dim, row.kernel_size
    return RooflinePoint(variant, Workload(*sizes, row.class_tokens), row)


def require_possible(points: Iterable[RooflinePoint], hardware: Hardware, *, tf32: bool = False) -> None:
    """Raise unless every measured rate is within the machine's peak.

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


def mixer_row(point: RooflinePoint, hardware: Hardware, peak: str, predict: Predict | None = None) -> RooflineRow:
    """The row of a mixer: its kernels one after the other, and what `predict` says of its call, or the rates do."""
    timed = timed_kernels(point, hardware, peak)
    kernel = Kernel("", "", *(sum(getattr(each.kernel, key) for each in timed) for key in _SUMMED))
    bounds: defaultdict[str, float] = defaultdict(float)
    for each in timed:
        bounds[each.bound] += each.best_known.seconds
    bound = max(bounds, key=lambda name: bounds[name]) if bounds else None
    ideal_s, measured_ms = sum(each.ideal.seconds for each in timed), point.measured_ms
    said = predicted_call(point, hardware, predict)
    return RooflineRow(
        **_figures(point, hardware, peak, kernel, ideal_s, said.seconds),
        predicted_low_ms=_ms(said.low),
        predicted_high_ms=_ms(said.high),
        outside_ops=", ".join(said.outside) or None,
        bound=bound,
        measured_ms=measured_ms,
        peak_share=None if measured_ms is None else kernel.flops / (measured_ms / 1e3) / hardware.peak(peak),
        ideal_share=None if measured_ms is None else ideal_s * 1e3 / measured_ms,
    )


_SUMMED = ("flops", "elementwise_flops", "bytes")


def kernel_rows(point: RooflinePoint, hardware: Hardware, peak: str) -> list[KernelRow]:
    """One row a kernel: an op, or a fused group."""
    return [
        KernelRow(
            **_figures(point, hardware, peak, each.kernel, each.ideal.seconds, _seconds_of(each.predicted)),
            predicted_low_ms=None,
            predicted_high_ms=None,
            bound=each.bound,
            measured_ms=None,
            peak_share=None,
            ideal_share=None,
            op=each.kernel.name,
            kind=each.kernel.kind,
        )
        for each in timed_kernels(point, hardware, peak)
    ]


def _seconds_of(times: Times | None) -> float | None:
    return None if times is None else times.seconds


def _figures(
    point: RooflinePoint, hardware: Hardware, peak: str, kernel: Kernel, ideal_s: float, predicted_s: float | None
) -> dict[str, Any]:
    """What rows of mixers and kernels have alike."""
    return {
        **point.identity,
        "hardware": hardware.id,
        "flops": kernel.flops,
        "elementwise_flops": kernel.elementwise_flops,
        "moved_bytes": kernel.bytes,
        "intensity": kernel.intensity if kernel.bytes else None,
        "ideal_ms": ideal_s * 1e3,
        "predicted_ms": _ms(predicted_s),
        "peak_flop_per_s": hardware.peak(peak),
        "bandwidth_bytes_per_s": hardware.bandwidth,
        "ceilings_source": f"{hardware.source}, {hardware.date}",
    }


def machine_of(rows: Sequence[RooflineRow]) -> Hardware:
    """The machine whose ceilings the rows have: one that is known, or what they say of it.

    Raises:
        SkaprofError: rows of an older version, of a machine that is not known here.
    """
    first = rows[0]
    known = known_hardware().get(first.hardware)
    if known is not None:
        return known
    peaks = {row.dtype: row.peak_flop_per_s for row in rows if row.peak_flop_per_s is not None}
    if not peaks or first.bandwidth_bytes_per_s is None:
        raise bad_value(named("hardware"), first.hardware, f"one of {', '.join(known_hardware())}", known_hardware())
    source, _, date = str(first.ceilings_source).rpartition(", ")
    name, bandwidth = first.hardware, first.bandwidth_bytes_per_s
    return Hardware(name, name, peaks, None, bandwidth, None, None, None, (), source, date)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
