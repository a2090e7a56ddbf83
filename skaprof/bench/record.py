"""What is measured and what follows from it: settings in, records of samples, verdicts out. No device is touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from skaprof.bench import statistics
from skaprof.bench.statistics import Interval
from skaprof.flags import STABLE, unsound
from skaprof.implementations import LOOKS

NOISY = math.log(1.1)
"""Log ratio of the A/A control beyond which a run is called noisy: that is told, and widens the tolerance as always."""

LEAST_SLEEP_CYCLES = 20_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure. `tolerance` is the relative difference below which two are the same.

    `clock` is one of `skaprof.implementations.CLOCKS`; where a device has a queue, its events are the clock.
    """

    timing: str = "cold"
    tolerance: float = 0.02
    looks: tuple[int, ...] = LOOKS
    alpha: float = statistics.ALPHA
    deadline: float = math.inf
    samples_per_block: int | None = None
    interleave: bool = True  # False is A B A B in one fixed order: for the test that shows what it does wrong
    clock: str = "auto"

    @property
    def log_tolerance(self) -> float:
        """The tolerance as a log ratio."""
        return math.log1p(self.tolerance)


class Spent(NamedTuple):
    """What a sample took of the processor beside its time: CPU seconds a call; of the whole sample, how often its turn
    on the core was taken, how often it gave that up to wait, and page faults. None where that is not counted.
    """

    cpu: float | None = None
    preemptions: int | None = None
    waits: int | None = None
    faults: int | None = None


