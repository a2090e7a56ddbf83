"""One configuration in a process of its own (`--isolate`): the task on stdin as JSON, the rows on stdout as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from math import inf
from typing import Any

from skaprof.bench.configuration import Entry, Options, Row, measure_configuration, open_device
from skaprof.bench.environment import put_tf32
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError


def measure_isolated(entries: list[Entry], options: Options, seconds: float) -> list[Row]:
    """The rows of one configuration, measured in a fresh process.

    Raises:
        SkaprofError: the process died; its last words are in the message.
    """
    task = {
        "entries": [asdict(entry) for entry in entries],
        "options": options.as_dict(),
        "seconds": None if seconds == inf else seconds,
    }
    command = [sys.executable, "-m", "skaprof.bench.worker"]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    if done.returncode:
        last_words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SkaprofError(f"--isolate: a process ended with code {done.returncode}: {last_words}", EXIT_CHECK_FAILED)
    rows: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return rows


def _main() -> None:
    task: dict[str, Any] = json.load(sys.stdin)
    options = Options(**task["options"])
    put_tf32(options.tf32)
    device = open_device(options.device, siblings=1)
    entries = [Entry(**{**entry, "sizes": tuple(entry["sizes"])}) for entry in task["entries"]]
    deadline = inf if task["seconds"] is None else device.now() + task["seconds"]
    sys.stdout.write("\n" + json.dumps(measure_configuration(entries, options, device, deadline)) + "\n")


if __name__ == "__main__":
    _main()
