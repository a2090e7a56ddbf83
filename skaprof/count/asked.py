"""What travels between the audit and a counter's process: the cases it is asked about, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from skaprof.workload import Workload

FORWARD, TRAIN = "forward", "train"
PROBE = ""
"""The mixer of a case that is a probe; its spelling is the probe's name."""


@dataclass(frozen=True, slots=True)
class Case:
    """One mixer in one spelling at its sizes, or a probe. Plain values, so that it travels."""

    mixer: str
    spelling: str
    sizes: tuple[int | None, ...] = ()
    mode: str = FORWARD
    framework: str = "torch"

    @property
    def workload(self) -> Workload:
        """The sizes."""
        return Workload(*self.sizes)


class Said(NamedTuple):
    """What a counter says of a module: its count in its own unit, parameters, and bytes; None where it says nothing."""

    counted: float | None = None
    params: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a counter said of a case, how long that took, and what it did besides; or why it said nothing."""

    counted: float | None = None
    seconds: float | None = None
    error: str | None = None
    params: float | None = None
    memory: float | None = None
    side_effects: tuple[str, ...] = ()