@dataclass(slots=True)
class Record:
    """What was measured of one contender: a list of rounds, each of blocks, each of samples in seconds, in order.

    `rounds` are by the wall clock or the device's events; `spent` has the same shape. `decides` is the clock whose
    times are compared, and `against` the place of the record they are compared with.
    """

    label: str
    rounds: list[list[list[float]]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    spent: list[list[list[Spent]]] = field(default_factory=list)
    decides: str = "wall"
    cpu_could_decide: bool = False  # it was read, the call does not wait, and the wall clock decides
    against: int = 0
    calls: int = 1  # of one launch
    off_clock_samples: list[float] = field(default_factory=list)
    clock: float | None = None  # in Hz, at the end of the warm-up: what its blocks are held to
    kernels: tuple[str, ...] = ()
    sleep_cycles: int = LEAST_SLEEP_CYCLES
    warm_seconds: float = 0.0  # of a call at the end of the warm-up
    warmed_by: str = "wall"
    repeats: int = 1
    samples_per_block: int = 1
    taken: int = 0
    left_over: int = 0  # samples after which the device was still busy; now and then the host itself is late

    @property
    def timed(self) -> list[list[list[float]]]:
        """The rounds by the clock that decides."""
        return self.by(self.decides)

    def by(self, clock: str, rounds: slice = slice(None)) -> list[list[list[float]]]:
        """The rounds, or some of them, by a clock: of CPU time, those that were counted."""
        if clock != "cpu":
            return self.rounds[rounds]
        spent = self.spent[rounds]
        return [[[each.cpu for each in block if each.cpu is not None] for block in blocks] for blocks in spent]

    @property
    def samples(self) -> list[float]:
        """Every sample by the clock that decides, in order."""
        return [sample for blocks in self.timed for block in blocks for sample in block]

    @property
    def all_spent(self) -> list[Spent]:
        """What every sample took of the processor, in order."""
        return [each for blocks in self.spent for block in blocks for each in block]

    @property
    def values(self) -> list[float]:
        """One logarithm per round, of which ratios are made."""
        return self.values_by(self.decides)

    def values_by(self, clock: str) -> list[float]:
        """One logarithm per round by a clock that has counted: its median, or its share in the run's fastest samples.

        What disturbs a call adds CPU time and takes none away. Wall time also goes to who has the core: its fastest
        samples are those that were lucky.
        """
        return statistics.fastest_values(self.by(clock)) if clock == "cpu" else self.medians_by(clock)

    def witnesses_by(self, clock: str) -> float:
        """How many rounds the values rest on."""
        return statistics.rounds_of_fastest(self.by(clock)) if clock == "cpu" else len(self.rounds)

    def medians_by(self, clock: str) -> list[float]:
        """The logarithm of each round's median by a clock that has counted."""
        return [statistics.round_value(blocks) for blocks in self.by(clock)]

    @property
    def seconds(self) -> float:
        """The latency: the median of the block medians, by the clock that decides."""
        return self.seconds_by(self.decides)

    def seconds_by(self, clock: str) -> float:
        """The latency by a clock that has counted."""
        return median(median(block) for blocks in self.by(clock) for block in blocks)

    @property
    def has_cpu_times(self) -> bool:
        """Whether every sample's CPU time was counted."""
        return bool(self.spent) and all(each.cpu is not None for each in self.all_spent)


@dataclass(slots=True)
class Comparison:
    """A contender against the baseline: the interval of the log ratio, the tolerance used, and the verdict.

    `verdict_by_cpu` is what CPU time would say where the wall clock was read and leaves it open; else None.
    """

    ratio: Interval
    tolerance: float
    verdict: str
    rounds_to_decide: int | None = None
    verdict_by_cpu: str | None = None


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
    target = settings.log_tolerance / 2
    return all(ratio_of(each, records[each.against], settings).half_width < target for each in records[1:] or records)


def ratio_of(record: Record, baseline: Record, settings: Settings, clock: str | None = None) -> Interval:
    """The interval of a log ratio, by the clock that decides or another."""
    clock = clock or record.decides
    values, others = record.values_by(clock), baseline.values_by(clock)
    witnesses = min(record.witnesses_by(clock), baseline.witnesses_by(clock))
    return statistics.ratio_interval(values, others, len(settings.looks), settings.alpha, witnesses)


def conclude(records: list[Record], settings: Settings) -> Measurement:
    control = _control(records, settings)
    if control is not None and statistics.verdict(control, settings.log_tolerance) in ("faster", "slower"):
        for record in records:
            record.flags.add("aa-failed")
    elif control is not None and control.outer_bound > NOISY:
        for record in records:
            record.flags.add("noisy")
    contenders = records[:-1] if control is not None else records
    comparisons: list[Comparison | None] = [None]
    for record in contenders[1:]:
        found = _compare(record, records[record.against], control, settings)
        if found.verdict == "inconclusive" and record.cpu_could_decide:
            found.verdict_by_cpu = _verdict_by_cpu(record, records, settings)
        comparisons.append(found)
    looks, alpha = len(settings.looks), settings.alpha
    latencies = [statistics.median_interval(each.timed, looks, alpha) for each in contenders]
    for record in contenders:
        if not record.flags:
            record.flags.add(STABLE)
    return Measurement(contenders, comparisons, latencies, control, len(records[0].rounds))


def _control(records: Sequence[Record], settings: Settings, clock: str | None = None) -> Interval | None:
    """The A/A interval: the baseline's second entry over its first."""
    return ratio_of(records[-1], records[0], settings, clock) if len(records) > 1 else None


def _verdict_by_cpu(record: Record, records: Sequence[Record], settings: Settings) -> str:
    ratio = ratio_of(record, records[record.against], settings, "cpu")
    return statistics.verdict(ratio, settings.log_tolerance, _control(records, settings, "cpu"))


def _compare(record: Record, baseline: Record, control: Interval | None, settings: Settings) -> Comparison:
    ratio = ratio_of(record, baseline, settings)
    tolerance = statistics.tolerance_used(settings.log_tolerance, control)
    found = statistics.verdict(ratio, settings.log_tolerance, control)
    if unsound(record.flags | baseline.flags):
        return Comparison(ratio, tolerance, "inconclusive")
    if found != "inconclusive":
        return Comparison(ratio, tolerance, found)
    needed = statistics.rounds_to_decide(ratio, settings.log_tolerance, len(record.rounds), control)
    return Comparison(ratio, tolerance, found, needed)
