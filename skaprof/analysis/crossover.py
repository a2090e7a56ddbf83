"""Where one mixer starts or stops costing less than another along a size: exact, from the ops (importing loads sympy).

The difference of two costs is a polynomial of the size, or becomes one times something positive. Its real roots are
the crossings; between two of them the same mixer costs less.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import sympy
from sympy import Expr, Poly, Symbol

from skaprof.analysis.mixer_pair import Duel, Points, row_identity
from skaprof.model.cost import op_costs, total
from skaprof.model.spec import MixerSpec
from skaprof.results import AXIS_SYMBOLS, SYMBOLS
from skaprof.workload import DEFAULT_HEAD_DIM, DTYPE_BYTES, Workload, default_head_dim, is_fused

EQUAL = "equal"
FIGURES = (
    ("params", "eager", "forward"),
    ("macs", "eager", "forward"),
    ("traffic_bytes", "eager", "forward"),
    ("traffic_bytes", "sdpa", "forward"),
    ("saved_bytes", "eager", "train"),
    ("saved_bytes", "sdpa", "train"),
)
"""The (metric, implementation, mode) whose crossings are solved for."""
_MOST_SOLVED_DEGREE = 2
_PRECISION = 30


def crossover_rows(duel: Duel) -> list[dict[str, Any]]:
    """For each of `FIGURES` that both mixers have, one row a crossing, or one that says who always costs less.

    `crossover` is the real root; `formula` the same solved for the axis, in the symbols of `skaprof.results`;
    `last_win` the largest point below it at which the mixer costs less, `first_win` the smallest above.
    """
    rows = []
    for metric, implementation, mode in FIGURES:
        if all(implementation in spec.mixer.op_lists for spec in duel.specs):
            identity = row_identity(duel, metric, implementation, mode)
            rows += [identity | crossing for crossing in _crossings(duel, metric, implementation, mode)]
    return rows


def _crossings(duel: Duel, metric: str, implementation: str, mode: str) -> Iterator[dict[str, Any]]:
    difference = _numerator(_difference(duel, _numbers(duel), metric, implementation, mode), _axis_symbol(duel))
    roots = _sign_changes(difference)
    edges = [sympy.Integer(0), *roots, sympy.oo]
    winners = [_winner(duel, difference, low, high) for low, high in pairwise(edges)]
    crossed = [at for at, root in enumerate(roots) if _is_on(duel.points, root)]
    if not crossed:
        before = sum(bool(root < duel.points.start) for root in roots)
        yield _crossing(None, None, None, None, winners[before], winners[before])
    for at in crossed:
        root = roots[at]
        below, above = winners[at], winners[at + 1]
        last = duel.points.at_most(int(sympy.ceiling(root)) - 1) if below == duel.mixer.text else None
        first = duel.points.at_least(int(sympy.floor(root)) + 1) if above == duel.mixer.text else None
        last = last if last is not None and last > edges[at] else None
        first = first if first is not None and first < edges[at + 2] else None
        formula = _solved(duel, metric, implementation, mode, root)
        yield _crossing(formula, float(root), last, first, below, above)


def _is_on(points: Points, root: Expr) -> bool:
    """Whether a crossing lies among the points, and not before the first or after the last."""
    return points.at_most(int(sympy.floor(root))) is not None and points.at_least(int(sympy.ceiling(root))) is not None


def _crossing(
    formula: str | None, root: float | None, last: int | None, first: int | None, below: str, above: str
) -> dict[str, Any]:
    return {
        **dict.fromkeys(("device", "timing", "sizes_sampled", "sizes_decided")),
        "formula": formula,
        "crossover": root,
        "crossover_low": None,
        "crossover_high": None,
        "last_win": last,
        "first_win": first,
        "winner_below": below,
        "winner_above": above,
    }


def _winner(duel: Duel, difference: Poly, low: Expr, high: Expr) -> str:
    """Who costs less between two neighbouring roots."""
    if difference.is_zero:
        return EQUAL
    middle = low + 1 if high == sympy.oo else (low + high) / 2
    value = difference.eval(sympy.Rational(str(sympy.N(middle, _PRECISION))))
    return duel.mixer.text if value < 0 else duel.baseline.text


def _sign_changes(difference: Poly) -> list[Expr]:
    """The positive roots at which a polynomial changes its sign, in order: those it has an odd number of times."""
    if difference.is_zero:
        return []
    counts: dict[Expr, int] = {}
    for root in difference.real_roots():
        counts[root] = counts.get(root, 0) + 1
    return sorted(root for root, count in counts.items() if root.is_positive and count % 2)


def _difference(duel: Duel, sizes: dict[str, Any], metric: str, implementation: str, mode: str) -> Expr:
    """The mixer's figure less the baseline's, at sizes that may be symbols."""
    ours, theirs = (_cost(duel, spec, sizes, metric, implementation, mode) for spec in duel.specs)
    return sympy.expand(ours - theirs)


def _cost(duel: Duel, spec: MixerSpec, sizes: dict[str, Any], metric: str, implementation: str, mode: str) -> Expr:
    heads, head_dim = _channels(spec, sizes)
    kernel = (spec.kernel_size or sizes["kernel_size"] or spec.mixer.kernel_size) if spec.mixer.kernel_size else None
    w = Workload(sizes["batch"], sizes["tokens"], 1, sizes["dim"], heads, head_dim, kernel)
    costs = op_costs(spec.ops(w, implementation), sizes["bytes"], mode, fused=is_fused(implementation))
    return sympy.sympify(getattr(total(costs), metric))


def _channels(spec: MixerSpec, sizes: dict[str, Any]) -> tuple[Any, Any]:
    """(heads, head_dim) as `MixerSpec.resolve_channels` has them, but of numbers or symbols."""
    if not spec.mixer.has_heads:
        return None, None
    heads, head_dim, dim = spec.heads or sizes["heads"], spec.head_dim or sizes["head_dim"], sympy.sympify(sizes["dim"])
    if heads is None and head_dim is None:
        head_dim = default_head_dim(int(dim)) if dim.is_number else DEFAULT_HEAD_DIM
    return dim / head_dim if heads is None else heads, dim / heads if head_dim is None else head_dim


_NAMES = {name: Symbol(name, positive=True) for name in (*SYMBOLS, *AXIS_SYMBOLS.values(), "p")}


def _axis_symbol(duel: Duel) -> Symbol:
    return _NAMES[AXIS_SYMBOLS[duel.axis]]


def _numbers(duel: Duel) -> dict[str, Any]:
    """Every size a number but that of the axis."""
    sizes = {**duel.sizes._asdict(), "bytes": DTYPE_BYTES[duel.sizes.dtype]}
    axis = _axis_symbol(duel)
    return sizes | ({"tokens": (axis / sizes["patch"]) ** 2} if duel.axis == "resolution" else {duel.axis: axis})


def _symbols(duel: Duel) -> dict[str, Any]:
    """Every size a symbol but a kernel's that is not the axis. Of heads and head_dim one follows from dim, as it does
    at the sizes given; where both are, neither."""
    names, sizes = _NAMES, duel.sizes
    tokens = (names["r"] / names["p"]) ** 2 if duel.axis == "resolution" else names["n"]
    found = {"batch": names["B"], "tokens": tokens, "dim": names["d"], "bytes": names["s"]}
    found |= {"heads": names["h"], "head_dim": None, "kernel_size": sizes.kernel_size}
    if sizes.head_dim is not None and (sizes.heads is not None or duel.axis == "heads"):
        found["head_dim"] = names["e"]
    elif duel.axis == "dim" and sizes.heads is None:
        found |= {"heads": None, "head_dim": names["e"]}
    return found | ({"kernel_size": names["k"]} if duel.axis == "kernel_size" else {})


def _values(duel: Duel) -> dict[Symbol, Any]:
    """What each symbol stands for at the sizes given; heads and head_dim those of the two mixers."""
    numbers, spec = _numbers(duel), next((spec for spec in duel.specs if spec.mixer.has_heads), duel.mixer)
    heads, head_dim = _channels(spec, numbers)
    keys = {"B": "batch", "n": "tokens", "d": "dim", "k": "kernel_size", "s": "bytes", "p": "patch"}
    return {_NAMES[name]: numbers[key] for name, key in keys.items()} | {_NAMES["h"]: heads, _NAMES["e"]: head_dim}


def _solved(duel: Duel, metric: str, implementation: str, mode: str, root: Expr) -> str | None:
    """The crossing solved for the axis, as Python reads it; None where it has no short form.

    Where a spec has heads of its own, in numbers: the two mixers' symbols would not stand for the same.
    """
    own_heads = any(spec.heads is not None or spec.head_dim is not None for spec in duel.specs)
    sizes = _numbers(duel) if own_heads else _symbols(duel)
    axis = _axis_symbol(duel)
    difference = _numerator(_difference(duel, sizes, metric, implementation, mode), axis)
    values = {symbol: value for symbol, value in _values(duel).items() if symbol != axis and value is not None}
    for factor, _ in difference.factor_list()[1]:
        if factor.degree() <= _MOST_SOLVED_DEGREE:
            for candidate in sympy.roots(factor):
                if abs(sympy.N(candidate.subs(values) - root, _PRECISION)) < sympy.Float("1e-12") * root:
                    return str(sympy.factor(candidate) if factor.degree() == 1 else sympy.simplify(candidate))
    return None


def _numerator(difference: Expr, axis: Symbol) -> Poly:
    """The polynomial of the axis that has the difference's sign: all that is divided by is positive."""
    numerator, _ = sympy.fraction(sympy.together(difference))
    return Poly(numerator, axis)
