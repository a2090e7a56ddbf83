"""How a claim comes out: holds, fails, inconclusive or not testable here, at every size it is about."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from skaprof.analysis.claims.figures import NoRowError, NotTestableError, Sources
from skaprof.analysis.claims.nodes import Claim, ClaimError, Expression, Figure, Number, Operation, SizeWord, nodes_of
from skaprof.analysis.claims.sizes import Point, points_of
from skaprof.analysis.row_trust import Bounds
from skaprof.answers import FAILS, HOLDS, INCONCLUSIVE, NOT_TESTABLE
from skaprof.errors import SkaprofError

_LARGEST = Fraction(10) ** 100
_WORST_FIRST = (FAILS, INCONCLUSIVE, NOT_TESTABLE, HOLDS)


class Judgement(NamedTuple):
    """How a claim came out at one point. `ratio` is left over right, paired where timed in the same rounds.

    `lacks_row`: it is not testable since the files given, which should tell, do not.
    """

    outcome: str
    point: Point
    left: Bounds | None = None
    right: Bounds | None = None
    ratio: Bounds | None = None
    reason: str | None = None
    lacks_row: bool = False


class Verdict(NamedTuple):
    """How a claim came out over all its sizes: the first size of the worst outcome stands for it.

    `lacking` is the first of its sizes that the files given should tell and do not, if there is one. A size counts for
    each of the `devices` that it was measured on.
    """

    claim: Claim
    worst: Judgement
    sizes: int
    sizes_alike: int
    lacking: Judgement | None = None
    devices: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`."""
        return self.worst.outcome


def judge(claim: Claim, sources: Sources) -> Verdict:
    """The verdict on a claim: it fails where it fails at one size, and holds where it holds at all.

    Raises:
        ClaimError: figures or sizes that do not exist or do not fit each other.
    """
    sources.require_known(claim)
    judgements: dict[str, list[Judgement]] = {outcome: [] for outcome in _WORST_FIRST}
    for point in points_of(claim, of_tokens=sources.of_tokens(claim), side=sources.side_of(claim)):
        measured = any(found.measured for found in claim.figures)
        for placed in sources.settings_of(claim, point) if measured else [point]:
            found = _judge_at(claim, placed, sources)
            judgements[found.outcome].append(found)
    worst = next(outcome for outcome in _WORST_FIRST if judgements[outcome])
    lacking = next((found for found in judgements[NOT_TESTABLE] if found.lacks_row), None)
    every = [found for alike in judgements.values() for found in alike]
    devices = tuple(dict.fromkeys(found.point.device for found in every if found.point.device is not None))
    return Verdict(claim, judgements[worst][0], len(every), len(judgements[worst]), lacking, devices)


def _judge_at(claim: Claim, point: Point, sources: Sources) -> Judgement:
    try:
        left, right = (_value(side, point, sources) for side in (claim.left, claim.right))
        paired = _paired(claim, point, sources)
    except NotTestableError as error:
        return Judgement(NOT_TESTABLE, point, reason=str(error), lacks_row=isinstance(error, NoRowError))
    ratio = _divided(left, right) if paired is None else paired[0]
    outcome = _outcome(claim, left, right) if paired is None else _compared(claim.comparator, *paired[1:])
    reason = sources.doubt(claim.figures, point)
    if reason is None and outcome == INCONCLUSIVE:
        reason = "the interval reaches over the limit"
    return Judgement(INCONCLUSIVE if reason else outcome, point, left, right, ratio, reason)


def _outcome(claim: Claim, left: Bounds, right: Bounds) -> str:
    if claim.comparator != "~=":
        return _compared(claim.comparator, left, right)
    number, other = (claim.right, left) if isinstance(claim.right, Number) else (claim.left, right)
    assert isinstance(number, Number)  # the parser saw to it
    value, half = number.quantity.value, number.quantity.last_digit / 2
    rounds_to_it = Bounds(value - half, value, value + half)
    if rounds_to_it.low <= other.low and other.high <= rounds_to_it.high:
        return HOLDS
    return FAILS if rounds_to_it.apart_from(other) else INCONCLUSIVE


