"""The device's clock rate, measured without privileges: from the time that busy waits of known length take."""

from __future__ import annotations

from statistics import median

from skaprof.bench.device import Device

CLOCK_TOLERANCE = 0.02
CLOCK_PROBE_CYCLES = 500_000  # a third of a millisecond at 1.5 GHz: the events' 0.5 us step is 0.2 % of it
CLOCK_PROBE_LEAD_CYCLES = 200_000  # behind which all of the probe is queued
CLOCK_READINGS = 5


def off_clock(device: Device, clock: float | None) -> bool:
    """Whether the device runs at another clock now. One reading may err: what looks off is read again."""
    if clock is None or _near(clock_reading(device), clock):
        return False
    return not _near(clock_rate(device), clock)


def _near(now: float | None, clock: float) -> bool:
    return now is None or abs(now / clock - 1) <= CLOCK_TOLERANCE


def clock_rate(device: Device) -> float | None:
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
