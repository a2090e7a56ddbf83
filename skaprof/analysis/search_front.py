"""What a search finds: the networks that no other beats within the limits, or the one that comes nearest to them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

from skaprof.analysis.fronts import Bound, Sums, front_of_choices, front_of_sums, undominated
from skaprof.analysis.scopes import prediction
from skaprof.analysis.search import DEFAULT_OBJECTIVES, NANOSECONDS, PREDICTED, Amounts, Limit, Machine, Part, Search
from skaprof.model.spec import StageMixers, stage_mixers
from skaprof.predictions import PredictedScope
from skaprof.results import ScopeRow

MOST_LISTED = 1_000_000
"""Networks that are looked at one by one: to be counted within limits, or drawn."""


class Chosen(NamedTuple):
    """A network by the mixers of each stage, and its figures in the order of the metrics asked for."""

    figures: Amounts
    mixers: tuple[StageMixers, ...]


class Found(NamedTuple):
    """The front among the networks within the limits, and how many those are (None: too many to count).

    `front` is in the order of its figures. A network is on it where no other is as good in every objective and better
    in one; by block, the order of the mixers in a stage changes no figure, and one order stands for all. `nearest` is
    the network that misses its limits least, and the limit it misses most, where none holds them all. `one_of_equals`:
    of networks with equal figures, too many to list, one is there.
    """

    metrics: tuple[str, ...]
    within: int | None
    front: list[Chosen]
    nearest: tuple[Chosen, Limit] | None
    one_of_equals: bool = False


def found_rows(search: Search, found: Found) -> list[ScopeRow]:
    """The networks of the front as `skaprof model --depth total` has them, with their times on the machine, if any."""
    rows = [search.row_of(chosen.mixers) for chosen in found.front]
    machine = search.machine
    if machine is None:
        return rows
    times = (chosen.figures[found.metrics.index(PREDICTED)] / NANOSECONDS for chosen in found.front)
    return [_timed(row, milliseconds, machine) for row, milliseconds in zip(rows, times, strict=True)]


def _timed(row: ScopeRow, milliseconds: float, machine: Machine) -> PredictedScope:
    return PredictedScope(**row.as_dict(), **prediction(None, machine.id) | {"predicted_ms": milliseconds})


def find(search: Search, objectives: Sequence[str] = DEFAULT_OBJECTIVES, limits: Sequence[Limit] = ()) -> Found:
    """The Pareto front of the objectives among the networks within the limits.

    Raises:
        SkaprofError: a front of too many networks.
    """
    timed = (PREDICTED,) if search.machine else ()
    metrics = tuple(dict.fromkeys((*objectives, *(limit.metric for limit in limits), *timed)))
    signed = _signed(objectives, limits)
    bounds = [Bound(signed.index(_axis(limit)), _most(limit)) for limit in limits]
    chosen, sums = _front(search, signed, metrics, bounds)
    kept = undominated(sums.points[:, : len(objectives)])
    front = [one for one, is_kept in zip(chosen, kept.tolist(), strict=True) if is_kept]
    front.sort(key=lambda one: one.figures)
    if front:
        return Found(metrics, _count_within(search, limits), front, None, sums.one_of_equals)
    return Found(metrics, 0, [], _nearest(search, metrics, limits))


Axis = tuple[str, int]
"""A metric, and 1 or -1 where less or more of it is better."""


def _axis(limit: Limit) -> Axis:
    return limit.metric, 1 if limit.sign.startswith("<") else -1


def _signed(objectives: Sequence[str], limits: Sequence[Limit]) -> list[Axis]:
    """All that a network may be better in: a limit may be kept by one that is worse in every objective."""
    return list(dict.fromkeys([*((objective, 1) for objective in objectives), *map(_axis, limits)]))


def _most(limit: Limit) -> int:
    """The most that a whole figure, negative where more is better, may be."""
    low, high = floor(limit.value), ceil(limit.value)
    return {"<=": low, "<": high - 1, ">=": -high, ">": -low - 1}[limit.sign]


def _front(
    search: Search, axes: Sequence[Axis], metrics: Sequence[str], bounds: Sequence[Bound]
) -> tuple[list[Chosen], Sums]:
    """The networks within the bounds that no other beats along all axes, and the sums along these."""
    figures = search.own_figures
    own = {metric: figures[metric] for metric in metrics}
    of_stages = [_of_stage(parts, axes, search.choices(place)) for place, parts in enumerate(search.stages)]
    start = [[sign * own[metric] for metric, sign in axes]]
    sums = front_of_sums([start, *(stage.points.tolist() for stage in of_stages)], bounds)
    chosen = []
    for numbers in sums.parts[:, 1:].tolist():
        counts = [stage.parts[number].tolist() for stage, number in zip(of_stages, numbers, strict=True)]
        chosen.append(_chosen(search, counts, own))
    return chosen, sums


def _of_stage(parts: Sequence[Part], axes: Sequence[Axis], choices: int) -> Sums:
    """What the choices of a stage add up to along the axes, and how many times each part is in it."""
    return front_of_choices([[sign * part.added[metric] for metric, sign in axes] for part in parts], choices)


def _chosen(search: Search, counts: Sequence[Sequence[int]], own: dict[str, int]) -> Chosen:
    """The network in whose stages the parts are so many times."""
    figures = tuple(own.values())
    mixers = []
    for place, (parts, of_stage) in enumerate(zip(search.stages, counts, strict=True)):
        blocks = search.network.stages[place].stage.depth // search.choices(place)
        mixers.append(stage_mixers((part.spec, count * blocks) for part, count in zip(parts, of_stage, strict=True)))
        for part, count in zip(parts, of_stage, strict=True):
            if count:
                figures = tuple(map(operator.add, figures, (count * part.added[metric] for metric in own)))
    return Chosen(figures, tuple(mixers))


def _count_within(search: Search, limits: Sequence[Limit]) -> int | None:
    if not limits:
        return search.size
    if not is_listed(search):
        return None
    points = search.points([limit.metric for limit in limits])
    return sum(all(limit.holds(figure) for limit, figure in zip(limits, point, strict=True)) for point in points)


def is_listed(search: Search) -> bool:
    """Whether its networks are few enough to be looked at one by one."""
    return search.per == "stage" and search.size <= MOST_LISTED


def _nearest(search: Search, metrics: Sequence[str], limits: Sequence[Limit]) -> tuple[Chosen, Limit]:
    """It is on the front of what the limits are about: a network that another beats there misses no less."""
    chosen, _ = _front(search, _signed((), limits), metrics, ())

    def worst(one: Chosen) -> tuple[float, Limit]:
        misses = [(limit.miss(one.figures[metrics.index(limit.metric)]), limit) for limit in limits]
        return max(misses, key=lambda miss: miss[0])

    nearest = min(chosen, key=lambda one: worst(one)[0])
    return nearest, worst(nearest)[1]
