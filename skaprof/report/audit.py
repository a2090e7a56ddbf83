"""What counters capture, as a table and as sentences; and which rankings of mixers they turn round."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.text import Text

from skaprof.analysis.audit import label_of, reversed_pairs
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.report.numbers import NumberFormat, si, significant
from skaprof.report.plain_table import PlainTable


def audit_table(rows: Sequence[AuditRow]) -> PlainTable:
    """One line a spelling, one column a counter: the per cent captured of the closed form's MACs, and the time."""
    counters = list(dict.fromkeys(row.counter for row in rows))
    table = PlainTable()
    number = NumberFormat.of([row.macs for row in rows])
    table.add("mixer")
    table.add("spelling")
    table.add("macs", words=f"MACs\n({number.prefix})", number=True)
    for place, name in enumerate(counters):  # those named last go first
        table.add(name, words=name.replace("-", "\n"), number=True, rank=place)
    lines: dict[tuple[str, str], dict[str, AuditRow]] = {}
    for row in rows:
        lines.setdefault((row.mixer, row.spelling), {})[row.counter] = row
    previous = ""
    for (mixer, spelling), by_counter in lines.items():
        if previous and mixer != previous:
            table.add_section()
        macs = next(iter(by_counter.values())).macs
        cells = [_captured(by_counter[name]) for name in counters]
        table.add_row(mixer if mixer != previous else "", spelling, number.text(macs), *cells)
        previous = mixer
    table.add_section()
    table.add_row("", "ms a count", "", *(_milliseconds(rows, name) for name in counters))
    return table


def _captured(row: AuditRow) -> Text:
    if row.error is not None:
        return Text("error", style="bold red")
    if row.captured is None:
        return Text("-" if not row.macs_counted else si(row.macs_counted))
    if row.macs_counted == row.macs:
        return Text("100 %", style="green")
    share = f"{100 * row.captured:.1f} %" if row.captured else "0 %"
    style = "bold red" if row.reversed_against else "yellow"
    mark = " !" if row.reversed_against else ""
    return Text(share + mark, style=style)


def _milliseconds(rows: Sequence[AuditRow], counter: str) -> str:
    taken = [row.seconds for row in rows if row.counter == counter and row.seconds is not None]
    return significant(1e3 * median(taken), 2) if taken else "-"


def sentences(rows: Sequence[AuditRow], absent: Sequence[AbsentCounter]) -> list[str]:
    """Reversed rankings, exactness, errors, what is absent, and the conventions."""
    counters = list(dict.fromkeys(row.counter for row in rows))
    found = [*reversal_sentences(rows), _exact(rows, counters), *error_sentences(rows)]
    if absent:
        names = ", ".join(row.counter for row in absent)
        found.append(f"Not installed: {names}; pip install 'skaprof[audit]' brings all counters.")
    return [*found, CONVENTION, _versions(rows, counters)]


CONVENTION = (
    "Per cent of the closed form's MACs, whatever a counter's unit: torch's FLOPs are halved, fvcore's flops are MACs. "
    "100 % is exact to the last digit; above, elementwise work is counted among the MACs; ! turns a ranking round. "
    "Each counter runs with its defaults, on real tensors on the processor; mha is nn.MultiheadAttention, mha-fast its "
    "fast path in eval and no_grad."
)


def error_sentences(rows: Sequence[AuditRow]) -> list[str]:
    """One for each error, or for all of a counter's where they are the same."""
    failed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.error is not None:
            failed.setdefault((row.counter, row.error), []).append(label_of(row))
    return [f"{counter} on {', '.join(labels)}: {error}" for (counter, error), labels in failed.items()]


def reversal_sentences(rows: Sequence[AuditRow]) -> list[str]:
    """One sentence for each counter that turns rankings round, with one example for each pair of mixers."""
    found = []
    for counter in dict.fromkeys(row.counter for row in rows):
        examples = _examples([row for row in rows if row.counter == counter])
        if examples:
            words = "; ".join(_example(dear, cheap) for dear, cheap in examples)
            found.append(f"{counter} REVERSES {'rankings' if len(examples) > 1 else 'a ranking'}: {words}.")
    return found


def _examples(rows: Sequence[AuditRow]) -> list[tuple[AuditRow, AuditRow]]:
    """(dearer, cheaper) of each two mixers whose ranking is reversed: the plainest of their spellings."""
    by_mixers: dict[tuple[str, str], list[tuple[AuditRow, AuditRow]]] = {}
    for dear, cheap in ((rows[dear], rows[cheap]) for dear, cheap in reversed_pairs(rows)):
        by_mixers.setdefault((dear.mixer, cheap.mixer), []).append((dear, cheap))
    return [max(pairs, key=lambda pair: _plainness(*pair)) for pairs in by_mixers.values()]


def _plainness(dear: AuditRow, cheap: AuditRow) -> tuple[bool, bool]:
    """A pair of which the counter saw something says more than one of which it saw nothing; most, one half right."""
    return bool(dear.macs_counted), cheap.macs_counted == cheap.macs


def _example(dear: AuditRow, cheap: AuditRow) -> str:
    return (
        f"{label_of(cheap)} comes out dearer than {label_of(dear)}, {_macs(cheap)} to "
        f"{_macs(dear)} MACs, where {si(cheap.macs)} to {si(dear.macs)} is true"
    )


def _macs(row: AuditRow) -> str:
    return si(round(row.macs_counted or 0))


def _exact(rows: Sequence[AuditRow], counters: Sequence[str]) -> str:
    """How many spellings each counter has to the last digit, the most first, and of how many it is not known."""
    own = {name: [row for row in rows if row.counter == name] for name in counters}
    exact = {name: sum(row.macs_counted == row.macs for row in found) for name, found in own.items()}
    ordered = sorted(counters, key=lambda name: -exact[name])
    total = max(map(len, own.values()), default=0)
    failed = {name: sum(row.error is not None for row in found) for name, found in own.items()}
    told = (f"{name} {exact[name]}{f' ({failed[name]} not known)' if failed[name] else ''}" for name in ordered)
    return f"Exact, of {total} spellings: {', '.join(told)}."


def _versions(rows: Sequence[AuditRow], counters: Sequence[str]) -> str:
    versions = {row.counter: row.counter_version for row in rows}
    return f"Versions: {', '.join(f'{name} {versions[name]}' for name in counters)}."
