"""The processor as a device: no queue, the host's clocks and counters, garbage collection off inside blocks."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from skaprof.bench.device import Conditions, Contender, Counts, garbage_collection_off

_resource: Any
try:
    import resource as _resource
except ModuleNotFoundError:  # Windows has none
    _resource = None

_LARGEST_FLUSH = 256 * 2**20  # a shared server's last-level cache may be larger than what one core ever gets of it
_PROBE_BYTES = 256 * 2**10
_FAULTED_BYTES = 8 * 2**20
_STAT = Path("/proc/stat")
_STOLEN = 8  # the place of the stolen time in a line of /proc/stat: proc_stat(5)


class CpuDevice:
    """Times with `perf_counter_ns`; events are times, and every call has run when it returns.

    One thread's CPU time and counts are its own; those of several are the process's.
    """

    name = "cpu"
    has_queue = False

    def __init__(self, *, others_work: bool = False) -> None:
        """`others_work`: a call may run in a thread that is not the caller's, as a runtime's may that is told to use
        one. By the caller's clock it would take next to nothing: what the process spends is counted."""
        self.threads = torch.get_num_threads()
        self.cpu_of = "process" if others_work or self.threads > 1 else "thread"
        self.cache_bytes = _last_level_cache()
        self._flush = torch.empty(min(2 * self.cache_bytes, _LARGEST_FLUSH) or 1, dtype=torch.uint8)
        self._probe = torch.ones(_PROBE_BYTES // 4)

    def now(self) -> float:
        return time.perf_counter_ns() * 1e-9

    @property
    def has_cpu_clock(self) -> bool:
        return self.threads == 1 and hasattr(time, "thread_time_ns") and self.counts() is not None

    def cpu_seconds(self) -> float | None:
        """Of the one thread that works, or of the process."""
        if self.cpu_of == "process":
            return time.process_time_ns() * 1e-9
        return time.thread_time_ns() * 1e-9 if hasattr(time, "thread_time_ns") else None

    def counts(self) -> Counts | None:
        """Linux counts for each thread, other systems for the process alone, Windows for neither."""
        who = getattr(_resource, "RUSAGE_SELF" if self.cpu_of == "process" else "RUSAGE_THREAD", None)
        if _resource is None or who is None:
            return None
        used = _resource.getrusage(who)
        return Counts(used.ru_nivcsw, used.ru_nvcsw, used.ru_minflt)

    @cached_property
    def fault_seconds(self) -> float:
        """Measured: the first touch of each page of fresh memory, less the second."""
        before = self.counts()
        if before is None:
            return 0.0
        with mmap.mmap(-1, _FAULTED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as fresh:
            first, second = (_touch_pages(fresh) for _ in range(2))
        after = self.counts()
        faults = after.faults - before.faults if after is not None else 0
        return max(0.0, first - second) / faults if faults else 0.0

    def record(self) -> float:
        return self.now()

    def query(self, event: float) -> bool:
        return self.now() >= event

    def elapsed(self, start: float, end: float) -> float:
        return end - start

    def synchronize(self) -> None:
        """Nothing is ever left to wait for."""

    def sleep(self, cycles: int) -> None:
        """No queue, no launch to hide."""

    def flush(self) -> None:
        self._flush.add_(1)

    def touch(self) -> None:
        self._probe.sum()

    def conditions(self) -> Conditions:
        return Conditions(stolen_seconds=_stolen_seconds())

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        found = []
        for contender in contenders:
            with contender.context():
                found.append(contender.names())
        return found

    def undisturbed(self) -> AbstractContextManager[None]:
        return garbage_collection_off()


def _touch_pages(memory: mmap.mmap) -> float:
    """CPU seconds of a write to every page."""
    start = time.process_time_ns()
    for place in range(0, len(memory), mmap.PAGESIZE):
        memory[place] = 1
    return (time.process_time_ns() - start) * 1e-9


def _stolen_seconds() -> float | None:
    """What the hypervisor took of each core since the machine started, as Linux tells it; None elsewhere."""
    if not _STAT.exists():
        return None
    fields = _STAT.read_text().partition("\n")[0].split()
    if len(fields) <= _STOLEN:
        return None
    return int(fields[_STOLEN]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def _last_level_cache() -> int:
    """Bytes of the largest cache Linux reports; 0 where it reports none."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    units = {"K": 2**10, "M": 2**20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=0)
