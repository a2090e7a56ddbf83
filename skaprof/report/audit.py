"""What counters capture, as a table and as sentences; and which rankings of mixers they turn round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from statistics import median
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from skaprof.report.numbers import NumberFormat, si, significant

Row = Mapping[str, Any]


def with_reversals(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with `reversed_against`: the cheaper mixers' rows that turn out dearer by this counter's word.

    A row's ranking against another mixer's is reversed where the closed forms say that it needs more MACs, and its
    counter says that it needs fewer.
    """
    found: dict[int, list[str]] = {index: [] for index in range(len(rows))}
    for dear, cheap in _reversed_pairs(rows):
        found[dear].append(_label(rows[cheap]))
    return [{**row, "reversed_against": found[index]} for index, row in enumerate(rows)]


def _reversed_pairs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(dearer, cheaper) by the closed forms, where the counter of both says the opposite."""
    counted = [index for index, row in enumerate(rows) if row["macs_counted"] is not None]
    return [
        (dear, cheap)
        for dear, cheap in permutations(counted, 2)
        if rows[dear]["counter"] == rows[cheap]["counter"]
        and rows[dear]["mixer"] != rows[cheap]["mixer"]
        and rows[dear]["macs"] > rows[cheap]["macs"]
        and rows[dear]["macs_counted"] < rows[cheap]["macs_counted"]
    ]


def _label(row: Row) -> str:
    return f"{row['mixer']} ({row['spelling']})"


def audit_table(rows: Sequence[Row]) -> Table:
    """One line a spelling, one column a counter: the per cent captured of the closed form's MACs, and the time."""
    counted = [row for row in rows if row["mixer"] is not None]
    counters = list(dict.fromkeys(row["counter"] for row in counted))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    number = NumberFormat.of([row["macs"] for row in counted])
    for words in ("mixer", "spelling", f"MACs\n({number.prefix})", *(name.replace("-", "\n") for name in counters)):
        table.add_column(words, justify="left" if words in ("mixer", "spelling") else "right", no_wrap=True)
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in counted:
        lines.setdefault((row["mixer"], row["spelling"]), {})[row["counter"]] = row
    previous = ""
    for (mixer, spelling), by_counter in lines.items():
        if previous and mixer != previous:
            table.add_section()
        macs = next(iter(by_counter.values()))["macs"]
        cells = [_captured(by_counter[name]) for name in counters]
        table.add_row(mixer if mixer != previous else "", spelling, number.text(macs), *cells)
        previous = mixer
    table.add_section()
    table.add_row("", "ms a count", "", *(_milliseconds(counted, name) for name in counters))
    return table


def _captured(row: Row) -> Text:
    if row["error"] is not None:
        return Text("error", style="bold red")
    if row["captured"] is None:
        return Text("-" if not row["macs_counted"] else si(row["macs_counted"]))
    if row["macs_counted"] == row["macs"]:
        return Text("100 %", style="green")
    share = f"{100 * row['captured']:.1f} %" if row["captured"] else "0 %"
    style = "bold red" if row["reversed_against"] else "yellow"
    mark = " !" if row["reversed_against"] else ""
    return Text(share + mark, style=style)


def _milliseconds(rows: Sequence[Row], counter: str) -> str:
    taken = [row["seconds"] for row in rows if row["counter"] == counter and row["seconds"] is not None]
    return significant(1e3 * median(taken), 2) if taken else "-"


def sentences(rows: Sequence[Row]) -> list[str]:
    """Reversed rankings, exactness, errors, what is absent, and the conventions."""
    counters = list(dict.fromkeys(row["counter"] for row in rows if row["mixer"] is not None))
    found = [*reversal_sentences(rows), _exact(rows, counters), *error_sentences(rows)]
    absent = [row["counter"] for row in rows if row["mixer"] is None]
    if absent:
        found.append(f"Not installed: {', '.join(absent)}; pip install 'skaprof[audit]' brings all counters.")
    return [*found, CONVENTION, _versions(rows, counters)]


CONVENTION = (
    "Per cent of the closed form's MACs, whatever a counter's unit: torch's FLOPs are halved, fvcore's flops are MACs. "
    "100 % is exact to the last digit; above, elementwise work is counted among the MACs; ! turns a ranking round. "
    "Each counter runs with its defaults, on real tensors on the processor; mha is nn.MultiheadAttention, mha-fast its "
    "fast path in eval and no_grad."
)


def error_sentences(rows: Sequence[Row]) -> list[str]:
    """One for each error, or for all of a counter's where they are the same."""
    failed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["mixer"] is not None and row["error"] is not None:
            failed.setdefault((row["counter"], row["error"]), []).append(_label(row))
    return [f"{counter} on {', '.join(labels)}: {error}" for (counter, error), labels in failed.items()]


def reversal_sentences(rows: Sequence[Row]) -> list[str]:
    """One sentence for each counter that turns rankings round, with one example for each pair of mixers."""
    found = []
    for counter in dict.fromkeys(row["counter"] for row in rows if row["mixer"] is not None):
        examples = _examples([row for row in rows if row["counter"] == counter])
        if examples:
            words = "; ".join(_example(dear, cheap) for dear, cheap in examples)
            found.append(f"{counter} REVERSES {'rankings' if len(examples) > 1 else 'a ranking'}: {words}.")
    return found


def _examples(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """(dearer, cheaper) of each two mixers whose ranking is reversed: the plainest of their spellings."""
    by_mixers: dict[tuple[str, str], list[tuple[Row, Row]]] = {}
    for dear, cheap in ((rows[dear], rows[cheap]) for dear, cheap in _reversed_pairs(rows)):
        by_mixers.setdefault((dear["mixer"], cheap["mixer"]), []).append((dear, cheap))
    return [max(pairs, key=lambda pair: _plainness(*pair)) for pairs in by_mixers.values()]


def _plainness(dear: Row, cheap: Row) -> tuple[bool, bool]:
    """A pair of which the counter saw something says more than one of which it saw nothing; most, one half right."""
    return bool(dear["macs_counted"]), cheap["macs_counted"] == cheap["macs"]


def _example(dear: Row, cheap: Row) -> str:
    return (
        f"{_label(cheap)} comes out dearer than {_label(dear)}, {si(round(cheap['macs_counted']))} to "
        f"{si(round(dear['macs_counted']))} MACs, where {si(cheap['macs'])} to {si(dear['macs'])} is true"
    )


def _exact(rows: Sequence[Row], counters: Sequence[str]) -> str:
    """How many spellings each counter has to the last digit, the best first."""
    own = {name: [row for row in rows if row["counter"] == name and row["mixer"] is not None] for name in counters}
    exact = {name: sum(row["macs_counted"] == row["macs"] for row in found) for name, found in own.items()}
    ordered = sorted(counters, key=lambda name: -exact[name])
    total = max(map(len, own.values()), default=0)
    return f"Exact, of {total} spellings: {', '.join(f'{name} {exact[name]}' for name in ordered)}."


def _versions(rows: Sequence[Row], counters: Sequence[str]) -> str:
    versions = {row["counter"]: row["counter_version"] for row in rows}
    return f"Versions: {', '.join(f'{name} {versions[name]}' for name in counters)}."
