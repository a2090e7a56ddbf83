"""Paired comparisons over seeds: t intervals, equivalence by two one-sided tests, Holm's correction, what decides.

All take differences in points of an array (..., contenders, seeds), so that thousands of comparisons are one call: the
tests calibrate the very code that judges a run.

Sources: Schuirmann 1987 for two one-sided tests, Holm 1979 for the correction, Student for the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from skaprof.trained import UNDECIDED

Array = np.ndarray[Any, np.dtype[Any]]

ALPHA = 0.05
POWER = 0.8
_MOST_SEEDS = 1000
_TINY = 1e-9
"""Points: the least spread, so that seeds that agree to the last image divide by no zero."""


class Paired(NamedTuple):
    """Mean difference and its spread; p values of a difference at all, of one beyond the margin on either side, and of
    one below minus the margin, each corrected over the contenders of a comparison."""

    mean: Array
    deviation: Array
    seeds: int
    p_differs: Array
    p_beyond: Array
    p_inferior: Array

    @property
    def half_width(self) -> Array:
        """Of the 95 % interval of each mean, in points."""
        return np.asarray(_t(1 - ALPHA / 2, self.seeds) * self.deviation / self.seeds**0.5)


def paired(differences: Array, margin: float, least_deviation: float = 0.0) -> Paired:
    """The tests of differences (..., contenders, seeds) in points, of two seeds or more.

    Args:
        least_deviation: below which no spread is believed, in points: an accuracy moves in steps of an image.
    """
    seeds = differences.shape[-1]
    mean = differences.mean(axis=-1)
    deviation = np.maximum(differences.std(axis=-1, ddof=1), max(_TINY, least_deviation))
    error = deviation / seeds**0.5

    def tail(value: Array) -> Array:
        return np.asarray(stats.t.sf(value / error, seeds - 1))

    inferior = tail(mean + margin)
    beyond = np.maximum(inferior, tail(margin - mean))
    return Paired(mean, deviation, seeds, holm(2 * tail(np.abs(mean))), holm(beyond), holm(inferior))


def holm(p_values: Array) -> Array:
    """Each p value corrected for all along the last axis: the smallest times their number, the next times one less."""
    count = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1)
    sorted_values = np.take_along_axis(p_values, order, axis=-1) * np.arange(count, 0, -1)
    corrected = np.minimum(1.0, np.maximum.accumulate(sorted_values, axis=-1))
    found = np.empty_like(corrected)
    np.put_along_axis(found, order, corrected, axis=-1)
    return found


def verdicts(tests: Paired) -> Array:
    """The words: equivalent goes before better and worse, since a difference within the margin is as good as none."""
    differs = tests.p_differs < ALPHA
    conditions = [
        tests.p_beyond < ALPHA,
        differs & (tests.mean > 0),
        differs & (tests.mean < 0),
        tests.p_inferior < ALPHA,
    ]
    return np.select(conditions, ["equivalent", "better", "worse", "non-inferior"], UNDECIDED)


def detectable(deviation: float, seeds: int, contenders: int = 1) -> float:
    """The difference in points that so many seeds call better or worse in 8 of 10 comparisons at this spread.

    Found by halving over the noncentral t; with several contenders at the strictest level that Holm may ask of one.
    """
    critical = _t(1 - ALPHA / 2 / contenders, seeds)
    low, high = 0.0, 1.0
    while stats.nct.sf(critical, seeds - 1, high * seeds**0.5) < POWER:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        if stats.nct.sf(critical, seeds - 1, middle * seeds**0.5) < POWER:
            low = middle
        else:
            high = middle
    return float(high * deviation)


def seeds_to_decide(mean: float, deviation: float, seeds: int, margin: float, contenders: int = 1) -> int | None:
    """How many seeds would decide if mean and spread stayed as they are; None where not even a thousand would."""
    counts = np.arange(seeds + 1, _MOST_SEEDS + 1)
    error = deviation / counts**0.5
    one_sided, two_sided = (np.asarray(stats.t.isf(level, counts - 1)) for level in _levels(contenders))
    decided = (two_sided * error < abs(mean)) | (one_sided * error < margin + mean)
    found = counts[decided]
    return int(found[0]) if len(found) else None


def _levels(contenders: int) -> tuple[float, float]:
    return ALPHA / contenders, ALPHA / 2 / contenders


def _t(share: float, seeds: int) -> float:
    return float(stats.t.ppf(share, seeds - 1))
