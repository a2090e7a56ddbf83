"""A CUDA GPU as a device: events, `_sleep` to hide launches and to probe the clock, NVML read only. Sets nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch

from skaprof.bench.device import Conditions, Contender, Counts, garbage_collection_off
from skaprof.bench.kernels import gpu_kernels

_THROTTLE_REASONS = {
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
# nvmlClocksThrottleReason* in NVML's nvml.h. SwPowerCap (0x4) is not among them: a power cap shows in the clock, which
# is measured, and large matrix products touch it in passing.


class CudaDevice:
    """Times with CUDA events on the current stream."""

    has_queue = True
    has_cpu_clock = False
    cpu_of = None
    fault_seconds = 0.0

    def __init__(self, index: int = 0, siblings: int = 0) -> None:
        """`siblings` is how many other processes of this very run hold the device."""
        self.siblings = siblings
        torch.cuda.set_device(index)
        properties = torch.cuda.get_device_properties(index)
        self.index = index
        self.name = properties.name
        self.cache_bytes = int(properties.L2_cache_size)
        self._flush = torch.empty(2 * self.cache_bytes, dtype=torch.uint8, device="cuda")
        # a quarter of the cache, in float32: on chips whose cache has two partitions, data may be held in both
        self._probe = torch.ones(self.cache_bytes // 16, device="cuda")
        self._management = _management(str(properties.uuid))

    def now(self) -> float:
        return time.perf_counter_ns() * 1e-9

    def cpu_seconds(self) -> float | None:
        """The processor only launches: its time is not the kernels'."""
        return None

    def counts(self) -> Counts | None:
        return None

    def record(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def query(self, event: torch.cuda.Event) -> bool:
        return bool(event.query())

    def elapsed(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def sleep(self, cycles: int) -> None:
        torch.cuda._sleep(cycles)

    def flush(self) -> None:
        self._flush.zero_()

    def touch(self) -> None:
        self._probe.sum()

    def conditions(self) -> Conditions:
        if self._management is None:
            return Conditions()
        nvml, handle = self._management
        foreign = reasons = 0
        with suppress(nvml.NVMLError):
            # counted, not compared with our process id: inside a container NVML names the host's ids
            foreign = max(0, len(nvml.nvmlDeviceGetComputeRunningProcesses(handle)) - 1 - self.siblings)
        with suppress(nvml.NVMLError):
            reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
        return Conditions(foreign, tuple(words for bit, words in _THROTTLE_REASONS.items() if reasons & bit))

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        return gpu_kernels([(contender.call or contender.run, contender.context) for contender in contenders])

    def undisturbed(self) -> AbstractContextManager[None]:
        return garbage_collection_off()


def _management(uuid: str) -> tuple[Any, Any] | None:
    """NVML and its handle of the GPU with that UUID; None where nvidia-ml-py is not installed or NVML does not run."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
    except pynvml.NVMLError:
        return None
