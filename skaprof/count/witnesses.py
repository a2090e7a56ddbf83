"""Other people's counters as witnesses of skaprof's own: each agrees, or it differs where it is known to be blind.

A witness that lacks a formula for an op, fails, or differs where it is known to count something else, testifies to
nothing: its count is None and the reason is named. One that differs for no known reason leaves no count at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from skaprof.count.counted_forms import called_by_pytorch
from skaprof.count.counters import ELSEWHERE, Counted, LeftOut, count_fvcore, count_torch, train_once
from skaprof.count.exact import ExactCount, kept_gradients
from skaprof.count.hidden_work import BRANCHES, COMPLEX, LeavingNumbers
from skaprof.count.matmul_formulas import BlindError
from skaprof.count.recorder import GROUPED_BACKWARD, SPARSE
from skaprof.count.without_macs import holds_no_macs
from skaprof.foreign_code import contained, reason_of

FVCORE, TORCH = "fvcore", "FlopCounterMode"
_BLIND = {
    COMPLEX: {
        FVCORE: "counts a complex multiply-add, which is four, as one",
        TORCH: "counts a complex multiply-add, which is four, as one",
    },
    SPARSE: {FVCORE: "counts a sparse product as a dense one", TORCH: "counts a sparse product as a dense one"},
    BRANCHES: {TORCH: "counts branches that do not run"},
    GROUPED_BACKWARD: {TORCH: "over-counts the backward of a convolution in groups"},
}
"""What each is known to count otherwise, by what the exact count met."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A counter's MACs for each unit, None where an op in it is unknown; and those ops, or why it failed."""

    source: str
    macs: Mapping[str, int | None]
    trouble: str = ""

    @property
    def total(self) -> int | None:
        """MACs of the whole module."""
        known = [macs for macs in self.macs.values() if macs is not None]
        return sum(known) if len(known) == len(self.macs) and self.macs else None


def tally_exact(exact: ExactCount, units: Sequence[str]) -> Tally:
    """The exact count as a tally of these submodules; one that was not called, or by another name, has 0 of its own."""
    scopes = exact.by_scope()
    macs = {unit: scopes[unit].macs if unit in scopes else 0 for unit in units}
    inside = [count for count in macs.values() if count is not None]
    rest = None if exact.macs is None else exact.macs - sum(inside)
    return Tally("skaprof", macs | {ELSEWHERE: rest}, exact.error or "")


def heard(exact: ExactCount, module: nn.Module, x: Tensor, units: Sequence[str], mode: str) -> tuple[Tally, Tally]:
    """What fvcore and FlopCounterMode say of the same call; nothing where there is no exact count to witness."""
    if exact.macs is None and not units:
        return _silent(FVCORE, units), _silent(TORCH, units)
    if mode == "train":
        fvcore = _silent(FVCORE, units, "fvcore counts forward calls only")
        torch_tally = _tally(TORCH, lambda: _trained(module, x), ())
    else:
        fvcore = _tally(FVCORE, lambda: count_fvcore(module, x, units), units)
        torch_tally = _tally(TORCH, lambda: count_torch(module, x, units), units)
    return _without_blindness(exact, fvcore), _without_blindness(exact, torch_tally)


def _trained(module: nn.Module, x: Tensor) -> Counted:
    """FlopCounterMode's count of forward and backward of the whole."""
    left_out = LeftOut(())
    with kept_gradients(module), called_by_pytorch(), LeavingNumbers(), left_out:
        macs = train_once(module, (x,))
    return Counted({ELSEWHERE: macs}, left_out.ops)


def _silent(source: str, units: Sequence[str], trouble: str = "") -> Tally:
    return Tally(source, dict.fromkeys((*units, ELSEWHERE)), trouble)


def _without_blindness(exact: ExactCount, tally: Tally) -> Tally:
    if tally.total is None or tally.total == exact.macs:
        return tally
    known = [_BLIND[trait][tally.source] for trait in _BLIND if trait in exact.traits and tally.source in _BLIND[trait]]
    return _silent(tally.source, [*tally.macs], f"{tally.source} {', and '.join(known)}") if known else tally


def _tally(source: str, count: Callable[[], Counted], units: Sequence[str]) -> Tally:
    try:
        with contained():
            counted = count()
    except BlindError as error:
        return _silent(source, units, f"{source} {error}")
    except (Exception, SystemExit) as error:  # a counter may fail in any way on code that it was not made for
        return _silent(source, units, f"{source} fails: {reason_of(error)}")
    macs: dict[str, int | None] = {}
    unknown: dict[str, None] = {}
    for unit in (*units, ELSEWHERE):
        here = [op for op in counted.left_out.get(unit, Counter()) if not holds_no_macs(op)]
        unknown |= dict.fromkeys(here)
        macs[unit] = None if here else counted.macs.get(unit, 0)
    return Tally(source, macs, f"{source} does not know {', '.join(unknown)}" if unknown else "")
