"""A cluster joined for as long as a command runs: its scheduler found or started, its workers checked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from skaprof.cluster.address import Address, scheduler_command, worker_command
from skaprof.cluster.local import local_cluster
from skaprof.cluster.pool import LEAVING, Call, Pool
from skaprof.errors import EXIT_MISSING, SkaprofError, named

_CONNECTING = 8.0
"""Seconds until there is no scheduler at an address."""


@contextmanager
def joined(
    address: Address, check: Call, judge: Callable[[Any], str | None], say: Callable[[str], None]
) -> Iterator[Pool]:
    """A cluster whose workers have been checked; one of this machine's own ends with the block.

    Raises:
        SkaprofError: there is no scheduler, no worker, or one that will not do (exit 3).
    """
    with quietly():
        if address.local:
            with local_cluster(address.local) as cluster, connected(cluster, address) as client:
                yield from _gathered(Pool(client, address, check, judge, say))
        else:
            with connected(address.scheduler, address) as client:
                yield from _gathered(Pool(client, address, check, judge, say))


def _gathered(pool: Pool) -> Iterator[Pool]:
    try:
        pool.gather()
        yield pool
    finally:
        pool.give_up()


@contextmanager
def connected(where: Any, address: Address) -> Iterator[Any]:
    import dask
    from distributed import Client

    try:
        with warnings.catch_warnings():  # of versions that differ: those that matter here are checked
            warnings.simplefilter("ignore")
            client = Client(where, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise SkaprofError(
            f"{named('cluster')}: there is no scheduler at {address} ({said}); start one with: "
            f"{scheduler_command(str(address))}, and workers with: {worker_command(str(address))}",
            EXIT_MISSING,
        ) from None
    try:
        with dask.config.set({"distributed.diagnostics.computations.nframes": 0}):  # no look at who submits what
            yield client
    finally:
        with suppress(OSError):
            client.close(LEAVING)


@contextmanager
def quietly() -> Iterator[None]:
    """Without what Dask logs: what there is to say of it is said by its exceptions, or is no user's concern."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
