"""What is measured and what follows from it: settings in, records of samples, verdicts out. No device is touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from skaprof.bench import statistics
from skaprof.bench.statistics import LOOKS, Interval
from skaprof.flags import STABLE, unsound

NOISY = math.log(1.1)
"""Log ratio of the A/A control beyond which a run is called noisy: that is told, and widens the tolerance as always."""

LEAST_SLEEP_CYCLES = 20_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure. `tolerance` is the relative difference below which two are the same."""

    timing: str = "cold"
    tolerance: float = 0.02
    looks: tuple[int, ...] = LOOKS
    alpha: float = statistics.ALPHA
    deadline: float = math.inf
    samples_per_block: int | None = None
    interleave: bool = True  # False is A B A B in one fixed order: for the test that shows what it does wrong

    @property
    def log_tolerance(self) -> float:
        """The tolerance as a log ratio."""
        return math.log1p(self.tolerance)


@dataclass(slots=True)
class Record:
    """What was measured of one contender: a list of rounds, each of blocks, each of samples in seconds, in order."""

    label: str
    rounds: list[list[list[float]]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    off_clock_samples: list[float] = field(default_factory=list)
    clock: float | None = None  # in Hz, at the end of the warm-up: what its blocks are held to
    kernels: tuple[str, ...] = ()
    sleep_cycles: int = LEAST_SLEEP_CYCLES
    repeats: int = 1
    samples_per_block: int = 1
    taken: int = 0
    left_over: int = 0  # samples after which the device was still busy; now and then the host itself is late

    @property
    def samples(self) -> list[float]:
        """Every sample, in order."""
        return [sample for blocks in self.rounds for block in blocks for sample in block]

    @property
    def values(self) -> list[float]:
        """One logarithm per round."""
        return [statistics.round_value(blocks) for blocks in self.rounds]

    @property
    def seconds(self) -> float:
        """The latency: the median of the block medians."""
        return median(median(block) for blocks in self.rounds for block in blocks)


@dataclass(slots=True)
class Comparison:
    """A contender against the baseline: the interval of the log ratio, the tolerance used, and the verdict."""

    ratio: Interval
    tolerance: float
    verdict: str
    rounds_to_decide: int | None = None


@dataclass(slots=True)
class Measurement:
    """All contenders of one run; `control` is the A/A interval of the baseline against itself.

    `latencies` are intervals in seconds, None with too few rounds for one.
    """

    records: list[Record]
    comparisons: list[Comparison | None]
    latencies: list[tuple[float, float] | None]
    control: Interval | None
    rounds: int


def decided(records: Sequence[Record], settings: Settings) -> bool:
    """Whether every pair, the control among them, is known to within half the tolerance."""
    values = [record.values for record in records]
    target = settings.log_tolerance / 2
    return all(_ratio(other, values[0], settings).half_width < target for other in values[1:] or [values[0]])


def _ratio(values: Sequence[float], baseline: Sequence[float], settings: Settings) -> Interval:
    return statistics.ratio_interval(values, baseline, len(settings.looks), settings.alpha)


def conclude(records: list[Record], settings: Settings) -> Measurement:
    baseline = records[0].values
    control = _ratio(records[-1].values, baseline, settings) if len(records) > 1 else None
    if control is not None and statistics.verdict(control, settings.log_tolerance) in ("faster", "slower"):
        for record in records:
            record.flags.add("aa-failed")
    elif control is not None and control.outer_bound > NOISY:
        for record in records:
            record.flags.add("noisy")
    contenders = records[:-1] if control is not None else records
    comparisons: list[Comparison | None] = [None]
    for record in contenders[1:]:
        comparisons.append(_compare(record, records[0], control, settings))
    latencies = [
        statistics.median_interval(record.rounds, len(settings.looks), settings.alpha) for record in contenders
    ]
    for record in contenders:
        if not record.flags:
            record.flags.add(STABLE)
    return Measurement(contenders, comparisons, latencies, control, len(baseline))


def _compare(record: Record, baseline: Record, control: Interval | None, settings: Settings) -> Comparison:
    ratio = _ratio(record.values, baseline.values, settings)
    tolerance = statistics.tolerance_used(settings.log_tolerance, control)
    found = statistics.verdict(ratio, settings.log_tolerance, control)
    if unsound(record.flags | baseline.flags):
        return Comparison(ratio, tolerance, "inconclusive")
    if found != "inconclusive":
        return Comparison(ratio, tolerance, found)
    needed = statistics.rounds_to_decide(ratio, settings.log_tolerance, len(record.rounds), control)
    return Comparison(ratio, tolerance, found, needed)
