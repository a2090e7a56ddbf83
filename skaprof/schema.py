"""Rows of every kind as a file holds them: which kind a saved row is of, its checks, and the JSON Schema of it all."""

import json
import re
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, NamedTuple

from skaprof import answers, trained
from skaprof.changed import ChangeRow
from skaprof.errors import SkaprofError, shown
from skaprof.fleets import FleetRow
from skaprof.grids import MAX_SIZE
from skaprof.map_rows import AttentionRow
from skaprof.measured import FailedRow, MeasuredRow, result_kind
from skaprof.own_rows import PartRow, ProvedPart, TradeRow
from skaprof.predictions import PredictedPart, PredictedScope, PredictedSwap
from skaprof.published import ImportedRow, TradeOffRow
from skaprof.records import Expected, Record, expectations, json_name, require_figures
from skaprof.results import (
    SCHEMA_VERSION,
    SIZE_KEYS,
    CostRow,
    OpRow,
    ResultRow,
    ScopeRow,
)


class Kind(NamedTuple):
    """A kind of row: its record, and the key that no other kind has."""

    record: type[Record]
    told_by: str
    words: str


KINDS = {
    "formula_row": Kind(answers.FormulaRow, "quantity", "flops --formula."),
    "environment_row": Kind(answers.EnvironmentRow, "value", "env."),
    "change_row": Kind(ChangeRow, "change", "compare."),
    "claim_row": Kind(answers.ClaimRow, "claim", "check."),
    "export_row": Kind(answers.ExportRow, "opset", "export."),
    "break_even_row": Kind(
        answers.BreakEvenRow, "params_wins", "report: where a mixer needs less than the baseline over the tokens."
    ),
    "pareto_row": Kind(
        answers.ParetoRow, "on_front", "report: a network with its mixers, and whether it is on the Pareto front."
    ),
    "crossover_row": Kind(answers.CrossoverRow, "winner_below", "crossover."),
    "audit_row": Kind(
        answers.AuditRow, "counter", "audit; the closed form's figures are null where the counter is not installed."
    ),
    "roofline_row": Kind(answers.RooflineRow, "moved_bytes", "roofline; with --per-op also op and kind."),
    "explain_row": Kind(answers.ExplainedRow, "difference_ms", "explain."),
    "part_row": Kind(
        PartRow, "output_shape", "model FILE.py:NAME: a submodule of a model of your own, or all of it (scope empty)."
    ),
    "trade_row": Kind(TradeRow, "trade", "model --latency, swap --latency: a figure before and after other mixers."),
    "trained_row": Kind(trained.TrainedRow, "train_images_per_cpu_s", "accuracy: a network trained with one seed."),
    "trial_row": Kind(
        trained.TrialRow, "validation_accuracy", "accuracy: a learning rate, by images held out of the training ones."
    ),
    "verdict_row": Kind(trained.VerdictRow, "seeds_to_decide", "accuracy: a contender against the baseline."),
    "imported_row": Kind(ImportedRow, "params_published", "accuracy import: an accuracy from elsewhere, and costs."),
    "trade_off_row": Kind(TradeOffRow, "accuracy_low", "accuracy tradeoff: what a network is worth and what it costs."),
    "attention_row": Kind(AttentionRow, "entropy", "attention: the maps of one head of one layer."),
    "fleet_row": Kind(
        FleetRow, "predicted_ratio", "report of several devices: a mixer against the baseline on one of them."
    ),
    "swap_row": Kind(
        answers.SwapRow, "replaced", "swap: a submodule that was replaced, or the whole model (scope total)."
    ),
}
"""Every kind but that of costs and times, by its name in the schema."""
_COSTS = Kind(
    ResultRow,
    "params",
    "flops; with --per-op also op and kind, with --verify what counters say, with --baseline ratios; latency adds what "
    "it measured.",
)
_RECORDS = (
    *(CostRow, OpRow, ScopeRow, PredictedScope, ResultRow, FailedRow, MeasuredRow, answers.KernelRow),
    *(PredictedPart, PredictedSwap),
)
_OF_A_MIXER = ("mixer", "height", "width", "tokens", "dim")
_POSSIBLE = 1e20
_POSITIVE = (
    *("median_ms", "ci_low_ms", "ci_high_ms", "ratio", "ratio_low", "ratio_high", "aa_low", "aa_high", "images_per_s"),
)


def kind_of(row: Mapping[str, Any]) -> type[Record] | None:
    """The record of a row, told by its keys; None for a kind that this program does not know."""
    for kind in KINDS.values():
        if kind.told_by in row:
            return _narrower(kind.record, row)
    return result_kind(row) if "params" in row or "median_ms" in row else None


def _narrower(record: type[Record], row: Mapping[str, Any]) -> type[Record]:
    """The record itself, or the one of what a row of its kind may be instead."""
    if record is PartRow and "params_counted" in row:
        return ProvedPart
    if "predicted_ms" in row and record in (PartRow, answers.SwapRow):
        return PredictedPart if record is PartRow else PredictedSwap
    if record is answers.AuditRow and row.get("mixer") is None:
        return answers.AbsentCounter
    return answers.KernelRow if record is answers.RooflineRow and "op" in row else record


