"""Claims as they are stated: in a TOML file, one `[[claim]]` table each, read with its place; or by themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from skaprof.analysis.claims.grammar import parse_claim
from skaprof.analysis.claims.nodes import Claim, ClaimError
from skaprof.answers import FAILS, HOLDS, INCONCLUSIVE, NOT_TESTABLE
from skaprof.errors import SkaprofError, bad_value, printable, shown, shown_path
from skaprof.toml_file import read_toml

EXPECTATIONS = {
    "holds": HOLDS,
    "fails": FAILS,
    "inconclusive": INCONCLUSIVE,
    "not testable": NOT_TESTABLE,
}
"""What `expect` may say, and the outcome it means."""
_HERE = "CLAIMS"
"""Where a claim comes from that is given itself."""
_RELATION = re.compile("[<>~=]=|[<>]")
_KEYS = ("claim", "source", "name", "note", "expect", "why")
_HEADER = re.compile(r"\s*\[\[\s*claim\s*\]\]")
_MOST_CLAIMS = 1000
_SHOWN_BEFORE, _SHOWN_AFTER = 60, 50


class StatedClaim(NamedTuple):
    """One claim; `line` and `column`, from 1, are where its text begins in the file at `path`, or 0 in none."""

    claim: Claim
    source: str
    name: str | None
    note: str | None
    expected: str
    why: str | None
    path: str
    line: int
    column: int

    def error(self, error: ClaimError) -> SkaprofError:
        """The user's error for what is wrong with this claim."""
        return _pointing(self.path, self.claim.text, self.line, self.column, error)


def stated_claims(given: Iterable[str]) -> list[StatedClaim]:
    """The claims of files and those that are given themselves, in order.

    Raises:
        SkaprofError: as `read_claims`, or one that is given is none.
    """
    return [each for text in given for each in ([_by_itself(text)] if _is_claim(text) else read_claims(text))]


def _is_claim(text: str) -> bool:
    """Whether this states a claim, and is no file's name."""
    return _RELATION.search(text) is not None and not os.path.exists(text)


def _by_itself(text: str) -> StatedClaim:
    try:
        return StatedClaim(parse_claim(text), "as given", None, None, HOLDS, None, _HERE, 0, 0)
    except ClaimError as error:
        raise _pointing(_HERE, text, 0, 0, error) from None


def read_claims(path: str) -> list[StatedClaim]:
    """The claims of a file, in order; `source` at its top is that of each claim without one.

    Raises:
        SkaprofError: it cannot be read, is no TOML, holds no claim or one that is not valid, with its place.
    """
    document, lines = (top := read_toml(path)).values, top.text.splitlines()
    for key in document:
        if key not in ("claim", "source"):
            raise SkaprofError(
                f"{shown_path(path)}: "
                f"{bad_value('key', key, 'source and [[claim]] tables only', ['claim', 'source']).message}"
            )
    source = document.get("source", "")
    if not isinstance(source, str):
        raise SkaprofError(f"{shown_path(path)}: source: {shown(source)} is not valid: expected text")
    tables = document.get("claim")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
        raise SkaprofError(f"{shown_path(path)} holds no claims: expected [[claim]] tables")
    if len(tables) > _MOST_CLAIMS:
        raise SkaprofError(f"{shown_path(path)} holds {len(tables):,} claims: expected at most {_MOST_CLAIMS:,}")
    starts = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    parts = [(start, lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    parts += [(0, lines)] * (len(tables) - len(parts))  # tables written another way have no header line
    tables = [{"source": source, **table} for table in tables]
    return [_stated(path, table, own, start) for table, (start, own) in zip(tables, parts, strict=False)]


def _stated(path: str, table: Mapping[str, Any], lines: list[str], start: int) -> StatedClaim:
    where = f"{shown_path(path)}, line {start + 1}"
    for key, value in table.items():
        if key not in _KEYS:
            raise SkaprofError(f"{where}: {bad_value('key', key, _listed(_KEYS), _KEYS).message}")
        if not isinstance(value, str):
            raise SkaprofError(f"{where}: {key}: {shown(value)} is not valid: expected text")
    for key, place in (("claim", ""), ("source", " in it, or once above all claims")):
        if not table.get(key, "").strip():
            raise SkaprofError(f'{where}: the claim has no {key}: expected {key} = "..."{place}')
    expect = table.get("expect", "holds")
    if expect not in EXPECTATIONS:
        raise SkaprofError(f"{where}: {bad_value('expect', expect, _listed(EXPECTATIONS), EXPECTATIONS).message}")
    if expect != "holds" and not table.get("why", "").strip():
        raise SkaprofError(f'{where}: expect = {expect!r} has no why: expected why = "..."')
    line, column = _place(table["claim"], lines, start)
    try:
        claim = parse_claim(table["claim"])
    except ClaimError as error:
        raise _pointing(path, table["claim"], line, column, error) from None
    optional = (table.get("name"), table.get("note"), EXPECTATIONS[expect], table.get("why"))
    return StatedClaim(claim, table["source"], *optional, path, line, column)


def _place(text: str, lines: list[str], start: int) -> tuple[int, int]:
    """(line, column), from 1, of a claim's text in its lines, which begin at `start`; of the first where it is not."""
    for number, line in enumerate(lines, start=start + 1):
        column = line.find(text)
        if column >= 0 and line.lstrip().startswith("claim"):
            return number, column + 1
    return start + 1, 1


def _pointing(path: str, text: str, line: int, column: int, error: ClaimError) -> SkaprofError:
    """An error with the claim and a caret below the place in it."""
    left = max(0, error.column - _SHOWN_BEFORE)
    window = text[left : error.column + _SHOWN_AFTER]
    seen = "".join(mark if mark.isprintable() else "?" for mark in window)
    caret = " " * (error.column - left) + "^"
    where = f"{printable(path)}:{line}:{column + error.column}" if line else printable(path)
    return SkaprofError(f"{where}: {error.message}", below=(f"  {seen}", f"  {caret}"))


def _listed(words: Iterable[str]) -> str:
    return f"one of {', '.join(words)}"
