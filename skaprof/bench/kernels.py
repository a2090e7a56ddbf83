"""What one call runs, by name: GPU kernels, or ATen ops on a processor; and which attention backend that was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Within = Callable[[], AbstractContextManager[object]]
"""Makes what a call runs within."""

_LOST_RECORDS = 300
_WAIT = "spin_kernel"  # what torch.cuda._sleep runs
_BACKEND_MARKS = {
    "cudnn": ("cudnn_generated", "cudnn_attention"),
    "flash": ("flash",),
    "efficient": ("efficient", "fmha_cutlass", "mem_eff"),
}


def aten_ops(call: Callable[[], object], *, compiled: bool = False) -> tuple[str, ...]:
    """Names of the ATen ops that one call runs on a processor, each once, in order.

    What torch.compile made for the CPU has no names: a dispatch mode would make it compile anew.
    """
    if compiled:
        return ("torch.compile",)
    with _AtenOps() as ops:
        call()
    return tuple(dict.fromkeys(ops.names))


def gpu_kernels(calls: Sequence[tuple[Callable[[], object], Within]]) -> list[tuple[str, ...]]:
    """For each of the calls, the names of the GPU kernels it runs, each once, in order: one profiler session for all.

    A busy wait stands between the calls and tells them apart. Some go ahead: the first records of a session may be
    lost, and more of them with every session of a process (github.com/pytorch/pytorch/issues/192021).
    """
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(_LOST_RECORDS):
            torch.cuda._sleep(1)
        for call, context in calls:
            torch.cuda._sleep(1)
            with context():
                call()
        torch.cuda.synchronize()
    on_gpu = torch._C._autograd.DeviceType.CUDA
    events = sorted((event for event in profiled.events() or [] if event.device_type == on_gpu), key=_start)
    return split_at_waits([event.name for event in events], len(calls))


def split_at_waits(names: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """The names after each of the last `count` busy waits, each once; () for all where waits are missing."""
    waits = [place for place, name in enumerate(names) if _WAIT in name]
    if len(waits) < count:
        return [()] * count
    starts = waits[len(waits) - count :]
    return [tuple(dict.fromkeys(names[a + 1 : b])) for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]


def _start(event: Any) -> float:
    return float(event.time_range.start)


def attention_backend(kernels: tuple[str, ...]) -> str:
    """Which of PyTorch's attention backends ran, as the kernels' names tell; "" where there are none."""
    if not kernels:
        return ""
    names = " ".join(kernels).lower()
    marked = (backend for backend, marks in _BACKEND_MARKS.items() if any(mark in names for mark in marks))
    return next(marked, "math")


class _AtenOps(TorchDispatchMode):
    """Records the names of the ATen ops that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))
