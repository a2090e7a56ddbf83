"""A timing run with default settings, for reports and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from skaprof.bench.baseline import baseline_label
from skaprof.bench.session import Interrupted, Row, Session, Watcher, default_timing
from skaprof.implementations import PRECISIONS, PYTORCH

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed


def measured_rows(
    grouped: Callable[[], Sequence[Sequence[Timed]]],
    device: str,
    seconds: float,
    watcher: Watcher,
    runtimes: Sequence[str] = (PYTORCH,),
    threads: int | None = None,
) -> list[Row]:
    """The rows of the groups timed with default settings on `device`; `grouped` makes them once PyTorch may load.

    In each of the runtimes, there in float32; in so many threads, None for PyTorch's own.

    Raises:
        SkaprofError: an unknown device, or an implementation that it does not have.
        Interrupted: Ctrl-C; it has the rows measured so far.
    """
    from skaprof.bench.protocol import Protocol

    held = Protocol(threads=threads).hold(watcher.say)
    from skaprof.bench.configuration import Options, open_device
    from skaprof.bench.environment import put_tf32, resolve_device
    from skaprof.bench.runtimes import in_runtimes

    where = resolve_device(device)
    groups = in_runtimes(grouped(), runtimes, PRECISIONS[:1], where)
    timing = default_timing(on_gpu=where != "cpu")
    options = Options(where, timing, **baseline_label(None, groups), **held)
    put_tf32(options.tf32)
    session = Session(options, open_device(where, runtimes=runtimes), seconds, watcher, isolate=False)
    if session.run(groups):
        raise Interrupted(session.rows)
    return session.rows
