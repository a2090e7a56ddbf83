"""A device whose truth is known: a queue, launch cost, cache, clock curve, noise and 0.5 us event steps.

Faults can be planted in it, each of which the engine must notice. It has no wall clock of its own but the one it
advances, so a run of hours takes milliseconds. Its arithmetic is operators alone, so that clocks may be arrays: many
devices that do the same at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from skaprof.bench.device import Conditions, Contender, Counts

EVENT_STEP = 0.5e-6
NOMINAL_CLOCK = 1.5e9
MISS_PENALTY = 1.6
FLUSH_SECONDS = 20e-6

Noise = Callable[[float], float]
"""From device time to a log factor on durations."""


@dataclass
class FakeDevice:
    """A queue with a host that launches into it. `host` and `device` are the two clocks, in seconds."""

    noise: Noise = field(default=lambda at: 0.0)
    clock_curve: Callable[[float], float] = field(default=lambda at: NOMINAL_CLOCK)
    launch_seconds: float = 4e-6
    flush_works: bool = True
    foreign_processes: int = 0
    throttle_reasons: tuple[str, ...] = ()
    host: float = 0.0
    device: float = 0.0
    side_stream: float = 0.0
    cached: set[str] = field(default_factory=set)
    name: str = "fake"
    has_queue: bool = True
    cache_bytes: int = 50 * 2**20
    has_cpu_clock: bool = False
    cpu_of: str | None = None
    fault_seconds: float = 0.0

    def now(self) -> float:
        return self.host

    def cpu_seconds(self) -> float | None:
        return None

    def counts(self) -> Counts | None:
        return None

    def record(self) -> float:
        self.host += 0.2e-6
        self.device = max(self.device, self.host)
        return self.device

    def query(self, event: float) -> bool:
        return self.host >= event

    def elapsed(self, start: float, end: float) -> float:
        self.host = max(self.host, end)
        return round((end - start) / EVENT_STEP) * EVENT_STEP

    def synchronize(self) -> None:
        self.host = max(self.host, self.device, self.side_stream)

    def sleep(self, cycles: int) -> None:
        self.host += self.launch_seconds
        self._run(cycles / self.clock_curve(max(self.host, self.device)))

    def flush(self) -> None:
        self.host += self.launch_seconds
        self._run(FLUSH_SECONDS)
        if self.flush_works:
            self.cached.clear()

    def touch(self) -> None:
        self.host += self.launch_seconds
        self._run(10e-6 * (1 if "probe" in self.cached else MISS_PENALTY))
        self.cached.add("probe")

    def conditions(self) -> Conditions:
        return Conditions(self.foreign_processes, self.throttle_reasons)

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        return [contender.names() for contender in contenders]

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        yield

    def _run(self, seconds: float) -> None:
        self.device = max(self.device, self.host) + seconds

    def kernel(self, label: str, seconds: float, *, on_side_stream: bool = False) -> Contender:
        """A contender of one kernel that takes `seconds` with its data in no cache, at the nominal clock."""

        def run() -> None:
            self.host += self.launch_seconds
            start = max(self.host, self.device)
            factor = 1 / MISS_PENALTY if label in self.cached else 1.0
            duration = seconds * factor * math.e ** self.noise(start) * NOMINAL_CLOCK / self.clock_curve(start)
            if on_side_stream:
                self.side_stream = max(self.side_stream, self.host) + duration
            else:
                self._run(duration)
            self.cached.add(label)

        return Contender(label, run, names=lambda: (label,))


def independent(random: Random, spread: float) -> Noise:
    """Each call on its own, normal."""
    return lambda at: random.gauss(0, spread)


def autocorrelated(random: Random, spread: float, memory: float = 0.002) -> Noise:
    """A noise that forgets over `memory` seconds (Ornstein and Uhlenbeck), as neighbours on a shared machine make."""
    state = [0.0, random.gauss(0, spread)]

    def noise(at: float) -> float:
        keep = math.e ** (-max(0.0, at - state[0]) / memory)
        state[:] = [at, keep * state[1] + (1 - keep * keep) ** 0.5 * random.gauss(0, spread)]
        return state[1] + random.gauss(0, spread / 4)

    return noise


def drifting(random: Random, spread: float, per_second: float) -> Noise:
    """A steady climb, as a card that warms up has, and noise on each call."""
    return lambda at: per_second * at + random.gauss(0, spread)


def spiky(random: Random, spread: float) -> Noise:
    """Small noise, and one call in fifteen up to three times as long."""
    return lambda at: random.gauss(0, spread) + random.uniform(0, 1.1) * (random.random() < 1 / 15)
