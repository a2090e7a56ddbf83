"""The grammar of a claim, and its parser. A claim is one line:

    claim      = side COMPARATOR side ["@" sizes]
    side       = product (("+" | "-") product)*
    product    = factor (("*" | "/") factor)*
    factor     = "-" factor | "(" side ")" | NUMBER [UNIT] | SIZE | SPEC ["/" IMPLEMENTATION] "." METRIC
    sizes      = KEY "=" GRID ("," KEY "=" GRID)*

`cska.macs <= 0.85 * mhsa.macs @ tokens=49,dim=512`; `mhsa.macs - ska.macs == tokens * dim * dim @ tokens=49:784:49`.
`~=` holds where the figure rounds to the number as it is printed: `ska.params ~= 9.5M` from 9.45 M to 9.55 M.
"""

from __future__ import annotations

import re

from skaprof.analysis.claims.nodes import Claim, ClaimError, Expression, Figure, Number, Operation, SizeWord, StatedSize
from skaprof.analysis.claims.units import NUMBER, PLAIN, SUFFIXES, Dimension, dimension_of, named, quantity
from skaprof.analysis.row_trust import MEASURED_KEYS
from skaprof.errors import SkaprofError, shown
from skaprof.model.backbones import BACKBONES
from skaprof.model.mixers import MIXERS
from skaprof.results import FLOPS_PER_PARAM, METRICS
from skaprof.words import meant
from skaprof.workload import check_choice

COMPARATORS = ("<=", ">=", "==", "~=", "<", ">")
SIZE_WORDS = ("tokens", "height", "width", "batch", "dim", "heads", "head_dim", "kernel_size")
"""The sizes that a side may name."""
SIZE_KEYS = (
    *("tokens", "size", "resolution", "patch", "dim", "batch", "heads", "head_dim", "kernel_size", "dtype", "mode"),
    *("implementation", "device", "timing"),
)
"""What may stand after the @: the options of the other commands, by the same words."""
CLAIM_METRICS = (*METRICS, FLOPS_PER_PARAM, *MEASURED_KEYS)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPTION = re.compile(r":[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_]+", re.ASCII)
_IMPLEMENTATION = re.compile(r"/([a-z]+(?:-[a-z]+)*)(?=\.[A-Za-z])", re.ASCII)
_UNIT = re.compile(r"%|[A-Za-z]+", re.ASCII)
_COMPARATOR = re.compile("|".join(map(re.escape, COMPARATORS)))
_DEEPEST = 50
_LONGEST = 2000


def parse_claim(text: str) -> Claim:
    """The claim that `text` makes.

    Raises:
        ClaimError: it is none, or its units do not fit, with the place.
    """
    if len(text) > _LONGEST:
        raise ClaimError(f"the claim has {len(text):,} characters: expected at most {_LONGEST:,}", 0)
    parser = _Parser(text)
    claim = parser.claim()
    _require_units(claim, parser.comparator_column)
    return claim


