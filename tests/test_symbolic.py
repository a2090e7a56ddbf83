"""The printed formulas are the numbers: the same op lists, evaluated on symbols."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from conftest import SPEC_TEXTS, examples, variants
from hypothesis import given, settings

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.symbolic import QUANTITIES, formulas, pretty
from skaprof.model.spec import parse_mixer
from skaprof.workload import DTYPE_BYTES, SYMBOLS, Workload


def written(text: str, quantity: str, **options: str) -> str:
    return pretty(formulas(parse_mixer(text), **options)[quantity])


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        ("mhsa", "4 d²", "4 B n d² + 2 B n² d"),
        ("ska", "3 d² + n d", "3 B n d² + 2 B n² d"),
        ("ska:query=false", "2 d² + n d", "2 B n d² + 2 B n² d"),
        ("cska", "3 d² + k² n d + n h", "3 B n d² + B k² n² d + B n² d"),
        ("cska:kernel_size=5", "3 d² + 25 n d + n h", "3 B n d² + 26 B n² d"),
        ("cska:heads=4:head_dim=16", "3 d a + k² n a + 4 n", "3 B n d a + B k² n² a + B n² a"),
        ("linear", "4 d²", "4 B n d² + 2 B n d e + B n d"),
        ("linear:head_dim=16", "4 d²", "4 B n d² + 33 B n d"),
        ("sepconv", "4 d² + 2 k² d + 2", "4 B n d² + 2 B k² n d"),
        ("identity", "0", "0"),
    ],
)
def test_closed_forms_read(text: str, params: str, macs: str) -> None:
    assert (written(text, "params"), written(text, "macs")) == (params, macs)


def test_fused_traffic_has_no_n_squared_and_training_recomputes() -> None:
    assert written("mhsa", "traffic_bytes", implementation="eager") == "14 s B n d + 4 s B n² h"
    assert written("mhsa", "traffic_bytes", implementation="sdpa") == "12 s B n d"
    assert written("mhsa", "macs", implementation="sdpa", mode="train") == "12 B n d² + 7 B n² d"


@settings(max_examples=examples(200))
@given(variants())
def test_formulas_evaluate_to_the_rows(drawn: tuple[Variant, Workload]) -> None:
    variant, w = drawn
    attention_dim = w.attention_dim if w.heads else w.dim
    if attention_dim != w.dim:  # a = d is put into the printed formula
        w = w._replace(dim=attention_dim)
    sizes = (w.batch, w.tokens, w.dim, attention_dim, w.heads or 0, w.head_dim or 0, w.kernel_size or 0)
    values = dict(zip(SYMBOLS, (*sizes, DTYPE_BYTES[variant.dtype]), strict=True))
    row = cost_row(variant, w)
    for quantity, formula in formulas(variant.spec, variant.implementation, variant.mode).items():
        substitution = {symbol: values[symbol.name] for symbol in formula.free_symbols}
        value, of_row = sympy.Rational(formula.subs(substitution)), getattr(row, quantity)
        exact = Fraction(int(value.p), int(value.q))  # a quotient's row has the nearest float
        assert type(of_row)(exact) == of_row, (variant, quantity)


@pytest.mark.parametrize("text", SPEC_TEXTS)
def test_every_quantity_has_a_formula_in_the_named_symbols(text: str) -> None:
    found = formulas(parse_mixer(text))
    assert tuple(found) == (QUANTITIES if found["params"] else QUANTITIES[:-1])
    for formula in found.values():
        assert {symbol.name for symbol in sympy.sympify(formula).free_symbols} <= set(SYMBOLS)
