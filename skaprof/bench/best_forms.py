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


def best_forms(names: Sequence[str], records: Sequence[Record], settings: Settings) -> list[Best]:
    """For each record, what its mixer's fastest form takes over the fastest form of the first record's mixer.

    Fastest is by the mean of the round values. The choice is made on the very rounds that are then compared, so that
    between forms as fast as each other the winner has had luck: by less than the interval's width.

    Args:
        names: what each record is of, without its form.
    """
    means = [fmean(record.values) for record in records]
    fastest: dict[str, int] = {}
    for place in sorted(range(len(records)), key=lambda place: means[place]):
        fastest.setdefault(names[place], place)
    baseline = fastest[names[0]]
    ratios = {
        name: ratio_of(records[place], records[baseline], settings)
        for name, place in fastest.items()
        if place != baseline
    }
    return [Best(records[fastest[name]].label, records[baseline].label, ratios.get(name)) for name in names]
