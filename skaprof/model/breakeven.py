"""Where one mixer starts or stops being cheaper than another as the number of tokens grows: exact, in integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from skaprof.model.plan import Variant
from skaprof.model.rows import cost_row
from skaprof.workload import Workload

_DEGREE = 3  # every cost is a polynomial of the tokens of at most this degree; checked, not assumed


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where a cost is strictly below the baseline's: `wins` is "always", "never", "equal", "up_to" or "from".

    `tokens` is the last token count that wins ("up_to") or the first ("from"), else None.
    """

    wins: str
    tokens: int | None = None


def token_breakeven(variant: Variant, baseline: Variant, sizes: Workload, metric: str) -> BreakEven | None:
    """Where `variant` costs less than `baseline` over all token counts, the other sizes fixed.

    None where the answer is not one single interval, or the costs are not polynomials of the tokens.

    Raises:
        SkaprofError: sizes that do not fit one of the mixers.
    """
    ours, theirs = _cost_of_tokens(variant, sizes, metric), _cost_of_tokens(baseline, sizes, metric)
    return breakeven(lambda tokens: ours(tokens) - theirs(tokens))


def breakeven(difference: Callable[[int], int]) -> BreakEven | None:
    """Where an integer polynomial of degree 3 or less is negative over 1, 2, 3, ...; None if not one interval."""
    coefficients = _coefficients(difference)
    if any(_value(coefficients, at) != difference(at) for at in (17, 1000)):
        return None
    signs = [coefficient > 0 for coefficient in coefficients if coefficient]
    changes = sum(left != right for left, right in pairwise(signs))
    if not signs:
        return BreakEven("equal")
    if changes == 0:  # Descartes: no positive root
        return BreakEven("never" if signs[0] else "always")
    if changes > 1:
        return None
    starts_below = not signs[0]  # the lowest coefficient decides near zero; there is exactly one positive root
    last = _last_on_first_side(difference, starts_below)
    if starts_below:
        return BreakEven("up_to", last) if last else BreakEven("never")
    first = last + 1
    return BreakEven("from", first) if first > 1 else BreakEven("always")


def _last_on_first_side(difference: Callable[[int], int], starts_below: bool) -> int:
    """The last integer, 0 or more, before the sign has changed: below zero strictly, or not below zero."""

    def on_first_side(tokens: int) -> bool:
        return (difference(tokens) < 0) == starts_below

    low, high = 0, 1
    while on_first_side(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if on_first_side(middle) else (low, middle)
    return low


def _coefficients(polynomial: Callable[[int], int]) -> list[Fraction]:
    """Coefficients, lowest first, of the polynomial through the values at 1 ... degree + 1 (Newton's form)."""
    column = [Fraction(polynomial(at)) for at in range(1, _DEGREE + 2)]
    newton = []
    for order in range(_DEGREE + 1):
        newton.append(column[0])
        column = [(right - left) / (order + 1) for left, right in pairwise(column)]
    coefficients = [Fraction(0)]
    for order in range(_DEGREE, -1, -1):  # Horner: coefficients * (x - node) + newton
        node = order + 1
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - node * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
        coefficients[0] += newton[order]
    return coefficients


def _value(coefficients: list[Fraction], at: int) -> Fraction:
    return sum((coefficient * at**power for power, coefficient in enumerate(coefficients)), Fraction(0))


def _cost_of_tokens(variant: Variant, sizes: Workload, metric: str) -> Callable[[int], int]:
    channels = variant.spec.resolve_channels(sizes.dim, sizes.heads, sizes.head_dim)
    kernel_size = variant.spec.resolve_kernel_size(sizes.kernel_size)

    def cost(tokens: int) -> int:
        value: int = getattr(cost_row(variant, Workload(sizes.batch, tokens, 1, *channels, kernel_size)), metric)
        return value

    return cost
