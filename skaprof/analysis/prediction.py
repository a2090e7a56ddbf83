"""How far predicted times are off the measured ones: over all rows, and over sizes that nothing was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from statistics import fmean, median
from typing import Any, NamedTuple

from skaprof.answers import RooflineRow
from skaprof.results import CONDITION_KEYS, values_of


class PredictionError(NamedTuple):
    """How far predictions are off: medians of |predicted / measured - 1|.

    `plain` over all `rows`, none of which the calibration has seen; `held_out` over the `held_out_rows` of every other
    size, with one factor for each mixer and form learned from the remaining sizes. None where there are too few.
    `bias` is the median of predicted / measured - 1: below 0, predictions are too short. `within_5` and `within_10` are
    the shares of all rows that are off by at most 5 and 10 %.
    """

    rows: int
    plain: float
    bias: float
    within_5: float
    within_10: float
    held_out_rows: int
    held_out: float | None


class _Off(NamedTuple):
    """A row that was both predicted and measured: who it is of, its size, and measured over predicted."""

    contender: tuple[Any, ...]
    size: tuple[Any, ...]
    factor: float


def prediction_error(rows: Sequence[RooflineRow]) -> PredictionError | None:
    """The error over rows that were both predicted and measured; None where there are none."""
    both = [
        _Off(values_of(row, _CONTENDER), _size(row), row.measured_ms / row.predicted_ms)
        for row in rows
        if row.predicted_ms and row.measured_ms
    ]
    if not both:
        return None
    left = [off for group in _by_contender(both) if len(group) > 1 for off in _held_out(group)]
    off = [1 / row.factor - 1 for row in both]
    within_5, within_10 = (sum(abs(one) <= limit for one in off) / len(off) for limit in (0.05, 0.1))
    learned = median(left) if left else None
    return PredictionError(len(both), median(map(abs, off)), median(off), within_5, within_10, len(left), learned)


_CONTENDER = ("mixer", "implementation", "dtype", *CONDITION_KEYS)


def _size(row: RooflineRow) -> tuple[int, ...]:
    sizes = row.batch, row.height, row.width, row.tokens, row.dim, row.heads, row.head_dim, row.kernel_size
    return tuple(size or 0 for size in sizes)


def _by_contender(rows: Sequence[_Off]) -> list[list[_Off]]:
    """The rows of each mixer, form and dtype on one device, by size, each size once."""
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], _Off]] = {}
    for row in rows:
        groups.setdefault(row.contender, {}).setdefault(row.size, row)
    return [[of_contender[size] for size in sorted(of_contender)] for of_contender in groups.values()]


def _held_out(rows: Sequence[_Off]) -> list[float]:
    """The relative errors at every other size, once the mean log ratio at the others is taken off."""
    factor = exp(fmean(log(row.factor) for row in rows[::2]))
    return [abs(factor / row.factor - 1) for row in rows[1::2]]
