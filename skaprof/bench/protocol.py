"""What a timing run asks of its process, put before PyTorch works: allocator and threads; and its clock and rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from skaprof.bench.allocator import malloc_name, put_allocator
from skaprof.errors import named
from skaprof.implementations import LOOKS


class Protocol(NamedTuple):
    """By the names that `skaprof.bench.configuration.Options` has."""

    clock: str = "auto"
    allocator: str = "keep"
    threads: int | None = None
    rounds: int = LOOKS[-1]
    min_rounds: int = LOOKS[0]

    def hold(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Put the allocator and the threads; what then holds. Loads torch, after the allocator.

        An allocator that cannot be put stays as it is, and `say` is told.
        """
        held = put_allocator(self.allocator)
        if held != self.allocator:
            say(f"{named('allocator')} {self.allocator}: {malloc_name()} cannot be told to; measured {held}")
        from skaprof.bench.environment import put_threads

        put_threads(self.threads)
        return {**self._asdict(), "allocator": held}
