"""Saved rows as they may be compared: which row is which, and how far a measured figure can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import exp, log
from typing import Any, NamedTuple

from skaprof.flags import unsound
from skaprof.measured import MeasuredRow
from skaprof.records import Record
from skaprof.results import IDENTITY_KEYS, METRICS, ResultRow, values_of

COUNT_KEYS = (*METRICS, "params_counted", "macs_fvcore", "macs_torch")
"""Figures that are exact: any difference is one."""
TIMED_KEYS = ("median_ms", "images_per_s", "tflops")
"""Figures that follow from the median time and share its interval."""
MEASURED_KEYS = (*TIMED_KEYS, "peak_memory_bytes")
RATIO = "ratio"
"""The time over the baseline's, in the same rounds on the same device."""
FEWEST_ROUNDS = 8
"""Below so many rounds an interval is far narrower than it says (docs/timing.md), so nothing is called different."""


class Bounds(NamedTuple):
    """A figure with what it lies between, both ends in; an exact one lies between itself."""

    low: Fraction
    value: Fraction
    high: Fraction

    @classmethod
    def exactly(cls, value: Fraction | int) -> Bounds:
        """The bounds of an exact figure."""
        exact = Fraction(value)
        return cls(exact, exact, exact)

    def apart_from(self, other: Bounds) -> bool:
        """Whether the two cannot be equal."""
        return self.high < other.low or other.high < self.low


def plain_number(bounds: Bounds | None) -> int | float | None:
    """The figure as data files carry it."""
    if bounds is None:
        return None
    return int(bounds.value) if bounds.value.denominator == 1 else float(bounds.value)


def identity(row: Record, without: Sequence[str] = ()) -> tuple[Any, ...]:
    """The row's identity, `without` some of its keys."""
    return values_of(row, [key for key in IDENTITY_KEYS if key not in without])


def figure(row: Record, metric: str, baselines: Iterable[MeasuredRow]) -> Bounds | None:
    """A row's figure, one that follows from time with its interval; None where it has none.

    `baselines` are those of its file: one of them carries the A/A control that widens the interval.
    """
    value = getattr(row, metric, None)
    if value is None:
        return None
    if metric == RATIO and isinstance(row, MeasuredRow):
        return ratio_of(row, baselines)
    if metric not in TIMED_KEYS or not isinstance(row, MeasuredRow):
        return Bounds.exactly(Fraction(value))
    factor, median = noise(row, baselines), row.median_ms
    low, high = row.interval or (median, median)
    low, high = min(low, median) / factor, max(high, median) * factor
    if metric == "median_ms":
        return Bounds(Fraction(low), Fraction(median), Fraction(high))
    work = Fraction(value) * Fraction(median)  # images_per_s and tflops are so much work over the time
    return Bounds(work / Fraction(high), Fraction(value), work / Fraction(low))


def ratio_of(row: MeasuredRow, baselines: Iterable[MeasuredRow]) -> Bounds | None:
    """The time over the baseline's, with its interval where it has one; None of a baseline."""
    if row.verdict == "baseline":
        return None
    (low, high), factor = row.ratio_interval or (row.ratio, row.ratio), noise(row, baselines)
    return Bounds(Fraction(min(low, row.ratio) / factor), Fraction(row.ratio), Fraction(max(high, row.ratio) * factor))


def noise(row: MeasuredRow, baselines: Iterable[MeasuredRow]) -> float:
    """The factor, 1 or more, by which the A/A control of the row's own run says that equal things differ.

    Where no control is recorded, the tolerance of the run, which is at least as wide.
    """
    controls = (other.control for other in (row, *_own_baselines(row, baselines)))
    bounds = next(filter(None, controls), None)
    if bounds is not None:
        return exp(max(abs(log(bound)) for bound in bounds))
    return 1.0 + row.tolerance


def baselines_of(rows: Iterable[ResultRow]) -> list[MeasuredRow]:
    """The rows that others were timed against."""
    return [row for row in rows if isinstance(row, MeasuredRow) and row.verdict == "baseline"]


def _own_baselines(row: MeasuredRow, baselines: Iterable[MeasuredRow]) -> list[MeasuredRow]:
    """The baselines that were timed together with a row: the one of the same heads first."""
    found = [other for other in baselines if is_baseline_of(other, row)]
    return sorted(found, key=lambda other: _heads(other) != _heads(row))


def is_baseline_of(other: MeasuredRow, row: MeasuredRow) -> bool:
    """Whether `row` was timed against `other`, in the same rounds."""
    return (
        other.verdict == "baseline"
        and other.contender == row.baseline
        and other.session == row.session
        and (None in (*_heads(other), *_heads(row)) or _heads(other) == _heads(row))
    )


def _heads(row: ResultRow) -> tuple[int | None, int | None]:
    return row.heads, row.head_dim


def faster_of(row: MeasuredRow, other: MeasuredRow, baselines: Sequence[MeasuredRow]) -> MeasuredRow | None:
    """Which of two timed rows is faster; None where that is not decided.

    Rows of one group are judged by their own verdict, which comes from the ratios of its rounds; others by their
    intervals, widened by their A/A controls.
    """
    if why_unsound(row) or why_unsound(other):
        return None
    if is_baseline_of(other, row):
        return {"faster": row, "slower": other}.get(row.verdict)
    ours, theirs = figure(row, "median_ms", baselines), figure(other, "median_ms", baselines)
    if ours is None or theirs is None or not ours.apart_from(theirs) or why_not_alike(row, other):
        return None
    return row if ours.value < theirs.value else other


def why_unsound(row: Record) -> str | None:
    """Why a row's time may not be called different from another; None where it may."""
    if not isinstance(row, MeasuredRow):
        return None
    if flags := unsound(row.flags):
        return f"flagged {', '.join(flags)}"
    if row.rounds < FEWEST_ROUNDS:
        return f"with {row.rounds} rounds where at least {FEWEST_ROUNDS} are needed (--min-rounds)"
    return None


def why_not_alike(row: Record, other: Record) -> str | None:
    """Why the times of two rows, of other rounds, are of different things; None where they are not known to be.

    CPU time leaves out what the wall clock has, and malloc that keeps its memory what calls pay for elsewhere. Devices
    have clocks of their own: whoever allows two allows those.
    """
    for key in ("clock", "allocator") if getattr(row, "device", None) == getattr(other, "device", None) else ():
        ours, theirs = getattr(row, key, None), getattr(other, key, None)
        if None not in (ours, theirs) and ours != theirs:
            return f"timed with {key} {ours} and {key} {theirs}"
    return None
