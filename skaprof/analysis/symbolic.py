"""Closed forms: the op lists evaluated on symbols, simplified and printed (importing this loads sympy)."""

from __future__ import annotations

import re

import sympy
from sympy import Expr, Poly, Symbol

from skaprof.answers import FormulaRow
from skaprof.model.cost import op_costs, total
from skaprof.model.spec import MixerSpec
from skaprof.results import FLOPS_PER_PARAM, SUMMED_METRICS
from skaprof.workload import SYMBOLS, Workload, is_fused

QUANTITIES = (*SUMMED_METRICS, FLOPS_PER_PARAM)
"""What has a closed form: the largest of several, such as the peak of memory, has none."""

_B, _N, _D, _A, _H, _E, _K, _S = (Symbol(name, positive=True, integer=True) for name in SYMBOLS)


def formula_rows(spec: MixerSpec, implementation: str = "eager", mode: str = "forward") -> list[FormulaRow]:
    """One row for each quantity: `formula` for machines, `text` for people. Nothing is saved in forward."""
    return [
        FormulaRow(
            mixer=spec.text,
            implementation=implementation,
            mode=mode,
            quantity=quantity,
            formula=machine_readable(found),
            text=pretty(found),
        )
        for quantity, found in formulas(spec, implementation, mode).items()
        if quantity != "saved_bytes" or mode == "train"
    ]


def formulas(spec: MixerSpec, implementation: str = "eager", mode: str = "forward") -> dict[str, Expr]:
    """The closed form of each quantity in the symbols of `SYMBOLS`, from the same ops as every number. Without
    parameters there are no FLOPs per parameter.

    Where the spec leaves heads and head_dim alone or gives one of them, a = d is put in; given both, a stays.
    """
    ops = spec.ops(Workload(_B, _N, 1, _D, _H, _E, _K), implementation)
    cost = total(op_costs(ops, _S, mode, fused=is_fused(implementation)))
    found = {quantity: _simplified(getattr(cost, quantity), spec) for quantity in SUMMED_METRICS}
    return found | ({FLOPS_PER_PARAM: sympy.factor(found["flops"] / found["params"])} if found["params"] else {})


def flops_per_param_text(spec: MixerSpec) -> str | None:
    """FLOPs per parameter of one image, its kernel of the size that it has by default; None without parameters."""
    found = formulas(spec._replace(kernel_size=spec.resolve_kernel_size())).get(FLOPS_PER_PARAM)
    return None if found is None else pretty(found.subs(_B, 1))


def _simplified(expression: Expr | int, spec: MixerSpec) -> Expr:
    expanded = sympy.expand(expression)
    if spec.kernel_size is not None:
        expanded = sympy.expand(expanded.subs(_K, spec.kernel_size))
    keeps_a = spec.heads is not None and spec.head_dim is not None
    combined = _with_attention_dim(expanded, _A if keeps_a else _D)
    given = {_E: spec.head_dim, _H: spec.heads}
    return sympy.expand(combined.subs({symbol: value for symbol, value in given.items() if value is not None}))


def _with_attention_dim(expression: Expr, attention_dim: Symbol) -> Expr:
    """Each product h * e written as the attention dimension; a single h or e stays."""
    terms = Poly(expression, _H, _E).terms()
    return sympy.Add(
        *(
            coefficient * attention_dim ** min(h, e) * _H ** (h - min(h, e)) * _E ** (e - min(h, e))
            for (h, e), coefficient in terms
        )
    )


def pretty(expression: Expr) -> str:
    """A formula as a person writes it: `4 n d² + 2 n² d`, terms by degree in d, then n; quotients by their factors."""
    if expression == 0:
        return "0"
    above, below = sympy.fraction(sympy.together(expression))
    if below != 1:
        return f"{_pretty_product(above)} / {_pretty_product(below, one=True)}"
    terms = [(_degrees(term), _pretty_term(term)) for term in sympy.Add.make_args(sympy.expand(expression))]
    return " + ".join(text for _, text in sorted(terms, reverse=True))


_ORDER = (_S, _B, _K, _N, _D, _A, _H, _E)
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _degrees(term: Expr) -> tuple[int, ...]:
    powers = term.as_powers_dict()
    return tuple(int(powers.get(symbol, 0)) for symbol in (_D, _A, _N, _K, _H, _E, _B, _S))


def _pretty_term(term: Expr) -> str:
    coefficient, _ = term.as_coeff_Mul()
    powers = term.as_powers_dict()
    factors = [_pretty_power(symbol, int(powers[symbol])) for symbol in _ORDER if powers.get(symbol, 0)]
    return " ".join([*([str(coefficient)] if coefficient != 1 or not factors else []), *factors])


def _pretty_power(symbol: Symbol, power: int) -> str:
    return f"{symbol}{_raised(power)}"


def _raised(power: int) -> str:
    return str(power).translate(_SUPERSCRIPTS) if power > 1 else ""


def _pretty_product(expression: Expr, *, one: bool = False) -> str:
    """Factors one after the other: `2 n (3 d + 2 n)`; as `one`, several stand in parentheses."""
    coefficient, factors = sympy.factor_list(expression)
    plain = coefficient * sympy.prod(factor**power for factor, power in factors if factor.is_Symbol)
    sums = [(f"({pretty(factor)})", power) for factor, power in factors if not factor.is_Symbol]
    texts = [pretty(plain)] if plain != 1 or not sums else []
    product = " ".join([*texts, *(f"{text}{_raised(power)}" for text, power in sums)])
    return f"({product})" if one and texts and " " in product else product


def machine_readable(expression: Expr) -> str:
    """The formula as sympy prints it, which Python can evaluate: `4*d**2*n + 2*d*n**2`."""
    return re.sub(r"\s+", " ", str(expression))
