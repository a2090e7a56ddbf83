"""Where one mixer starts or stops costing less than another along a size: exact, from the ops (importing loads sympy).

The difference of two costs is a polynomial of the size, or becomes one times something positive. Its real roots are
the crossings; between two of them the same mixer costs less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any

import sympy
from sympy import Expr, Poly, Symbol

from skaprof.analysis.mixer_pair import MixerPair, Points, row_identity
from skaprof.analysis.polynomial import sign_changes
from skaprof.answers import CrossoverRow
from skaprof.model.cost import op_costs, total
from skaprof.model.spec import MixerSpec
from skaprof.results import FLOPS_PER_PARAM
from skaprof.workload import (
    AXIS_SYMBOLS,
    DEFAULT_HEAD_DIM,
    DTYPE_BYTES,
    SYMBOLS,
    Workload,
    default_head_dim,
    is_fused,
)

EQUAL = "equal"
FIGURES = (
    ("params", "eager", "forward"),
    ("macs", "eager", "forward"),
    (FLOPS_PER_PARAM, "eager", "forward"),
    ("traffic_bytes", "eager", "forward"),
    ("traffic_bytes", "sdpa", "forward"),
    ("saved_bytes", "eager", "train"),
    ("saved_bytes", "sdpa", "train"),
)
"""The (metric, implementation, mode) whose crossings are solved for."""
_MOST_SOLVED_DEGREE = 2
_PRECISION = 30


def crossover_rows(pair: MixerPair) -> list[CrossoverRow]:
    """For each of `FIGURES` that both mixers have, one row a crossing, or one that says who always costs less.

    `crossover` is the real root; `formula` the same solved for the axis, in the symbols of `skaprof.workload`;
    `last_win` the largest point below it at which the mixer costs less, `first_win` the smallest above.
    """
    return [
        row
        for metric, implementation, mode in FIGURES
        if all(implementation in spec.forms() for spec in pair.specs)
        for row in _crossings(pair, metric, implementation, mode)
    ]


def _crossings(pair: MixerPair, metric: str, implementation: str, mode: str) -> Iterator[CrossoverRow]:
    about = row_identity(pair, metric, implementation, mode)
    coefficients = _coefficients(pair, metric, implementation, mode)
    if coefficients is None:
        return
    roots = sign_changes(coefficients)
    winners = _winners(pair, coefficients, len(roots))
    edges: list[Fraction | float] = [Fraction(0), *roots, inf]
    crossed = [at for at, root in enumerate(roots) if _is_on(pair.points, root)]
    if not crossed:
        winner = winners[sum(root < pair.points.start for root in roots)]
        yield CrossoverRow(**about, winner_below=winner, winner_above=winner)
    for at in crossed:
        root = roots[at]
        below, above = winners[at], winners[at + 1]
        last = pair.points.at_most(ceil(root) - 1) if below == pair.mixer.text else None
        first = pair.points.at_least(floor(root) + 1) if above == pair.mixer.text else None
        yield CrossoverRow(
            **about,
            formula=_solved(pair, metric, implementation, mode, root),
            crossover=float(root),
            last_win=last if last is not None and last > edges[at] else None,
            first_win=first if first is not None and first < edges[at + 2] else None,
            winner_below=below,
            winner_above=above,
        )


def crossing_sizes(pair: MixerPair, metric: str) -> list[float]:
    """The sizes, real numbers, at which the two cost the same: one cost less below, the other above."""
    return list(map(float, sign_changes(_coefficients(pair, metric, "eager", "forward") or [])))


def _coefficients(pair: MixerPair, metric: str, implementation: str, mode: str) -> list[int] | None:
    """Of a polynomial of the axis that has the difference's sign, the lowest first; None where one has no figure."""
    difference = _difference(pair, _numbers(pair), metric, implementation, mode)
    if difference is None:
        return None
    numerator = _numerator(difference, _axis_symbol(pair))
    return [int(each) for each in reversed(numerator.clear_denoms(convert=True)[1].all_coeffs())]


def _is_on(points: Points, root: Fraction) -> bool:
    """Whether a crossing lies among the points, and not before the first or after the last."""
    return points.at_most(floor(root)) is not None and points.at_least(ceil(root)) is not None


def _winners(pair: MixerPair, coefficients: Sequence[int], roots: int) -> list[str]:
    """Who costs less before, between and after the roots: the lowest coefficient decides near zero."""
    lowest = next(filter(None, coefficients), None)
    if lowest is None:
        return [EQUAL]
    sides = [pair.mixer.text, pair.baseline.text]
    return [sides[(at + (lowest > 0)) % 2] for at in range(roots + 1)]


def _difference(pair: MixerPair, sizes: dict[str, Any], metric: str, implementation: str, mode: str) -> Expr | None:
    """The mixer's figure less the baseline's, at sizes that may be symbols; None where one has no such figure."""
    ours, theirs = (_cost(spec, sizes, metric, implementation, mode) for spec in pair.specs)
    return None if ours is None or theirs is None else sympy.expand(ours - theirs)


