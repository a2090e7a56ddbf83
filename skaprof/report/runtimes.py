"""Mixers against runtimes: one table, and what each runtime said of what it ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.analysis.promises import best_pairs, same_form_pairs
from skaprof.implementations import PYTORCH
from skaprof.measured import MeasuredRow
from skaprof.report.latency import measured, run_sentences
from skaprof.report.markdown import bullets, table_of
from skaprof.report.numbers import si, significant
from skaprof.report.timing import Rendered, outcomes
from skaprof.results import ResultRow, values_of

_NAMED = ("batch", "mode", "dtype")


def runtimes_section(rows: Sequence[ResultRow]) -> Rendered:
    """The section's markdown and its findings: a line a size, mixer and form, and a column a runtime."""
    places = list(dict.fromkeys(map(where, rows)))
    by_line: dict[tuple[Any, ...], dict[str, ResultRow]] = {}
    for row in rows:
        by_line.setdefault(_line(row), {})[where(row)] = row
    cells = [
        [*map(str, line), *(_cell(of_line[place]) if place in of_line else "-" for place in places)]
        for line, of_line in by_line.items()
    ]
    note = "Each cell: median, ratio to the baseline mixer in the same runtime and form, verdict.\n"
    headers = ("size", *_NAMED, "mixer", "form", *places)
    findings = [*changed_winners(rows), *outcomes(same_form_pairs(rows)), *outcomes(best_pairs(rows))]
    said = [*runtime_sentences(rows), *run_sentences(rows)]
    return f"{table_of(headers, cells, 6)}\n{note}\n{bullets(said)}", findings, {}


def where(row: ResultRow) -> str:
    """What ran the row: `pytorch`, or another runtime, with its precision where that is not float32."""
    return ", ".join(row.elsewhere) or PYTORCH


def _line(row: ResultRow) -> tuple[Any, ...]:
    return (_size(row), *values_of(row, _NAMED), row.name, row.implementation)


def _size(row: ResultRow) -> str:
    if row.model is not None:
        return row.image
    return f"{row.tokens:,} tokens, dim {row.dim:,}"


def _cell(row: ResultRow) -> str:
    if not isinstance(row, MeasuredRow):
        return str(row.verdict)
    median = f"{significant(row.median_ms)} ms"
    return median if row.verdict == "baseline" else f"{median}, {row.ratio:.3f}x, {row.verdict}"


def changed_winners(rows: Sequence[ResultRow]) -> list[str]:
    """For each size, mixer and form, its ratio to the baseline mixer in each runtime, where it is known in several."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for pair in same_form_pairs(rows):
        row = pair.row
        found.setdefault((*_line(row), pair.other.name), {})[where(row)] = pair.ratio
    return [
        f"{name} ({form}) over {other} at {size}, batch {batch}, {mode}, {dtype}: "
        f"{', '.join(f'{ratio:.2f}x in {place}' for place, ratio in ratios.items())}."
        for (size, batch, mode, dtype, name, form, other), ratios in found.items()
        if len(ratios) > 1
    ]


def runtime_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """How runtimes other than PyTorch ran what they ran: version, precision, error, memory, and what was fused."""
    timed = [row for row in measured(rows) if row.elsewhere]
    versions = dict.fromkeys(
        f"{row.runtime} {row.runtime_version} in {row.precision}"
        f"{f', graph level {row.graph_level}' if row.graph_level else ''}"
        for row in timed
    )
    return [f"Ran {'; '.join(versions)}.", *dict.fromkeys(map(_told, timed))] if timed else []


def _told(row: MeasuredRow) -> str:
    parts = [] if row.output_error is None else [f"off float64 by {row.output_error:.1e} of the largest output"]
    if row.peak_memory_bytes is not None:
        beside = f" ({si(row.peak_bytes, 'B')} by PyTorch's op list)" if row.peak_bytes is not None else ""
        parts.append(f"its allocator held {si(row.peak_memory_bytes, 'B')} at most in a call{beside}")
    if row.model_bytes is not None:
        session = "" if row.session_bytes is None else f", {si(row.session_bytes, 'B')} in the session"
        parts.append(f"the model is {si(row.model_bytes, 'B')} in the file{session}")
    parts.append(f"fused: {', '.join(row.fused)}" if row.fused else "nothing fused")
    return f"{row.contender} at {_size(row)}, batch {row.batch}: {'; '.join(parts)}."
