"""The exact Pareto front of sums, from the fronts of their parts, never from the product.

Where costs add up, a part that another of its place is as low as in every figure, and lower in one, is on no front: it
could be exchanged. So sums are made place by place, and after each place only what nothing beats is kept: some 10^40
networks are searched as some 10^5 sums. Points are arrays (points, figures) of int64, lower is better (loads numpy).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from skaprof.errors import SkaprofError, named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Points = NDArray[np.int64]
    Mask = NDArray[np.bool_]

MOST_SUMS = 2_000_000
"""Sums in memory at a time."""
MOST_POINTS = 1_000_000
"""Points that a front may have."""
MOST_WITH_EQUALS = 20_000
"""Points of a front up to which equal ones stay apart."""
_LARGEST = 2**62
_CELLS = 400  # a side of the grid that drops most of the beaten points before they are compared one by one
_FEW = 20_000  # points that need no such grid


class Bound(NamedTuple):
    """A figure's place, and the most that it may be in a whole sum."""

    figure: int
    most: int


class Sums(NamedTuple):
    """The points of a front, and for each which part of every place it is made of, arrays (points, places).

    `one_of_equals`: where too many sums had equal figures, one stands for all of them.
    """

    points: Points
    parts: NDArray[np.int32]
    one_of_equals: bool = False


def front_of_sums(places: Sequence[Sequence[Sequence[int]]], bounds: Sequence[Bound] = ()) -> Sums:
    """Every sum of a part from each place that keeps to the bounds and that no other such sum beats.

    Sorted by their parts. No sum keeps to the bounds where none is returned.

    Raises:
        SkaprofError: figures too large, or a front with too many points.
    """
    import numpy as np

    groups = [_points(parts, len(places)) for parts in places]
    least_left = [np.zeros(groups[0].shape[1], dtype=np.int64)]
    for group in reversed(groups):
        least_left.append(least_left[-1] + group.min(axis=0))
    least_left.reverse()
    found = Sums(np.zeros_like(least_left[0])[None], np.zeros((1, 0), dtype=np.int32))
    for group, left in zip(groups, least_left[1:], strict=True):
        ceilings = [bound._replace(most=bound.most - int(left[bound.figure])) for bound in bounds]
        found = _extended(found, group, ceilings)
    return _sorted(found)


def front_of_choices(parts: Sequence[Sequence[int]], count: int) -> Sums:
    """The front of the sums of `count` parts, any part any number of times; `parts` of the result are how many of each.

    The order of the parts in a sum changes nothing: each sum is made once, its parts in order.

    Raises:
        SkaprofError: as `front_of_sums`.
    """
    import numpy as np

    group = _points(parts, count)
    useful = np.flatnonzero(undominated(group))
    found = Sums(np.zeros((1, group.shape[1]), dtype=np.int64), np.zeros((1, len(group)), dtype=np.int32))
    last = np.zeros(1, dtype=np.int64)
    for _ in range(count):
        points, counts, lasts = [], [], []
        for part in useful:
            before = last <= part
            counted = found.parts[before].copy()
            counted[:, part] += 1
            points.append(found.points[before] + group[part])
            counts.append(counted)
            lasts.append(np.full(len(counted), part))
        made = Sums(np.concatenate(points), np.concatenate(counts))
        kept = undominated(made.points)
        found, last = Sums(made.points[kept], made.parts[kept], found.one_of_equals), np.concatenate(lasts)[kept]
        _require_few(found.points)
    return found


