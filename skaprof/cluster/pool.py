"""The workers of a cluster as they come and go: each is checked before it is given anything, and then has one hand of
calls at a time, meant for it and no other.

Dask never runs a hand a second time: where its worker is gone, it is cancelled, and whoever handed it out decides. So
how often a call was begun is counted here, and exact, whatever a worker died of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

from skaprof.cluster.address import RESOURCE, Address, worker_command
from skaprof.errors import EXIT_MISSING, SkaprofError, named
from skaprof.lasting_python import Reply

_PATIENCE = 30.0
"""Seconds that a scheduler may take to answer before it is gone."""
_LOOK = 0.5
"""Seconds between two looks at which workers are there."""
LEAVING = 3.0
"""Seconds in which all is let go of at the end."""
_NO_SKAPROF = "No module named 'skaprof"
_OURS = "__import__('importlib').import_module('skaprof.cluster.worker')"
"""In a worker's process. Functions travel by name, and a worker that cannot find one closes itself: it is told what to
look up, which fails as any task may."""


class Call(NamedTuple):
    """What a worker's process is asked: "module:function" of a task; of a fresh process, or of the one that lasts."""

    function: str
    task: Any
    longest: float
    fresh: bool = False


class Hand(NamedTuple):
    """Calls that a worker has been given at once, and what comes of them."""

    name: str
    size: int
    since: float
    future: Any


@dataclass(eq=False)
class Worker:
    """A worker. `machine` is what it said of its machine when it was checked, and `ready` whether that will do."""

    address: str
    host: str = ""
    process: str | None = None
    machine: Any = None
    ready: bool = False
    hand: Hand | None = None

    def __str__(self) -> str:
        return f"{self.host} ({self.address})" if self.host else self.address


