"""What a crossover plot shows of two mixers: each quantity along the axis, and where fewer MACs take more time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from skaprof.analysis.crossover_times import MEASURED, SampledTimes
from skaprof.analysis.mixer_pair import MixerPair
from skaprof.answers import CrossoverRow
from skaprof.implementations import form_of
from skaprof.results import FLOPS_PER_PARAM
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS

Ranges = Sequence[tuple[float, float]]

_MACS = ("macs", "eager", "forward")
_EXACT = {
    ("params", "eager", "forward"): "parameters",
    _MACS: "MACs",
    (FLOPS_PER_PARAM, "eager", "forward"): "FLOPs per parameter",
    ("traffic_bytes", "eager", "forward"): "activation traffic, eager",
    ("traffic_bytes", "sdpa", "forward"): "activation traffic, fused",
    ("saved_bytes", "eager", "train"): "saved for backward, eager",
    ("saved_bytes", "sdpa", "train"): "saved for backward, fused",
}
_TIMES = {MEASURED: "measured time", "predicted_ms": "predicted time", "ideal_ms": "time at the ceilings"}
_POINTS = 64
_BEYOND = 2
"""How far beyond the last crossing a plot goes, as a factor."""
_LAST = {"tokens": DEFAULT_TOKENS, "resolution": 224, "dim": 2 * DEFAULT_DIM, "heads": 32, "kernel_size": 11}


class Panel(NamedTuple):
    """One quantity: its row key, its words, and at each size what the mixer and the baseline cost.

    `wins` are the ranges of sizes in which the mixer costs less, `worse` those in which it has fewer MACs and takes
    longer all the same; `undecided` are the sizes at which neither is known to take less.
    """

    metric: str
    words: str
    points: Sequence[tuple[int, float, float]]
    wins: Ranges
    worse: Ranges = ()
    undecided: Collection[int] = ()
    is_measured: bool = False


def panels_of(pair: MixerPair, rows: Sequence[CrossoverRow], timed: Sequence[SampledTimes]) -> list[Panel]:
    """A panel for each quantity of `rows` that has a closed form, and for each of the times.

    Args:
        rows: those of `skaprof.analysis.crossover.crossover_rows`, and of the times.
    """
    points = _points(pair, rows, timed)
    found, fewer_macs = [], _wins(_of(rows, _MACS), points)
    for key, words in _EXACT.items():
        if own := _of(rows, key):
            found.append(Panel(key[0], words, [(at, *_both(pair, at, key)) for at in points], _wins(own, points)))
    return found + [_time_panel(pair, each, points, fewer_macs) for each in timed]


def _of(rows: Sequence[CrossoverRow], key: tuple[str, str, str]) -> list[CrossoverRow]:
    return [row for row in rows if (row.metric, row.implementation, row.mode) == key]


def _both(pair: MixerPair, at: int, key: tuple[str, str, str]) -> tuple[float, float]:
    metric, implementation, mode = key
    ours, theirs = (getattr(pair.row_at(spec, at, implementation, mode), metric) for spec in pair.specs)
    return ours, theirs


def _time_panel(pair: MixerPair, timed: SampledTimes, points: Sequence[int], fewer_macs: Ranges) -> Panel:
    """Times, with the sizes at which the mixer has fewer MACs and is slower all the same."""
    samples = [sample for sample in timed.samples if sample.at <= points[-1]]
    mixer, baseline = pair.mixer.text, pair.baseline.text
    slower = _ranges([(sample.at, sample.winner == baseline) for sample in samples])
    where = f", {timed.timing} on {timed.device}" if timed.metric == MEASURED else f", {timed.device}"
    return Panel(
        timed.metric,
        f"{_TIMES[timed.metric]}, {form_of(timed.implementation, timed.runtime, timed.precision)}, {timed.mode}{where}",
        [(sample.at, sample.ours, sample.theirs) for sample in samples],
        _ranges([(sample.at, sample.winner == mixer) for sample in samples]),
        _overlaps(slower, fewer_macs),
        frozenset(sample.at for sample in samples if sample.winner is None),
        is_measured=timed.metric == MEASURED,
    )


def _points(pair: MixerPair, rows: Sequence[CrossoverRow], timed: Sequence[SampledTimes]) -> list[int]:
    """Sizes from the first to somewhat beyond the last crossing, and those that were measured."""
    crossings = [
        getattr(row, key) for row in rows for key in ("crossover", "crossover_high") if getattr(row, key) is not None
    ]
    measured = [sample.at for each in timed if each.metric == MEASURED for sample in each.samples]
    last = max([_BEYOND * max(crossings, default=0), _LAST[pair.axis], *measured])
    first = pair.points.at_least(1) or 1
    wanted = [first + (last - first) * step / (_POINTS - 1) for step in range(_POINTS)]
    found = {pair.points.at_most(int(at)) for at in wanted} | set(measured)
    return sorted(at for at in found if at is not None)


def _wins(rows: Sequence[CrossoverRow], points: Sequence[int]) -> Ranges:
    """Where the mixer costs less, between the crossings."""
    crossings = [row.crossover for row in rows if row.crossover is not None]
    winners = [rows[0].winner_below, *(row.winner_above for row in rows if row.crossover is not None)]
    edges = [float(points[0]), *crossings, float(points[-1])]
    return [ends for ends, winner in zip(pairwise(edges), winners, strict=True) if winner == rows[0].mixer]


def _ranges(samples: Sequence[tuple[int, bool]]) -> list[tuple[float, float]]:
    """The ranges of sizes around samples that are true, each half of the way to its neighbours."""
    sizes = [size for size, _ in samples]
    found = []
    for at, (size, is_true) in enumerate(samples):
        if is_true:
            low = (sizes[at - 1] + size) / 2 if at else size
            high = (size + sizes[at + 1]) / 2 if at + 1 < len(sizes) else size
            found.append((float(low), float(high)))
    return found


def _overlaps(some: Ranges, others: Ranges) -> list[tuple[float, float]]:
    """Where ranges of both lists lie."""
    found = [(max(one[0], other[0]), min(one[1], other[1])) for one in some for other in others]
    return [(low, high) for low, high in found if low < high]
