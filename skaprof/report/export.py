"""What was exported, as a table and in sentences."""

from __future__ import annotations

from skaprof.answers import ExportRow
from skaprof.implementations import PYTORCH
from skaprof.report.numbers import si
from skaprof.report.plain_table import PlainTable


def export_table(row: ExportRow) -> PlainTable:
    """One line: the file, what is in it, and how far its output is off."""
    table = PlainTable()
    columns = {
        "file": ("file", row.file),
        "params": ("params", "-" if row.params is None else si(row.params)),
        "macs": ("MACs", "-" if row.macs is None else si(row.macs)),
        "opset": ("opset", f"{row.opset}"),
        "nodes": ("nodes", f"{row.nodes:,}"),
        "model_bytes": ("size", si(row.model_bytes, "B")),
        "output_error": ("error", f"{row.output_error:.1e}"),
    }
    for key, (words, _) in columns.items():
        table.add(key, words=words, number=key != "file")
    table.add_row(*(cell for _, cell in columns.values()), of=row)
    return table


def caption(row: ExportRow) -> str:
    """What it is of, and for which sizes."""
    from skaprof.report.table import caption as sizes

    name = " ".join(filter(None, (row.model, row.mixer)))
    if row.model is None:
        return f"{name}: {sizes([row.replace(runtime=PYTORCH)])}"  # what checked it stands below
    image = f"input {row.input_shape}" if row.image_height is None else f"{row.image_height} x {row.image_width}"
    return f"{name}: {row.implementation}, batch {row.batch}, {image}, {row.dtype}"


def sentences(row: ExportRow) -> list[str]:
    """What was checked, and whose weights are in it."""
    at = "" if row.checked_tokens in (None, row.tokens) else f" at {row.checked_tokens:,} tokens, which fit in memory"
    weights = "drawn, not trained" if row.input_shape is None else f"as {row.model} builds them"
    return [
        f"{row.runtime} {row.runtime_version} ran it on random input{at}; error: the largest difference from float64, "
        "over the largest output.",
        *([f"Weights: {weights}."] if row.params else []),
    ]
