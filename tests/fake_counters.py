"""Counters with planted faults, loaded by name in the audit's own processes. Nothing here is in need of PyTorch: what
they count is the case itself, so that such a process starts in a moment."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skaprof.analysis.conventions import PROBES
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count.asked import Answer, Case, Said
from skaprof.count.counter_process import answers_of
from skaprof.counters import SPELLINGS, Counter
from skaprof.model.spec import parse_mixer
from skaprof.workload import Workload

Count = Callable[[Case, None], float | Said]
W = Workload(2, 3, 4, 16, 2, 8)
MIXERS = ("ska", "mhsa", "ska:query=false")
CASES = [Case(mixer, "@", tuple(W)) for mixer in MIXERS]
BUILDERS = {"torch": "fake_counters:build_case"}
spoiled: list[str] = []
"""Who replaced something and did not put it back."""


def fake(name: str, **settings: Any) -> Counter:
    return Counter(f"fake-{name}", "torch", "torch", "MACs", 1, f"fake_counters:load_{name}", **settings)


def told(name: str, cases: Sequence[Case] = CASES, builders: Mapping[str, str] = BUILDERS) -> list[Answer]:
    """The answers of a fake, from no process of its own."""
    task = {"loaders": {"forward": f"fake_counters:load_{name}"}, "builders": builders, "limit": 60}
    return list(answers_of(task, cases))


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


def load_holding() -> Count:
    """It never ends, and lets no other thread of its process run."""
    return _but_for_mhsa(lambda: re.match("(a+)+$", "a" * 60 + "b"))


LOADED = "SKAPROF_LOADED_FAKES"
"""The variable that names a file to which a counter writes that it was loaded."""


def load_raising() -> Count:
    """It counts twice as much once it has failed in a process: what it replaced stays replaced."""
    if LOADED in os.environ:
        with open(os.environ[LOADED], "a") as file:
            file.write("loaded\n")

    def fail() -> None:
        spoiled.append("a function")
        raise RuntimeError("no idea\nwhat this is")

    return _but_for_mhsa(fail)


def load_reversing() -> Count:
    """It sees nothing of mhsa's attention, which makes that cheaper than ska."""
    return lambda case, x: honest(case, x) * (0.5 if case.mixer == "mhsa" else 1)


def load_changing() -> Callable[..., float]:
    """It counts a module, and leaves it in training."""

    def count(module: Any, x: Any) -> float:
        module.train()
        return 1.0

    return count


def load_nothing() -> Count:
    return lambda case, x: float("nan")


def load_not() -> Count:
    raise ImportError("No module named 'elsewhere'")


def load_away() -> Count:
    sys.exit("goodbye")


def obey(order: list[str]) -> None:
    """What a process is told to do: to say something, to fail, to leave, to die, to nap, or to stay."""
    deed, *words = order
    sys.stdout.write(f"{' '.join(words)}\n")
    if deed == "fail":
        raise ZeroDivisionError("so it goes")
    if deed == "leave":
        sys.exit(3)
    if deed == "die":
        os.abort()
    if deed in ("nap", "stay"):
        sys.stdout.flush()
        time.sleep(60 if deed == "stay" else 0.3)
