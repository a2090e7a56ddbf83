"""Calls handed out to the workers of a pool, in their order, and what comes of each as it comes.

A call whose worker is lost is handed out again, twice at the most, and alone: what kills a worker takes no other call
with it then. Where calls take no time, several go at once, since each way there and back costs milliseconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, NamedTuple

from skaprof.cluster.pool import Call, Hand, Pool, Worker
from skaprof.errors import named
from skaprof.lasting_python import Reply

MOST_RERUNS = 2
_HAND_SECONDS = 0.2
"""Calls that take less are handed out several at once, about as many as take this long."""
_LARGEST_HAND = 32
_LOCAL_PATIENCE = 60.0
"""Seconds in which workers of this machine start anew where they do."""


class Given(NamedTuple):
    """What came of the call at a place: the reply, who gave it, and how often it was handed out again before."""

    place: int
    reply: Reply
    host: str
    machine: Any
    reruns: int


class Handing:
    """The calls of one run. `call_of` makes the call of a place when it is handed out, None where time is over."""

    def __init__(
        self, pool: Pool, count: int, call_of: Callable[[int, int], Call | None], tell: Callable[[str], None]
    ) -> None:
        """`call_of` is given the place, and how many others are measured at a time; `tell` is told how it goes."""
        self.pool, self.call_of, self.tell = pool, call_of, tell
        self.waiting = deque(range(count))
        self.reruns: Counter[int] = Counter()
        self.held: dict[Worker, list[int]] = {}
        self.a_call = _HAND_SECONDS
        """Seconds that the last calls took each."""
        self.alone_since: float | None = None

    def given(self) -> Iterator[Given]:
        """What comes, in the order in which it comes.

        Raises:
            SkaprofError: the scheduler has gone (exit 3).
        """
        try:
            while self.waiting or self.held:
                for worker in self.pool.look():
                    yield from self._lost(worker)
                for worker in self.pool.ready if self.waiting else ():
                    self._hand_out(worker)
                self._tell()
                if (heard := self.pool.heard()) is not None:
                    yield from self._heard(*heard)
        finally:
            self.pool.give_up()

    def _tell(self) -> None:
        workers = len(self.pool.measuring)
        if not workers:
            self._wait_for_one()
        else:
            self.alone_since = None
        self.tell(f"{workers:,} {'worker' if workers == 1 else 'workers'}, {len(self.waiting):,} waiting")

    def _wait_for_one(self) -> None:
        """Say that no worker is left; one of a scheduler that runs somewhere may come at any time.

        Raises:
            SkaprofError: they were this machine's, which start anew at once, if they do.
        """
        if self.alone_since is None:
            self.alone_since = monotonic()
            self.pool.say(f"{named('cluster')}: no worker is left: {len(self.waiting):,} tasks wait for one")
        if self.pool.address.local and monotonic() - self.alone_since > _LOCAL_PATIENCE:
            raise self.pool.gone("its workers have")
        if self.waiting and self.call_of(self.waiting[0], 1) is None:
            self.waiting.clear()

    def _hand_out(self, worker: Worker) -> None:
        places = self._next()
        calls = [self.call_of(place, max(1, len(self.pool.measuring))) for place in places]
        if None in calls:
            self.waiting.clear()
            return
        if places:
            self.held[worker] = places
            self.pool.hand_out(worker, [call for call in calls if call is not None])

    def _next(self) -> list[int]:
        """The places of the next hand: one alone that a worker was lost with."""
        share = -(-len(self.waiting) // max(1, 2 * len(self.pool.measuring)))
        size = max(1, min(int(_HAND_SECONDS / max(self.a_call, 1e-4)), _LARGEST_HAND, share))
        places: list[int] = []
        while self.waiting and len(places) < size:
            if self.reruns[self.waiting[0]]:
                return places or [self.waiting.popleft()]
            places.append(self.waiting.popleft())
        return places

    def _heard(self, worker: Worker, hand: Hand, replies: list[Reply] | None) -> Iterator[Given]:
        if replies is None:
            yield from self._lost(worker)
            return
        self.a_call = (monotonic() - hand.since) / hand.size
        places = self.held.pop(worker, [])  # none where it was seen to be gone before it was heard: they wait again
        for place, reply in zip(places, replies, strict=bool(places)):
            yield Given(place, reply, worker.host, worker.machine, self.reruns[place])

    def _lost(self, worker: Worker) -> Iterator[Given]:
        """Its calls wait again, before all others; one that was lost too often is over."""
        for place in reversed(self.held.pop(worker, [])):
            self.reruns[place] += 1
            if self.reruns[place] <= MOST_RERUNS:
                self.waiting.appendleft(place)
                continue
            words = f"its worker was lost, and so were the {MOST_RERUNS} that it was handed to after that"
            yield Given(place, Reply(trouble=words), worker.host, worker.machine, MOST_RERUNS)
