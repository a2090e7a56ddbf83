"""What a crossover plot shows of two mixers: each quantity along the axis, and where fewer MACs take more time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from skaprof.analysis.crossover_times import METRIC, Timed
from skaprof.analysis.mixer_pair import Duel
from skaprof.report.crossover_plot import Panel, overlaps, ranges
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS

Row = Mapping[str, Any]
Ranges = list[tuple[float, float]]

_MACS = ("macs", "eager", "forward")
_EXACT = {
    ("params", "eager", "forward"): "parameters",
    _MACS: "MACs",
    ("traffic_bytes", "eager", "forward"): "activation traffic, eager (bytes)",
    ("traffic_bytes", "sdpa", "forward"): "activation traffic, fused (bytes)",
    ("saved_bytes", "eager", "train"): "saved for backward, eager (bytes)",
    ("saved_bytes", "sdpa", "train"): "saved for backward, fused (bytes)",
}
_TIMES = {METRIC: "measured time", "predicted_ms": "predicted time", "ideal_ms": "time at the ceilings"}
_POINTS = 64
_BEYOND = 2
"""How far beyond the last crossing a plot goes, as a factor."""
_LAST = {"tokens": DEFAULT_TOKENS, "resolution": 224, "dim": 2 * DEFAULT_DIM, "heads": 32, "kernel_size": 11}


def panels_of(duel: Duel, rows: Sequence[Row], timed: Sequence[Timed]) -> list[Panel]:
    """A panel for each quantity of `rows` that has a closed form, and for each of the times.

    Args:
        rows: those of `skaprof.analysis.crossover.crossover_rows`, and of the times.
    """
    points = _points(duel, rows, timed)
    found, fewer_macs = [], _wins(_of(rows, _MACS), points)
    for key, words in _EXACT.items():
        if own := _of(rows, key):
            found.append(Panel(key[0], words, [(at, *_both(duel, at, key)) for at in points], _wins(own, points)))
    return found + [_time_panel(duel, each, points, fewer_macs) for each in timed]


def _of(rows: Sequence[Row], key: tuple[str, str, str]) -> list[Row]:
    return [row for row in rows if (row["metric"], row["implementation"], row["mode"]) == key]


def _both(duel: Duel, at: int, key: tuple[str, str, str]) -> tuple[int, int]:
    metric, implementation, mode = key
    ours, theirs = (getattr(duel.row_at(spec, at, implementation, mode), metric) for spec in duel.specs)
    return ours, theirs


def _time_panel(duel: Duel, timed: Timed, points: Sequence[int], fewer_macs: Ranges) -> Panel:
    """Times, with the sizes at which the mixer has fewer MACs and is slower all the same."""
    samples = [sample for sample in timed.samples if sample.at <= points[-1]]
    mixer, baseline = duel.mixer.text, duel.baseline.text
    slower = ranges([(sample.at, sample.winner == baseline) for sample in samples])
    where = f", {timed.timing} on {timed.device}" if timed.metric == METRIC else f", {timed.device}"
    return Panel(
        timed.metric,
        f"{_TIMES[timed.metric]}, {timed.implementation}, {timed.mode} (ms){where}",
        [(sample.at, sample.ours, sample.theirs) for sample in samples],
        ranges([(sample.at, sample.winner == mixer) for sample in samples]),
        overlaps(slower, fewer_macs),
        frozenset(sample.at for sample in samples if sample.winner is None),
        is_measured=timed.metric == METRIC,
    )


def _points(duel: Duel, rows: Sequence[Row], timed: Sequence[Timed]) -> list[int]:
    """Sizes from the first to somewhat beyond the last crossing, and those that were measured."""
    crossings = [row[key] for row in rows for key in ("crossover", "crossover_high") if row[key] is not None]
    measured = [sample.at for each in timed if each.metric == METRIC for sample in each.samples]
    last = max([_BEYOND * max(crossings, default=0), _LAST[duel.axis], *measured])
    first = duel.points.at_least(1) or 1
    wanted = [first + (last - first) * step / (_POINTS - 1) for step in range(_POINTS)]
    found = {duel.points.at_most(int(at)) for at in wanted} | set(measured)
    return sorted(at for at in found if at is not None)


def _wins(rows: Sequence[Row], points: Sequence[int]) -> Ranges:
    """Where the mixer costs less, between the crossings."""
    crossings = [row["crossover"] for row in rows if row["crossover"] is not None]
    winners = [rows[0]["winner_below"], *(row["winner_above"] for row in rows if row["crossover"] is not None)]
    edges = [float(points[0]), *crossings, float(points[-1])]
    return [ends for ends, winner in zip(pairwise(edges), winners, strict=True) if winner == rows[0]["mixer"]]
