"""The rows of a report's sections that PyTorch makes: counted by others and by two counters, and timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skaprof.analysis.paper_figures import FIGURE_3_AXIS, figure_3_plan
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.analysis.planned_rows import proved_rows
from skaprof.analysis.report_rows import Contents
from skaprof.cli.watch import timed
from skaprof.model.spec import MixerSpec
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
