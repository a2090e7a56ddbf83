"""Which cluster: worker processes of one's own on this machine, or a scheduler that runs somewhere."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from skaprof.errors import EXIT_MISSING, SkaprofError, bad_value, named

RESOURCE = "skaprof-device"
"""What a worker that measures has one of: Dask gives it one task at a time."""
_MOST_WORKERS = 1000
_HOST = r"[\w.\-]+|\[[0-9A-Fa-f:.]+\]"
_FORM = re.compile(rf"(?:tcp|tls)://(?:{_HOST}):(\d{{1,5}})", re.ASCII)
_EXPECTED = "tcp://HOST:PORT or tls://HOST:PORT of a Dask scheduler, or local:N, N workers on this machine"


class Address(NamedTuple):
    """The scheduler's address, or how many workers to start here (then it is empty)."""

    scheduler: str
    local: int = 0

    def __str__(self) -> str:
        return self.scheduler or f"local:{self.local}"


def parse_address(text: str) -> Address:
    """What --cluster names.

    Raises:
        SkaprofError: it is no address, or no number of workers.
    """
    kind, _, count = text.partition(":")
    if kind == "local":
        workers = int(count) if count.isascii() and count.isdecimal() and len(count) < 6 else 0
        if not 1 <= workers <= _MOST_WORKERS:
            raise bad_value(named("cluster"), text, f"local:N with N from 1 to {_MOST_WORKERS:,}")
        return Address("", workers)
    found = _FORM.fullmatch(text)
    if found is None or not 0 < int(found[1]) < 2**16:
        raise bad_value(named("cluster"), text, _EXPECTED)
    return Address(text)


def require_dask() -> None:
    """Raise unless Dask is installed, which is found out without loading it.

    Raises:
        SkaprofError: it is not (exit 3).
    """
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise SkaprofError(
            f"{named('cluster')} needs the package 'distributed', which is not installed here; run: "
            "pip install 'skaprof[cluster]'",
            EXIT_MISSING,
        )


def scheduler_command(scheduler: str) -> str:
    """What starts one that answers at this address, on its machine."""
    return f"dask scheduler --port {scheduler.rpartition(':')[2]}"


def worker_command(scheduler: str) -> str:
    """How a worker that measures is started."""
    return f"dask worker {scheduler} --nthreads 1 --resources {RESOURCE}=1"


def threads_each(workers: int) -> int:
    """The share of this machine's cores that each of so many workers on it has."""
    return max(1, (os.cpu_count() or 1) // workers)