class _Parser:
    """One pass from left to right; each method reads one rule of the grammar from `at` on."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.comparator_column = 0

    def claim(self) -> Claim:
        left = self._side()
        self._skip_blanks()
        self.comparator_column = self.at
        comparator = self._match(_COMPARATOR)
        if comparator is None:
            raise self._unexpected(f"an operator or one of {' '.join(COMPARATORS)}")
        right = self._side()
        sizes = self._sizes() if self._take("@") else {}
        if self.at < len(self.text):
            raise self._unexpected("an operator, @ or the end")
        return Claim(self.text, left, comparator, right, sizes)

    def _side(self) -> Expression:
        found = self._product()
        while sign := self._take("+", "-"):
            column = self.at - 1
            found = Operation(sign, found, self._product(), column)
        return found

    def _product(self) -> Expression:
        found = self._factor()
        while sign := self._take("*", "/"):
            column = self.at - 1
            found = Operation(sign, found, self._factor(), column)
        return found

    def _factor(self) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ClaimError(f"more than {_DEEPEST} signs and parentheses in each other", self.at)
        try:
            return self._signed_factor()
        finally:
            self.depth -= 1

    def _signed_factor(self) -> Expression:
        if self._take("-"):
            column = self.at - 1
            return Operation("-", Number(quantity("0", ""), column), self._factor(), column)
        if self._take("("):
            found = self._side()
            if not self._take(")"):
                raise self._unexpected("an operator or )")
            return found
        self._skip_blanks()
        column = self.at
        if (digits := self._match(NUMBER)) is not None:
            return Number(quantity(digits, self._unit()), column)
        return self._named(column)

    def _unit(self) -> str:
        after_digits = self.at
        self._skip_blanks()
        column = self.at
        unit = self._match(_UNIT)
        if unit is None:
            self.at = after_digits
            return ""
        if unit not in SUFFIXES:
            known = ", ".join(filter(None, SUFFIXES))
            raise ClaimError(f"no unit {shown(unit)}: expected an operator, or one of {known}", column)
        return unit

    def _named(self, column: int) -> Expression:
        """A size by its name, or a figure."""
        name = self._match(_NAME)
        if name is None:
            raise self._unexpected("a number, a size such as tokens, or a figure such as ska.macs")
        spec = self._spec(name)
        implementation = self._implementation()
        if not self._next_is("."):
            if spec == name and name in SIZE_WORDS:
                return SizeWord(name, column)
            raise self._unexpected(f"a dot and a figure of {shown(spec)}, such as {spec[:40]}.macs")
        self.at += 1
        metric_column = self.at
        metric = self._match(_NAME)
        if metric is None:
            raise self._unexpected(f"a figure: one of {', '.join(CLAIM_METRICS)}")
        metric = _checked("figure", metric, CLAIM_METRICS, metric_column)
        return Figure(meant(name, (*MIXERS, *BACKBONES)) + spec[len(name) :], implementation, metric, column)

    def _spec(self, name: str) -> str:
        """The spec that begins with `name`: options after colons, stages of a backbone in brackets."""
        start = self.at - len(name)
        while self._next_is(":"):
            if self._match(_OPTION) is None:
                raise ClaimError("expected an option after the colon, such as :query=false", self.at)
        if self._next_is("["):
            end = self.text.find("]", self.at)
            if end < 0:
                raise ClaimError("this bracket is never closed: expected ]", self.at)
            self.at = end + 1
        return self.text[start : self.at]

    def _implementation(self) -> str | None:
        found = _IMPLEMENTATION.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[1]

    def _sizes(self) -> dict[str, StatedSize]:
        """What follows the @. A comma begins a new key where `key=` follows it; else it is within a grid."""
        sizes: dict[str, StatedSize] = {}
        while True:
            self._skip_blanks()
            column, key = self.at, self._match(_NAME)
            if key is None or not self._take("="):
                raise self._unexpected("a size such as tokens=49")
            key = _checked("size", key, SIZE_KEYS, column)
            if key in sizes:
                raise ClaimError(f"{key} is given twice: expected it once", column)
            self._skip_blanks()
            end = _next_key(self.text, self.at)
            value = self.text[self.at : end].strip()
            if not value:
                raise self._unexpected(f"a value of {key}")
            sizes[key] = StatedSize(value, self.at)
            if end == len(self.text):
                self.at = end
                return sizes
            self.at = end + 1

    def _take(self, *signs: str) -> str | None:
        """The next sign, read, if it is one of these."""
        self._skip_blanks()
        if self.at < len(self.text) and self.text[self.at] in signs:
            self.at += 1
            return self.text[self.at - 1]
        return None

    def _next_is(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def _skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _unexpected(self, expected: str) -> ClaimError:
        self._skip_blanks()
        found = shown(self.text[self.at]) if self.at < len(self.text) else "the end"
        return ClaimError(f"found {found}: expected {expected}", self.at)


_KEY_AHEAD = re.compile(r",\s*(?=[A-Za-z_]+\s*=)", re.ASCII)


def _next_key(text: str, start: int) -> int:
    """Where the comma before the next key is, or the end."""
    found = _KEY_AHEAD.search(text, start)
    return found.start() if found else len(text)


def _require_units(claim: Claim, column: int) -> None:
    """Raise unless both sides are of one dimension and `~=` has a number to round to.

    Raises:
        ClaimError: at the operator that joins two dimensions.
    """
    _joined(_dimension(claim.left), _dimension(claim.right), column, "compares")
    if claim.comparator == "~=" and not any(isinstance(side, Number) for side in (claim.left, claim.right)):
        raise ClaimError("~= rounds to a printed number: expected one alone on one side, such as 9.5M", column)


def _checked(what: str, word: str, known: tuple[str, ...], column: int) -> str:
    """The word of `known` that is meant.

    Raises:
        ClaimError: none is.
    """
    try:
        return check_choice(what, word, known)
    except SkaprofError as error:
        raise ClaimError(error.message, column) from None


def _dimension(node: Expression) -> Dimension | None:
    """The dimension of an expression; None of one without a unit, which fits any."""
    match node:
        case Number():
            return None if node.quantity.dimension == PLAIN else node.quantity.dimension
        case SizeWord():
            return None
        case Figure():
            return dimension_of(node.metric)
        case Operation("+" | "-"):
            return _joined(_dimension(node.left), _dimension(node.right), node.column, "joins")
    left, right = _dimension(node.left), _dimension(node.right)
    if left is None and right is None:
        return None
    sign = 1 if node.sign == "*" else -1
    (left_bytes, left_time), (right_bytes, right_time) = left or PLAIN, right or PLAIN
    return left_bytes + sign * right_bytes, left_time + sign * right_time


def _joined(left: Dimension | None, right: Dimension | None, column: int, verb: str) -> Dimension | None:
    if left is not None and right is not None and left != right:
        raise ClaimError(f"this {verb} {named(left)} with {named(right)}: expected one unit", column)
    return right if left is None else left
