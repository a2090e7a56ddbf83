"""`skaprof env`: what is installed and what this machine is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from skaprof import __version__
from skaprof.cli import options as opt
from skaprof.cli.output import deliver
from skaprof.cli.run import command_line, format_of
from skaprof.machine import cpu_model, memory_bytes
from skaprof.report.formats import to_csv, to_json, to_markdown

PACKAGES = ("torch", "triton", "fvcore", "numpy", "pandas", "matplotlib", "scipy", "sympy", "typer", "rich")
ABSENT = "not installed"


def env(format: opt.Format = None, output: opt.Output = None) -> None:
    """What is installed here, the processor, and the GPUs if there are any."""
    chosen = format_of(format, output)
    found = machine()
    rows = [{"name": name, "value": value} for name, value in found.items()]
    renderers = {
        "json": lambda: to_json(command_line(), found, rows),
        "csv": lambda: to_csv(rows),
        "markdown": lambda: to_markdown(rows),
        "table": lambda: _lines(found),
    }
    text = renderers[chosen]()
    deliver(text, output)


def machine() -> dict[str, str]:
    """Names and values: versions, processor, memory, and each GPU as PyTorch sees it."""
    memory = memory_bytes()
    found = {
        "skaprof": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpu cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.1f} GiB" if memory else "unknown",
    }
    return found | _gpus()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def _gpus() -> dict[str, str]:
    try:
        import torch
    except ModuleNotFoundError:
        return {"gpu": "unknown: torch is not installed"}
    if not torch.cuda.is_available():
        return {"gpu": "none that PyTorch can use"}
    return {f"gpu {index}": _gpu(torch.cuda.get_device_properties(index)) for index in range(torch.cuda.device_count())}


def _gpu(properties: Any) -> str:
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
        f"{properties.multi_processor_count} multiprocessors, compute capability {properties.major}.{properties.minor}"
    )


def _lines(found: dict[str, str]) -> Iterator[str]:
    width = max(map(len, found))
    for name, value in found.items():
        yield f"{name:<{width}}  {value}\n"