def row_from(row: Mapping[str, Any]) -> Record | None:
    """The record of a row from a file; None for a kind that this program does not know, whose known keys are checked.

    Raises:
        SkaprofError: a key is missing, or a value is none of what the key may hold, with both and what is expected.
    """
    record = kind_of(row)
    expected = _expected_in(record)  # type: ignore[arg-type]  # a class is hashable, whatever its rows are
    for key, value in row.items():
        require_figures(key, value)
        if key in expected:
            expected[key].require(key, value)
    if record is None:
        return None
    for key in record.fields:
        if key in record.required and key not in row:
            raise SkaprofError(f"{key} is missing: expected {expected[key]}")
    if issubclass(record, ResultRow):
        _require_costs(row, record, expected)
    return record.read(row)


def _require_costs(row: Mapping[str, Any], record: type[ResultRow], expected: Mapping[str, Expected]) -> None:
    """Raise unless a row of costs or times is whole."""
    if row.get("scope") is None:
        for key in _OF_A_MIXER:
            if row[key] is None:
                raise SkaprofError(f"{key} is null: expected it of a mixer at a size")
    for key in ("mode", "dtype"):
        choices = expected[key].key.choices
        if row[key] not in choices:
            raise SkaprofError(f"{key} is {shown(row[key])}: expected one of {', '.join(choices)}")
    for key in SIZE_KEYS if record is MeasuredRow else ():
        if isinstance(row[key], int) and row[key] > MAX_SIZE:
            raise SkaprofError(f"{key} is {shown(row[key])}: expected a size of at most {MAX_SIZE:,}")
    for key in _POSITIVE if record is MeasuredRow else ():
        if row[key] is not None and not 1 / _POSSIBLE < row[key] < _POSSIBLE:
            raise SkaprofError(f"{key} is {shown(row[key])}: expected a figure above 0 that could be measured")


@cache
def _expected_in(record: Any) -> dict[str, Expected]:
    """What each key may hold in rows of a kind; keys that it does not have, as in any row."""
    known = expectations(record) if record is not None else {}
    return keys() | {key: own._replace(key=keys()[key].key) for key, own in known.items()}


@cache
def keys() -> dict[str, Expected]:
    """What each key may hold in rows of any kind, and what it means, told where it first appears."""
    found: dict[str, Expected] = {}
    for record in (*_RECORDS, *(kind.record for kind in KINDS.values())):
        for key, new in expectations(record).items():
            old = found.setdefault(key, new)
            types = tuple(dict.fromkeys((*old.types, *new.types)))
            told = old.key if old.key.words else new.key
            choices = tuple(dict.fromkeys((*old.key.choices, *new.key.choices)))
            found[key] = Expected(types, told._replace(choices=choices), old.items or new.items)
    for key in (*MeasuredRow.__annotations__, *answers.AuditRow.fields):  # null where nothing could be timed or counted
        found[key] = found[key]._replace(types=tuple(dict.fromkeys((*found[key].types, NoneType))))
    return found


_ENVELOPE = (
    "What --format json writes. A file of JSON lines holds the same: this object without rows in its first line, then "
    "one row a line. Readers ignore keys they do not know: a new key is no new schema version, a changed meaning is."
)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a results file, as shipped in `skaprof/schema.json`."""
    kinds = {"cost_row": _COSTS, **KINDS}
    row = {
        "type": "object",
        "properties": {key: _property(expected) for key, expected in keys().items()},
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in kinds],
        "dependentRequired": {
            "params_counted": ["macs_fvcore", "macs_torch", "verified"],
            "macs_ratio": ["params_ratio", "elementwise_flops_ratio", "traffic_bytes_ratio", "baseline"],
            "median_ms": [*(key for key in MeasuredRow.__annotations__ if key in MeasuredRow.required), "error"],
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of a skaprof command",
        "description": _ENVELOPE,
        "type": "object",
        "required": ["schema_version", "command", "environment", "rows"],
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            "command": {"type": "string", "description": "The command as typed."},
            "environment": {
                "type": "object",
                "description": "What the figures depend on: versions, and for measurements the device.",
            },
            "settings": {
                "type": "object",
                "description": "How `skaprof latency` measured, in JSON lines only; what `skaprof report` holds.",
            },
            "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        },
        "$defs": {"row": row} | {name: _definition(kind) for name, kind in kinds.items()},
    }


def _definition(kind: Kind) -> dict[str, Any]:
    """A kind of row. Its rows are also those of older files, which lack what was added since."""
    return {"description": kind.words, "required": [key for key in kind.record.fields if key in kind.record.required]}


def _property(expected: Expected) -> dict[str, Any]:
    names = list(dict.fromkeys(map(json_name, expected.types)))
    if "number" in names:
        names = [name for name in names if name != "integer"]
    key = expected.key
    found: dict[str, Any] = {"description": key.words}
    if key.choices and "array" not in names:
        return found | {"enum": [*key.choices, *([None] if "null" in names else [])]}
    found |= {"type": names[0] if len(names) == 1 else names}
    found |= {} if key.least is None else {"minimum": key.least}
    if "array" in names:
        item = json_name(expected.items[0])
        found["items"] = {"enum": list(key.choices)} if key.choices else {"type": item}
    return found


def schema_text() -> str:
    """The text of `skaprof/schema.json`: what holds no more objects or lists on a line of its own."""
    indented = json.dumps(schema(), indent=2)
    return re.sub(r"[\[{]\n[^\[\]{}]*[\]}]", lambda innermost: " ".join(innermost[0].split()), indented) + "\n"
