"""The timing engine: interleaved rounds of all contenders, with the evidence that each sample was sound.

The protocol and its reasons are in docs/timing.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from skaprof.bench import statistics
from skaprof.bench.device import Contender, Device
from skaprof.bench.statistics import LOOKS, Interval
from skaprof.implementations import GRAPHS

BAD_FLAGS = frozenset(
    (
        "throttled",
        "shared",
        "launch-exposed",
        "warm-leak",
        "resolution",
        "kernel-changed",
        "unsynchronized",
        "few-rounds",
        "aa-failed",
    )
)
"""Flags that forbid any verdict but inconclusive; drift and bimodal are told, and interleaving bears them."""

SHORTEST_REPEATED_SAMPLE = 50e-6
SHORTEST_COLD_SAMPLE = 5e-6
LEAST_SLEEP_CYCLES = 20_000
MOST_SLEEP_CYCLES = 20_000_000
WARM_WINDOW = 0.05
WARM_AGREEMENT = 0.01
LONGEST_WARM_UP = 5.0
CLOCK_TOLERANCE = 0.02
CLOCK_PROBE_CYCLES = 500_000  # a third of a millisecond at 1.5 GHz: the events' 0.5 us step is 0.2 % of it
CLOCK_PROBE_LEAD_CYCLES = 200_000  # behind which all of the probe is queued
CLOCK_READINGS = 5
CACHE_PROOF = 1.1  # a probe read after a flush takes at least this much longer than one from the cache
LEFT_OVER = 0.05  # share of a sample that may still run after its end was recorded
BLOCK_SECONDS = 0.02
FEWEST_SAMPLES, MOST_SAMPLES = 3, 8
LONG_SAMPLE = 0.02  # one such sample a block is enough: the replicate is the round
MOST_REPEATS = 1000
CLOCK_STEP = 1e-7  # no sample is shorter: events tick more coarsely, and a logarithm of zero helps nobody


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
    samples_per_block: int = FEWEST_SAMPLES
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


def measure(
    device: Device,
    contenders: Sequence[Contender],
    settings: Settings,
    tick: Callable[[int], None] = lambda rounds: None,
) -> Measurement:
    """Time all contenders against the first, which enters twice: its second entry is the A/A control.

    Args:
        device: where they run.
        contenders: the baseline first; at least one.
        settings: timing mode, tolerance, looks and deadline (on `device.now()`).
        tick: called with the number of rounds after each.
    """
    entries = [*contenders, contenders[0]] if len(contenders) > 1 else list(contenders)
    records = [Record(contender.label) for contender in entries]
    own = records[: len(contenders)]
    for record, kernels in zip(own, device.names(contenders), strict=True):
        record.kernels = kernels
    for contender, record in zip(contenders, own, strict=True):
        _warm_up(device, contender, record, settings)
    for control in records[len(contenders) :]:
        _as_warm_as(records[0], control)
    common = _common_flags(device, entries, records, settings)
    common |= _condition_flags(device)
    for rounds in range(1, max(settings.looks) + 1):
        _round(device, entries, records, settings, rounds - 1)
        common |= _condition_flags(device)
        tick(rounds)
        late = device.now() > settings.deadline and rounds >= 2
        if late or (rounds in settings.looks and _decided(records, settings)):
            break
    if rounds < min(settings.looks):
        common.add("few-rounds")
    _flag_changed_kernels(device, contenders, own)
    for record in records:
        record.flags |= common | _own_flags(record, settings)
    return _conclude(records, settings)


def _flag_changed_kernels(device: Device, contenders: Sequence[Contender], records: Sequence[Record]) -> None:
    """Profile all once more, and once again what then seems to run other kernels: a profiler may lose records."""
    for _ in range(2):
        after = device.names(contenders)
        changed = [record for record, kernels in zip(records, after, strict=True) if record.kernels != kernels]
        if not changed:
            return
    for record in changed:
        record.flags.add("kernel-changed")


def _condition_flags(device: Device) -> set[str]:
    conditions = device.conditions()
    flags = {"shared"} if conditions.foreign_processes else set()
    return flags | ({"throttled"} if conditions.throttle_reasons else set())


def _round(
    device: Device,
    entries: Sequence[Contender],
    records: Sequence[Record],
    settings: Settings,
    number: int,
) -> None:
    """One block of each contender forward, then one of each backward (A B B A): a steady drift cancels.

    Each round starts with the next contender. Measured on the fake device with noise that lasts some blocks: where
    every round ends and starts with the same contender, neighbouring rounds are alike and intervals too narrow (6.8 %
    of 1,000 equal pairs called different, where 5 % are allowed).
    """
    order = list(range(len(entries)))
    turn = number % len(order) if settings.interleave else 0
    order = order[turn:] + order[:turn]
    blocks: list[list[list[float]]] = [[] for _ in entries]
    for index in (*order, *(reversed(order) if settings.interleave else order)):
        blocks[index].append(_steady_block(device, entries[index], records[index], settings))
    for record, own in zip(records, blocks, strict=True):
        record.rounds.append(own)


def _steady_block(device: Device, contender: Contender, record: Record, settings: Settings) -> list[float]:
    """A block at the clock its contender was warmed up to; one at another is kept aside and repeated once.

    Each contender has its own clock: heavy kernels may run at a lower one than light ones, for as long as they run.
    """
    block = _block(device, contender, record, settings)
    if _off_clock(device, record.clock):
        record.off_clock_samples.extend(block)
        block = _block(device, contender, record, settings)
        if _off_clock(device, record.clock):
            record.flags.add("throttled")
    return block


def _off_clock(device: Device, clock: float | None) -> bool:
    """Whether the device runs at another clock now. One reading may err: what looks off is read again."""
    if clock is None or _near(clock_reading(device), clock):
        return False
    return not _near(_clock(device), clock)


def _near(now: float | None, clock: float) -> bool:
    return now is None or abs(now / clock - 1) <= CLOCK_TOLERANCE


def _clock(device: Device) -> float | None:
    """The device's clock rate in Hz, the median of some readings; None where it cannot be measured."""
    readings = [reading for reading in (clock_reading(device) for _ in range(CLOCK_READINGS)) if reading is not None]
    return median(readings) if readings else None


