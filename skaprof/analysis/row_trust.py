"""Saved rows as they may be compared: which row is which, and how far a measured figure can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import exp, log
from typing import Any, NamedTuple

from skaprof.flags import unsound
from skaprof.results import METRICS, SIZE_KEYS

Row = Mapping[str, Any]

IDENTITY_KEYS = (
    *SIZE_KEYS,
    *("model", "image_height", "image_width", "scope", "op", "device", "timing", "section", "panel", "swap"),
    *("arguments", "layout"),
)
"""What makes two rows the same row, in files of any command; a key a row lacks is None.

Not the hash of a module's source: the same module before and after a change is what a comparison is made for.
"""
COUNT_KEYS = (*METRICS, "params_counted", "macs_fvcore", "macs_torch")
"""Figures that are exact: any difference is one."""
TIMED_KEYS = ("median_ms", "images_per_s", "tflops")
"""Figures that follow from the median time and share its interval."""
MEASURED_KEYS = (*TIMED_KEYS, "peak_memory_bytes")
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


def identity(row: Row, without: Sequence[str] = ()) -> tuple[Any, ...]:
    """The row's identity, `without` some of its keys."""
    return tuple(row.get(key) for key in IDENTITY_KEYS if key not in without)


def figure(row: Row, metric: str, baselines: Iterable[Row]) -> Bounds | None:
    """A row's figure, one that follows from time with its interval; None where it has none.

    `baselines` are those of its file: one of them carries the A/A control that widens the interval.
    """
    value = row.get(metric)
    if value is None or (metric in TIMED_KEYS and not row.get("median_ms")):
        return None
    if metric not in TIMED_KEYS:
        return Bounds.exactly(Fraction(value))
    low, high = _interval(row, noise(row, baselines))
    median = row["median_ms"]
    if metric == "median_ms":
        return Bounds(Fraction(low), Fraction(median), Fraction(high))
    work = Fraction(value) * Fraction(median)  # images_per_s and tflops are so much work over the time
    return Bounds(work / Fraction(high), Fraction(value), work / Fraction(low))


def _interval(row: Row, factor: float) -> tuple[float, float]:
    median = row["median_ms"]
    low, high = row.get("ci_low_ms") or median, row.get("ci_high_ms") or median
    return min(low, median) / factor, max(high, median) * factor


def noise(row: Row, baselines: Iterable[Row]) -> float:
    """The factor, 1 or more, by which the A/A control of the row's own run says that equal things differ.

    Where no control is recorded, the tolerance of the run, which is at least as wide.
    """
    bounds = _control(row) or next(filter(None, map(_control, _own_baselines(row, baselines))), None)
    if bounds is not None:
        return exp(max(abs(log(bound)) for bound in bounds))
    return 1.0 + (row.get("tolerance") or 0.0)


def _control(row: Row) -> tuple[float, float] | None:
    """The A/A interval that a row carries."""
    low, high = row.get("aa_low"), row.get("aa_high")
    return (low, high) if low and high else None


def baselines_of(rows: Iterable[Row]) -> list[Row]:
    """The rows that others were timed against."""
    return [row for row in rows if row.get("verdict") == "baseline"]


def _own_baselines(row: Row, baselines: Iterable[Row]) -> list[Row]:
    """The baselines that were timed together with a row: the one of the same heads first."""
    found = [other for other in baselines if is_baseline_of(other, row)]
    return sorted(found, key=lambda other: (other.get("heads"), other.get("head_dim")) != _heads(row))


_TOGETHER = ("mode", "dtype", "batch", "height", "width", "dim", "device", "timing")


def is_baseline_of(other: Row, row: Row) -> bool:
    """Whether `row` was timed against `other`, in the same rounds."""
    return (
        other.get("verdict") == "baseline"
        and f"{other.get('mixer')} ({other.get('implementation')})" == row.get("baseline")
        and all(other.get(key) == row.get(key) for key in _TOGETHER)
        and (None in (*_heads(other), *_heads(row)) or _heads(other) == _heads(row))
    )


def _heads(row: Row) -> tuple[Any, Any]:
    return row.get("heads"), row.get("head_dim")


def faster_of(row: Row, other: Row, baselines: Sequence[Row]) -> Row | None:
    """Which of two timed rows is faster; None where that is not decided.

    Rows of one group are judged by their own verdict, which comes from the ratios of its rounds; others by their
    intervals, widened by their A/A controls.
    """
    if why_unsound(row) or why_unsound(other):
        return None
    if is_baseline_of(other, row):
        return {"faster": row, "slower": other}.get(row.get("verdict", ""))
    ours, theirs = figure(row, "median_ms", baselines), figure(other, "median_ms", baselines)
    if ours is None or theirs is None or not ours.apart_from(theirs):
        return None
    return row if ours.value < theirs.value else other


def why_unsound(row: Row) -> str | None:
    """Why a row's time may not be called different from another; None where it may."""
    if flags := unsound(row.get("flags") or ()):
        return f"flagged {', '.join(flags)}"
    rounds = row.get("rounds")
    if rounds is not None and rounds < FEWEST_ROUNDS:
        return f"{rounds} rounds are too few: at least {FEWEST_ROUNDS} are needed"
    return None
