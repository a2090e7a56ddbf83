"""`skaprof calibrate`: what this machine really reaches, as a file that `--hardware` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli.output import STDOUT, deliver, require_destinations, say, suffix_of
from skaprof.cli.progress import Progress
from skaprof.errors import require_package
from skaprof.grids import parse_choices
from skaprof.machine import memory_bytes
from skaprof.model.hardware import COUNTED_IN_FLOPS, in_unit
from skaprof.workload import DTYPE_BYTES

if TYPE_CHECKING:
    from skaprof.bench.calibrate import Calibration


def calibrate(
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.")] = "auto",
    dtype: Annotated[str, typer.Option(metavar="LIST", help="float64, float32, bfloat16, float16.")] = "float32",
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", metavar="FILE.toml", help="Write to FILE.toml instead of stdout. Repeatable."),
    ] = None,
) -> None:
    """Measure this machine: matrix rate by dtype, kind of kernel and size, bandwidth, and the cost of a launch.

    The file that it writes is a machine for --hardware of skaprof roofline and skaprof explain. Leave the machine
    alone while it runs.
    """
    files = [path for path in output or () if path != STDOUT]
    for path in files:
        suffix_of("--output", path, (".toml",))
    require_destinations(files, ())
    dtypes = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES))
    require_package("torch", "skaprof calibrate")
    from skaprof.bench.calibrate import ROUNDS
    from skaprof.bench.calibrate import calibrate as measured
    from skaprof.bench.configuration import open_device
    from skaprof.bench.environment import put_tf32, resolve_device, stamp

    where = resolve_device(device)
    put_tf32(False)
    with Progress("calibrating", max(ROUNDS)) as bar:
        found = measured(open_device(where), where, dtypes, tick=lambda rounds: bar.advance())
    if found.flags:
        say(f"skaprof: the measurement is flagged {', '.join(sorted(found.flags))}: see docs/timing.md")
    text = list(hardware_text(found, stamp(where)))
    for path in output or (STDOUT,):
        deliver(text, path)


def hardware_text(found: Calibration, where: Mapping[str, Any]) -> Iterator[str]:
    """The calibration of the machine that `where` stamps, as a hardware file."""
    on_cpu, name = where["device"] == "cpu", machine_name(where)
    memory = memory_bytes() if on_cpu else where["gpu_memory_bytes"]
    yield "# Measured by `skaprof calibrate`. A peak is the highest rate that any kernel of the dtype reached;\n"
    yield "# each rate is of one kernel at one size, launch cost taken off.\n\n[[hardware]]\n"
    yield f'id = {_text(_slug(name))}\nname = {_text(name)}\npeaks = "measured"\n'
    for dtype, peak in found.peaks.items():
        yield f"peak_{dtype} = {_text(in_unit(peak, 'FLOP/s'))}\n"
    yield f"bandwidth = {_text(in_unit(found.bandwidth, 'B/s'))}\n"
    yield f"memory = {_text(in_unit(memory, 'B'))}\n" if memory else ""
    yield f"launch = {_text(in_unit(found.launch, 's'))}\n"
    yield f'source = "measured by skaprof calibrate"\ndate = {_text(date.today().isoformat())}\n'
    yield f"versions = {_text(_versions(where, found))}\n"
    for rate in found.rates:
        base = "FLOP" if rate.kind in COUNTED_IN_FLOPS else "B"
        yield f"\n[[rates]]\nkind = {_text(rate.kind)}\ndtype = {_text(rate.dtype)}\n"
        yield f"work = {_text(in_unit(rate.work, base))}\nrate = {_text(in_unit(rate.per_second, f'{base}/s'))}\n"


def machine_name(where: Mapping[str, Any]) -> str:
    """The machine that `where` stamps: a GPU, or a processor and how many threads of it work."""
    return f"{where['cpu']}, threads: {where['threads']}" if where["device"] == "cpu" else str(where["device"])


def _versions(where: Mapping[str, Any], found: Calibration) -> str:
    keys = ("skaprof", "python", "torch", "cuda", "driver", "load")
    said = [f"{key} {where[key]}" for key in keys if where.get(key) is not None]
    return ", ".join([*said, *(f"flag {flag}" for flag in sorted(found.flags))])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _text(value: str) -> str:
    """A TOML string: printable text with no quote or backslash in it."""
    kept = "".join(mark for mark in value if mark.isprintable() and mark not in '"\\')
    return f'"{kept}"'
