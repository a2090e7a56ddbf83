"""The rows of what was timed, and of what could not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from skaprof.records import Key
from skaprof.results import ResultRow

SAMPLE_KEYS = ("samples_ms", "off_clock_samples_ms")
"""The keys of a measured row that hold every sample: in JSON alone."""


class FailedRow(ResultRow):
    """A row that should have been timed, and why it was not."""

    device: str
    timing: str
    verdict: str
    flags: list[str]


class MeasuredRow(ResultRow):
    """A row that was timed. Ratios are over the baseline, in the same rounds; with too few of them, no intervals."""

    device: str
    timing: str
    verdict: str
    flags: list[str]
    baseline: str
    median_ms: Annotated[float, Key("Median of block medians, in ms; null where nothing was timed.", 0)]
    ci_low_ms: Annotated[float | None, Key("Its interval's lower bound, in ms.", 0)]
    ci_high_ms: Annotated[float | None, Key("Its interval's upper bound, in ms.", 0)]
    ratio: Annotated[float, Key("Time over the baseline's time.", 0)]
    ratio_low: Annotated[float | None, Key("Its interval's lower bound.", 0)]
    ratio_high: Annotated[float | None, Key("Its interval's upper bound.", 0)]
    aa_low: Annotated[float | None, Key("Lower bound of the ratio of the baseline to itself (A/A control).", 0)]
    aa_high: Annotated[float | None, Key("Upper bound of the same.", 0)]
    rounds_to_decide: Annotated[int | None, Key("Rounds that would decide an inconclusive verdict.", 0)]
    rounds: Annotated[int, Key("Rounds taken.", 0)]
    tolerance: Annotated[float, Key("What a difference must exceed, as a fraction.", 0)]
    images_per_s: Annotated[float, Key("batch / median.", 0)]
    tflops: Annotated[float | None, Key("1e12 FLOPs a second.", 0)]
    cycles: Annotated[int | None, Key("Device clock cycles of the median.", 0)]
    peak_memory_bytes: Annotated[int | None, Key("Most device memory held, measured.", 0)]
    checked_tokens: Annotated[int | None, Key("Tokens at which the output was checked against float64.", 1)]
    backend: Annotated[str | None, Key("The attention kernel family that ran.")]
    kernels: Annotated[list[str], Key("Names of the kernels that ran.")]
    outliers: Annotated[int | None, Key("Samples beyond Tukey's fences.", 0)]
    off_clock_samples_ms: Annotated[list[float], Key("Samples taken off the clock, in ms.")]
    samples_ms: Annotated[list[float], Key("Every sample in order, in ms.")]
    time_scopes: Annotated[list[str] | None, Key("The parts of a backbone that its time is shared among.")] = None
    time_shares: Annotated[list[float] | None, Key("Their shares of a forward call, 0 to 1, by the profiler.")] = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The median's interval in ms; None where there is none."""
        return _both(self.ci_low_ms, self.ci_high_ms)

    @property
    def ratio_interval(self) -> tuple[float, float] | None:
        """The ratio's interval; None where there is none."""
        return _both(self.ratio_low, self.ratio_high)

    @property
    def control(self) -> tuple[float, float] | None:
        """The interval of the baseline over itself; None where the row carries none."""
        return _both(self.aa_low, self.aa_high)


def _both(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low and high else None


def result_kind(row: Mapping[str, Any]) -> type[ResultRow]:
    """Which of the three a row of costs or times is."""
    if "median_ms" not in row:
        return ResultRow
    return FailedRow if row["median_ms"] is None else MeasuredRow


def result_row(row: Mapping[str, Any]) -> ResultRow:
    """The record of a row of costs or times that this program made."""
    return result_kind(row).read(row)
