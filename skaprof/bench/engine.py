"""The timing engine: interleaved rounds of all contenders, with the evidence that each sample was sound.

The protocol and its reasons are in docs/timing.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from skaprof.bench import statistics
from skaprof.bench.clock import clock_rate, off_clock
from skaprof.bench.device import Contender, Device
from skaprof.bench.evidence import choose_clock, evidence_flags, is_stolen
from skaprof.bench.record import Measurement, Record, Settings, conclude, decided
from skaprof.bench.sampling import SHORTEST_REPEATED_SAMPLE, Sample, hidden_launch, sample
from skaprof.implementations import GRAPHS

SHORTEST_COLD_SAMPLE = 5e-6
WARM_WINDOW = 0.05
WARM_AGREEMENT = 0.01
LONGEST_WARM_UP = 5.0
MOST_WARM_UPS = 4
CACHE_PROOF = 1.1  # a probe read after a flush takes at least this much longer than one from the cache
BLOCK_SECONDS = 0.02
FEWEST_SAMPLES, MOST_SAMPLES = 3, 8
# on a processor: of the same samples, more rounds of smaller blocks tell more
SHARED_BLOCK_SECONDS, FEWEST_SHARED_SAMPLES = 0.012, 2
LONG_SAMPLE = 0.02  # one such sample a block is enough: the replicate is the round
MOST_REPEATS = 1000


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
    records = [Record(each.label, against=each.against, calls=each.calls) for each in entries]
    own = records[: len(contenders)]
    for record, kernels in zip(own, device.names(contenders), strict=True):
        record.kernels = kernels
    _warm_all(device, contenders, records, settings)
    common = _common_flags(device, entries, records, settings)
    common |= _condition_flags(device)
    start, before = device.now(), device.conditions()
    rounds, warm_ups = 0, 1
    while rounds < max(settings.looks):
        _round(device, entries, records, settings, rounds)
        rounds += 1
        common |= _condition_flags(device)
        if warm_ups < MOST_WARM_UPS and device.now() < settings.deadline and any(map(_was_cold, records)):
            _warm_all(device, contenders, records, settings)
            rounds, warm_ups = 0, warm_ups + 1
            continue
        tick(rounds)
        late = device.now() > settings.deadline and rounds >= 2
        if late or rounds in settings.looks:
            choose_clock(device, records, settings)
            if late or decided(records, settings):
                break
    if rounds < min(settings.looks):
        common.add("few-rounds")
    if is_stolen(before, device.conditions(), device.now() - start):
        common.add("stolen")
    _flag_changed_kernels(device, contenders, own)
    for record in records:
        record.flags |= common | _own_flags(record, settings) | evidence_flags(device, record)
    return conclude(records, settings)


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
    blocks: list[list[list[Sample]]] = [[] for _ in entries]
    for index in (*order, *(reversed(order) if settings.interleave else order)):
        blocks[index].append(_steady_block(device, entries[index], records[index], settings))
    for record, own in zip(records, blocks, strict=True):
        record.rounds.append([[seconds for seconds, _ in block] for block in own])
        record.spent.append([[spent for _, spent in block] for block in own])


def _steady_block(device: Device, contender: Contender, record: Record, settings: Settings) -> list[Sample]:
    """A block at the clock its contender was warmed up to; one at another is kept aside and repeated once.

    Each contender has its own clock: heavy kernels may run at a lower one than light ones, for as long as they run.
    """
    block = _block(device, contender, record, settings)
    if off_clock(device, record.clock):
        record.off_clock_samples.extend(seconds for seconds, _ in block)
        block = _block(device, contender, record, settings)
        if off_clock(device, record.clock):
            record.flags.add("throttled")
    return block


def _block(device: Device, contender: Contender, record: Record, settings: Settings) -> list[Sample]:
    with device.undisturbed(), contender.context():
        return [sample(device, contender, record, settings.timing) for _ in range(record.samples_per_block)]


def _warm_all(device: Device, contenders: Sequence[Contender], records: Sequence[Record], settings: Settings) -> None:
    """Warm up every contender, and the control as its twin; what was measured before was warming up, too."""
    for record in records:
        record.rounds.clear()
        record.spent.clear()
        record.off_clock_samples.clear()
    for contender, record in zip(contenders, records, strict=False):
        _warm_up(device, contender, record, settings)
    for control in records[len(contenders) :]:
        _as_warm_as(records[0], control)


def _was_cold(record: Record) -> bool:
    """Whether calls now take under half of what they took at the end of the warm-up: some first ones were slow."""
    own = [seconds for block in record.by(record.warmed_by, slice(-1, None))[0] for seconds in block]
    return 2 * median(own) < record.warm_seconds


def _warm_up(device: Device, contender: Contender, record: Record, settings: Settings) -> None:
    """Run as the measurement will, until it is as fast as it gets; then choose repeats and the size of a block."""
    start = device.now()
    previous = math.inf
    while True:
        current = _warm_window(device, contender, record, settings.timing)
        if settings.timing != "cold":
            needed = math.ceil(SHORTEST_REPEATED_SAMPLE / (current * contender.calls))
            record.repeats = max(1, min(MOST_REPEATS, needed))
        if _is_warm(device, current, previous) or device.now() - start > LONGEST_WARM_UP:
            break
        if device.now() > settings.deadline:
            break
        previous = current if device.has_queue else min(current, previous)
    record.warm_seconds, record.warmed_by = current, _warming_clock(device)
    record.clock = clock_rate(device)
    launch = current * record.repeats * contender.calls
    block, few = (BLOCK_SECONDS, FEWEST_SAMPLES) if device.has_queue else (SHARED_BLOCK_SECONDS, FEWEST_SHARED_SAMPLES)
    fitting = round(block / launch)
    fewest = few if launch < LONG_SAMPLE else 1
    record.samples_per_block = settings.samples_per_block or max(fewest, min(MOST_SAMPLES, fitting))
    record.taken = record.left_over = 0  # a first call may compile or load on another stream


def _is_warm(device: Device, current: float, previous: float) -> bool:
    """Whether two windows agree; on a processor, where others come and go, whether the last is the fastest no more."""
    if device.has_queue:
        return abs(current / previous - 1) < WARM_AGREEMENT
    return current > (1 - WARM_AGREEMENT) * previous


def _as_warm_as(other: Record, record: Record) -> None:
    """What the warm-up of the same contender found."""
    record.clock, record.sleep_cycles = other.clock, other.sleep_cycles
    record.warm_seconds, record.warmed_by = other.warm_seconds, other.warmed_by
    record.repeats, record.samples_per_block = other.repeats, other.samples_per_block


def _warm_window(device: Device, contender: Contender, record: Record, timing: str) -> float:
    """Median seconds of a call over one window, at least one sample; by CPU time where that may decide."""
    start = device.now()
    with contender.context():
        samples = [sample(device, contender, record, timing)]
        while device.now() - start < WARM_WINDOW and len(samples) < 1000:
            samples.append(sample(device, contender, record, timing))
    by_cpu = _warming_clock(device) == "cpu"
    return median(spent.cpu if by_cpu and spent.cpu is not None else seconds for seconds, spent in samples)


def _warming_clock(device: Device) -> str:
    """The clock that tells when a contender is warm."""
    return "cpu" if device.has_cpu_clock and device.cpu_seconds() is not None else "wall"


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
    return median(hidden_launch(device, reading, record, timing)[0] for _ in range(5))


def _own_flags(record: Record, settings: Settings) -> set[str]:
    flags = set()
    if settings.timing == "cold" and record.seconds < SHORTEST_COLD_SAMPLE:
        flags.add("resolution")
    if 2 * record.left_over > record.taken:
        flags.add("unsynchronized")
    if "throttled" not in record.flags:
        if statistics.is_bimodal(record.samples):
            flags.add("bimodal")
        elif statistics.has_drift(record.medians_by(record.decides)):
            flags.add("drift")
    return flags
