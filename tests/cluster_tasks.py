"""What the workers of tests/test_cluster.py are asked to do: rows of the fake device, quickly, slowly, or never."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from random import Random
from typing import Any

from row_examples import measured_row

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.bench.engine import measure
from skaprof.bench.fake import FakeDevice, independent
from skaprof.bench.record import Settings
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.results import CostRow
from skaprof.workload import Workload

KILLS_ITS_WORKER = "kills its worker"
DIES = "dies"
REFUSES = "refuses"


def machine(task: Mapping[str, Any]) -> dict[str, Any]:
    return {"device": "cpu", "environment": {"device": "fake", "torch": "1.0", "pid": os.getpid()}}


def rows(task: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a task as `skaprof.bench.answering.rows` gives them, measured on the fake device."""
    time.sleep(task["entries"][0]["seconds"])
    for entry in task["entries"]:
        if entry["does"] == KILLS_ITS_WORKER:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if entry["does"] == DIES:
            os._exit(3)
        if entry["does"] == REFUSES:
            raise SkaprofError("the GPU stopped answering")
    return {"rows": measured(task["entries"]), "environment": {"device": "fake", "torch": "1.0", "pid": os.getpid()}}


def measured(entries: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the fake device gives for entries, whose noise is drawn by their size and by nothing else."""
    tokens = entries[0]["tokens"]
    fake = FakeDevice(noise=independent(Random(tokens), 0.01))
    contenders = [fake.kernel(entry["mixer"], 1e-6 * tokens * (1 + place)) for place, entry in enumerate(entries)]
    found = measure(fake, contenders, Settings("cold", looks=(2,)))
    return [
        measured_row(costs_of(entry["mixer"], tokens), record.seconds * 1e3)
        | {"samples_ms": record.samples, "rounds": found.rounds, "flags": sorted(record.flags), "device": "fake"}
        for entry, record in zip(entries, found.records, strict=False)
    ]


def costs_of(mixer: str, tokens: int) -> CostRow:
    return cost_row(Variant(parse_mixer(mixer)), Workload(1, 1, tokens, 8, 1, 8, None))
