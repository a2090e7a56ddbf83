"""A processor whose truth is known and that others use: turns taken, time stolen, page faults, waits can be planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from skaprof.bench.device import Conditions, Contender, Counts
from skaprof.bench.fake import Noise

FAULT_SECONDS = 0.5e-6


@dataclass
class Neighbours:
    """Others on the core: after each `turn` of CPU seconds they take it for about `away`, and leave cold caches behind,
    which cost about `refill`.
    """

    random: Random
    turn: float = 3e-3
    away: float = 6e-3
    refill: float = 0.0


@dataclass
class FakeProcessor:
    """One working thread, its clocks and its counts, in seconds; `stolen` is a rate, of seconds a second.

    `faults_of` is how many pages a call that starts then must fault in.
    """

    noise: Noise = field(default=lambda at: 0.0)
    neighbours: Neighbours | None = None
    stolen: float = 0.0
    faults_of: Callable[[float], int] = field(default=lambda at: 0)
    has_cpu_clock: bool = True
    cpu_of: str | None = "thread"
    wall: float = 0.0
    cpu: float = 0.0
    turn_left: float = 0.0
    stolen_seconds: float = 0.0
    preemptions: int = 0
    waits: int = 0
    faults: int = 0
    name: str = "fake processor"
    has_queue: bool = False
    cache_bytes: int = 0
    fault_seconds: float = FAULT_SECONDS

    def now(self) -> float:
        return self.wall

    def cpu_seconds(self) -> float | None:
        return self.cpu

    def counts(self) -> Counts | None:
        return Counts(self.preemptions, self.waits, self.faults)

    def record(self) -> float:
        return self.wall

    def query(self, event: float) -> bool:
        return self.wall >= event

    def elapsed(self, start: float, end: float) -> float:
        return end - start

    def synchronize(self) -> None: ...

    def sleep(self, cycles: int) -> None: ...

    def flush(self) -> None: ...

    def touch(self) -> None: ...

    def conditions(self) -> Conditions:
        return Conditions(stolen_seconds=self.stolen_seconds)

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        return [contender.names() for contender in contenders]

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        yield

    def kernel(self, label: str, seconds: float, *, waits: float = 0.0) -> Contender:
        """A contender of so many CPU seconds, that then waits so long for something else."""

        def run() -> None:
            faults = self.faults_of(self.wall)
            self.faults += faults
            self._work(seconds * math.exp(self.noise(self.wall)) + faults * self.fault_seconds)
            if waits:
                self.waits += 1
                self.wall += waits

        return Contender(label, run, names=lambda: (label,))

    def _work(self, seconds: float) -> None:
        """So much CPU time, with the turns that others take in it, and what the machine's host steals."""
        left = seconds
        while self.neighbours is not None and left >= self.turn_left:
            left -= self.turn_left
            self._spend(self.turn_left)
            self._give_way(self.neighbours)
        self.turn_left -= left
        self._spend(left)

    def _spend(self, seconds: float) -> None:
        self.cpu += seconds
        self.wall += seconds * (1 + self.stolen)
        self.stolen_seconds += seconds * self.stolen

    def _give_way(self, others: Neighbours) -> None:
        """A turn of the others, then cold caches."""
        self.preemptions += 1
        self.wall += others.random.expovariate(1 / others.away)
        self.turn_left = others.turn * others.random.uniform(0.5, 1.5)
        if others.refill:
            self._spend(others.random.expovariate(1 / others.refill))