def _cost(spec: MixerSpec, sizes: dict[str, Any], metric: str, implementation: str, mode: str) -> Expr | None:
    heads, head_dim = _channels(spec, sizes)
    kernel = (spec.kernel_size or sizes["kernel_size"] or spec.mixer.kernel_size) if spec.mixer.kernel_size else None
    w = Workload(sizes["batch"], sizes["tokens"], 1, sizes["dim"], heads, head_dim, kernel)
    costs = op_costs(spec.ops(w, implementation), sizes["bytes"], mode, fused=is_fused(implementation))
    figure = getattr(total(costs), metric)
    return None if figure is None else sympy.sympify(figure)


def _channels(spec: MixerSpec, sizes: dict[str, Any]) -> tuple[Any, Any]:
    """(heads, head_dim) as `MixerSpec.resolve_channels` has them, but of numbers or symbols."""
    if not spec.mixer.has_heads:
        return None, None
    heads, head_dim, dim = spec.heads or sizes["heads"], spec.head_dim or sizes["head_dim"], sympy.sympify(sizes["dim"])
    if heads is None and head_dim is None:
        head_dim = default_head_dim(int(dim)) if dim.is_number else DEFAULT_HEAD_DIM
    return dim / head_dim if heads is None else heads, dim / heads if head_dim is None else head_dim


_NAMES = {name: Symbol(name, positive=True) for name in (*SYMBOLS, *AXIS_SYMBOLS.values(), "p")}


def _axis_symbol(pair: MixerPair) -> Symbol:
    return _NAMES[AXIS_SYMBOLS[pair.axis]]


def _numbers(pair: MixerPair) -> dict[str, Any]:
    """Every size a number but that of the axis."""
    sizes = {**pair.sizes._asdict(), "bytes": DTYPE_BYTES[pair.sizes.dtype]}
    axis = _axis_symbol(pair)
    return sizes | ({"tokens": (axis / sizes["patch"]) ** 2} if pair.axis == "resolution" else {pair.axis: axis})


def _symbols(pair: MixerPair) -> dict[str, Any]:
    """Every size a symbol but a kernel's that is not the axis. Of heads and head_dim one follows from dim, as it does
    at the sizes given; where both are, neither."""
    names, sizes = _NAMES, pair.sizes
    tokens = (names["r"] / names["p"]) ** 2 if pair.axis == "resolution" else names["n"]
    found = {"batch": names["B"], "tokens": tokens, "dim": names["d"], "bytes": names["s"]}
    found |= {"heads": names["h"], "head_dim": None, "kernel_size": sizes.kernel_size}
    if sizes.head_dim is not None and (sizes.heads is not None or pair.axis == "heads"):
        found["head_dim"] = names["e"]
    elif pair.axis == "dim" and sizes.heads is None:
        found |= {"heads": None, "head_dim": names["e"]}
    return found | ({"kernel_size": names["k"]} if pair.axis == "kernel_size" else {})


def _values(pair: MixerPair) -> dict[Symbol, Any]:
    """What each symbol stands for at the sizes given; heads and head_dim those of the two mixers."""
    numbers, spec = _numbers(pair), next((spec for spec in pair.specs if spec.mixer.has_heads), pair.mixer)
    heads, head_dim = _channels(spec, numbers)
    keys = {"B": "batch", "n": "tokens", "d": "dim", "k": "kernel_size", "s": "bytes", "p": "patch"}
    return {_NAMES[name]: numbers[key] for name, key in keys.items()} | {_NAMES["h"]: heads, _NAMES["e"]: head_dim}


def _solved(pair: MixerPair, metric: str, implementation: str, mode: str, root: Fraction) -> str | None:
    """The crossing solved for the axis, as Python reads it; None where it has no short form.

    Where a spec has heads of its own, in numbers: the two mixers' symbols would not stand for the same.
    """
    own_heads = any(spec.heads is not None or spec.head_dim is not None for spec in pair.specs)
    sizes = _numbers(pair) if own_heads else _symbols(pair)
    axis = _axis_symbol(pair)
    difference = _difference(pair, sizes, metric, implementation, mode)
    if difference is None:
        return None
    values = {symbol: value for symbol, value in _values(pair).items() if symbol != axis and value is not None}
    at = sympy.Rational(*root.as_integer_ratio())
    for factor, _ in _numerator(difference, axis).factor_list()[1]:
        if factor.degree() <= _MOST_SOLVED_DEGREE:
            for candidate in sympy.roots(factor):
                if abs(sympy.N(candidate.subs(values) - at, _PRECISION)) < sympy.Float("1e-12") * at:
                    return str(sympy.factor(candidate) if factor.degree() == 1 else sympy.simplify(candidate))
    return None


def _numerator(difference: Expr, axis: Symbol) -> Poly:
    """The polynomial of the axis that has the difference's sign: all that is divided by is positive."""
    numerator, _ = sympy.fraction(sympy.together(difference))
    return Poly(numerator, axis)
