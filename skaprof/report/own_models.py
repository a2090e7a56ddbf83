"""A report's sections on models of the user's own: their parts, and what other mixers change in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skaprof.answers import SwapRow
from skaprof.own_rows import PartRow
from skaprof.report import parts, swap
from skaprof.report.formats import escape_markdown
from skaprof.report.markdown import bullets, from_terminal
from skaprof.report.numbers import si
from skaprof.results import values_of

_ONE_MODEL = ("model", "arguments", "input_shape", "dtype")


def models_section(rows: Sequence[PartRow]) -> tuple[str, list[str]]:
    """The markdown of the models, each with its parts in every mode, and a finding each."""
    body, findings = [], []
    for own in _groups(rows):
        body.append(_block(parts.caption(own), from_terminal(parts.part_table(own)), parts.sentences(own)))
        whole = next(row for row in own if not row.scope)
        macs = "MACs that are not known" if whole.macs is None else f"{si(whole.macs)} MACs"
        params = "parameters that are not known" if whole.params is None else f"{si(whole.params)} parameters"
        findings.append(f"{parts.caption(own)}: {params}, {macs} ({whole.mode}).")
    return "".join(body), findings


def swaps_section(rows: Sequence[SwapRow]) -> tuple[str, list[str]]:
    """The markdown of the swaps, each place by place, and a finding each."""
    body, findings = [], []
    for own in _swaps(rows):
        told = swap.sentences(own)
        heading = f"{own[-1].model}, {own[-1].mixer}"
        body.append(_block(heading, from_terminal(swap.swap_table(own)), told))
        findings.append(f"{heading}: {told[0]}")
    return "".join(body), findings


def _block(heading: str, table: str, words: Sequence[str]) -> str:
    return f"### {escape_markdown(heading)}\n\n{table}\n{bullets(words)}\n"


def _groups(rows: Sequence[PartRow]) -> Iterator[list[PartRow]]:
    for key in dict.fromkeys(values_of(row, _ONE_MODEL) for row in rows):
        yield [row for row in rows if values_of(row, _ONE_MODEL) == key]


def _swaps(rows: Sequence[SwapRow]) -> Iterator[list[SwapRow]]:
    """The rows of each swap, which its total ends."""
    own: list[SwapRow] = []
    for row in rows:
        own.append(row)
        if row.scope == "total":
            yield own
            own = []
