"""The processor as a device: no queue, the host's own clock, garbage collection off inside blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from skaprof.bench.device import Conditions, Contender, garbage_collection_off

_LARGEST_FLUSH = 256 * 2**20  # a shared server's last-level cache may be larger than what one core ever gets of it
_PROBE_BYTES = 256 * 2**10


class CpuDevice:
    """Times with `perf_counter_ns`; events are times, and every call has run when it returns."""

    name = "cpu"
    has_queue = False

    def __init__(self) -> None:
        self.cache_bytes = _last_level_cache()
        self._flush = torch.empty(min(2 * self.cache_bytes, _LARGEST_FLUSH) or 1, dtype=torch.uint8)
        self._probe = torch.ones(_PROBE_BYTES // 4)

    def now(self) -> float:
        return time.perf_counter_ns() * 1e-9

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
        return Conditions()

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        found = []
        for contender in contenders:
            with contender.context():
                found.append(contender.names())
        return found

    def undisturbed(self) -> AbstractContextManager[None]:
        return garbage_collection_off()


def _last_level_cache() -> int:
    """Bytes of the largest cache Linux reports; 0 where it reports none."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    units = {"K": 2**10, "M": 2**20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=0)
