"""Two mixers' predicted times along an axis, or their times at a machine's ceilings, and where the faster changes."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from skaprof.analysis.crossover_times import Sample, Timed
from skaprof.analysis.mixer_pair import Duel
from skaprof.analysis.roofline_rows import Point, predicted_seconds, timed_kernels
from skaprof.analysis.roofline_rows import Timed as Kernel
from skaprof.model.hardware import Hardware
from skaprof.workload import FORMS

PREDICTED, IDEAL = "predicted_ms", "ideal_ms"
SAMPLES = 64
LARGEST = {"tokens": 2**16, "resolution": 2**12, "dim": 2**13, "heads": 2**10, "kernel_size": 31}
"""How far along each axis times are sampled."""


def predicted_samples(duel: Duel, hardware: Hardware, *, tf32: bool = False) -> list[Timed]:
    """Both mixers' times over the axis in each form that both have, forward: predicted where the machine is calibrated
    for all of their kernels, else at its ceilings.

    Times are no polynomials of a size, so the winner is looked at `SAMPLES` sizes up to `LARGEST`, evenly by
    logarithms; between two with different winners, the sizes where it changes are found by halving.

    Raises:
        SkaprofError: the machine has no peak of the dtype.
    """
    forms = [form for form in FORMS if all(form in spec.mixer.op_lists for spec in duel.specs)]
    return [_sampled(duel, hardware, form, tf32=tf32) for form in forms]


def _sampled(duel: Duel, hardware: Hardware, form: str, *, tf32: bool) -> Timed:
    sizes = _sizes(duel)

    @cache
    def kernels_at(at: int) -> tuple[list[Kernel], list[Kernel]]:
        points = (Point(*duel.at(spec, at, form)) for spec in duel.specs)
        ours, theirs = (timed_kernels(point, hardware, point.peak(tf32=tf32)) for point in points)
        return ours, theirs

    unknown = any(predicted_seconds(timed) is None for at in sizes for timed in kernels_at(at))
    metric = IDEAL if unknown else PREDICTED

    def sample(at: int) -> Sample:
        ours, theirs = (1e3 * _seconds(timed, metric) for timed in kernels_at(at))
        winner = None if ours == theirs else (duel.mixer if ours < theirs else duel.baseline).text
        return Sample(at, winner, ours, theirs)

    found = {at: sample(at) for at in sizes}
    for low, high in pairwise(sizes):
        below, above = found[low], found[high]
        while below.winner != above.winner and (middle := _between(duel, below.at, above.at)) is not None:
            found[middle] = sample(middle)
            below, above = (found[middle], above) if found[middle].winner == below.winner else (below, found[middle])
    return Timed(metric, form, "forward", hardware.id, None, tuple(found[at] for at in sorted(found)))


def _seconds(timed: list[Kernel], metric: str) -> float:
    """The time of these kernels; 0 where one of them cannot be predicted, at a size between those looked at first."""
    return (predicted_seconds(timed) or 0.0) if metric == PREDICTED else sum(each.ideal.seconds for each in timed)


def _sizes(duel: Duel) -> list[int]:
    """The points to look at, in order."""
    first = duel.points.at_least(1) or 1
    factor = max(1.0, LARGEST[duel.axis] / first) ** (1 / (SAMPLES - 1))
    found = {duel.points.at_most(round(first * factor**step)) for step in range(SAMPLES)}
    return sorted(at for at in found if at is not None)


def _between(duel: Duel, low: int, high: int) -> int | None:
    """A point near the middle of two, None where they are neighbours."""
    middle = duel.points.at_least((low + high + 1) // 2)
    if middle is None or middle >= high:
        middle = duel.points.at_most((low + high) // 2)
    return middle if middle is not None and low < middle < high else None
