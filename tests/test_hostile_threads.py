"""Counting from several threads: none hears another's modules, and none leaves the process other than it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Barrier, Event, Thread

import pytest
import torch
from torch import Tensor, nn

import skaprof
from skaprof.count.counters import count_torch, without_fast_path
from skaprof.foreign_code import contained

PATIENCE = 30.0
"""Seconds until a wait that should end at once counts as one that does not."""


class _Waiting(nn.Linear):
    """A layer that, once in another thread, stays inside its call until it is let go."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim)
        self.entered, self.released = Event(), Event()

    def forward(self, x: Tensor) -> Tensor:
        self.entered.set()
        assert self.released.wait(PATIENCE)
        return super().forward(x)


class _Pair(nn.Module):
    """Two layers; while the second runs, another thread is inside the first layer of a module of the same class."""

    def __init__(self, other: _Pair | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4) if other else _Waiting(4)
        self.second = nn.Linear(4, 8)
        self.others = [other] if other else []  # in a list: no submodule of this one

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        if not self.others:
            return self.second(hidden)
        other = self.others[0]
        waiting = other.first
        assert isinstance(waiting, _Waiting)
        thread = Thread(target=other, args=(torch.zeros(1, 4),))
        thread.start()
        assert waiting.entered.wait(PATIENCE)
        output: Tensor = self.second(hidden)
        waiting.released.set()
        thread.join(PATIENCE)
        return output


def test_what_another_thread_runs_is_counted_nowhere() -> None:
    counted = count_torch(_Pair(_Pair()), torch.zeros(3, 4), ["first", "second"])
    assert dict(counted.macs) == {"first": 3 * 4 * 4, "second": 3 * 4 * 8}
    assert counted.left_out["first"] == counted.left_out["second"] == {"aten.t": 1}


@pytest.mark.parametrize(
    ("block", "state"),
    [
        (without_fast_path, torch.backends.mha.get_fastpath_enabled),
        (contained, lambda: sys.stdout),
        (contained, torch.get_default_dtype),
    ],
)
def test_one_thread_at_a_time_sets_what_belongs_to_the_process(
    block: Callable[[], AbstractContextManager[None]], state: Callable[[], object]
) -> None:
    before, entered, leave = state(), Event(), Event()

    def other() -> None:
        with block():
            entered.set()
            assert leave.wait(PATIENCE)

    thread = Thread(target=other)
    with block():
        thread.start()
        came_in_between = entered.wait(0.2)
    leave.set()
    thread.join(PATIENCE)
    assert not came_in_between
    assert entered.is_set()
    assert state() == before


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_proofs_of_four_threads_are_those_of_one(mode: str) -> None:
    mixers, barrier = ("mhsa", "ska", "cska", "linear"), Barrier(4)
    differences: list[str] = []

    def prove(place: int) -> None:
        barrier.wait(PATIENCE)
        for number in range(4):
            proof = skaprof.verify(mixers[(place + number) % 4], tokens=49, dim=64, mode=mode)
            differences.extend(map(str, proof.differences))

    threads = [Thread(target=prove, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 4)
    assert differences == []