def clock_reading(device: Device) -> float | None:
    """One reading in Hz: two busy waits of different length, their difference in cycles over that in time.

    Both wait behind a third, so that no launch on an idle queue is in either time. None where there is no queue.
    """
    if not device.has_queue:
        return None
    device.sleep(CLOCK_PROBE_LEAD_CYCLES)
    events = [device.record()]
    for cycles in (CLOCK_PROBE_CYCLES, 2 * CLOCK_PROBE_CYCLES):
        device.sleep(cycles)
        events.append(device.record())
    short, long = device.elapsed(events[0], events[1]), device.elapsed(events[1], events[2])
    return CLOCK_PROBE_CYCLES / (long - short) if long > short else None


def _block(device: Device, contender: Contender, record: Record, settings: Settings) -> list[float]:
    with device.undisturbed(), contender.context():
        return [_sample(device, contender, record, settings.timing) for _ in range(record.samples_per_block)]


def _sample(device: Device, contender: Contender, record: Record, timing: str) -> float:
    """Seconds of one call."""
    if timing == "wall":
        start = device.now()
        for _ in range(record.repeats):
            contender.run()
        device.synchronize()
        return max(device.now() - start, CLOCK_STEP) / (record.repeats * contender.calls)
    seconds = _hidden_launch(device, contender, record, timing)
    return seconds / (record.repeats * contender.calls)


def _hidden_launch(device: Device, contender: Contender, record: Record, timing: str) -> float:
    """Device seconds of `repeats` launches that were all queued before the device came to the first of them.

    A sample that was not hidden is taken once more behind the same wait, since a host is late now and then; then
    behind one twice as long.
    """
    before_longer = True
    while True:
        if timing == "cold":
            device.flush()
        device.sleep(record.sleep_cycles)
        start = device.record()
        for _ in range(record.repeats):
            contender.run()
        end = device.record()
        exposed = device.has_queue and device.query(start)
        seconds = max(device.elapsed(start, end), CLOCK_STEP)
        if not exposed:
            break
        if before_longer:
            before_longer = False
            continue
        if record.sleep_cycles >= MOST_SLEEP_CYCLES:
            record.flags.add("launch-exposed")
            break
        record.sleep_cycles = min(2 * record.sleep_cycles, MOST_SLEEP_CYCLES)
        before_longer = True
    before = device.now()
    device.synchronize()
    record.taken += 1
    if device.has_queue and device.now() - before > LEFT_OVER * seconds + SHORTEST_REPEATED_SAMPLE:
        record.left_over += 1
    return seconds


def _warm_up(device: Device, contender: Contender, record: Record, settings: Settings) -> None:
    """Run as the measurement will, until two windows agree; then choose repeats and the size of a block."""
    start = device.now()
    previous = math.inf
    while True:
        current = _warm_window(device, contender, record, settings.timing)
        if settings.timing != "cold":
            needed = math.ceil(SHORTEST_REPEATED_SAMPLE / (current * contender.calls))
            record.repeats = max(1, min(MOST_REPEATS, needed))
        if abs(current / previous - 1) < WARM_AGREEMENT or device.now() - start > LONGEST_WARM_UP:
            break
        if device.now() > settings.deadline:
            break
        previous = current
    record.clock = _clock(device)
    launch = current * record.repeats * contender.calls
    fitting = round(BLOCK_SECONDS / launch)
    fewest = FEWEST_SAMPLES if launch < LONG_SAMPLE else 1
    record.samples_per_block = settings.samples_per_block or max(fewest, min(MOST_SAMPLES, fitting))
    record.taken = record.left_over = 0  # a first call may compile or load on another stream