@dataclass(eq=False)
class Pool:
    """The workers of a scheduler. `check` asks a worker of its machine, `judge` says why an answer will not do."""

    client: Any
    address: Address
    check: Call
    judge: Callable[[Any], str | None]
    say: Callable[[str], None]
    workers: dict[str, Worker] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)
    """By address: who will not do, and why."""
    _done: SimpleQueue[tuple[Worker, Hand]] = field(default_factory=SimpleQueue)
    _looked: float = 0.0
    _without: int = 0
    _gathered: bool = False

    @property
    def ready(self) -> list[Worker]:
        """Those that are checked and have nothing to do."""
        return [worker for worker in self.workers.values() if worker.ready and worker.hand is None]

    @property
    def measuring(self) -> list[Worker]:
        """Those that are checked."""
        return [worker for worker in self.workers.values() if worker.ready]

    def gather(self) -> None:
        """Wait until every worker that is there has been checked.

        Raises:
            SkaprofError: none measures, or one will not do (exit 3).
        """
        self.look()
        if not self.workers:
            raise SkaprofError(
                f"{named('cluster')}: {self.address} has no worker with {RESOURCE}=1; start one with: "
                f"{worker_command(self.client.scheduler.address)}",
                EXIT_MISSING,
            )
        while any(not worker.ready for worker in self.workers.values()):
            self.heard()
            self.look()
        if self._refused:
            count = len(self.workers) + len(self._refused)
            raise SkaprofError(
                f"{named('cluster')}: {len(self._refused):,} of {count:,} workers cannot measure this:",
                EXIT_MISSING,
                below=[f"  {why}" for why in self._refused.values()],
            )
        if not self.workers:
            raise self.gone("its workers have")
        self._gathered = True

    def look(self) -> list[Worker]:
        """See which workers are there, and have new ones checked; those that have gone since.

        Raises:
            SkaprofError: the scheduler has gone (exit 3).
        """
        if monotonic() - self._looked < _LOOK:
            return []
        there = self._asked("ncores")
        self._looked = monotonic()
        gone = [self.workers.pop(address) for address in list(self.workers) if address not in there]
        if there.keys() - self.workers.keys():
            self._take_in(self._asked("identity", n_workers=-1)["workers"])
        for worker in gone:
            self._let_go(worker)
        return gone

    def _take_in(self, there: dict[str, Any]) -> None:
        able = {address for address, told in there.items() if (told["resources"] or {}).get(RESOURCE, 0) >= 1}
        if len(there) - len(able) > self._without:
            self._without = len(there) - len(able)
            self.say(
                f"{named('cluster')}: {self._without:,} of {len(there):,} workers have no {RESOURCE}=1, and get nothing"
            )
        for address in sorted(able - self.workers.keys() - self._refused.keys()):
            self.workers[address] = Worker(address)
            self.hand_out(self.workers[address], [self.check])

    def hand_out(self, worker: Worker, calls: Sequence[Call]) -> None:
        """Give a worker something to do."""
        name = f"skaprof-{uuid4().hex}"
        told = {"name": name, "process": worker.process, "calls": [call._asdict() for call in calls]}
        how = {"key": name, "pure": False, "workers": [worker.address], "resources": {RESOURCE: 1}, "retries": 0}
        future = self.client.submit(eval, f"{_OURS}.answer(told)", {"told": json.dumps(told)}, **how)
        hand = worker.hand = Hand(name, len(calls), monotonic(), future)
        future.add_done_callback(lambda _: self._done.put((worker, hand)))

    def heard(self) -> tuple[Worker, Hand, list[Reply] | None] | None:
        """What comes next of a worker that is checked, None where it was lost; None where nothing comes for a while."""
        with suppress(Empty):
            worker, hand = self._done.get(timeout=_LOOK)
            if worker.hand is not hand:  # it was given up
                return None
            worker.hand = None
            was, found = worker.process, self._answer(worker, hand)
            if not worker.ready:
                self._judged(worker, found)
                return None
            if worker.process != was:  # the worker is another, at its forerunner's address
                worker.ready, worker.process = False, None
                self.hand_out(worker, [self.check])
            return worker, hand, found
        return None

    def _answer(self, worker: Worker, hand: Hand) -> list[Reply] | None:
        """The replies to a hand; None where they were lost with whoever should have given them."""
        from distributed import KilledWorker

        if hand.future.status == "cancelled":
            self._asked("ncores")  # whose end may be why
            return None
        deadline = monotonic() + _PATIENCE
        while True:
            try:
                found = json.loads(hand.future.result(timeout=2 * _LOOK))
            except KilledWorker:
                return None
            except OSError:  # it does not come: its worker died with it, or takes its time
                if worker.address in self._asked("ncores") and monotonic() < deadline:
                    continue
                return None
            except Exception as error:  # of Dask's process, which could not make the call
                return [Reply(trouble=f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}")] * hand.size
            worker.host, worker.process = found["host"], found["process"]
            return None if found["replies"] is None else [Reply(**each) for each in found["replies"]]

    def _judged(self, worker: Worker, replies: list[Reply] | None) -> None:
        """Take a worker that answered the check, or refuse it by name."""
        if replies is None:
            return  # it has gone, which the next look tells
        (reply,) = replies
        why = reply.trouble or reply.refused
        if why is None:
            worker.machine = reply.answer
            why = self.judge(reply.answer)
        if why is None:
            worker.ready = True
            return
        del self.workers[worker.address]
        why = f"{worker}: {'it has no skaprof of this version' if _NO_SKAPROF in why else why}"
        self._refused[worker.address] = why
        if self._gathered:
            self.say(f"{named('cluster')}: a worker that came later cannot measure this and gets nothing: {why}")

    def _let_go(self, worker: Worker) -> None:
        """Have Dask forget what a worker had that is gone."""
        if worker.hand is not None:
            with suppress(OSError, RuntimeError):
                self.client.cancel([worker.hand.future], force=True)

    def give_up(self) -> None:
        """End what workers are at: nobody waits for it any more."""
        busy = {worker.address: worker.hand for worker in self.workers.values() if worker.hand is not None}
        for worker in self.workers.values():
            worker.hand = None
        if not busy or self.client.status != "running":
            return
        names = [hand.name for hand in busy.values()]
        with suppress(OSError, RuntimeError):
            self.client.cancel([hand.future for hand in busy.values()], force=True)
            said = (eval, f"{_OURS}.give_up(names)", {"names": names})
            self.client.sync(self.client._run, *said, workers=list(busy), on_error="ignore", callback_timeout=LEAVING)

    def _asked(self, question: str, **named_values: Any) -> Any:
        """What the scheduler answers.

        Raises:
            SkaprofError: nothing (exit 3).
        """
        try:
            if self.client.status != "running":
                raise OSError
            return self.client.sync(
                getattr(self.client.scheduler, question), callback_timeout=_PATIENCE, **named_values
            )
        except (OSError, RuntimeError, AttributeError):
            raise self.gone("the scheduler has") from None

    def gone(self, what: str) -> SkaprofError:
        """The error where what there was has gone (exit 3)."""
        return SkaprofError(f"{named('cluster')}: {self.address}: {what} gone", EXIT_MISSING)
