"""An audit whose counters run on other machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from skaprof.analysis.audit import with_reversals
from skaprof.analysis.plan import Plan
from skaprof.answers import AuditRow
from skaprof.count.asked import Answer
from skaprof.count.audit import case_row, cases_of, forks
from skaprof.counters import Counter
from skaprof.elsewhere import Elsewhere

MACHINE, COUNTS = "skaprof.count.answering:machine", "skaprof.count.answering:counted"
LONGEST_SECONDS = 86_400.0
"""A counter has a limit for each case; what has none hangs."""


def audited_elsewhere(
    plan: Plan,
    counters: Sequence[Counter],
    spellings: Collection[str],
    elsewhere: Elsewhere,
    tell: Callable[[str], None],
    advance: Callable[[], None],
) -> list[AuditRow]:
    """As `skaprof.count.audit.audited`; a counter whose machines are lost has rows that say so."""
    cases = [cases_of(counter, plan, spellings) for counter in counters]
    forked = forks(counters)
    tasks = [
        {"counter": counter.name, "cases": list(map(asdict, own)), "forks": counter in forked}
        for counter, own in zip(counters, cases, strict=True)
    ]
    found: dict[int, list[AuditRow]] = {}
    for done in elsewhere.done(COUNTS, tasks, LONGEST_SECONDS, lambda: False, tell):
        if done.trouble is None:
            rows = list(map(AuditRow.read, done.answer["rows"]))
        else:
            lost = Answer(error=done.trouble)
            rows = [case_row(counters[done.place], case, lost, ()) for case in cases[done.place]]
        found[done.place] = [row.replace(**done.said) for row in rows]
        advance()
    return with_reversals([row for place in sorted(found) for row in found[place]])
