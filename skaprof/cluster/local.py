"""A cluster of worker processes on this machine, for as long as a command runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skaprof.cluster.address import RESOURCE, threads_each


@contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """So many workers, each with its share of the cores; one that dies is started anew."""
    from distributed import LocalCluster

    with (
        _environment_put_back(),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            resources={RESOURCE: 1},
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any port, since Dask insists on one
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            memory_limit=0,  # Dask's own process needs little, and what it starts is not its to limit
            preload=["skaprof.cluster.own_group"],
            env={"OMP_NUM_THREADS": str(threads_each(workers))},
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _environment_put_back() -> Iterator[None]:
    """The environment after it as it was before: Dask sets there what its workers get, their threads among it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