def undominated(points: Points) -> Mask:
    """Which points no other is as low as in every figure and lower in one; equal points stay together."""
    import numpy as np

    mask = np.zeros(len(points), dtype=bool)
    if not len(points):
        return mask
    near = _near_the_front(points)
    order = near[np.lexsort(points[near].T[::-1])]
    ordered = points[order]
    is_new = np.ones(len(ordered), dtype=bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    mask[order] = _of_distinct(ordered[is_new])[np.cumsum(is_new) - 1]
    return mask


def undominated_rows(rows: Sequence[Sequence[int]]) -> list[bool]:
    """`undominated` of rows of integers.

    Raises:
        SkaprofError: a figure too large.
    """
    kept: list[bool] = undominated(_points(rows, 1)).tolist()
    return kept


def _of_distinct(points: Points) -> Mask:
    """`undominated` of points that are sorted by their figures and all differ."""
    import numpy as np

    kept: Mask
    figures = points.shape[1]
    if figures == 1:
        kept = np.arange(len(points)) == 0
        return kept
    if figures == 2:
        lowest = np.minimum.accumulate(points[:, 1])
        kept = points[:, 1] < np.append(np.iinfo(np.int64).max, lowest[:-1])
        return kept
    kept = ~(_beaten_in_three(points) if figures == 3 else _beaten_in_more(points))
    return kept


def _near_the_front(points: Points) -> NDArray[np.intp]:
    """The points but most of those that others beat: from a cell of a coarse grid that is lower in two figures."""
    import numpy as np

    if len(points) <= _FEW or points.shape[1] != 3:
        return np.arange(len(points))
    columns = [_cells(points[:, axis]) for axis in (0, 1)]
    lowest = np.full((_CELLS + 1, _CELLS + 1), np.iinfo(np.int64).max)
    np.minimum.at(lowest, tuple(columns), points[:, 2])
    lowest = np.minimum.accumulate(np.minimum.accumulate(lowest, axis=0), axis=1)
    inner = (columns[0] > 0) & (columns[1] > 0)
    beaten: Mask = inner & (lowest[columns[0] - 1, columns[1] - 1] <= points[:, 2])
    return np.flatnonzero(~beaten)


def _cells(values: Points) -> NDArray[np.intp]:
    """Each value's cell: cells hold about as many values each, and a lower cell only lower values."""
    import numpy as np

    sample = np.sort(values[:: len(values) // _FEW])
    edges = np.unique(sample[:: max(1, len(sample) // _CELLS)])[1 : _CELLS + 1]
    return np.searchsorted(edges, values, side="right")


def _beaten_in_three(points: Points) -> Mask:
    """Which of sorted, distinct points (x, y, z) one before them beats.

    Kept are the steps of a stair: the lowest z so far at or below each y, falling as y rises.
    """
    import numpy as np

    heights: list[int] = []
    depths: list[int] = []
    beaten = np.zeros(len(points), dtype=bool)
    for number, (y, z) in enumerate(zip(points[:, 1].tolist(), points[:, 2].tolist(), strict=True)):
        place = bisect_right(heights, y)
        if place and depths[place - 1] <= z:
            beaten[number] = True
            continue
        if place and heights[place - 1] == y:
            place -= 1
        end = place
        while end < len(depths) and depths[end] >= z:
            end += 1
        heights[place:end], depths[place:end] = [y], [z]
    return beaten


def _beaten_in_more(points: Points) -> Mask:
    """Which of sorted, distinct points with any number of figures one before them beats."""
    import numpy as np

    kept = np.empty_like(points)
    count = 0
    beaten = np.zeros(len(points), dtype=bool)
    for number, point in enumerate(points):
        if (kept[:count] <= point).all(axis=1).any():
            beaten[number] = True
        else:
            kept[count] = point
            count += 1
    return beaten


def _extended(found: Sums, group: Points, ceilings: Sequence[Bound]) -> Sums:
    """The front of the sums with one more part each, made a block of sums at a time."""
    import numpy as np

    useful = np.flatnonzero(undominated(group))
    step = max(1, MOST_SUMS // len(useful))
    one_of_equals = found.one_of_equals
    points, numbers = group[:0], useful[:0]  # `numbers` count through the sums, parts fastest
    for start in range(0, len(found.points), step):
        made = (found.points[start : start + step, None] + group[useful][None]).reshape(-1, group.shape[1])
        kept = np.flatnonzero(_within(made, ceilings))
        kept = kept[undominated(made[kept])]
        points, numbers = np.concatenate([points, made[kept]]), np.concatenate([numbers, kept + start * len(useful)])
        if start:
            still = undominated(points)
            points, numbers = points[still], numbers[still]
        if len(points) > MOST_WITH_EQUALS:
            points, first = np.unique(points, axis=0, return_index=True)
            one_of_equals, numbers = one_of_equals or len(first) < len(numbers), numbers[first]
        _require_few(points)
    before, part = np.divmod(numbers, len(useful))
    return Sums(points, np.column_stack([found.parts[before], useful[part].astype(found.parts.dtype)]), one_of_equals)


def _within(points: Points, ceilings: Sequence[Bound]) -> Mask:
    import numpy as np

    holds = np.ones(len(points), dtype=bool)
    for figure, most in ceilings:
        holds &= points[:, figure] <= most
    return holds


def _sorted(found: Sums) -> Sums:
    import numpy as np

    order = np.lexsort(found.parts.T[::-1]) if found.parts.shape[1] else np.arange(len(found.parts))
    return Sums(found.points[order], found.parts[order], found.one_of_equals)


def _points(parts: Sequence[Sequence[int]], times: int) -> Points:
    """The parts of a place as an array; no sum of as many as `times` places leaves its numbers."""
    import numpy as np

    if any(abs(figure) * times >= _LARGEST for part in parts for figure in part):
        raise SkaprofError(f"{named('objective')}: a network's figure is 2^62 or more: expected a smaller one")
    return np.array(parts, dtype=np.int64)


def _require_few(points: Points) -> None:
    if len(points) > MOST_POINTS:
        raise SkaprofError(
            f"{named('objective')}: more than {MOST_POINTS:,} networks of which none beats another: expected fewer "
            "objectives, limits or candidates"
        )
