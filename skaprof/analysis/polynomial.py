"""Where a polynomial changes its sign: exact arithmetic on integers, the standard library alone."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

_BITS = 64
_SCALE = 2**_BITS
"""An irrational root is known to within one part of so many of a unit."""
_LARGEST_DENOMINATOR = 10**6


def sign_changes(coefficients: Sequence[int]) -> list[Fraction]:
    """The positive roots at which the polynomial changes its sign, in order; rational ones exactly.

    Between two turning points, which are the derivative's, it is monotonic and has one at most.

    Args:
        coefficients: the lowest first.
    """
    coefficients = _stripped(coefficients)
    if len(coefficients) < 2:
        return []
    turns = sign_changes([power * each for power, each in enumerate(coefficients)][1:])
    edges = [Fraction(0), *turns]
    signs = [*(sign_at(coefficients, *edge.as_integer_ratio()) for edge in edges), coefficients[-1]]
    return [
        _root_between(coefficients, low, high)
        for (low, high), (before, after) in zip(pairwise([*edges, None]), pairwise(signs), strict=True)
        if low is not None and before * after < 0
    ]


def _stripped(coefficients: Sequence[int]) -> list[int]:
    """Without the zeros at either end: those at the lowest powers are roots at 0."""
    found = list(coefficients)
    while found and not found[-1]:
        found.pop()
    while found and not found[0]:
        found.pop(0)
    return found


def sign_at(coefficients: Sequence[int], numerator: int, denominator: int = 1) -> int:
    """A number of the polynomial's sign at a fraction: its value there times a power of the denominator."""
    found, power = 0, 1
    for coefficient in reversed(coefficients):
        found = found * numerator + coefficient * power
        power *= denominator
    return found


def _root_between(coefficients: Sequence[int], low: Fraction, high: Fraction | None) -> Fraction:
    """The one root between two signs; `high` of None is infinity."""
    is_positive = sign_at(coefficients, *low.as_integer_ratio()) > 0

    def is_before(place: int) -> bool:
        return (sign_at(coefficients, place, _SCALE) > 0) == is_positive

    left = ceil(low * _SCALE)
    right = max(left, _SCALE) if high is None else floor(high * _SCALE)
    while high is None and is_before(right):
        left, right = right, 2 * right
    while right - left > 1:
        middle = (left + right) // 2
        left, right = (middle, right) if is_before(middle) else (left, middle)
    found = Fraction(right, _SCALE)
    plain = found.limit_denominator(_LARGEST_DENOMINATOR)
    return found if sign_at(coefficients, *plain.as_integer_ratio()) else plain
