"""Whether a sample on a processor was the call, or the machine: which clock decides, and what else was seen."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from skaprof.bench.device import Conditions, Device
from skaprof.bench.record import Record, Settings

PREEMPTED_SAMPLES = 0.1
"""Of the samples, in which others took a turn on the core."""
PREEMPTED_SHARE = 0.05
"""Of the wall time, that others had in such samples: where samples are short, few lose much."""
WAITED_SHARE = 0.05
"""Of the wall time that is no CPU time, in nearly every sample, of a call that gave up the core to wait."""
OVERLAPPED_SHARE = 0.05
"""Of the wall time, by which CPU time is more: more than one thread can have spent."""
FAULTS_SHARE = 0.01
"""Of the time, by what a page fault costs here."""
STOLEN_SHARE = 0.02
"""Of the time, from each core. The system counts it in steps of 10 ms."""


def choose_clock(device: Device, records: Sequence[Record], settings: Settings) -> None:
    """Put all records on the clock that decides: they are compared with each other, so it is one for all."""
    clock = "events" if device.has_queue and settings.timing != "wall" else "wall"
    has_cpu_times = all(record.has_cpu_times for record in records)
    works = has_cpu_times and not any(waits(record) or overlaps(device, record) for record in records)
    if has_cpu_times and (settings.clock == "cpu" or (settings.clock == "auto" and works and device.has_cpu_clock)):
        clock = "wall" if settings.timing == "wall" else "cpu"
    for record in records:
        record.decides = clock
        record.cpu_could_decide = works and clock == "wall"


def waits(record: Record) -> bool:
    """Whether the call itself waits: it gives up the core at nearly every call, and time passes in which it has none.

    One whose turn is taken does not give it up.
    """
    spent = record.all_spent
    if not spent or median(each.waits or 0 for each in spent) < 1:
        return False
    pairs = zip(_walls(record), spent, strict=True)
    idle = [1 - each.cpu / wall for wall, each in pairs if each.cpu is not None]
    return bool(idle) and sorted(idle)[len(idle) // 4] > WAITED_SHARE


def overlaps(device: Device, record: Record) -> bool:
    """Whether several threads worked at once where one was to: their CPU time is more than the time that passed."""
    if device.cpu_of != "process" or not device.has_cpu_clock or not record.has_cpu_times:
        return False
    shares = [(each.cpu or 0.0) / wall for wall, each in zip(_walls(record), record.all_spent, strict=True)]
    return median(shares) > 1 + OVERLAPPED_SHARE


def evidence_flags(device: Device, record: Record) -> set[str]:
    """What the counters say against a record's times."""
    flags = {"waits"} if waits(record) else set()
    if overlaps(device, record):
        flags.add("overlaps")
    if _is_preempted(record):
        flags.add("preempted")
    if (fault_seconds(device, record) or 0.0) > FAULTS_SHARE * record.seconds:
        flags.add("page-faults")
    return flags


def _is_preempted(record: Record) -> bool:
    spent = record.all_spent
    if not spent or any(each.preemptions is None for each in spent):
        return False
    hit = [(wall, each.cpu or 0.0) for wall, each in zip(_walls(record), spent, strict=True) if each.preemptions]
    lost = sum(max(0.0, wall - cpu) for wall, cpu in hit)
    return len(hit) > PREEMPTED_SAMPLES * len(spent) or lost > PREEMPTED_SHARE * sum(_walls(record))


def _walls(record: Record) -> list[float]:
    return [sample for blocks in record.rounds for block in blocks for sample in block]


def faults(record: Record) -> float | None:
    """Page faults a call; None where they are not counted."""
    return _a_call(record, [each.faults for each in record.all_spent])


def preemptions(record: Record) -> float | None:
    """Turns on the core that others took, a call; None where they are not counted."""
    return _a_call(record, [each.preemptions for each in record.all_spent])


def fault_seconds(device: Device, record: Record) -> float | None:
    """What the page faults of a call cost, by what one costs here; None where they are not counted."""
    found = faults(record)
    return None if found is None else found * device.fault_seconds


def _a_call(record: Record, counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return fmean(known) / (record.repeats * record.calls) if known else None


def is_stolen(before: Conditions, after: Conditions, seconds: float) -> bool:
    """Whether the host of a virtual machine took more of its cores in this time than a little."""
    if before.stolen_seconds is None or after.stolen_seconds is None:
        return False
    return after.stolen_seconds - before.stolen_seconds > STOLEN_SHARE * seconds
