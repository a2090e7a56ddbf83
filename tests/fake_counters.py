"""Counters with planted faults, loaded by name in the audit's own processes. Nothing here is in need of PyTorch: what
they count is the case itself, so that such a process starts in a moment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from skaprof.analysis.conventions import PROBES
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count.asked import Case, Said
from skaprof.counters import SPELLINGS
from skaprof.model.spec import parse_mixer

Count = Callable[[Case, None], float | Said]
spoiled: list[str] = []
"""Who replaced something and did not put it back."""


def build_case(case: Case) -> tuple[Case, None]:
    if case.mixer == "pooling":
        raise ImportError("no pooling here")
    return case, None


def honest(case: Case, x: None) -> float:
    if case.mixer == "":
        return PROBES[case.spelling]
    form = SPELLINGS[case.spelling].form
    return cost_row(Variant(parse_mixer(case.mixer), form, case.mode), case.workload).macs


def load_honest() -> Count:
    return honest


def load_noisy() -> Count:
    """It prints what looks like answers, by Python and past it."""

    def count(case: Case, x: None) -> Said:
        sys.stdout.write('{"counted": 1, "seconds": 1, "error": null}\n')
        os.write(1, b'{"counted": 2, "seconds": 2, "error": null}\n')
        return Said(honest(case, x), 5, 6)

    return count


def _but_for_mhsa(fault: Callable[[], object]) -> Count:
    """An honest count, but for what happens at mhsa."""

    def count(case: Case, x: None) -> float:
        if case.mixer == "mhsa":
            fault()
        return honest(case, x) * (2 if spoiled else 1)

    return count


def load_killed() -> Count:
    return _but_for_mhsa(os.abort)


def load_leaving() -> Count:
    return _but_for_mhsa(lambda: os._exit(0))


def load_exiting() -> Count:
    return _but_for_mhsa(lambda: sys.exit(3))


def load_stuck() -> Count:
    return _but_for_mhsa(lambda: time.sleep(60))


def load_raising() -> Count:
    """It counts twice as much once it has failed in a process: what it replaced stays replaced."""

    def fail() -> None:
        spoiled.append("a function")
        raise RuntimeError("no idea\nwhat this is")

    return _but_for_mhsa(fail)


def load_reversing() -> Count:
    """It sees nothing of mhsa's attention, which makes that cheaper than ska."""
    return lambda case, x: honest(case, x) * (0.5 if case.mixer == "mhsa" else 1)


def load_nothing() -> Count:
    return lambda case, x: float("nan")


def load_not() -> Count:
    raise ImportError("No module named 'elsewhere'")


def load_away() -> Count:
    sys.exit("goodbye")


def obey(order: list[str]) -> None:
    """What a process is told to do: to say something, to fail, to leave, to die, or to stay."""
    deed, *words = order
    sys.stdout.write(f"{' '.join(words)}\n")
    if deed == "fail":
        raise ZeroDivisionError("so it goes")
    if deed == "leave":
        sys.exit(3)
    if deed == "die":
        os.abort()
    if deed == "stay":
        sys.stdout.flush()
        time.sleep(60)
