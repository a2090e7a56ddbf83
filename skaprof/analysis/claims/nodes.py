"""What a claim is made of, once it is parsed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skaprof.analysis.claims.units import Quantity
from skaprof.analysis.row_trust import MEASURED_KEYS


class ClaimError(Exception):
    """What is wrong with a claim, and the place in its line, from 0."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message, self.column = message, column


class Number(NamedTuple):
    """A number as written."""

    quantity: Quantity
    column: int


class SizeWord(NamedTuple):
    """A size by its name, such as `tokens`."""

    name: str
    column: int


class Figure(NamedTuple):
    """A figure of a mixer or a backbone; `implementation` is None where the claim's own, after the @, holds."""

    spec: str
    implementation: str | None
    metric: str
    column: int

    @property
    def measured(self) -> bool:
        """Whether only a measurement can tell it."""
        return self.metric in MEASURED_KEYS


class Operation(NamedTuple):
    """Two sides joined by + - * or /."""

    sign: str
    left: Expression
    right: Expression
    column: int


Expression = Number | SizeWord | Figure | Operation


class StatedSize(NamedTuple):
    """One `key=value` after the @."""

    value: str
    column: int


class Claim(NamedTuple):
    """A parsed claim."""

    text: str
    left: Expression
    comparator: str
    right: Expression
    sizes: dict[str, StatedSize]

    @property
    def figures(self) -> list[Figure]:
        """Every figure of both sides."""
        return [node for node in self.nodes if isinstance(node, Figure)]

    @property
    def nodes(self) -> Iterator[Expression]:
        """Every node of both sides."""
        return nodes_of(self.left, self.right)


def nodes_of(*expressions: Expression) -> Iterator[Expression]:
    """The expressions and all within them."""
    for expression in expressions:
        yield expression
        if isinstance(expression, Operation):
            yield from nodes_of(expression.left, expression.right)
