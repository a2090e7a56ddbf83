"""Break-evens are exact: brute force over the tokens says the same."""

from __future__ import annotations

from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from skaprof.analysis.breakeven import BreakEven, breakeven, token_breakevens
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.model.spec import parse_mixer
from skaprof.workload import Workload

LAST = 400


def brute_force(wins: list[bool], equal: bool) -> BreakEven | None:
    """What `wins`, for 1, 2, 3, ... tokens, amounts to, if it changes at most once."""
    changes = [at for at in range(1, len(wins)) if wins[at] != wins[at - 1]]
    if equal:
        return BreakEven("equal")
    if not changes:
        return BreakEven("always" if wins[0] else "never")
    if len(changes) > 1:
        return None
    return BreakEven("up_to", changes[0]) if wins[0] else BreakEven("from", changes[0] + 1)


@settings(max_examples=examples(300))
@given(st.lists(st.integers(-30, 30), min_size=1, max_size=4))
def test_a_polynomials_sign_change_is_found_exactly(coefficients: list[int]) -> None:
    def polynomial(at: int) -> int:
        return sum(coefficient * at**power for power, coefficient in enumerate(coefficients))

    found = breakeven(polynomial)
    expected = brute_force([polynomial(at) < 0 for at in range(1, LAST)], not any(coefficients))
    assert found == expected or (found is None and sum(1 for c in coefficients if c) > 2)


def test_no_polynomial_no_answer() -> None:
    assert breakeven(lambda at: 2**at - 100) is None
    assert breakeven(lambda at: (at - 3) * (at - 50)) is None


@settings(max_examples=examples(100))
@given(
    st.sampled_from(("ska", "ska:query=false", "cska", "cska:kernel_size=5", "linear", "sepconv")),
    st.integers(1, 12),
    st.integers(1, 8),
    st.sampled_from(("forward", "train")),
)
def test_break_even_against_mhsa_agrees_with_brute_force(text: str, heads: int, head_dim: int, mode: str) -> None:
    dim = heads * head_dim
    spec, mhsa = parse_mixer(text), parse_mixer("mhsa")
    ours, theirs = Variant(spec, mode=mode), Variant(mhsa, mode=mode)
    kernel = spec.resolve_kernel_size()
    sizes = Workload(1, 1, 1, dim, heads, head_dim, kernel)
    found = token_breakevens((ours, sizes), (theirs, sizes._replace(kernel_size=None)), ("params", "macs"))
    for metric in ("params", "macs"):
        differences = [
            getattr(cost_row(ours, sizes._replace(height=n)), metric)
            - getattr(cost_row(theirs, sizes._replace(height=n, kernel_size=None)), metric)
            for n in range(1, LAST)
        ]
        assert found[metric] == brute_force([d < 0 for d in differences], not any(differences)), metric


def test_the_papers_break_evens_at_dim_256() -> None:
    sizes = Workload(1, 1, 1, 256, 8, 32, 3)
    mhsa, ska, cska = ((Variant(parse_mixer(text)), sizes) for text in ("mhsa", "ska", "cska"))
    assert token_breakevens(ska, mhsa, ("params", "macs")) == {
        "params": BreakEven("up_to", 255),
        "macs": BreakEven("always"),
    }
    assert token_breakevens(cska, mhsa, ("params", "macs")) == {
        "params": BreakEven("up_to", 28),
        "macs": BreakEven("up_to", 31),
    }
