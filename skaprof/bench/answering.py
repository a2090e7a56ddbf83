"""What a lasting process is asked of its machine: which device it has, and the rows of a size measured on that.

Nothing heavy is loaded with this module: malloc is told to keep its memory before PyTorch loads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from math import inf
from typing import TYPE_CHECKING, Any

from skaprof.bench.allocator import put_allocator
from skaprof.errors import SkaprofError, needing, shown_path
from skaprof.foreign_code import hash_there
from skaprof.implementations import PYTORCH

if TYPE_CHECKING:
    from skaprof.bench.device import Device


def machine(task: Mapping[str, Any]) -> dict[str, Any]:
    """The device by its name here, the stamp of a measurement on it, and the versions of other runtimes.

    Raises:
        SkaprofError: PyTorch or a runtime is not installed, or there is no such device or clock.
    """
    put_allocator(task["allocator"])
    with needing("measuring"):
        from skaprof.bench.environment import put_threads, require_clock, require_installed, resolve_device
    from skaprof.bench.session import default_timing
    from skaprof.runtimes import require_runtimes

    require_runtimes(task["runtimes"])
    _go_to(task.get("folder"))
    for source in task.get("sources", ()):
        _require_same(*source)
    where, on_gpu = resolve_device(task["device"]), resolve_device(task["device"]) != "cpu"
    put_threads(task["threads"])
    require_clock(task["clock"], task["timing"] or default_timing(on_gpu=on_gpu), where)
    if on_gpu:
        require_installed(task["implementations"])
    found = _stamp(where, task["threads"], task["tf32"])
    return {"device": where, "environment": found | {name: version(name) for name in _others(task["runtimes"])}}


def rows(task: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a task of `skaprof.bench.worker.task_of`, and the stamp of what measured them."""
    put_allocator(task["options"]["allocator"])
    from skaprof.bench.configuration import Options
    from skaprof.bench.environment import load, put_threads, resolve_device
    from skaprof.bench.measuring import measure_configuration
    from skaprof.bench.travelling import unpacked

    _go_to(task.get("folder"))
    options = Options(**task["options"])
    options = replace(options, device=resolve_device(options.device))
    put_threads(options.threads)
    entries = list(map(unpacked, task["entries"]))
    found = _stamp(options.device, options.threads, options.tf32)
    device = _device(options.device, frozenset(entry.runtime for entry in entries))
    deadline = inf if task["seconds"] is None else device.now() + task["seconds"]
    return {
        "rows": measure_configuration(entries, options, device, deadline),
        "environment": found | {"load": load()},
    }


def _go_to(folder: str | None) -> None:
    """Where a user's files have the names that they were typed by; what is not there says so by itself."""
    if folder is not None:
        with suppress(OSError):
            os.chdir(folder)


def _require_same(option: str, path: str, expected: str | None) -> None:
    """Raise unless the file of a user's code or backbone holds here what it holds where the run was begun.

    Raises:
        SkaprofError: it does not, or there is none.
    """
    found = hash_there(option, path)
    if found != expected:
        raise SkaprofError(
            f"{option}: {shown_path(path)} is another file, of hash {found}: expected {expected}, as where this began"
        )


def _others(runtimes: list[str]) -> list[str]:
    return [name for name in runtimes if name != PYTORCH]


@cache
def _stamp(device: str, threads: int | None, tf32: bool) -> dict[str, Any]:
    """As `skaprof.bench.environment.stamp`, with these put; once for all sizes."""
    from skaprof.bench.environment import put_tf32, put_threads, stamp

    put_threads(threads)
    put_tf32(tf32)
    return stamp(device)


@cache
def _device(name: str, runtimes: frozenset[str]) -> Device:
    from skaprof.bench.configuration import open_device

    return open_device(name, runtimes=sorted(runtimes))
