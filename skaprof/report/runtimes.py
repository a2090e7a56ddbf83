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
    note = (
        "Each cell: median, ratio to the baseline mixer in the same runtime and form (of that mixer itself, to its "
        "baseline), verdict.\n"
    )
    headers = ("size", *_NAMED, "mixer", "form", *places)
    findings = [*changed_winners(rows), *outcomes(same_form_pairs(rows)), *outcomes(best_pairs(rows))]
    said = [*runtime_sentences(rows), *run_sentences(rows)]
    return f"{table_of(headers, cells, 6)}\n{note}\n{bullets(said)}", findings, {}


def where(row: ResultRow) -> str:
    """What ran the row: `pytorch`, or another runtime, with its precision where that is not float32, in brackets."""
    runtime, *precision = row.elsewhere or (PYTORCH,)
    return f"{runtime} ({precision[0]})" if precision else runtime


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
    """How runtimes other than PyTorch ran what they ran: versions, errors, memory, and what was fused."""
    timed = [row for row in measured(rows) if row.elsewhere]
    return [*_versions(timed), *_errors(timed), *_memory(timed), *_fusions(timed)] if timed else []


def _versions(rows: Sequence[MeasuredRow]) -> list[str]:
    versions = dict.fromkeys(
        f"{row.runtime} {row.runtime_version} in {row.precision}"
        f"{f', graph level {row.graph_level}' if row.graph_level else ''}"
        for row in rows
    )
    return [f"Ran {'; '.join(versions)}."]


def _errors(rows: Sequence[MeasuredRow]) -> list[str]:
    """The largest of each runtime and precision."""
    largest: dict[str, float] = {}
    for row in rows:
        if row.output_error is not None:
            largest[where(row)] = max(row.output_error, largest.get(where(row), 0.0))
    found = ", ".join(f"{place} {error:.1e}" for place, error in largest.items())
    return [f"Outputs differ from float64, over its largest value, by at most: {found}."] if found else []


def _memory(rows: Sequence[MeasuredRow]) -> list[str]:
    """What each row's runtime held, where it tells; and the file, once for all runtimes."""
    found, files = [], set[tuple[Any, ...]]()
    for row in rows:
        parts = []
        if row.peak_memory_bytes is not None:
            beside = f" (PyTorch's op list: {si(row.peak_bytes, 'B')})" if row.peak_bytes is not None else ""
            parts.append(f"at most {si(row.peak_memory_bytes, 'B')} in a call{beside}")
        if row.session_bytes is not None:
            parts.append(f"weights {si(row.session_bytes, 'B')}")
        if row.model_bytes is not None and (file := (_line(row), row.model_bytes)) not in files:
            files.add(file)
            parts.append(f"file {si(row.model_bytes, 'B')}")
        if parts:
            found.append(f"{row.contender} at {_size(row)}, batch {row.batch}: {', '.join(parts)}.")
    return found


def _fusions(rows: Sequence[MeasuredRow]) -> list[str]:
    """What was made one kernel of, or what a rewritten graph has besides, once for all that were treated alike."""
    alike: dict[tuple[str, ...], dict[str, None]] = {}
    for row in rows:
        how = "New in the rewritten graph of" if row.graph_level else "Fused in"
        alike.setdefault((how, *(row.fused or ())), {})[row.contender] = None
    return [f"{how} {', '.join(names)}: {', '.join(ops) or 'nothing'}." for (how, *ops), names in alike.items()]
