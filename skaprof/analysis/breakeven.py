"""Where one mixer starts or stops being cheaper than another as the number of tokens grows: exact, in integers."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.polynomial import sign_at, sign_changes
from skaprof.results import CostRow
from skaprof.workload import Workload


class BreakEven(NamedTuple):
    """Where a cost is strictly below the baseline's: `wins` is one of `skaprof.answers.WINS`.

    `tokens` is the last token count that wins ("up_to") or the first ("from"), else None.
    """

    wins: str
    tokens: int | None = None


def token_breakevens(
    ours: tuple[Variant, Workload], theirs: tuple[Variant, Workload], metrics: Iterable[str]
) -> dict[str, BreakEven | None]:
    """For each metric, where `ours` costs less than `theirs` over all token counts, all other sizes as they are.

    None where that is not one single interval, or the costs are no polynomials of the tokens.
    """
    our_row, their_row = _row_of_tokens(*ours), _row_of_tokens(*theirs)

    def difference(metric: str, tokens: int) -> int:
        value: int = getattr(our_row(tokens), metric) - getattr(their_row(tokens), metric)
        return value

    return {metric: breakeven(partial(difference, metric)) for metric in metrics}


def breakeven(difference: Callable[[int], int]) -> BreakEven | None:
    """Where a polynomial of degree 3 or less, integer at 0, 1, 2, ..., is negative over 1, 2, 3, ...

    None if it changes its sign more than once, or the function is no such polynomial.
    """
    six_fold = _six_fold_coefficients([difference(at) for at in range(4)])
    if any(sign_at(six_fold, at) != 6 * difference(at) for at in (17, 1000)):
        return None
    if not any(six_fold):
        return BreakEven("equal")
    starts_below = next(filter(None, six_fold)) < 0
    changes = sign_changes(six_fold)
    if not changes:
        return BreakEven("always" if starts_below else "never")
    if len(changes) > 1:
        return None
    last, first = ceil(changes[0]) - 1, floor(changes[0]) + 1
    if starts_below:
        return BreakEven("up_to", last) if last else BreakEven("never")
    return BreakEven("from", first) if first > 1 else BreakEven("always")


def _six_fold_coefficients(values: list[int]) -> list[int]:
    """6 times the coefficients, lowest first, of the cubic through its values at 0, 1, 2, 3 (Newton's differences)."""
    differences = []
    while values:
        differences.append(values[0])
        values = [right - left for left, right in pairwise(values)]
    d0, d1, d2, d3 = differences
    return [6 * d0, 6 * d1 - 3 * d2 + 2 * d3, 3 * d2 - 3 * d3, d3]


def _row_of_tokens(variant: Variant, sizes: Workload) -> Callable[[int], CostRow]:
    return cache(lambda tokens: cost_row(variant, sizes._replace(height=tokens, width=1)))
