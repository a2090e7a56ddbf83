"""Where one mixer overtakes another in time: between which sizes the faster changes, and no closer.

Times are measured ones of a results file, or predicted ones, or those at a machine's ceilings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.mixer_pair import MixerPair, row_identity
from skaprof.analysis.roofline_rows import Predict, RooflinePoint, predict_by_rates, timed_kernels
from skaprof.analysis.row_trust import baselines_of, faster_of
from skaprof.answers import CrossoverRow
from skaprof.errors import SkaprofError, named, shown_path
from skaprof.measured import MeasuredRow
from skaprof.model.hardware import Hardware
from skaprof.model.spec import MixerSpec
from skaprof.records import Record
from skaprof.results import CONDITION_KEYS, SIZE_KEYS, values_of
from skaprof.saved import SavedResults
from skaprof.workload import USUAL_FORMS

UNDECIDED = "undecided"
MEASURED, PREDICTED, IDEAL = "median_ms", "predicted_ms", "ideal_ms"
SAMPLES = 64
LARGEST = {"tokens": 2**16, "resolution": 2**12, "dim": 2**13, "heads": 2**10, "kernel_size": 31}
"""How far along each axis predicted times are sampled."""


class Sample(NamedTuple):
    """One size with both mixers' times in ms: who is faster there, or None where the intervals do not tell."""

    at: int
    winner: str | None
    ours: float
    theirs: float


class SampledTimes(NamedTuple):
    """All samples of one implementation, mode, device, timing and runtime, by size; `metric` says what was sampled.

    `extrapolated_from` is the first size of which a prediction rests on sizes far from all that were timed.
    """

    metric: str
    implementation: str
    mode: str
    device: str | None
    timing: str | None
    samples: tuple[Sample, ...]
    runtime: str | None = None
    precision: str | None = None
    extrapolated_from: int | None = None

    def notice(self, axis: str) -> str | None:
        """That predictions from a size on are extrapolated, in words; None where none is."""
        if self.extrapolated_from is None:
            return None
        where = f"predicted times ({self.implementation}) from {self.extrapolated_from:,} {axis} on"
        return f"{where} are extrapolated: sizes of their ops are far from all that were timed"


def measured_times(saved: SavedResults, pair: MixerPair) -> list[SampledTimes]:
    """What a file says of a pair, at its sizes: a mixer without the axis was timed at every point of it.

    Who is faster is judged by `skaprof.analysis.row_trust.faster_of`.

    Raises:
        SkaprofError: no timed rows at all, or none of both mixers at these sizes.
    """
    rows = saved.measured
    if not rows:
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no timed rows: expected what skaprof latency writes"
        )
    baselines = baselines_of(rows)
    timed: dict[tuple[Any, ...], dict[tuple[Any, ...], MeasuredRow]] = {}
    for row in rows:
        timed.setdefault(_sizes(row), {}).setdefault(values_of(row, _CONDITIONS), row)
    found: dict[tuple[Any, ...], list[Sample]] = {}
    for at in _measured_points(pair, rows):
        ours, theirs = (timed.get(_sizes_at(pair, spec, at) or (), {}) for spec in pair.specs)
        for key in ours.keys() & theirs.keys():
            row, other = ours[key], theirs[key]
            winner = faster_of(row, other, baselines)
            sample = Sample(at, winner.mixer if winner else None, row.median_ms, other.median_ms)
            found.setdefault(key, []).append(sample)
    if not found:
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no timed rows of both {pair.mixer.text} and "
            f"{pair.baseline.text} at these sizes: it has {_has(rows)}"
        )
    return [
        SampledTimes(MEASURED, implementation, mode, device, timing, tuple(samples), *where)
        for (implementation, mode, device, timing, *where), samples in sorted(found.items(), key=str)
    ]


_CONDITIONS = ("implementation", "mode", *CONDITION_KEYS)
_SIZES = [key for key in SIZE_KEYS if key not in _CONDITIONS]


def _sizes(row: Record) -> tuple[Any, ...]:
    return values_of(row, _SIZES)


def _sizes_at(pair: MixerPair, spec: MixerSpec, at: int) -> tuple[Any, ...] | None:
    """The sizes of a mixer at a point of the axis, None where it does not exist there."""
    try:
        return _sizes(pair.row_at(spec, at))
    except SkaprofError:  # heads that do not fit
        return None


def _measured_points(pair: MixerPair, rows: Sequence[MeasuredRow]) -> list[int]:
    """The sizes on the axis at which one of the mixers was timed, in order."""
    own = [row for row in rows if row.mixer in (pair.mixer.text, pair.baseline.text)]
    if pair.axis == "resolution":
        found = {row.height * pair.sizes.patch for row in own if row.height is not None and row.height == row.width}
    else:
        found = {getattr(row, pair.axis) for row in own} - {None}
    return sorted(found)


