"""Sizes to time, each group a call on a worker: which workers may, and what their rows say of who measured them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skaprof.cluster.handing import Handing
from skaprof.cluster.pool import Call, Pool
from skaprof.cluster.tasks import ClusterTasks
from skaprof.errors import named
from skaprof.implementations import PYTORCH

if TYPE_CHECKING:
    from skaprof.bench.configuration import Options, Timed

Row = dict[str, Any]
MEASURES = "skaprof.bench.answering:rows"
MACHINE = "skaprof.bench.answering:machine"
LONGEST_CHECK = 300.0
"""Seconds in which a worker's process has loaded PyTorch, from a slow disk too."""


class ClusterTiming(ClusterTasks):
    """What measures groups of a session elsewhere, several at once."""

    def __init__(
        self, pool: Pool, *, isolate: bool, anonymous: bool, versions_differ: bool = False, function: str = MEASURES
    ) -> None:
        """`function` measures a task; with `isolate`, each in a fresh process."""
        super().__init__(pool, anonymous=anonymous)
        self.isolate, self.function = isolate, function
        self.same = () if versions_differ else ("torch",)

    def measured(
        self,
        groups: Sequence[Sequence[Timed]],
        options: Options,
        seconds: Callable[[int, int], float | None],
        tell: Callable[[str], None],
    ) -> Iterator[tuple[int, list[Row]]]:
        """The place of each group and its rows, as they come.

        Args:
            seconds: how many a group has, given how many wait and how many are measured at a time; None: time is over.
        """
        from skaprof.bench.measured_rows import failed_row
        from skaprof.bench.worker import longest, task_of

        def call_of(place: int, at_once: int) -> Call | None:
            each = seconds(len(handing.waiting) + 1, at_once)
            if each is None:
                return None
            task = task_of(groups[place], options, each) | {"folder": folder}
            return Call(self.function, task, longest(each), self.isolate)

        folder = os.getcwd()
        handing = Handing(self.pool, len(groups), call_of, tell)
        for done in map(self.told, handing.given()):
            if done.trouble is None:
                rows = done.answer["rows"]
            else:
                device = done.said["environment"]["device"]
                rows = [failed_row(entry, device, options, "crashed", done.trouble) for entry in groups[done.place]]
            yield done.place, [row | done.said for row in rows]


class Judge:
    """Says why a machine will not do, None where it will: it has other versions than `ours`, unless these are
    `allowed`, or another kind of device than the first."""

    def __init__(self, ours: Mapping[str, str | None], *, allowed: bool) -> None:
        self.ours, self.allowed = ours, allowed
        self.kind: str | None = None

    def __call__(self, machine: Mapping[str, Any]) -> str | None:
        theirs, kind = machine["environment"], machine["device"].partition(":")[0]
        other = [
            f"{name} {theirs.get(name)} (here {version})"
            for name, version in self.ours.items()
            if theirs.get(name) != version
        ]
        if other and not self.allowed:
            return f"it has {' and '.join(other)}; {named('allow_different_versions')} measures all the same"
        self.kind = self.kind or kind
        if kind != self.kind:
            return f"its device is {kind}, and that of another {self.kind}: name one with {named('device')}"
        return None


def versions(runtimes: Iterable[str]) -> dict[str, str]:
    """Those of this machine that the workers' must be like."""
    from importlib.metadata import version

    import torch

    from skaprof._version import __version__

    others = {name: version(name) for name in runtimes if name != PYTORCH}
    return {"skaprof": __version__, "torch": torch.__version__, **others}
