"""Sizes that are not numbers yet: what an op list computes with them is written down, exactly, as closed forms.

A `Traced` is a polynomial with whole coefficients over sizes, by their names, and over what is no polynomial: a floor,
a remainder, the larger of two, or one of two by a condition. Comparisons of such sizes have no answer; `branches` runs
a function once for each answer that they can have. Standard library alone, and fast: a page holds hundreds of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from skaprof.analysis.branches import Branch, Condition, branches


class Node:
    """What is no polynomial, of `parts` that are: "floor" a / b, "mod" a % b, the "max" of all; "above": the second
    where the first is above 0, else the third; "zero": the same where it is 0."""

    __slots__ = ("kind", "parts", "text")

    def __init__(self, kind: str, parts: tuple[Traced, ...]) -> None:
        self.kind, self.parts = kind, parts
        self.text = f"{kind}({','.join(part.text for part in parts)})"

    @property
    def is_never_negative(self) -> bool:
        """Whether it is 0 or more at all sizes; False where that is not known."""
        if self.kind == "mod":
            return True
        if self.kind == "max":
            return any(part.is_never_negative for part in self.parts)
        return all(part.is_never_negative for part in self.parts[-2:])

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.text == self.text


Atom = str | Node
Monomial = tuple[tuple[Atom, int], ...]
"""Atoms with their powers, in the order of their names; () is 1."""


class Traced:
    """A whole number made of sizes. `terms` has the coefficient of each monomial, none of them 0."""

    __slots__ = ("_text", "terms")
    __hash__ = None  # type: ignore[assignment]  # == asks which is which, and has no answer

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        some_are_none = 0 in terms.values()
        self.terms = {monomial: value for monomial, value in terms.items() if value} if some_are_none else terms
        self._text: str | None = None

    @classmethod
    def size(cls, name: str) -> Traced:
        """The size of that name, which is 1 or more."""
        return cls({((name, 1),): 1})

    @property
    def text(self) -> str:
        """The polynomial, its terms in order: `2*B*d*n^2+B*n`."""
        if self._text is None:
            parts = [(product_text(monomial), value) for monomial, value in self.ordered]
            texts = [
                name if value == 1 and name else f"{value}*{name}" if name else str(value) for name, value in parts
            ]
            self._text = "+".join(texts) or "0"
        return self._text

    @property
    def ordered(self) -> list[tuple[Monomial, int]]:
        """The terms in the order of their texts."""
        return sorted(self.terms.items(), key=lambda term: product_text(term[0]))

    @property
    def free_symbols(self) -> frozenset[Atom]:
        """What it is made of: it is a symbol, as sympy's are, to whoever asks whether sizes are numbers."""
        return frozenset(atom for monomial in self.terms for atom, _ in monomial)

    @property
    def constant(self) -> int | None:
        """The number that it is whatever the sizes are, if it is one."""
        if not self.terms:
            return 0
        return self.terms[()] if len(self.terms) == 1 and () in self.terms else None

    @property
    def is_positive(self) -> bool:
        """Whether it is above 0 at all sizes; False where that is not known."""
        return (self - 1).is_never_negative

    @property
    def is_never_negative(self) -> bool:
        """Whether it is 0 or more at all sizes: each product of sizes is 1 or more. False where that is not known."""
        below = {monomial for monomial, value in self.terms.items() if value < 0}
        atoms = [atom for monomial in self.terms for atom, _ in monomial]
        if below - {()} or not all(isinstance(atom, str) or atom.is_never_negative for atom in atoms):
            return False
        plain = [value for monomial, value in self.terms.items() if all(isinstance(atom, str) for atom, _ in monomial)]
        return not below or sum(plain) >= 0

    def __add__(self, other: Any) -> Traced:
        others = as_traced(other).terms
        if not others:
            return self
        terms = dict(self.terms)
        for monomial, value in others.items():
            terms[monomial] = terms.get(monomial, 0) + value
        return Traced(terms)

    def __mul__(self, other: Any) -> Traced:
        terms: dict[Monomial, int] = {}
        others = as_traced(other).terms.items()
        for left, factor in self.terms.items():
            for right, value in others:
                monomial = _product(left, right)
                terms[monomial] = terms.get(monomial, 0) + factor * value
        return Traced(terms)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Traced:
        return Traced({monomial: -value for monomial, value in self.terms.items()})

    def __sub__(self, other: Any) -> Traced:
        terms = dict(self.terms)
        for monomial, value in as_traced(other).terms.items():
            terms[monomial] = terms.get(monomial, 0) - value
        return Traced(terms)

    def __rsub__(self, other: Any) -> Traced:
        return as_traced(other) - self

    def __pow__(self, power: int) -> Traced:
        found = as_traced(1)
        for _ in range(power):
            found = found * self
        return found

    def __floordiv__(self, other: Any) -> Traced:
        return _divided("floor", self, as_traced(other))

    def __rfloordiv__(self, other: Any) -> Traced:
        return _divided("floor", as_traced(other), self)

    def __mod__(self, other: Any) -> Traced:
        return _divided("mod", self, as_traced(other))

    def __rmod__(self, other: Any) -> Traced:
        return _divided("mod", as_traced(other), self)

    def clip(self, least: Any) -> Traced:
        """The larger of this and `least`, as arrays have it: only what can be the largest is kept."""
        parts: list[Traced] = []
        for part in (*_parts_of_max(self), *_parts_of_max(as_traced(least))):
            if not any((other - part).is_never_negative for other in parts):
                parts = [other for other in parts if not (part - other).is_never_negative] + [part]
        return parts[0] if len(parts) == 1 else _node("max", *parts)

    def branched(self, function: Callable[..., Any], *sizes: Any) -> Traced:
        """What `function` makes of the sizes, as one number, whichever way its conditions turn out."""
        return _joined(branches(lambda: function(*sizes)))

    def __gt__(self, other: Any) -> Any:
        return Condition.above_zero(self - other)

    def __lt__(self, other: Any) -> Any:
        return Condition.above_zero(as_traced(other) - self)

    def __ge__(self, other: Any) -> Any:
        return Condition.above_zero(self - other + 1)

    def __le__(self, other: Any) -> Any:
        return Condition.above_zero(as_traced(other) - self + 1)

    def __eq__(self, other: object) -> Any:
        difference = self - other
        known = difference.constant
        if known is not None or difference.is_positive or (-difference).is_positive:
            return known == 0
        return Condition("zero", difference)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0


