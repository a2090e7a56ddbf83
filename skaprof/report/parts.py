"""A model of the user's own, part by part, as a table and sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from skaprof.own_rows import PartRow, ProvedPart
from skaprof.predictions import PredictedPart
from skaprof.report.cost_sentences import LEGEND as COST_LEGEND
from skaprof.report.model import Column, scaled, table_of
from skaprof.report.numbers import counted, significant
from skaprof.report.plain_table import NARROW, PlainTable
from skaprof.report.predicted import predicted_sentence, time_text
from skaprof.results import values_of

_RUN_KEYS = ("mode", "dtype")
_FIGURES = (
    ("params", "params", "", "params_share"),
    ("macs", "MACs", "", "macs_share"),
    ("elementwise_flops", "elementwise", "FLOP", None),
    ("traffic_bytes", "traffic", "B", "traffic_bytes_share"),
    ("saved_bytes", "saved", "B", "saved_bytes_share"),
    ("peak_bytes", "peak", "B", "peak_bytes_share"),
)
_IN_ONE_MODE = ("saved_bytes", "peak_bytes")
_MOST_NAMED = 5
LEGEND = COST_LEGEND | {
    "peak_bytes": "peak = what PyTorch's allocator holds of activations when that is most, the input with it; a part's "
    "is what it had made of that",
}
"""What a model's figures mean, by key."""


def part_table(rows: Sequence[PartRow]) -> PlainTable:
    """A line a part, indented by its place in the tree, and each run's whole model below its parts."""
    varying = [key for key in _RUN_KEYS if len({getattr(row, key) for row in rows}) > 1]
    columns = [
        *(Column((key,), key, False, _text(key)) for key in varying),
        Column(("scope",), "scope", False, _scope),
        Column(("class_name",), "class", False, _text("class_name")),
        Column(("output_shape",), "output", False, lambda row: _spaced(row.output_shape or "-", ", ")),
    ]
    for key, words, unit, share in _FIGURES:
        if key in _IN_ONE_MODE and not any(getattr(row, key) for row in rows):
            continue
        columns.append(scaled(rows, key, words, unit))
        if share is not None:
            columns.append(Column((share,), f"{words}\n(%)", True, _share(share)))
    if isinstance(rows[0], PredictedPart):
        columns.append(Column(("predicted_ms",), "predicted\n(ms)", True, time_text))
    table = table_of(columns, padding=NARROW)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        ends = following is None or not following.scope or not row.scope
        table.add_row(*(column.text(row) for column in columns), end_section=ends, of=row)
    return table


def _text(key: str) -> Callable[[Any], str]:
    return lambda row: str(getattr(row, key))


def _share(key: str) -> Callable[[Any], str]:
    def text(row: PartRow) -> str:
        share = getattr(row, key)
        return "-" if share is None else significant(100 * share, 3)

    return text


def _scope(row: PartRow) -> str:
    """The last part of its name below the names of what holds it; the whole model as such."""
    if not row.scope:
        return "total"
    return "  " * row.scope.count(".") + row.scope.rpartition(".")[2]


def caption(rows: Sequence[PartRow]) -> str:
    """What all rows share."""
    first = rows[0]
    given = f", {first.arguments}" if first.arguments else ""
    shared = [
        value
        for key in _RUN_KEYS
        if len({getattr(row, key) for row in rows}) == 1
        for value in values_of(first, (key,))
    ]
    return ", ".join([f"{first.model}{given}", f"input {_spaced(first.input_shape, ' and ')}", *shared])


def _spaced(shape: str, between: str) -> str:
    return shape if ":" in shape else shape.replace("x", " x ").replace(",", between)


def sentences(rows: Sequence[PartRow]) -> list[str]:
    """What the table shows and does not: shared parameters, parts that do not run, what is not known, the proof."""
    wholes = [row for row in rows if not row.scope]
    parts = [row for row in rows if row.scope]
    found = [*_shared_sentences(parts), *_unrun_sentences(parts)]
    found += [f"{_lacking(row)}{_where(row, wholes)}: {row.error}." for row in wholes if row.error]
    found += [
        predicted_sentence(row, f"in {' '.join(map(str, values_of(row, _RUN_KEYS)))}")
        for row in wholes
        if isinstance(row, PredictedPart)
    ]
    found += [sentence for row in wholes if isinstance(row, ProvedPart) for sentence in _proof_sentences(row)]
    if parts:
        found.append(
            "A part has the work of the parts in it; what a submodule does besides is in its own row alone, that of "
            "one which stands in several places in the first of them."
        )
    return found


def _lacking(row: PartRow) -> str:
    return "Not counted" if row.macs is None else "Not all is known"


def _where(row: PartRow, wholes: Sequence[PartRow]) -> str:
    return "" if len(wholes) == 1 else f" ({', '.join(map(str, values_of(row, _RUN_KEYS)))})"


def _shared_sentences(parts: Sequence[PartRow]) -> list[str]:
    shared = list(dict.fromkeys(row.scope for row in parts if row.shared_params))
    if not shared:
        return []
    most = max(row.shared_params for row in parts)
    return [f"Up to {most:,} parameters stand in several places ({_named(shared)}): the total has them once."]


def _unrun_sentences(parts: Sequence[PartRow]) -> list[str]:
    ran = {row.scope for row in parts if row.output_shape is not None or row.macs or row.traffic_bytes}
    idle = list(dict.fromkeys(row.scope for row in parts if row.scope not in ran and row.params))
    return [f"Not run on this input: {_named(idle)}."] if idle else []


def _named(scopes: Sequence[str]) -> str:
    more = len(scopes) - _MOST_NAMED
    return ", ".join(scopes[:_MOST_NAMED]) + (f" and {counted(more, 'other')}" if more > 0 else "")


def _proof_sentences(row: ProvedPart) -> list[str]:
    said = {"fvcore": row.macs_fvcore, "FlopCounterMode": row.macs_torch}
    agreeing = [name for name, macs in said.items() if macs is not None and macs == row.macs]
    differing = [f"{name} counts {macs:,} MACs" for name, macs in said.items() if macs not in (None, row.macs)]
    found = []
    if agreeing:
        found.append(
            f"Verified: {' and '.join(agreeing)} count{'s' if len(agreeing) == 1 else ''} {row.macs:,} MACs too."
        )
    if differing:
        found.append(f"NOT verified: {' and '.join(differing)}.")
    if row.note:
        found.append(f"Beyond the witnesses: {row.note}.")
    return found
