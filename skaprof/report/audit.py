"""What counters capture: a line a counter, or every spelling; and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from rich.text import Text

from skaprof.analysis.audit import Summary, label_of, reversed_pairs, summaries
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.counters import COUNTERS, SPELLINGS
from skaprof.report.numbers import si, significant
from skaprof.report.plain_table import PlainTable


def audit_table(rows: Sequence[AuditRow]) -> PlainTable:
    """One line a counter: how many spellings it has exactly, and how far off it is at the worst."""
    table = PlainTable()
    table.add("counter")
    table.add("counter_version", words="version", rank=3)
    table.add("exact", number=True, rank=1)
    table.add("captured", words="worst", number=True)
    table.add("spelling", words="in")
    table.add("reversed_against", words="rankings")
    table.add("trained", words="training", number=True, rank=2)
    table.add("counter_params", words="params", number=True, rank=2)
    table.add("counter_bytes", words="memory", number=True, rank=4)
    table.add("seconds", words="ms a\ncount", number=True, rank=5)
    for found in summaries(rows):
        table.add_row(*_summary_cells(found))
    return table


def _summary_cells(found: Summary) -> Iterable[str | Text]:
    worst, params = found.worst, found.params
    yield found.counter
    yield found.version or "-"
    yield f"{found.exact} of {found.spellings}" if worst else "-"
    yield _share(worst.captured, exact=worst.macs_counted == worst.macs) if worst else _none(found)
    yield "-" if worst is None or worst.captured == 1 else label_of(worst)
    yield _rankings(found)
    yield _share(found.trained.captured) if found.trained else Text("-")
    yield _share((params.counter_params or 0) / params.params) if params else Text("-")
    yield _share(found.memory.memory_captured) if found.memory else Text("-")
    yield "-" if found.seconds is None else significant(1e3 * found.seconds, 2)


def _none(found: Summary) -> Text:
    """Where there is no count: that it gives none, or that it failed."""
    return Text("error", style="bold red") if found.failed == found.rows else Text("-")


def _rankings(found: Summary) -> Text | str:
    if not found.pairs:
        return "-"
    if not found.turned:
        return Text("kept", style="green")
    return Text(f"{found.turned} of {found.pairs} turned !", style="bold red")


def _share(share: float | None, *, exact: bool | None = None, mark: str = "") -> Text:
    """A share of the closed form's, in per cent; exact where it is the same to the last digit."""
    if share is None:
        return Text("-")
    if exact or (exact is None and share == 1):
        return Text("100 %", style="green")
    if not share:
        text = "0 %"
    elif share >= 10:
        text = f"{share:.0f} times"
    else:
        text = f"{100 * share:.1f} %"
    return Text(f"{text}{mark}", style="bold red" if mark else "yellow")


def detail_table(rows: Sequence[AuditRow]) -> PlainTable:
    """One line a mixer, mode and counter, one column a spelling: the per cent captured of the closed form's MACs."""
    spellings = [name for name in SPELLINGS if any(row.spelling == name for row in rows)]
    table = PlainTable()
    table.add("mixer")
    table.add("mode")
    table.add("counter")
    for place, name in enumerate(spellings):  # those named last go first
        table.add(name, words=name.replace("-", "\n"), number=True, rank=place + 1)
    table.add("seconds", words="ms a\ncount", number=True, rank=len(spellings) + 1)
    lines: dict[tuple[str, str], dict[str, dict[str, AuditRow]]] = {}
    for row in rows:
        lines.setdefault((row.mixer, row.mode), {}).setdefault(row.counter, {})[row.spelling] = row
    for place, ((mixer, mode), by_counter) in enumerate(lines.items()):
        if place:
            table.add_section()
        head = (mixer, mode)
        for counter, by_spelling in by_counter.items():
            cells = [_captured(by_spelling[name]) if name in by_spelling else "" for name in spellings]
            taken = [row.seconds for row in by_spelling.values() if row.seconds is not None]
            table.add_row(*head, counter, *cells, significant(1e3 * median(taken), 2) if taken else "-")
            head = ("", "")
    return table


def _captured(row: AuditRow) -> Text:
    if row.error is not None:
        return Text("error", style="bold red")
    if row.captured is None and row.macs_counted:
        return Text(si(row.macs_counted))
    mark = " !" if row.reversed_against else ""
    return _share(row.captured, exact=row.macs_counted == row.macs, mark=mark)


def sentences(rows: Sequence[AuditRow], absent: Sequence[AbsentCounter]) -> list[str]:
    """All in one, what explains each counter's figures, reversed rankings, errors, what is absent, the conventions."""
    found = [_overall(rows), *convention_sentences(rows), *reversal_sentences(rows), *error_sentences(rows)]
    return [*found, *absent_sentences(absent), CONVENTION]


CONVENTION = (
    "Per cent of the closed form's MACs, whatever a counter calls its unit; worst: the farthest from 100 %, which is "
    "exact to the last digit; above, other work is counted among the MACs. Training: forward and backward, the worst. "
    "Params and memory: of the parameters and of the figure that memory_figure names, the worst. ! turns a ranking of "
    "two mixers round. Each counter runs with its defaults, on real tensors on the processor."
)


def _overall(rows: Sequence[AuditRow]) -> str:
    """How many counters turn rankings round, and which have every spelling exactly."""
    found = summaries(rows)
    turning = sum(one.turned > 0 for one in found)
    exact = [one.counter for one in found if one.spellings and one.exact == one.spellings]
    counters = "1 counter" if len(found) == 1 else f"{len(found)} counters"
    return (
        f"Of {counters}, {turning} turn{'s' if turning == 1 else ''} the ranking of two mixers round in some "
        f"spellings; exact in every spelling: {', '.join(exact) or 'none'}."
    )


def convention_sentences(rows: Sequence[AuditRow]) -> list[str]:
    """What each counter's figures mean, as the probes show it, and what it does besides."""
    found = []
    for one in summaries(rows):
        parts = [*one.conventions, *(f"{effect} (in some spellings)" for effect in one.side_effects)]
        if parts:
            found.append(f"{one.counter} {', '.join(parts[:-1])}{' and ' if len(parts) > 1 else ''}{parts[-1]}.")
    return found


def absent_sentences(absent: Sequence[AbsentCounter]) -> list[str]:
    """Which counters are not installed, and which extras bring them; those that another package stands for, each."""
    taken = [row for row in absent if "(" in row.error]
    named = [row.counter for row in absent if row not in taken]
    extras = dict.fromkeys(COUNTERS[name].extra for name in named if name in COUNTERS and COUNTERS[name].extra)
    cure = f"; {', '.join(f'skaprof[{extra}]' for extra in extras)} {_brings(extras)}" if extras else ""
    found = [f"Not installed: {', '.join(named)}{cure}."] if named else []
    return found + [f"{row.counter}: {row.error}." for row in taken]


def _brings(extras: Iterable[str]) -> str:
    return "bring them" if len(list(extras)) > 1 else "brings them"


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
