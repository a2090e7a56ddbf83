"""What one call runs, by name: GPU kernels, or ATen ops on a processor; and which attention backend that was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_BACKEND_MARKS = {
    "cudnn": ("cudnn_generated", "cudnn_attention"),
    "flash": ("flash",),
    "efficient": ("efficient", "fmha_cutlass", "mem_eff"),
}


def kernels_of(call: Callable[[], object], *, compiled: bool = False) -> tuple[str, ...]:
    """Names of the GPU kernels that one call runs, in order; on a machine without CUDA, of its ATen ops.

    What torch.compile made for the CPU has no names: a dispatch mode would make it compile anew.
    """
    if torch.cuda.is_available():
        return _gpu_kernels(call)
    if compiled:
        return ("torch.compile",)
    with _AtenOps() as ops:
        call()
    return tuple(dict.fromkeys(ops.names))


def attention_backend(kernels: tuple[str, ...]) -> str:
    """Which of PyTorch's attention backends ran, as the kernels' names tell."""
    names = " ".join(kernels).lower()
    marked = (backend for backend, marks in _BACKEND_MARKS.items() if any(mark in names for mark in marks))
    return next(marked, "math")


def _gpu_kernels(call: Callable[[], object]) -> tuple[str, ...]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        call()
        torch.cuda.synchronize()
    events = profiled.events() or []
    return tuple(dict.fromkeys(e.name for e in events if e.device_type == torch._C._autograd.DeviceType.CUDA))


class _AtenOps(TorchDispatchMode):
    """Records the names of the ATen ops that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))
