"""One sample: how long a call takes on a device, its launch hidden where there is a queue, and what it took of the
processor.
"""

from __future__ import annotations

from skaprof.bench.device import Contender, Counts, Device
from skaprof.bench.record import Record, Spent

SHORTEST_REPEATED_SAMPLE = 50e-6
MOST_SLEEP_CYCLES = 20_000_000
LEFT_OVER = 0.05  # share of a sample that may still run after its end was recorded
CLOCK_STEP = 1e-7  # no sample is shorter: events tick more coarsely, and a logarithm of zero helps nobody

Sample = tuple[float, Spent]
"""Seconds of one call by the wall clock or the device's events, and what it took of the processor."""
Clocks = tuple[Counts | None, float | None]


def sample(device: Device, contender: Contender, record: Record, timing: str) -> Sample:
    """Seconds of one call, and what it took of the processor."""
    calls = record.repeats * contender.calls
    if timing == "wall":
        seconds, spent = _launched(device, contender, record)
    else:
        seconds, spent = hidden_launch(device, contender, record, timing)
    if calls == 1 or spent.cpu is None:
        return seconds / calls, spent
    return seconds / calls, spent._replace(cpu=spent.cpu / calls)


def _launched(device: Device, contender: Contender, record: Record) -> Sample:
    """Wall seconds of `repeats` launches and all that they leave to do."""
    before = _clocks(device)
    start = device.now()
    for _ in range(record.repeats):
        contender.run()
    device.synchronize()
    seconds = max(device.now() - start, CLOCK_STEP)
    return seconds, _spent(device, before)


def _clocks(device: Device) -> Clocks:
    """CPU time last: the less stands between it and the call, the less is counted with the call."""
    counts = device.counts()
    return counts, device.cpu_seconds()


def _spent(device: Device, before: Clocks) -> Spent:
    """What the working threads took since then."""
    cpu, counts = device.cpu_seconds(), device.counts()
    counts_before, cpu_before = before
    used = None if cpu is None or cpu_before is None else max(cpu - cpu_before, CLOCK_STEP)
    if counts is None or counts_before is None:
        return Spent(used)
    return Spent(
        used,
        counts.preemptions - counts_before.preemptions,
        counts.waits - counts_before.waits,
        counts.faults - counts_before.faults,
    )


def hidden_launch(device: Device, contender: Contender, record: Record, timing: str) -> Sample:
    """Device seconds of `repeats` launches that were all queued before the device came to the first of them.

    A sample that was not hidden is taken once more behind the same wait, since a host is late now and then; then
    behind one twice as long.
    """
    before_longer = True
    while True:
        if timing == "cold":
            device.flush()
        device.sleep(record.sleep_cycles)
        clocks = _clocks(device)
        start = device.record()
        for _ in range(record.repeats):
            contender.run()
        end = device.record()
        spent = _spent(device, clocks)
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
    return seconds, spent
