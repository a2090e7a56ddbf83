"""How stated claims came out, and whether that is a failure, as rows for every format."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from skaprof.analysis.claims.backbones import BACKBONES
from skaprof.analysis.claims.figures import Sources
from skaprof.analysis.claims.file import StatedClaim
from skaprof.analysis.claims.judge import Verdict, judge
from skaprof.analysis.claims.nodes import ClaimError, Figure
from skaprof.analysis.claims.sizes import SIZES_OF_BACKBONES
from skaprof.analysis.row_trust import plain_number
from skaprof.answers import FAILS, HOLDS, NOT_TESTABLE, ClaimRow
from skaprof.grids import size_text
from skaprof.where import is_processor

SAVED = "saved_bytes"
DECIDED = (HOLDS, FAILS)


class Outcome(NamedTuple):
    """A stated claim and its verdict.

    `strict`: what is undecided counts as failed. `allow_missing`: what the files of results lack does not.
    """

    stated: StatedClaim
    verdict: Verdict
    strict: bool = False
    allow_missing: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether it came out as the file does not expect."""
        if self.verdict.outcome == self.stated.expected:
            return False
        return self.strict or self.lacks_rows or self.verdict.outcome in DECIDED

    @property
    def lacks_rows(self) -> bool:
        """Whether it fails for want of rows in the files of results."""
        return self.verdict.lacking is not None and not self.allow_missing

    @property
    def hint(self) -> str | None:
        """What makes the claim say nothing, if something does: what training keeps is 0 in forward."""
        kept = any(found.metric == SAVED for found in self.verdict.claim.figures)
        return f"{SAVED} is 0 in forward: expected mode=train after the @" if kept and self._is_forward else None

    @property
    def _is_forward(self) -> bool:
        return self.verdict.worst.point.mode == "forward"

    def as_row(self) -> ClaimRow:
        """The row that every format shows; figures of the first size that came out as the whole."""
        worst, stated = self.verdict.worst, self.stated
        ratio = worst.ratio
        return ClaimRow(
            name=stated.name,
            claim=stated.claim.text,
            outcome=self.verdict.outcome,
            expected=stated.expected,
            failed=self.is_failure,
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
            reason=worst.reason or self.hint,
            measure=measuring_command(self) if self.verdict.outcome == NOT_TESTABLE else None,
            source=stated.source,
            note=stated.note,
            why=stated.why,
        )


def outcomes_of(
    stated: Iterable[StatedClaim], sources: Sources, *, strict: bool = False, allow_missing: bool = False
) -> list[Outcome]:
    """How each claim comes out.

    Raises:
        SkaprofError: one is about figures or sizes that do not exist or fit, with its place.
    """
    found = []
    for each in stated:
        try:
            found.append(Outcome(each, judge(each.claim, sources), strict, allow_missing))
        except ClaimError as error:
            raise each.error(error) from None
    return found


def measuring_command(outcome: Outcome) -> str:
    """The command whose results would decide the claim; two where it is about mixers and whole backbones."""
    measured = [found for found in outcome.verdict.claim.figures if found.measured]
    models = [found for found in measured if found.spec.partition("[")[0] in BACKBONES.sides]
    mixers = [found for found in measured if found not in models]
    told = [_measuring(outcome, mixers, "--mixer", "results.jsonl")] if mixers else []
    told += [_measuring(outcome, models, "--model", "models.jsonl" if mixers else "results.jsonl")] if models else []
    return " && ".join(told)


def _measuring(outcome: Outcome, measured: Sequence[Figure], option: str, file: str) -> str:
    claim, point = outcome.verdict.claim, outcome.verdict.worst.point
    words = [word for spec in dict.fromkeys(found.spec for found in measured) for word in (option, spec)]
    if option == "--model" and "resolution" not in claim.sizes:
        words += ["--resolution", size_text(*point.resolution)]
    for key, given in claim.sizes.items():
        if key not in ("implementation", "device") and (option == "--mixer" or key in SIZES_OF_BACKBONES):
            words += [f"--{key.replace('_', '-')}", given.value]
    implementations = list(dict.fromkeys(found.implementation or point.implementation for found in measured))
    words += ["--implementation", ",".join(implementations)]
    if point.device is not None:
        words += ["--device", "cpu" if is_processor(point.device) else "cuda"]
    return shlex.join(["skaprof", "latency", *words, "--output", file])
