"""What measured times rest on, in sentences: whose clock, which memory, which kernels, and best against best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.measured import MeasuredRow
from skaprof.report.numbers import significant
from skaprof.results import values_of

_SIZE = ("mode", "dtype", "batch", "height", "width", "dim", "image_height", "image_width")
_QUARTER = "ratios are of the fastest quarter of the samples"
_CLOCKS = {
    ("cpu", "thread"): f"CPU time of the one thread that works decides; {_QUARTER}",
    ("cpu", "process"): f"CPU time of the process decides, as a runtime may work in a thread of its own; {_QUARTER}",
    ("wall", None): "the wall clock decides",
}
_ALLOCATORS = {
    "keep": "malloc keeps freed memory for later calls",
    "as-is": "malloc is as the process was started",
}


def evidence_sentences(rows: Sequence[MeasuredRow]) -> list[str]:
    """Of the rows that were measured; a file from before these keys says nothing."""
    return [*_clock(rows), *_undecided(rows), *best_sentences(rows), *_other_algorithms(rows), *fault_sentences(rows)]


def _clock(rows: Sequence[MeasuredRow]) -> list[str]:
    found = []
    for clock, of, allocator in dict.fromkeys((row.clock, _cpu_of(row), row.allocator) for row in rows):
        words = [_CLOCKS.get((clock or "", of)), _ALLOCATORS.get(allocator or "")]
        said = "; ".join(filter(None, words))
        found += [f"{said[0].upper()}{said[1:]}."] if said else []
    return found


def _cpu_of(row: MeasuredRow) -> str | None:
    """Whose CPU time decides, if that does; rows of older files are of one thread."""
    return row.cpu_of or "thread" if row.clock == "cpu" else None


def _undecided(rows: Sequence[MeasuredRow]) -> list[str]:
    """Where the wall clock leaves it open, and CPU time would not."""
    names = [
        f"{row.contender} {row.verdict_by_cpu}"
        for row in rows
        if row.verdict == "inconclusive" and row.verdict_by_cpu in ("faster", "slower", "same")
    ]
    if not names:
        return []
    said = ", ".join(dict.fromkeys(names))
    return [f"CPU time would decide where the wall clock does not ({said}): measure with --threads 1 --clock auto."]


def best_sentences(rows: Sequence[MeasuredRow]) -> list[str]:
    """Each mixer's fastest form against the baseline mixer's, where several forms were timed."""
    found: dict[str, None] = {}
    for row in rows:
        best, baseline = row.best, row.best_baseline
        if not best or best == baseline or not _has_forms(row, rows):
            continue
        where = f"at {_where(row)}"
        if row.ratio_best is None:
            continue
        if row.ratio_best_low is None:
            said = f"ratio so far {row.ratio_best:.3f}"
        else:
            interval = f"{row.ratio_best_low:.3f} to {row.ratio_best_high:.3f}"
            said = f"ratio {row.ratio_best:.3f}, 95 % CI {interval}"
        found[f"Best against best {where}: {best} over {baseline}, {said}."] = None
    return list(found)


def _has_forms(row: MeasuredRow, rows: Sequence[MeasuredRow]) -> bool:
    """Whether a mixer of this row's size was timed in more than one form, in its runtime."""
    beside = [other for other in rows if (_size(other), other.elsewhere) == (_size(row), row.elsewhere)]
    return len({other.implementation for other in beside}) > 1


def _other_algorithms(rows: Sequence[MeasuredRow]) -> list[str]:
    """Pairs in one form that ran different algorithms for the same purpose: the ratio is of these too."""
    by_label = {(_size(row), row.contender): row for row in rows}
    found: dict[str, None] = {}
    for row in rows:
        baseline = by_label.get((_size(row), str(row.baseline)))
        if baseline is None or baseline is row or row.form != baseline.form:
            continue
        ours, theirs = row.backend, baseline.backend
        if ours and theirs and ours != theirs:
            algorithms = f"{row.contender} ran {ours} attention and {baseline.contender} {theirs}"
            found[f"{algorithms}: their ratio is of these algorithms too."] = None
    return list(found)


def fault_sentences(rows: Sequence[MeasuredRow]) -> list[str]:
    """What page faults cost a call, where that is over 1 %."""
    found = []
    for row in rows:
        if row.faults is not None and row.faults_ms is not None and "page-faults" in row.flags:
            cost = f"{significant(row.faults_ms, 2)} of its {significant(row.median_ms)} ms"
            found.append(f"{row.contender} at {_where(row)}: {row.faults:,.0f} page faults a call, about {cost}.")
    return found


def _size(row: MeasuredRow) -> tuple[Any, ...]:
    return values_of(row, _SIZE)


def _where(row: MeasuredRow) -> str:
    if row.model is not None:
        return f"{row.image_height} x {row.image_width}, batch {row.batch}"
    return f"{row.tokens:,} tokens, dim {row.dim:,}, batch {row.batch}"
