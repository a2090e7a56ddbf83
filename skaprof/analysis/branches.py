"""Conditions of sizes that are not numbers yet: a function that asks one is run once for each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from skaprof.analysis.traced import Traced


class Condition(NamedTuple):
    """Whether a traced number is "above" 0, or "zero", which is not known."""

    kind: str
    of: Traced

    @classmethod
    def above_zero(cls, of: Traced) -> Condition | bool:
        """Whether it is above 0, where that is known; else the condition."""
        known = of.constant
        if known is not None:
            return known > 0
        if of.is_positive:
            return True
        return False if (1 - of).is_positive else cls("above", of)

    @property
    def text(self) -> str:
        """What it says, to tell it from others."""
        return f"{self.kind}({self.of.text})"

    def __bool__(self) -> bool:
        known = _ASSUMED.get()
        if self.text not in known:
            raise Undecided(self)
        return known[self.text]


class Undecided(BaseException):
    """A condition was asked for that nothing is assumed of. Not an Exception: code that is traced must not catch it."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition.text)
        self.condition = condition


class Branch(NamedTuple):
    """One answer where the condition holds, another where it does not."""

    condition: Condition
    yes: Any
    no: Any


_ASSUMED: ContextVar[Mapping[str, bool]] = ContextVar("assumed", default=MappingProxyType({}))


def branches(function: Callable[[], Any]) -> Any:
    """What the function returns; a `Branch` where that hangs on a condition of traced sizes."""
    try:
        return function()
    except Undecided as undecided:
        condition = undecided.condition
    with _assuming(condition, holds=True):
        yes = branches(function)
    with _assuming(condition, holds=False):
        no = branches(function)
    return Branch(condition, yes, no)


@contextmanager
def _assuming(condition: Condition, *, holds: bool) -> Iterator[None]:
    token = _ASSUMED.set({**_ASSUMED.get(), condition.text: holds})
    try:
        yield
    finally:
        _ASSUMED.reset(token)
