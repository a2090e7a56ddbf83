"""All that the timing engine touches of a machine, behind one small protocol.

`skaprof.bench.cpu` and `skaprof.bench.cuda` implement it for real machines, `skaprof.bench.fake` for one whose truth is
known. Times are seconds, clocks hertz.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Event = Any
"""A point in the device's queue, made by `record`."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What else goes on: processes of others on the device, and the reasons it gives for running slower.

    `stolen_seconds` is what the host of a virtual machine took of each core until now, None where nothing tells.
    """

    foreign_processes: int = 0
    throttle_reasons: tuple[str, ...] = ()
    stolen_seconds: float | None = None


class Counts(NamedTuple):
    """What the working threads were counted for until now: turns on the core that were taken from them, waits that gave
    it up, and page faults that needed no disk.
    """

    preemptions: int
    waits: int
    faults: int


class Device(Protocol):
    """A machine that runs calls, maybe behind a queue, and can say when."""

    @property
    def name(self) -> str:
        """What ran, as the report names it."""

    @property
    def has_queue(self) -> bool:
        """Whether calls are launched into a queue and run later (CUDA), not at once (CPU)."""

    @property
    def cache_bytes(self) -> int:
        """Size of the last-level cache that a cold sample must not find its data in; 0 where it is not known."""

    @property
    def has_cpu_clock(self) -> bool:
        """Whether CPU time is all that a call takes on a core of its own: one thread works, and it is counted."""

    @property
    def cpu_of(self) -> str | None:
        """Whose CPU time is counted: the calling "thread"'s, or the "process"'s; None where another device works."""

    @property
    def fault_seconds(self) -> float:
        """About what one page fault costs."""

    def now(self) -> float:
        """The host's clock."""

    def cpu_seconds(self) -> float | None:
        """CPU time of the working threads until now; None where it is not counted, or another device works."""

    def counts(self) -> Counts | None:
        """What happened to the working threads until now; None as `cpu_seconds`."""

    def record(self) -> Event:
        """Put an event into the queue."""

    def query(self, event: Event) -> bool:
        """Whether the device has passed the event already."""

    def elapsed(self, start: Event, end: Event) -> float:
        """Device time between two events; waits until the device has passed both."""

    def synchronize(self) -> None:
        """Wait until the device has nothing left to do, on any stream."""

    def sleep(self, cycles: int) -> None:
        """Queue a busy wait of so many device cycles, behind which launches can hide."""

    def flush(self) -> None:
        """Queue work that leaves nothing of earlier calls in the cache."""

    def touch(self) -> None:
        """Queue a read of a probe buffer that fits in the cache: fast if it is there, slower after `flush`."""

    def conditions(self) -> Conditions:
        """What others do to the device now."""

    def names(self, contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
        """For each contender, the names of the kernels that one call runs, in order."""

    def undisturbed(self) -> AbstractContextManager[None]:
        """For the time of a block: no garbage collection on the host."""


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """No garbage collection inside the block; afterwards as it was."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class Contender:
    """One thing to time. `run` launches it once; one launch is `calls` calls (a graph of several, say).

    `call` is one call, where `run` is several; `names` what it runs, where no device can tell. `rotated_bytes` is how
    much memory successive calls go through before they come back to the same buffers. `context` is entered once around
    each block, not once a call: what it costs to enter (choosing an attention backend, say) is not part of the call.
    `against` is the place of the contender it is compared with: the baseline, or its mixer in the same form.
    """

    label: str
    run: Callable[[], object]
    calls: int = 1
    names: Callable[[], tuple[str, ...]] = field(default=lambda: ())
    rotated_bytes: int = 0
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    call: Callable[[], object] | None = None
    against: int = 0