def _as_warm_as(other: Record, record: Record) -> None:
    """What the warm-up of the same contender found."""
    record.clock, record.sleep_cycles = other.clock, other.sleep_cycles
    record.repeats, record.samples_per_block = other.repeats, other.samples_per_block


def _warm_window(device: Device, contender: Contender, record: Record, timing: str) -> float:
    """Median seconds of a call over one window, at least one sample."""
    start = device.now()
    with contender.context():
        samples = [_sample(device, contender, record, timing)]
        while device.now() - start < WARM_WINDOW and len(samples) < 1000:
            samples.append(_sample(device, contender, record, timing))
    return median(samples)


def _common_flags(
    device: Device, entries: Sequence[Contender], records: Sequence[Record], settings: Settings
) -> set[str]:
    """Whether a cold sample really finds a cold cache: the probe must read slower after a flush than before."""
    if not device.cache_bytes:
        return set()
    if settings.timing == "cold":
        probe = Record("probe", sleep_cycles=max(record.sleep_cycles for record in records))
        from_cache, flushed = (_probe(device, probe, timing) for timing in ("hot", "cold"))
        proved = flushed > CACHE_PROOF * from_cache or "launch-exposed" in probe.flags
        return set() if proved else {"warm-leak"}
    if settings.timing in GRAPHS and any(0 < entry.rotated_bytes < 5 * device.cache_bytes for entry in entries):
        return {"warm-leak"}
    return set()


def _probe(device: Device, record: Record, timing: str) -> float:
    """Median device seconds of reading the probe buffer: "hot" from the cache, or "cold" after a flush."""
    reading = Contender("probe", device.touch)
    return median(_hidden_launch(device, reading, record, timing) for _ in range(5))


def _own_flags(record: Record, settings: Settings) -> set[str]:
    flags = set()
    if settings.timing == "cold" and record.seconds < SHORTEST_COLD_SAMPLE:
        flags.add("resolution")
    if 2 * record.left_over > record.taken:
        flags.add("unsynchronized")
    if "throttled" not in record.flags:
        if statistics.is_bimodal(record.samples):
            flags.add("bimodal")
        elif statistics.has_drift(record.values):
            flags.add("drift")
    return flags


def _decided(records: Sequence[Record], settings: Settings) -> bool:
    """Whether every pair, the control among them, is known to within half the tolerance."""
    values = [record.values for record in records]
    target = settings.log_tolerance / 2
    return all(_ratio(other, values[0], settings).half_width < target for other in values[1:] or [values[0]])


def _ratio(values: Sequence[float], baseline: Sequence[float], settings: Settings) -> Interval:
    return statistics.ratio_interval(values, baseline, len(settings.looks), settings.alpha)


def _conclude(records: list[Record], settings: Settings) -> Measurement:
    baseline = records[0].values
    control = _ratio(records[-1].values, baseline, settings) if len(records) > 1 else None
    if control is not None and statistics.verdict(control, settings.log_tolerance) in ("faster", "slower"):
        for record in records:
            record.flags.add("aa-failed")
    contenders = records[:-1] if control is not None else records
    comparisons: list[Comparison | None] = [None]
    for record in contenders[1:]:
        comparisons.append(_compare(record, records[0], control, settings))
    latencies = [
        statistics.median_interval(record.rounds, len(settings.looks), settings.alpha) for record in contenders
    ]
    for record in contenders:
        if not record.flags:
            record.flags.add("stable")
    return Measurement(contenders, comparisons, latencies, control, len(baseline))


def _compare(record: Record, baseline: Record, control: Interval | None, settings: Settings) -> Comparison:
    ratio = _ratio(record.values, baseline.values, settings)
    tolerance = statistics.tolerance_used(settings.log_tolerance, control)
    found = statistics.verdict(ratio, settings.log_tolerance, control)
    if (record.flags | baseline.flags) & BAD_FLAGS:
        return Comparison(ratio, tolerance, "inconclusive")
    if found != "inconclusive":
        return Comparison(ratio, tolerance, found)
    needed = statistics.rounds_to_decide(ratio, settings.log_tolerance, len(record.rounds), control)
    return Comparison(ratio, tolerance, found, needed)
