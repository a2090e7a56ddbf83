"""Sizes that are traced: what is written down gives what the code gives with numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skaprof.analysis.branches import Branch, branches
from skaprof.analysis.closed_forms import FormTable
from skaprof.analysis.traced import Traced, as_traced
from skaprof.model.tiles import tile_of

N, D = Traced.size("n"), Traced.size("d")


def value_of(number: Any, sizes: dict[str, int]) -> int:
    """A traced number at these sizes, from its text."""

    def above(of: int, yes: int, no: int) -> int:
        return yes if of > 0 else no

    def zero(of: int, yes: int, no: int) -> int:
        return yes if of == 0 else no

    names = {"floor": lambda a, b: a // b, "mod": lambda a, b: a % b, "max": max, "above": above, "zero": zero}
    return int(eval(as_traced(number).text.replace("^", "**"), {**names, **sizes}))


def test_arithmetic_is_a_polynomial_with_its_terms_in_order() -> None:
    assert ((N + 2) * (D - 1) - N * D).text == "-2+2*d+-1*n"
    assert (3 * N**2 - N * N * 3).text == "0"
    assert (2 - N).text == "2+-1*n"
    assert (6 * N // 3).text == "2*n"


def test_what_is_never_negative_is_known_where_sizes_are_1_or_more() -> None:
    assert (N * D + 3).is_positive
    assert (N - 1).is_never_negative
    assert not (N - 1).is_positive
    assert not (N - D).is_never_negative


def test_of_several_only_what_can_be_the_largest_is_kept() -> None:
    assert N.clip(3 * N).text == "3*n"
    assert N.clip(D).clip(N + D).text == "d+n"
    assert N.clip(D).text == "max(n,d)"


def test_a_condition_of_sizes_splits_what_hangs_on_it() -> None:
    found = branches(lambda: "wide" if D > 2 * N else "narrow")
    assert isinstance(found, Branch)
    assert (found.condition.text, found.yes, found.no) == ("above(d+-2*n)", "wide", "narrow")
    assert branches(lambda: "some" if N > 0 else "none") == "some"
    assert branches(lambda: bool(N)) is True


def test_code_that_is_traced_cannot_catch_the_question() -> None:
    def careless() -> int:
        try:
            return 1 if N > D else 2
        except Exception:
            return 3

    assert isinstance(branches(careless), Branch)


def test_what_no_formula_has_is_an_error_and_no_number() -> None:
    with pytest.raises(TypeError):
        N / 2
    with pytest.raises(TypeError):
        range(N)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        N + 0.5


sizes = st.fixed_dictionaries({name: st.integers(1, 3000) for name in ("batch", "heads", "rows", "scores")})


@settings(max_examples=60)
@given(sizes=sizes)
def test_tiles_that_are_traced_are_those_of_numbers(sizes: dict[str, int]) -> None:
    traced = [Traced.size(name) for name in sizes]
    for part in ("heads", "images", "rows"):
        form = N.branched(lambda *found, part=part: getattr(tile_of(*found), part), *traced)
        assert value_of(form, sizes) == getattr(tile_of(*sizes.values()), part)


def test_a_table_holds_each_formula_once_and_names_the_parts_of_what_is_no_polynomial() -> None:
    table = FormTable()
    first = table.place(N.clip(D) + 1)
    assert table.place(1 + N.clip(D)) == first
    assert table.texts == ["n", "d", "max(0,1)", "1+$2"]
    assert FormTable().place(5) == 0


def test_height_times_width_is_n_as_far_as_both_are_there() -> None:
    height, width = Traced.size("H"), Traced.size("W")
    table = FormTable()
    assert table.texts[table.place(height * width * width + D)] == "W*n+d"