def _compared(comparator: str, left: Bounds, right: Bounds) -> str:
    """The outcome for all values that the bounds allow."""
    if comparator in (">", ">="):
        return _compared({">": "<", ">=": "<="}[comparator], right, left)
    if comparator == "<=":
        holds, fails = left.high <= right.low, left.low > right.high
    elif comparator == "<":
        holds, fails = left.high < right.low, left.low >= right.high
    else:
        holds, fails = left.low == left.high == right.low == right.high, left.apart_from(right)
    return HOLDS if holds else FAILS if fails else INCONCLUSIVE


def _paired(claim: Claim, point: Point, sources: Sources) -> tuple[Bounds, Bounds, Bounds] | None:
    """(left / right, ratio of the two figures, what the claim compares it with) of a claim about one timed pair.

    `a <= c * b` is `a / b <= c`, and a / b is known far better than a and b. None for other claims.
    """
    left, right = (_multiple(side, point, sources) for side in (claim.left, claim.right))
    if left is None or right is None or left[0] <= 0 or right[0] <= 0 or claim.comparator == "~=":
        return None
    ratio = sources.paired_ratio(left[1], right[1], point)
    if ratio is None:
        return None
    limit = right[0] / left[0]
    return Bounds(*(bound / limit for bound in ratio)), ratio, Bounds.exactly(limit)


def _multiple(node: Expression, point: Point, sources: Sources) -> tuple[Fraction, Figure] | None:
    """(factor, figure) of an expression that is one measured figure times or over numbers."""
    if isinstance(node, Figure):
        return (Fraction(1), node) if node.measured else None
    if not isinstance(node, Operation) or node.sign not in "*/":
        return None
    left, right = node.left, node.right
    if node.sign == "*" and not any(isinstance(part, Figure) for part in nodes_of(left)):
        left, right = right, left
    if any(isinstance(part, Figure) for part in nodes_of(right)):
        return None
    inner, factor = _multiple(left, point, sources), _value(right, point, sources).value
    if inner is None or not factor:
        return None
    return (inner[0] * factor if node.sign == "*" else inner[0] / factor), inner[1]


def _value(node: Expression, point: Point, sources: Sources) -> Bounds:
    """An expression's value, by interval arithmetic.

    Raises:
        ClaimError: there is none, or it is so large or small that no format could carry it.
    """
    found = _computed(node, point, sources)
    if any(bound and not 1 / _LARGEST < abs(bound) < _LARGEST for bound in found):
        raise ClaimError("this is beyond 1e100 or within 1e-100: expected a figure that could be a cost", node.column)
    return found


def _computed(node: Expression, point: Point, sources: Sources) -> Bounds:
    try:
        match node:
            case Number():
                return Bounds.exactly(node.quantity.value)
            case SizeWord():
                return Bounds.exactly(point.size(node.name))
            case Figure():
                return sources.value(node, point)
    except SkaprofError as error:  # sizes that do not fit each other, or the mixer
        raise ClaimError(error.message, node.column) from None
    left, right = _value(node.left, point, sources), _value(node.right, point, sources)
    if node.sign == "/" and right.low <= 0 <= right.high:
        raise ClaimError("this divides by zero", node.column)
    return _combined(node.sign, left, right)


def _combined(sign: str, left: Bounds, right: Bounds) -> Bounds:
    if sign == "+":
        return Bounds(left.low + right.low, left.value + right.value, left.high + right.high)
    if sign == "-":
        return Bounds(left.low - right.high, left.value - right.value, left.high - right.low)
    if sign == "/":
        right = Bounds(1 / right.high, 1 / right.value, 1 / right.low)
    ends = [ours * theirs for ours in (left.low, left.high) for theirs in (right.low, right.high)]
    return Bounds(min(ends), left.value * right.value, max(ends))


def _divided(left: Bounds, right: Bounds) -> Bounds | None:
    return None if right.low <= 0 <= right.high else _combined("/", left, right)
