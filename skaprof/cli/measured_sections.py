"""The rows of a report's sections that PyTorch makes: counted by others and by two counters, and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from skaprof.analysis.paper_figures import FIGURE_3_AXIS, figure_3_plan
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.analysis.planned_rows import proved_rows
from skaprof.analysis.report_rows import Contents
from skaprof.cli.watch import timed
from skaprof.model.hardware import Hardware
from skaprof.model.spec import MixerSpec
from skaprof.saved import SavedResults
from skaprof.workload import FORMS, MODES

Row = dict[str, Any]


def _audit(contents: Contents) -> list[Row]:
    """What the counters that are installed capture, at the program's default size."""
    from skaprof.cli.audit import every_installed

    return every_installed(make_plan(contents.specs, SizeGrid()))


def _verification(contents: Contents) -> list[Row]:
    """The proof of every size, forward and in training, eager and fused."""
    from skaprof.api import load_verify

    prove = load_verify()
    plans = contents.plans(FORMS, MODES)
    return [row for plan in plans for row in proved_rows(plan.rows(), prove, lambda difference: None, [])]


def _latency(contents: Contents) -> list[Row]:
    """Every size timed, within the report's seconds."""
    grids = [SizeGrid((contents.batch,), ((height, width),), (dim,)) for height, width, dim in contents.sizes]
    plans = [make_plan(contents.specs, grid, ("eager",), contents.modes, (contents.dtype,)) for grid in grids]
    return timed(plans, contents.implementations, contents.device, contents.max_seconds)


def _figure_3(contents: Contents) -> list[Row]:
    """Throughput over the number of heads."""
    fused = _over_heads(contents)
    return timed([figure_3_plan(fused)], ("sdpa",), contents.device, contents.max_seconds) if fused else []


def _over_heads(contents: Contents) -> list[MixerSpec]:
    """The mixers that figure 3 shows: with heads that a sweep may set, and a fused form."""
    return [
        spec for spec in contents.specs if spec.mixer.has_heads and not spec.heads and "sdpa" in spec.mixer.op_lists
    ]


def measured_machine(contents: Contents, files: Sequence[SavedResults]) -> Hardware | None:
    """The ceilings of the machine that a report is made on, measured in some seconds: one large product, one copy.

    None where its times are of another machine, from `files`.
    """
    from skaprof.bench.calibrate import calibrate
    from skaprof.bench.configuration import open_device
    from skaprof.bench.environment import put_tf32, resolve_device, stamp
    from skaprof.cli.calibrate import machine_name

    where = resolve_device(contents.device)
    here = stamp(where)
    if any(saved.environment.get(key) != here[key] for saved in files for key in ("device", "cpu")):
        return None
    put_tf32(False)
    found = calibrate(open_device(where), where, (contents.dtype,), sizes=())
    source = "measured here, the largest product and the largest copy of skaprof calibrate alone"
    name = f"{machine_name(here)} (measured)"
    today = date.today().isoformat()
    return Hardware(name, name, found.peaks, None, found.bandwidth, None, None, None, (), source, today)


MEASURED: dict[str, Callable[[Contents], list[Row]]] = {
    "audit": _audit,
    "verification": _verification,
    "latency": _latency,
    "figure-3": _figure_3,
}
"""What makes the rows of each section of `skaprof.report.sections.SECTIONS` that names nothing itself."""
EXPECTED: dict[str, Callable[[Contents], int]] = {
    "latency": lambda contents: len(contents.sizes) * len(contents.modes),
    "figure-3": lambda contents: len(FIGURE_3_AXIS) if _over_heads(contents) else 0,
}
"""How many sizes a timed section has when all are measured."""
