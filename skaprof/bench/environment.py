"""The stamp on every measurement: what ran it, in which state. Read only; the one thing set is TF32, alike for all."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch

from skaprof._version import __version__
from skaprof.bench import allocator
from skaprof.bench.cpu import CpuDevice
from skaprof.errors import EXIT_MISSING, SkaprofError, bad_value, named
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.machine import cpu_model
from skaprof.nn.triton_here import require_triton, triton_version
from skaprof.words import meant
from skaprof.workload import TRITON

IDENTITY = ("device", "gpu_uuid", "cpu", "torch", "cuda", "threads", "tf32")
"""Keys that must be the same for two runs to belong together."""


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda:INDEX" from what the user asked for; "auto" takes CUDA where it is.

    Raises:
        SkaprofError: no such device name (exit 2), or no CUDA device here (exit 3).
    """
    kind, _, index = name.partition(":")
    kind = meant(kind, ("auto", "cpu", "cuda"))
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdecimal())):
        raise bad_value(named("device"), name, "auto, cpu, cuda or cuda:INDEX", ("auto", "cpu", "cuda"))
    available = torch.cuda.is_available()
    if kind == "cpu" or (kind == "auto" and not available):
        return "cpu"
    if not available:
        raise SkaprofError(
            f"{named('device')}: 'cuda' needs a CUDA GPU and a CUDA build of PyTorch, and PyTorch "
            f"{torch.__version__} finds none here; run on this processor with: {named('device')} cpu",
            EXIT_MISSING,
        )
    if index and int(index) >= torch.cuda.device_count():
        raise bad_value(named("device"), name, f"an index below {torch.cuda.device_count()}")
    return f"cuda:{int(index) if index else torch.cuda.current_device()}"


def put_tf32(enabled: bool) -> None:
    """TF32 alike for matrix products and convolutions, which by PyTorch's default it is not."""
    torch.backends.cuda.matmul.allow_tf32 = enabled
    torch.backends.cudnn.allow_tf32 = enabled


def put_threads(count: int | None) -> None:
    """PyTorch's threads on a processor; None leaves them."""
    if count is not None:
        torch.set_num_threads(count)


@contextmanager
def threads_put(count: int | None) -> Iterator[None]:
    """PyTorch's threads on a processor inside it, and as they were after it; None leaves them."""
    before = torch.get_num_threads()
    put_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_clock(clock: str, timing: str, device: str) -> None:
    """Raise unless a call's time can be read on that clock.

    Raises:
        SkaprofError: CPU time is not what it takes there, or is not counted (exit 3).
    """
    if clock != "cpu":
        return
    threads = torch.get_num_threads()
    if device != "cpu":
        raise bad_value(
            named("clock"), clock, "auto or wall on a GPU: CPU time is that of launching, not of its kernels"
        )
    if timing == "wall":
        raise bad_value(named("clock"), clock, f"auto or wall with {named('timing')} wall")
    if threads > 1:
        meaning = f"the CPU time of {threads} threads is their work added up, not how long a call takes"
        raise bad_value(named("clock"), clock, f"auto, wall, or {named('threads')} 1 with it: {meaning}")
    if not CpuDevice().has_cpu_clock:
        raise SkaprofError(
            f"{named('clock')}: 'cpu' needs a system that counts what a thread does, as Linux; use auto", EXIT_MISSING
        )


def require_installed(implementations: Iterable[str]) -> None:
    """Raise unless what these implementations need on a GPU, beside PyTorch, is here.

    Raises:
        SkaprofError: it is not (exit 3).
    """
    if any(IMPLEMENTATIONS[name].form == TRITON for name in implementations):
        require_triton()


def stamp(device: str) -> dict[str, Any]:
    """The environment of a measurement, for the JSON envelope."""
    found: dict[str, Any] = {
        "skaprof": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "device": device.partition(":")[0],
        "cpu": cpu_model(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": load(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "malloc": allocator.malloc_name(),
        "allocator": allocator.held(),
        "scipy": version("scipy"),
    }
    if found["device"] == "cuda":
        found |= _gpu(torch.cuda.current_device())
    return found


def load() -> float | None:
    """Processes that ran or waited for a core in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if sys.platform != "win32" else None


def _gpu(index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "device": properties.name,
        "gpu_uuid": str(properties.uuid),
        "gpu_memory_bytes": properties.total_memory,
        "l2_bytes": properties.L2_cache_size,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": triton_version(),
        "driver": _driver(),
    }


def _driver() -> str | None:
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
