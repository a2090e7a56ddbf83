"""Each mixer at its best against the baseline mixer at its best: what a user who may choose the form would compare."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from skaprof.bench.record import Record, Settings, ratio_of
from skaprof.bench.statistics import Interval


class Best(NamedTuple):
    """The fastest forms of a mixer and of the baseline mixer, by label; their log ratio, None for the latter itself."""

    label: str
    baseline: str
    ratio: Interval | None


def best_forms(names: Sequence[tuple[str, str]], records: Sequence[Record], settings: Settings) -> list[Best]:
    """For each record, what its mixer's fastest form takes over the fastest form of the first record's mixer, both in
    its runtime; where that mixer was not timed there, over its fastest form where the first record's is.

    Fastest is by the mean of the round values. The choice is made on the very rounds that are then compared, so that
    between forms as fast as each other the winner has had luck: by less than the interval's width.

    Args:
        names: what each record is of, without its form, and where it runs.
    """
    means = [fmean(record.values) for record in records]
    fastest: dict[tuple[str, str], int] = {}
    for place in sorted(range(len(records)), key=lambda place: means[place]):
        fastest.setdefault(names[place], place)

    def best(name: str, where: str) -> Best:
        own = fastest[name, where]
        baseline = fastest.get((names[0][0], where), fastest[names[0]])
        ratio = ratio_of(records[own], records[baseline], settings) if own != baseline else None
        return Best(records[own].label, records[baseline].label, ratio)

    found = {name: best(*name) for name in fastest}
    return [found[name] for name in names]
