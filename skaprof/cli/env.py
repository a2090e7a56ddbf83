"""`skaprof env`: what is installed and what this machine is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from skaprof._version import __version__
from skaprof.cli import options as opt
from skaprof.cli.show import Page, View, show
from skaprof.counters import COUNTERS
from skaprof.machine import cpu_model, memory_bytes

_NEEDED = ("torch", "triton", "fvcore", "numpy", "pandas", "matplotlib", "scipy", "sympy", "typer", "rich")
_COUNTED_BY = tuple(package for counter in COUNTERS.values() for package in (counter.package, *counter.needs))
PACKAGES = tuple(dict.fromkeys(_NEEDED + _COUNTED_BY))
ABSENT = "not installed"


@opt.with_options
def env(*, to: opt.Shown) -> None:
    """What is installed here, the counters of skaprof audit among it, the processor, and the GPUs if there are any."""
    to.require()
    found = machine()
    rows = [{"name": name, "value": value} for name, value in found.items()]
    show(rows, to, View(lambda: Page(None, words=list(_lines(found))), environment=found))


def machine() -> dict[str, Any]:
    """Versions, processor, memory, and each GPU as PyTorch sees it; by the words of a measurement's environment."""
    return {
        "skaprof": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpu_cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        **_of_torch(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def _of_torch() -> dict[str, Any]:
    """How many threads PyTorch takes, and the GPUs that it can use."""
    try:
        import torch
    except ModuleNotFoundError:
        return {"threads": None, "gpu": "unknown: torch is not installed"}
    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    if not torch.cuda.is_available():
        return found | {"gpu": "none that PyTorch can use"}
    count = torch.cuda.device_count()
    return found | {f"gpu_{index}": _gpu(torch.cuda.get_device_properties(index)) for index in range(count)}


def _gpu(properties: Any) -> str:
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
        f"{properties.multi_processor_count} multiprocessors, compute capability {properties.major}.{properties.minor}"
    )


def _lines(found: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, found))
    for name, value in found.items():
        text = "unknown" if value is None else f"{value / 2**30:.1f} GiB" if name.endswith("_bytes") else value
        yield f"{name.removesuffix('_bytes').replace('_', ' '):<{width}}  {text}"
