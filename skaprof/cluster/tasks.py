"""Tasks of any kind on a cluster: what each gave or why it gave nothing, and who answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from skaprof.cluster.handing import Given, Handing
from skaprof.cluster.pool import Call, Pool
from skaprof.elsewhere import Done
from skaprof.where import shared


class ClusterTasks:
    """What does tasks elsewhere, several at once."""

    def __init__(self, pool: Pool, *, anonymous: bool) -> None:
        self.pool, self.anonymous = pool, anonymous

    @property
    def environment(self) -> dict[str, Any]:
        """What the workers' machines have alike."""
        return shared([worker.machine["environment"] for worker in self.pool.measuring])

    @property
    def device(self) -> str:
        """The device as the first worker names it."""
        return str(self.pool.measuring[0].machine["device"])

    def done(
        self,
        function: str,
        tasks: Sequence[object],
        longest: float,
        is_late: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> Iterator[Done]:
        """As `skaprof.elsewhere.Elsewhere`."""

        def call_of(place: int, at_once: int) -> Call | None:
            return None if is_late() else Call(function, tasks[place], longest)

        yield from map(self.told, Handing(self.pool, len(tasks), call_of, tell).given())

    def told(self, given: Given) -> Done:
        """What there is to say of a task."""
        answer, why = given.reply.answer, given.reply.trouble or given.reply.refused
        has = answer if why is None and isinstance(answer, Mapping) and "environment" in answer else given.machine
        host = None if self.anonymous else given.host
        return Done(given.place, answer, why, {"host": host, "environment": has["environment"], "reruns": given.reruns})
