"""The gap ledger: what makes one mixer slower than another, in parts that add up to the measured difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from skaprof.analysis.roofline_rows import Predict, RooflinePoint, predicted_call, timed_kernels
from skaprof.analysis.row_trust import baselines_of, faster_of
from skaprof.answers import ExplainedRow
from skaprof.errors import SkaprofError, named
from skaprof.measured import MeasuredRow
from skaprof.model.hardware import Hardware

PARTS = ("compute_ms", "bandwidth_ms", "kernels_ms", "launch_ms", "faults_ms", "unexplained_ms")


class Ledger(NamedTuple):
    """Where a time goes, in ms: each kernel's arithmetic or bytes at the ceilings, whichever take longer; what the
    call's kernels take beyond that as predicted, below 0 where caches make them faster; and what the call costs beside
    them.
    """

    compute_ms: float
    bandwidth_ms: float
    kernels_ms: float
    launch_ms: float


def ledger(point: RooflinePoint, hardware: Hardware, peak: str, predict: Predict | None) -> Ledger:
    """The parts of a point's time."""
    times = [each.ideal for each in timed_kernels(point, hardware, peak)]
    compute = sum(time.compute for time in times if time.compute >= time.memory)
    bandwidth = sum(time.memory for time in times if time.compute < time.memory)
    said = predicted_call(point, hardware, predict)
    beyond = 0.0 if said.seconds is None else said.kernels - compute - bandwidth
    return Ledger(*(1e3 * part for part in (compute, bandwidth, beyond, said.calls)))


def explained_rows(
    points: Sequence[RooflinePoint],
    mixer: tuple[str, str | None],
    baseline: tuple[str, str | None],
    hardware: Hardware,
    predict: Predict | None = None,
    *,
    tf32: bool = False,
) -> list[ExplainedRow]:
    """One row for each size at which both were measured under the same conditions, with the parts of their difference.

    Args:
        mixer, baseline: the spec, and the form ("eager", "sdpa"), or None for every form that both were measured in.
        predict: says what a call takes; the machine's rates where None.
        tf32: whether float32 was measured with TF32 allowed.

    Raises:
        SkaprofError: there is no such size.
    """
    ours = [point for point in points if _matches(point, mixer)]
    baselines = baselines_of(point.measured for point in points if point.measured)
    same_form = mixer[1] is None and baseline[1] is None
    parts = {id(point): ledger(point, hardware, point.peak(tf32=tf32), predict) for point in points}
    rows = [
        _row((point, parts[id(point)]), (other, parts[id(other)]), hardware.id, baselines)
        for point in ours
        for other in points
        if _matches(other, baseline) and _beside(point, other, same_form=same_form)
    ]
    if not rows:
        measured = ", ".join(dict.fromkeys(f"{p.variant.spec.text}/{p.variant.implementation}" for p in points))
        raise SkaprofError(
            f"{named('results')}: no size at which {_named(mixer)} and {_named(baseline)} were both measured: "
            f"the file has {measured}"
        )
    return rows


def _matches(point: RooflinePoint, wanted: tuple[str, str | None]) -> bool:
    spec, form = wanted
    return point.variant.spec.text == spec and form in (None, point.variant.implementation)


def _beside(point: RooflinePoint, other: RooflinePoint, *, same_form: bool) -> bool:
    """Whether two were measured at one size, on one device with one timing; one without heads or kernel fits any."""
    a, b = point.workload, other.workload
    alike = (a.batch, a.height, a.width, a.dim) == (b.batch, b.height, b.width, b.dim)
    shared = all(None in pair or pair[0] == pair[1] for pair in zip(a[4:], b[4:], strict=True))
    forms = not same_form or point.variant.implementation == other.variant.implementation
    conditions = point.conditions == other.conditions and point.variant[2:] == other.variant[2:]
    return alike and shared and forms and conditions


def _named(wanted: tuple[str, str | None]) -> str:
    return "/".join(word for word in wanted if word)


_Parted = tuple[RooflinePoint, Ledger]


def _row(ours: _Parted, theirs: _Parted, hardware: str, baselines: Sequence[MeasuredRow]) -> ExplainedRow:
    (point, parts_of_ours), (other, parts_of_theirs) = ours, theirs
    row, against = point.measured, other.measured
    assert row is not None  # points of a results file have a row
    assert against is not None
    parts = [mine - yours for mine, yours in zip(parts_of_ours, parts_of_theirs, strict=True)]
    parts.append(_faults_ms(row) - _faults_ms(against))
    difference = row.median_ms - against.median_ms
    return ExplainedRow(
        **point.identity,
        baseline=against.contender,
        hardware=hardware,
        measured_ms=row.median_ms,
        baseline_ms=against.median_ms,
        difference_ms=difference,
        decided=faster_of(row, against, baselines) is not None,
        compute_ms=parts[0],
        bandwidth_ms=parts[1],
        kernels_ms=parts[2],
        launch_ms=parts[3],
        faults_ms=parts[4],
        unexplained_ms=difference - sum(parts),
    )


def _faults_ms(row: MeasuredRow) -> float:
    """What page faults cost a call; a file from before they were counted says nothing, and they stay unexplained."""
    return row.faults_ms or 0.0
