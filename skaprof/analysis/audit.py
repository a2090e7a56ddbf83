"""Which rankings of mixers a counter turns round."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from skaprof.answers import AuditRow


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
    """(dearer, cheaper) by the closed forms, where the counter of both says the opposite."""
    counted = {index: row.macs_counted for index, row in enumerate(rows) if row.macs_counted is not None}
    return [
        (dear, cheap)
        for dear, cheap in permutations(counted, 2)
        if rows[dear].counter == rows[cheap].counter
        and rows[dear].mixer != rows[cheap].mixer
        and rows[dear].macs > rows[cheap].macs
        and counted[dear] < counted[cheap]
    ]


def label_of(row: AuditRow) -> str:
    """The mixer and its spelling."""
    return f"{row.mixer} ({row.spelling})"
