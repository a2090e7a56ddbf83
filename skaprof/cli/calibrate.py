"""`skaprof calibrate`: what this machine really reaches, as a file that `--hardware` takes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli.latency_options import positive_number, whole_number
from skaprof.cli.output import STDOUT, deliver, require_destinations, say, suffix_of
from skaprof.cli.progress import Progress
from skaprof.errors import require_package
from skaprof.grids import parse_choices
from skaprof.machine import memory_bytes
from skaprof.model.hardware import COUNTED_IN_FLOPS, in_unit
from skaprof.model.kernel_times import KernelTimes, kernel_times_text
from skaprof.toml_file import toml_text
from skaprof.workload import DTYPE_BYTES

if TYPE_CHECKING:
    from skaprof.bench.calibrate import Calibration


def calibrate(
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    dtype: Annotated[str, typer.Option(metavar="LIST", help="float64, float32, bfloat16, float16.")] = "float32",
    threads: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="PyTorch's threads on a processor. Default: 1, which CPU time decides for."),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            help="Time for all of it; what the ceilings leave is for the ops of calls, on one thread of a processor: "
            "predictions rest on them. 0: ceilings alone.",
        ),
    ] = "180",
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Keep each call here as it is timed, and go on after those that are there: --budget is what is added.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", metavar="FILE.toml", help="Write to FILE.toml instead of stdout. Repeatable."),
    ] = None,
) -> None:
    """Measure this machine: matrix rate by dtype, kind of kernel and size, bandwidth, launch cost, the ops of calls.

    The file that it writes is a machine for --hardware of skaprof roofline, explain and crossover. On a processor the
    ops of mixers and small networks are timed where they stand, in CPU time of one thread: predictions are their sums.
    Ctrl-C keeps what was measured.
    """
    files = [path for path in output or () if path != STDOUT]
    for path in files:
        suffix_of("--output", path, (".toml",))
    require_destinations(files, ())
    start = perf_counter()
    seconds = 0.0 if budget == "0" else positive_number("--budget", budget)
    if resume is not None:
        suffix_of("--resume", resume, (".jsonl",))
    dtypes = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES))
    require_package("torch", "skaprof calibrate")
    from skaprof.bench.calibrate import ROUNDS
    from skaprof.bench.calibrate import calibrate as measured
    from skaprof.bench.configuration import open_device
    from skaprof.bench.environment import put_tf32, resolve_device, stamp, threads_put

    where = resolve_device(device)
    count = None if threads is None else whole_number("--threads", threads, at_most=os.cpu_count())
    put_tf32(False)
    with threads_put(1 if count is None and where == "cpu" else count):
        with Progress("calibrating", max(ROUNDS)) as bar:
            found = measured(open_device(where), where, dtypes, tick=lambda rounds: bar.advance())
        if found.flags:
            say(f"skaprof: the measurement is flagged {', '.join(sorted(found.flags))}: see docs/timing.md")
        has_kernels = seconds and where == "cpu" and count in (None, 1)
        kernels = _kernels(where, seconds, start, resume) if has_kernels else None
        text = list(hardware_text(found, stamp(where), kernels))
    for path in output or (STDOUT,):
        deliver(text, path)


FITTING = 0.04
"""Of a budget, what is left for learning from the times."""


def _kernels(where: str, budget: float, start: float, resume: str | None) -> KernelTimes:
    """The times of ops in what is left of the budget since the start, or in half of it where that is more."""
    from skaprof.bench.environment import stamp
    from skaprof.bench.kernel_times import measured_kernels

    left = max(budget / 2, (1 - FITTING) * budget - (perf_counter() - start))
    with Progress("timing the ops of calls", 100) as bar:
        return measured_kernels(left, stamp(where), bar.at, resume)


def hardware_text(found: Calibration, where: Mapping[str, Any], kernels: KernelTimes | None = None) -> Iterator[str]:
    """The calibration of the machine that `where` stamps, as a hardware file."""
    on_cpu, name = where["device"] == "cpu", machine_name(where)
    memory = memory_bytes() if on_cpu else where["gpu_memory_bytes"]
    yield "# Measured by `skaprof calibrate`. A peak is the highest rate that any kernel of the dtype reached;\n"
    yield "# each rate is of one kernel at one size, launch cost taken off.\n\n[[hardware]]\n"
    yield f'id = {toml_text(_slug(name))}\nname = {toml_text(name)}\npeaks = "measured"\n'
    for dtype, peak in found.peaks.items():
        yield f"peak_{dtype} = {toml_text(in_unit(peak, 'FLOP/s'))}\n"
    yield f"bandwidth = {toml_text(in_unit(found.bandwidth, 'B/s'))}\n"
    yield f"memory = {toml_text(in_unit(memory, 'B'))}\n" if memory else ""
    yield f"launch = {toml_text(in_unit(found.launch, 's'))}\n"
    yield f'source = "measured by skaprof calibrate"\ndate = {toml_text(date.today().isoformat())}\n'
    yield f"versions = {toml_text(_versions(where, found))}\n"
    for rate in found.rates:
        base = "FLOP" if rate.kind in COUNTED_IN_FLOPS else "B"
        yield f"\n[[rates]]\nkind = {toml_text(rate.kind)}\ndtype = {toml_text(rate.dtype)}\n"
        yield f"work = {toml_text(in_unit(rate.work, base))}\n"
        yield f"rate = {toml_text(in_unit(rate.per_second, f'{base}/s'))}\n"
    yield from kernel_times_text(kernels) if kernels is not None else ()


def machine_name(where: Mapping[str, Any]) -> str:
    """The machine that `where` stamps: a GPU, or a processor and how many threads of it work."""
    return f"{where['cpu']}, threads: {where['threads']}" if where["device"] == "cpu" else str(where["device"])


def _versions(where: Mapping[str, Any], found: Calibration) -> str:
    keys = ("skaprof", "python", "torch", "cuda", "driver", "load")
    said = [f"{key} {where[key]}" for key in keys if where.get(key) is not None]
    return ", ".join([*said, *(f"flag {flag}" for flag in sorted(found.flags))])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