def _has(rows: Sequence[MeasuredRow]) -> str:
    names = sorted({row.name for row in rows})
    dims = sorted({row.dim for row in rows if row.dim})
    return f"{', '.join(names)}{' at dim ' if dims else ''}{', '.join(map(str, dims))}"


def predicted_times(
    pair: MixerPair, hardware: Hardware, predict: Predict | None = None, *, tf32: bool = False
) -> list[SampledTimes]:
    """Both mixers' times over the axis in each form that both have, forward: as predicted where `predict` (the
    machine's rates where None) says them at all sizes looked at first, else at its ceilings.

    Times are no polynomials of a size, so the winner is looked at `SAMPLES` sizes up to `LARGEST`, evenly by
    logarithms; between two with different winners, the sizes where it changes are found by halving.

    Raises:
        SkaprofError: the machine has no peak of the dtype.
    """
    forms = [form for form in USUAL_FORMS if all(form in spec.forms() for spec in pair.specs)]
    by = predict or predict_by_rates(hardware)
    return [_sampled(pair, hardware, form, by, tf32=tf32) for form in forms]


def _sampled(pair: MixerPair, hardware: Hardware, form: str, predict: Predict, *, tf32: bool) -> SampledTimes:
    sizes = _looked_at(pair)

    @cache
    def said_at(at: int) -> list[Predicted]:
        return [predict(point) for point in points_at(at)]

    def predicted_at(at: int) -> list[float | None]:
        return [said.seconds for said in said_at(at)]

    def points_at(at: int) -> list[RooflinePoint]:
        return [RooflinePoint(*pair.at(spec, at, form)) for spec in pair.specs]

    def ideal_at(at: int) -> list[float]:
        timed = (timed_kernels(point, hardware, point.peak(tf32=tf32)) for point in points_at(at))
        return [sum(each.ideal.seconds for each in kernels) for kernels in timed]

    metric = IDEAL if any(None in predicted_at(at) for at in sizes) else PREDICTED

    def sample(at: int) -> Sample:
        seconds = predicted_at(at) if metric == PREDICTED else ideal_at(at)
        ours, theirs = (1e3 * (each or 0.0) for each in seconds)
        winner = None if ours == theirs else (pair.mixer if ours < theirs else pair.baseline).text
        return Sample(at, winner, ours, theirs)

    found = {at: sample(at) for at in sizes}
    for low, high in pairwise(sizes):
        below, above = found[low], found[high]
        while below.winner != above.winner and (middle := _between(pair, below.at, above.at)) is not None:
            found[middle] = sample(middle)
            below, above = (found[middle], above) if found[middle].winner == below.winner else (below, found[middle])
    far = (at for at in sizes if metric == PREDICTED and any(said.outside for said in said_at(at)))
    samples = tuple(found[at] for at in sorted(found))
    first = min(far, default=None)
    return SampledTimes(metric, form, "forward", hardware.id, None, samples, extrapolated_from=first)


def _looked_at(pair: MixerPair) -> list[int]:
    """The points to look at, in order."""
    first = pair.points.at_least(1) or 1
    factor = max(1.0, LARGEST[pair.axis] / first) ** (1 / (SAMPLES - 1))
    found = {pair.points.at_most(round(first * factor**step)) for step in range(SAMPLES)}
    return sorted(at for at in found if at is not None)


def _between(pair: MixerPair, low: int, high: int) -> int | None:
    """A point near the middle of two, None where they are neighbours."""
    middle = pair.points.at_least((low + high + 1) // 2)
    if middle is None or middle >= high:
        middle = pair.points.at_most((low + high) // 2)
    return middle if middle is not None and low < middle < high else None


def sampled_rows(pair: MixerPair, timed: Iterable[SampledTimes]) -> list[CrossoverRow]:
    """For each of `timed`, one row a change of the winner along decided samples, or one where there is none.

    `crossover_low` and `crossover_high` are the sizes between which it changes; the undecided lie between them too.
    """
    return [row for each in timed for row in _changes(pair, each)]


def _changes(pair: MixerPair, timed: SampledTimes) -> list[CrossoverRow]:
    """Where the winner changes."""
    decided = [sample for sample in timed.samples if sample.winner is not None]
    about = row_identity(pair, timed.metric, timed.implementation, timed.mode)
    about |= {key: getattr(timed, key) for key in CONDITION_KEYS}
    about |= {"sizes_sampled": len(timed.samples), "sizes_decided": len(decided)}
    changes = [(left, right) for left, right in pairwise(decided) if left.winner != right.winner]
    if not changes:
        winner = (decided[0].winner if decided else None) or UNDECIDED
        return [CrossoverRow(**about, winner_below=winner, winner_above=winner)]
    mixer = pair.mixer.text
    return [
        CrossoverRow(
            **about,
            crossover_low=left.at,
            crossover_high=right.at,
            last_win=left.at if left.winner == mixer else None,
            first_win=right.at if right.winner == mixer else None,
            winner_below=left.winner or UNDECIDED,
            winner_above=right.winner or UNDECIDED,
        )
        for left, right in changes
    ]
