"""How the claims of a file came out, as rows for every format."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from skaprof.analysis.claims.file import StatedClaim
from skaprof.analysis.claims.judge import Verdict
from skaprof.analysis.row_trust import plain_number
from skaprof.answers import FAILS, HOLDS, NOT_TESTABLE, ClaimRow

DECIDED = (HOLDS, FAILS)


class Outcome(NamedTuple):
    """A claim of a file and its verdict."""

    stated: StatedClaim
    verdict: Verdict

    def is_failure(self, *, strict: bool) -> bool:
        """Whether it came out as the file does not expect; undecided ones count only if `strict`."""
        if self.verdict.outcome == self.stated.expected:
            return False
        return strict or self.verdict.outcome in DECIDED

    def as_row(self, *, strict: bool) -> ClaimRow:
        """The row that every format shows; figures of the first size that came out as the whole."""
        worst, stated = self.verdict.worst, self.stated
        ratio = worst.ratio
        return ClaimRow(
            name=stated.name,
            claim=stated.claim.text,
            outcome=self.verdict.outcome,
            expected=stated.expected,
            failed=self.is_failure(strict=strict),
            left=plain_number(worst.left),
            right=plain_number(worst.right),
            ratio=None if ratio is None else float(ratio.value),
            ratio_low=None if ratio is None else float(ratio.low),
            ratio_high=None if ratio is None else float(ratio.high),
            sizes=self.verdict.sizes,
            sizes_alike=self.verdict.sizes_alike,
            at=worst.point.text(stated.claim.sizes) or None,
            device=worst.point.device,
            timing=worst.point.timing,
            reason=worst.reason,
            measure=measuring_command(self) if self.verdict.outcome == NOT_TESTABLE else None,
            source=stated.source,
            note=stated.note,
            why=stated.why,
        )


def measuring_command(outcome: Outcome) -> str:
    """The command whose results would decide the claim."""
    claim, point = outcome.verdict.claim, outcome.verdict.worst.point
    measured = [found for found in claim.figures if found.measured]
    words = [word for spec in dict.fromkeys(found.spec for found in measured) for word in ("--mixer", spec)]
    for key, given in claim.sizes.items():
        if key not in ("implementation", "device"):
            words += [f"--{key.replace('_', '-')}", given.value]
    implementations = list(dict.fromkeys(found.implementation or point.implementation for found in measured))
    words += ["--implementation", ",".join(implementations)]
    if point.device is not None:
        words += ["--device", "cpu" if point.device == "cpu" else "cuda"]
    return shlex.join(["skaprof", "latency", *words, "--output", "results.jsonl"])
