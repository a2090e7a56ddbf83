"""What an audit's rows come to: which rankings of mixers a counter turns round, and how far off it is at the worst."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from statistics import median
from typing import NamedTuple

from skaprof.answers import AuditRow


class Summary(NamedTuple):
    """One counter's rows in a few figures. Of `worst` and `trained`, None where it counts no work of that mode.

    `turned` are the pairs of mixers, of `pairs`, whose ranking it turns round in some spellings; `side_effects` what it
    does besides counting, in any of its rows.
    """

    counter: str
    version: str | None
    unit: str
    rows: int
    spellings: int
    exact: int
    failed: int
    worst: AuditRow | None
    trained: AuditRow | None
    turned: int
    pairs: int
    params: AuditRow | None
    memory: AuditRow | None
    seconds: float | None
    conventions: Sequence[str]
    side_effects: Sequence[str]


def summaries(rows: Sequence[AuditRow]) -> list[Summary]:
    """One for each counter, in their order."""
    return [
        _summary(name, [row for row in rows if row.counter == name]) for name in dict.fromkeys(r.counter for r in rows)
    ]


def _summary(counter: str, rows: Sequence[AuditRow]) -> Summary:
    forward = [row for row in rows if row.mode == "forward"]
    mixers = {row.mixer for row in rows if row.macs_counted is not None}
    turned = {frozenset((rows[dear].mixer, rows[cheap].mixer)) for dear, cheap in reversed_pairs(rows)}
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return Summary(
        counter=counter,
        version=rows[0].counter_version,
        unit=rows[0].counter_unit,
        rows=len(rows),
        spellings=len(forward),
        exact=sum(row.macs_counted == row.macs for row in forward),
        failed=sum(row.error is not None for row in rows),
        worst=_farthest(forward, "captured"),
        trained=_farthest([row for row in rows if row.mode == "train"], "captured"),
        turned=len(turned),
        pairs=len(mixers) * (len(mixers) - 1) // 2,
        params=_farthest_params(rows),
        memory=_farthest(rows, "memory_captured"),
        seconds=median(seconds) if seconds else None,
        conventions=tuple(rows[0].conventions or ()),
        side_effects=tuple(dict.fromkeys(effect for row in rows for effect in row.side_effects or ())),
    )


def _farthest(rows: Iterable[AuditRow], key: str) -> AuditRow | None:
    """The row whose share is farthest from the whole; the first of several."""
    known = [row for row in rows if getattr(row, key) is not None]
    return max(known, key=lambda row: abs(getattr(row, key) - 1), default=None)


def _farthest_params(rows: Iterable[AuditRow]) -> AuditRow | None:
    known = [row for row in rows if row.counter_params is not None and row.params]
    return max(known, key=lambda row: abs((row.counter_params or 0) / row.params - 1), default=None)


def with_reversals(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """The rows with `reversed_against`: the cheaper mixers' rows that turn out dearer by this counter's word.

    A row's ranking against another mixer's is reversed where the closed forms say that it needs more MACs, and its
    counter says that it needs fewer.
    """
    found: dict[int, list[str]] = {index: [] for index in range(len(rows))}
    for dear, cheap in reversed_pairs(rows):
        found[dear].append(label_of(rows[cheap]))
    return [row.replace(reversed_against=found[index]) for index, row in enumerate(rows)]


def reversed_pairs(rows: Sequence[AuditRow]) -> list[tuple[int, int]]:
    """(dearer, cheaper) by the closed forms, in one mode, where the counter of both says the opposite."""
    counted = {index: row.macs_counted for index, row in enumerate(rows) if row.macs_counted is not None}
    alike: dict[tuple[str, str], list[int]] = {}
    for index in counted:
        alike.setdefault((rows[index].counter, rows[index].mode), []).append(index)
    return [
        (dear, cheap)
        for own in alike.values()
        for dear, cheap in permutations(own, 2)
        if rows[dear].mixer != rows[cheap].mixer
        and rows[dear].macs > rows[cheap].macs
        and counted[dear] < counted[cheap]
    ]


def label_of(row: AuditRow) -> str:
    """The mixer and its spelling, and that it is trained where it is."""
    return f"{row.mixer} ({row.spelling}{', train' if row.mode == 'train' else ''})"