def as_traced(value: Any) -> Traced:
    """The number as a traced one.

    Raises:
        TypeError: it is no whole number.
    """
    if isinstance(value, Traced):
        return value
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return Traced({(): int(value)})


def _joined(found: Any) -> Traced:
    if not isinstance(found, Branch):
        return as_traced(found)
    yes, no = _joined(found.yes), _joined(found.no)
    return yes if yes.text == no.text else _node(found.condition.kind, found.condition.of, yes, no)


def _node(kind: str, *parts: Traced) -> Traced:
    return Traced({((Node(kind, parts), 1),): 1})


def _divided(kind: str, above: Traced, below: Traced) -> Traced:
    if above.constant is not None and below.constant is not None:
        return as_traced(above.constant // below.constant if kind == "floor" else above.constant % below.constant)
    if kind == "floor" and below.constant is not None and not any(v % below.constant for v in above.terms.values()):
        return Traced({monomial: value // below.constant for monomial, value in above.terms.items()})
    return _node(kind, above, below)


def _parts_of_max(number: Traced) -> Iterable[Traced]:
    """What it is the largest of: itself, or the parts of a node."""
    ((monomial, value),) = number.terms.items() if len(number.terms) == 1 else (((), 0),)
    node = monomial[0][0] if value == 1 and len(monomial) == 1 and monomial[0][1] == 1 else ""
    return node.parts if isinstance(node, Node) and node.kind == "max" else (number,)


@cache
def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda pair: str(pair[0])))


@cache
def product_text(monomial: Monomial) -> str:
    """`d*n^2`; of 1 nothing."""
    return "*".join(str(atom) if power == 1 else f"{atom}^{power}" for atom, power in monomial)
