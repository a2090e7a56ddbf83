"""A time limit shared among sections, and in each among sizes: as many as it is enough for, the cheapest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

from skaprof.analysis.row_trust import FEWEST_ROUNDS
from skaprof.bench.session import Interrupted

Row = dict[str, Any]
T = TypeVar("T")
_TRIED = 0.15
"""The share of the time in which it is tried how long a round takes."""
_ALLOWANCE = 1.5
"""How far a size's time may pass what the size before it lets expect."""


class SharedLimit:
    """Seconds for the timing of several sections: each may take its part of what those before it left."""

    def __init__(self, seconds: float, sections: int, now: Callable[[], float] = monotonic) -> None:
        self._left, self._sections, self._now = seconds, sections, now

    @contextmanager
    def part(self) -> Iterator[float]:
        """Around the timing of the next section: the seconds that it may take."""
        began = self._now()
        yield self._left / self._sections
        self._left = max(0.0, self._left - (self._now() - began))
        self._sections -= 1


def within_limit(
    sizes: Sequence[T],
    work: Callable[[T], int],
    measure: Callable[[T, float], list[Row]],
    seconds: float,
    now: Callable[[], float] = monotonic,
) -> list[Row]:
    """The rows of the sizes that there is time for, in the order of `sizes`.

    They are measured from the least work to the most. Each may take its share of the time that is left, and what the
    fewest rounds of a verdict should take where that is more; a size that these have no time for is left out, and so
    are all that are larger. The first is measured in any case.

    Args:
        work: of a size, in any unit: its time is expected to grow alike.
        measure: the rows of a size, in so many seconds.

    Raises:
        Interrupted: as `measure` does, with the rows of all sizes until then.
    """
    deadline = now() + seconds
    by_work = sorted(range(len(sizes)), key=lambda place: work(sizes[place]))
    found: dict[int, list[Row]] = {}
    a_unit = 0.0  # of work: the seconds that the fewest rounds took at the size before
    for done, place in enumerate(by_work):
        began = now()
        left, needed = deadline - began, _ALLOWANCE * a_unit * work(sizes[place])
        if done and needed > left:
            break
        try:
            found[place] = measure(sizes[place], max(needed, left / (len(sizes) - done)))
            a_verdict = _seconds_of_a_verdict(found[place], now() - began)
            left = deadline - now()
            if _rounds(found[place]) < FEWEST_ROUNDS and a_verdict <= left:  # its share was too little
                began = now()
                found[place] = measure(sizes[place], min(left, _ALLOWANCE * a_verdict))
                a_verdict = _seconds_of_a_verdict(found[place], now() - began)
        except Interrupted as cut:
            found[place] = cut.rows or found.get(place, [])
            raise Interrupted(_in_order(found)) from None
        a_unit = a_verdict / max(1, work(sizes[place]))
    return _in_order(found)


def largest_within_limit(
    choices: Sequence[T],
    work: Callable[[T], int],
    measure: Callable[[T, float], list[Row]],
    seconds: float,
    now: Callable[[], float] = monotonic,
) -> list[Row]:
    """The rows of the choice of most work that there is time for a verdict at, or of the one of least.

    How long a round takes is tried with the one of least work, in a small share of the time.
    """
    began = now()
    by_work = sorted(choices, key=work)
    tried = measure(by_work[0], seconds * _TRIED)
    a_unit = _seconds_of_a_verdict(tried, now() - began) / max(1, work(by_work[0]))
    left = seconds - (now() - began)
    fitting = [choice for choice in by_work if _rounds(tried) and _ALLOWANCE * a_unit * work(choice) <= left]
    if fitting:
        return measure(fitting[-1], left)
    again = measure(by_work[0], left) if left > seconds / 2 else []
    return again if _rounds(again) > _rounds(tried) else tried


def _rounds(rows: Sequence[Row]) -> int:
    return max((row.get("rounds") or 0 for row in rows), default=0)


def _seconds_of_a_verdict(rows: Sequence[Row], seconds: float) -> float:
    """What the fewest rounds of a verdict should take where these rows took so many seconds."""
    return seconds / max(1, _rounds(rows)) * FEWEST_ROUNDS


def _in_order(found: dict[int, list[Row]]) -> list[Row]:
    return [row for place in sorted(found) for row in found[place]]
