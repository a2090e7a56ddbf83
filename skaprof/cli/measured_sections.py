"""The rows of a report's sections that PyTorch makes: counted by others and by two counters, and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import product
from typing import Any, NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.paper_figures import FIGURE_3_AXIS, figure_3_plan
from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.analysis.planned_rows import proved_rows
from skaprof.analysis.report_rows import Contents
from skaprof.cli.output import say_notices
from skaprof.cli.own_contents import model_rows, swap_rows
from skaprof.cli.time_limit import SharedLimit, largest_within_limit, within_limit
from skaprof.cli.watch import load_engine, timed, timed_networks
from skaprof.model.backbones import BACKBONES
from skaprof.model.hardware import Hardware
from skaprof.model.spec import MixerSpec
from skaprof.report.sections import SECTIONS
from skaprof.runtimes import require_runtimes
from skaprof.saved import SavedResults
from skaprof.workload import FORMS, MODES, USUAL_FORMS

Row = dict[str, Any]


def _audit(contents: Contents) -> list[Row]:
    """What the counters that are installed, or that files have, capture at the program's default size."""
    from skaprof.cli.audit import every_installed

    return every_installed(make_plan(contents.specs, SizeGrid()), contents.audits, "--audit")


def _verification(contents: Contents) -> list[Row]:
    """The proof of every size, forward and in training, eager and fused."""
    from skaprof.api import load_verify

    prove = load_verify()
    plans = contents.plans(USUAL_FORMS, MODES)
    return [row for plan in plans for row in proved_rows(plan.rows(), prove, lambda difference: None, [])]


def _latency(contents: Contents, runtimes: tuple[str, ...] = ()) -> list[Row]:
    """Every size timed, or as many as the report's seconds are enough for; in these runtimes, or in PyTorch."""
    load_engine()
    require_runtimes(runtimes)
    sizes = list(product(contents.sizes, contents.modes))

    def plan_of(size: tuple[tuple[int, int, int], str]) -> Plan:
        (height, width, dim), mode = size
        grid = SizeGrid((contents.batch,), ((height, width),), (dim,))
        return make_plan(contents.specs, grid, ("eager",), (mode,), (contents.dtype,))

    return within_limit(
        sizes,
        lambda size: _work(plan_of(size)),
        lambda size, seconds: timed([plan_of(size)], contents.implementations, contents.device, seconds, runtimes),
        contents.section_seconds,
    )


def _work(plan: Plan) -> int:
    """What a plan's time should grow with: its MACs, and the bytes that it moves."""
    costs = [cost_row(row.variant, row.workload) for row in plan.rows()]
    return sum(cost.macs + cost.traffic_bytes for cost in costs)


def _figure_3(contents: Contents) -> list[Row]:
    """Throughput over the number of heads."""
    fused = _over_heads(contents)
    plans = [figure_3_plan(fused, heads) for heads in FIGURE_3_AXIS] if fused else []
    load_engine()
    return within_limit(
        plans,
        _work,
        lambda plan, seconds: timed([plan], ("sdpa",), contents.device, seconds),
        contents.section_seconds,
    )


def _networks(contents: Contents) -> list[Row]:
    """The backbone, and with the mixers in the swapped stage, forward, at its own image size: with all of them in every
    form, or as many as the report's seconds are enough for a verdict on."""
    load_engine()
    models, forms = _network_models(contents), _network_forms(contents)
    choices = [(models, forms), (models, forms[:1]), (models[:2], forms[:1])]
    return largest_within_limit(
        list(dict.fromkeys(choices)),
        lambda choice: len(choice[0]) * len(choice[1]) + 1,  # the baseline is timed twice
        lambda choice, seconds: timed_networks(choice[0], contents.dtype, choice[1], contents.device, seconds),
        contents.section_seconds,
    )


def _network_models(contents: Contents) -> tuple[str, ...]:
    stage = contents.swapped_stage
    own = BACKBONES[contents.backbone].stages[stage - 1].mixer
    return contents.backbone, *(f"{contents.backbone}[stage{stage}={text}]" for text in contents.mixers if text != own)


def _network_forms(contents: Contents) -> tuple[str, ...]:
    return tuple(name for name in contents.implementations if name in FORMS) or USUAL_FORMS


def _worth(contents: Contents) -> list[Row]:
    """What networks are worth, by the files that say so, with the times of those that were timed."""
    from skaprof.api.trade_offs import read_trade_offs

    rows, warnings = read_trade_offs(contents.accuracies, "--accuracy", None, contents.timings, None)
    say_notices(warnings)
    return [row.as_dict() for row in rows]


def _over_heads(contents: Contents) -> list[MixerSpec]:
    """The mixers that figure 3 shows: with heads that a sweep may set, and a fused form."""
    return [spec for spec in contents.specs if spec.mixer.has_heads and not spec.heads and "sdpa" in spec.forms()]


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
    "models": model_rows,
    "swaps": swap_rows,
    "audit": _audit,
    "verification": _verification,
    "latency": _latency,
    "runtimes": lambda contents: _latency(contents, contents.runtimes),
    "network-latency": _networks,
    "figure-3": _figure_3,
    "accuracy": _worth,
}
"""What makes the rows of each section of `skaprof.report.sections.SECTIONS` that names nothing itself."""


def shared_limit(contents: Contents, names: Iterable[str]) -> SharedLimit:
    """The time limit of those of the sections that are timed."""
    sections = sum(name in EXPECTED for name in names)
    return SharedLimit(contents.max_seconds or sections * contents.section_seconds, sections)


def section_rows(name: str, contents: Contents, limit: SharedLimit) -> list[Row]:
    """The rows of a section; of one that is timed, in its part of the limit."""
    rows = SECTIONS[name].rows or MEASURED[name]
    if name not in EXPECTED:
        return list(rows(contents))
    with limit.part() as seconds:
        return list(rows(contents._replace(section_seconds=seconds)))


class ExpectedSize(NamedTuple):
    """A size that a timed section has when all are measured: what its rows say, and in words."""

    keys: dict[str, Any]
    words: str


def _expected_latency(contents: Contents) -> list[ExpectedSize]:
    several = len(contents.modes) > 1
    return [
        ExpectedSize(
            {"height": height, "width": width, "dim": dim, "mode": mode},
            f"{height} x {width} tokens, dim {dim:,}{f', {mode}' if several else ''}",
        )
        for (height, width, dim), mode in product(contents.sizes, contents.modes)
    ]


def _expected_heads(contents: Contents) -> list[ExpectedSize]:
    wanted = FIGURE_3_AXIS if _over_heads(contents) else ()
    return [ExpectedSize({"heads": heads}, f"{heads} {'head' if heads == 1 else 'heads'}") for heads in wanted]


def _expected_networks(contents: Contents) -> list[ExpectedSize]:
    return [
        ExpectedSize({"given": model, "implementation": form}, f"{model} ({form})")
        for model in _network_models(contents)
        for form in _network_forms(contents)
    ]


EXPECTED: dict[str, Callable[[Contents], list[ExpectedSize]]] = {
    "latency": _expected_latency,
    "runtimes": _expected_latency,
    "network-latency": _expected_networks,
    "figure-3": _expected_heads,
}
"""The sizes of a timed section."""
