"""What a cluster costs beside what is measured: 10,000 sizes that take no time, one after the other and on `local:2`.

Also how many hands of one call a scheduler and its client pass on in a second, and how many rows a file takes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any
from unittest.mock import patch

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.model.spec import parse_mixer
from skaprof.workload import Workload

SAMPLES = [1e-3 + 1e-9 * place for place in range(800)]
"""As many as a size of 32 rounds has."""


@dataclass(frozen=True)
class Nothing:
    """A size that takes no time."""

    tokens: int
    runtime: str = "pytorch"

    def head(self) -> dict[str, Any]:
        return cost_row(Variant(parse_mixer("mhsa")), Workload(1, 1, self.tokens, 8, 1, 8, None)).as_dict()


class Nobody:
    """Who watches."""

    def say(self, words: str) -> None: ...

    def steps(self, count: int) -> Any:
        return nullcontext(self)

    def rescue(self, rows: object) -> None: ...

    def tick(self, rounds: int) -> None: ...

    def advance(self) -> None: ...

    def at(self, share: float) -> None: ...

    def tell(self, words: str) -> None: ...


def machine(task: object) -> dict[str, Any]:
    return {"device": "cpu", "environment": {"device": "none"}}


def rows(task: Mapping[str, Any]) -> dict[str, Any]:
    heads = [Nothing(**entry).head() for entry in task["entries"]]
    return {"rows": [head | {"rounds": 2, "flags": [], "samples_ms": SAMPLES} for head in heads], "environment": {}}


def run(groups: list[list[Nothing]], elsewhere: Any, folder: str) -> float:
    """Seconds that a session over the groups takes, with its file."""
    from skaprof.bench import worker
    from skaprof.bench.configuration import Options
    from skaprof.bench.cpu import CpuDevice
    from skaprof.bench.session import Session

    def here(self: Session, group: Any, seconds: float, tick: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = rows(worker.task_of(group, self.options, seconds))["rows"]
        return found

    with patch.object(Session, "_measured", here), patch.object(worker, "packed", asdict):
        made = Session(Options("cpu"), CpuDevice(), inf, Nobody(), isolate=False, elsewhere=elsewhere)
        path = Path(folder, f"{time.monotonic()}.jsonl")
        made.prepare(str(path), None, "benchmark")
        start = time.perf_counter()
        assert made.run(groups) is False
        took = time.perf_counter() - start
    assert len(path.read_text().splitlines()) == 1 + len(groups)
    return took


def cluster(count: int = 10_000) -> None:
    from skaprof.bench.store import Store
    from skaprof.cluster import handing
    from skaprof.cluster.address import Address
    from skaprof.cluster.joining import joined
    from skaprof.cluster.pool import Call
    from skaprof.cluster.timing import ClusterTiming

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    groups, fewer = ([[Nothing(1 + place)] for place in range(number)] for number in (count, count // 10))
    with (
        tempfile.TemporaryDirectory() as folder,
        joined(Address("", 2), Call("cluster:machine", {}, 60), lambda found: None, print) as pool,
    ):
        there = ClusterTiming(pool, isolate=False, anonymous=False, function="cluster:rows")
        alone, together = run(groups, None, folder), run(groups, there, folder)
        print(
            f"{count:,} sizes that take no time: {alone / count * 1e3:.2f} ms each in one process, "
            f"{together / count * 1e3:.2f} ms on local:2: {(together - alone) / count * 1e3:.2f} more (goal at most 5)"
        )
        with patch.object(handing, "_LARGEST_HAND", 1):
            before = time.process_time()
            one_by_one, spent = run(fewer, there, folder), time.process_time() - before
        print(
            f"one call a hand: {len(fewer) / one_by_one:,.0f} hands a second to two workers, and "
            f"{spent / len(fewer) * 1e3:.1f} ms of CPU time each for scheduler, client and file"
        )
        store = Store(Path(folder, "rows.jsonl"))
        store.start({})
        (row,) = rows({"entries": [{"tokens": 1}]})["rows"]
        start = time.perf_counter()
        for _ in range(1000):
            store.append([row])
        print(
            f"a file of lines: {1000 / (time.perf_counter() - start):,.0f} rows of 800 samples a second, each on disk"
        )
        store.close()
