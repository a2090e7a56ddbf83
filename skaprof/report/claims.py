"""How claims came out, as rows for every format, as a terminal table, and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from skaprof.analysis.claims.outcomes import DECIDED, Outcome
from skaprof.analysis.row_trust import Bounds
from skaprof.answers import FAILS, HOLDS, INCONCLUSIVE, NOT_TESTABLE, OUTCOMES
from skaprof.errors import printable
from skaprof.report.numbers import counted, si, significant, told_apart

if TYPE_CHECKING:
    from skaprof.report.plain_table import PlainTable

_STYLES = {HOLDS: "green", FAILS: "bold red", INCONCLUSIVE: "yellow", NOT_TESTABLE: "yellow"}


def claims_table(outcomes: Sequence[Outcome]) -> PlainTable:
    """One line a claim: the outcome, the claim, both sides and their ratio, and the size they are of."""
    from rich.text import Text

    from skaprof.report.plain_table import PlainTable

    table = PlainTable()
    for key in ("outcome", "claim"):
        table.add(key, folds=True)
    for key in ("left", "right", "ratio"):
        table.add(key, number=True)
    for outcome in outcomes:
        worst, stated = outcome.verdict.worst, outcome.stated
        expected = " (expected)" if stated.expected == outcome.verdict.outcome != HOLDS else ""
        table.add_row(
            Text(outcome.verdict.outcome + expected, style=_STYLES[outcome.verdict.outcome]),
            stated.claim.text,
            *_figures(worst.left, worst.right),
            "-" if worst.ratio is None else _ratio(worst.ratio),
            of=outcome.as_row(),
        )
    return table


def sentences(outcomes: Sequence[Outcome]) -> list[str]:
    """How many came out how, then each that did not hold, with its figures, its source and why."""
    counts = Counter(outcome.verdict.outcome for outcome in outcomes)
    told = [f"{counts[word]:,} {word if counts[word] == 1 else _PLURALS[word]}" for word in OUTCOMES if counts[word]]
    failures = sum(outcome.is_failure for outcome in outcomes)
    ending = f"{failures:,} not as expected" if failures else "none against what the file expects"
    claims = counted(len(outcomes), "claim")
    found = [f"{claims}: {', '.join(told)}; {ending}."]
    return found + [claim_sentence(outcome) for outcome in outcomes if _is_notable(outcome)]


def _is_notable(outcome: Outcome) -> bool:
    """Whether there is more to say than that it holds."""
    as_it_should = outcome.verdict.outcome == outcome.stated.expected == HOLDS
    return not as_it_should or outcome.hint is not None


_PLURALS = {HOLDS: "hold", FAILS: "fail", INCONCLUSIVE: "inconclusive", NOT_TESTABLE: "not testable here"}


def claim_sentence(outcome: Outcome) -> str:
    """How a claim came out, with its figures, its source and why."""
    row = outcome.as_row()
    verdict, worst, stated = outcome.verdict, outcome.verdict.worst, outcome.stated
    verb = "" if verdict.outcome in DECIDED else "is "
    parts = [f"{row.name or row.claim} {verb}{verdict.outcome}"]
    if verdict.sizes > 1:
        several = f" on {len(verdict.devices)} devices" if len(verdict.devices) > 1 else ""
        parts[0] += f" at {verdict.sizes_alike:,} of {verdict.sizes:,} sizes{several}, first {row.at}"
        parts[0] += f" on {row.device}" if several else ""
    if worst.left is not None and worst.right is not None:
        parts.append(" against ".join(_figures(worst.left, worst.right)))
    if worst.ratio is not None:
        parts.append(f"ratio {_ratio(worst.ratio)}")
    parts += [row.reason] if row.reason else []
    if stated.expected != HOLDS:
        agrees = "as expected" if stated.expected == verdict.outcome else f"expected: {stated.expected}"
        parts.append(f"{agrees}: {stated.why}")
    if outcome.is_failure and outcome.lacks_rows:
        parts.append("the results given should tell it (--allow-missing lets that pass)")
    parts.append(f"source: {stated.source}")
    told = f"{parts[0]}: {'; '.join(parts[1:])}."
    if row.measure:
        told += f" To measure it: {row.measure}"
    return printable(told)


def _figures(left: Bounds | None, right: Bounds | None) -> tuple[str, str]:
    """Both sides, rounded; in full where they differ by less than that shows."""
    texts = _figure(left), _figure(right)
    return texts if left is None or right is None else told_apart(float(left.value), float(right.value), texts)


def _figure(bounds: Bounds | None) -> str:
    if bounds is None:
        return "-"
    value: Fraction = bounds.value
    if abs(value) < 1000:
        return f"{int(value)}" if value.denominator == 1 else significant(float(value))
    return si(int(value)) if value > 0 else f"-{si(int(-value))}"


def _ratio(ratio: Bounds) -> str:
    if ratio.low == ratio.high:
        value = float(ratio.value)
        return f"{told_apart(value, 1, (f'{value:.4g}', '1'))[0]}x"
    return f"{float(ratio.value):.3f}x ({float(ratio.low):.3f} to {float(ratio.high):.3f})"
