"""A call captured as a CUDA graph over enough buffers that none is found in the cache again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.bench.gate import check_output

CACHES = 5
"""How many times the cache's size the buffers of one replay take together."""
_WARM_UP_CALLS = 3
_REPLAY_LIMIT = 1e-2
_MOST_CALLS = 4096
"""Calls of one graph: beyond, capturing takes minutes."""

Module = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class CapturedCalls:
    """A graph of one call for each input. It keeps what it reads and writes: a graph holds addresses only."""

    graph: Any
    modules: Sequence[Module]
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    set_bytes: int

    def __call__(self) -> None:
        """Replay all calls."""
        self.graph.replay()

    @property
    def calls(self) -> int:
        """Calls in one replay."""
        return len(self.inputs)

    @property
    def rotated_bytes(self) -> int:
        """Memory that the calls go through before they come back to the same buffers."""
        return self.calls * self.set_bytes


def capture(
    run_module: Module,
    module: nn.Module,
    x: Tensor,
    cache_bytes: int,
    context: Callable[[], AbstractContextManager[object]],
    *,
    rotate_weights: bool,
) -> CapturedCalls:
    """`run_module` on each of enough copies of `x`, and with copies of its weights if they rotate too.

    Replayed once more with changed input before it is trusted: a kernel that was not captured leaves a stale output.

    Raises:
        WrongOutputError: a replay did not follow its input.
        RuntimeError: PyTorch cannot capture the call, or the buffers are so small that too many would be needed.
    """
    own = x.numel() * x.element_size()
    if rotate_weights:
        own += sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    count = ceil(CACHES * cache_bytes / own) + 1
    if count > _MOST_CALLS:
        raise RuntimeError(f"{count:,} calls would be needed to go through the cache: expected at most {_MOST_CALLS:,}")
    inputs = [x.clone() for _ in range(count)]
    modules: list[Module] = [deepcopy(module) if rotate_weights else run_module for _ in inputs]
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.no_grad(), context():
        _warm_up(modules[0], inputs[0], stream)
        outside = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=stream):
                outputs = [function(buffer) for function, buffer in zip(modules, inputs, strict=True)]
        finally:  # a capture that fails would leave its stream the current one
            torch.cuda.set_stream(outside)
        replayed_follows_input(graph.replay, inputs[0], outputs[0], modules[0])
    return CapturedCalls(graph, modules, inputs, outputs, own)


def _warm_up(function: Module, x: Tensor, stream: torch.cuda.Stream) -> None:
    """Some calls on the stream of the capture: libraries allocate their workspaces at the first call on a stream."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP_CALLS):
            function(x)
    torch.cuda.current_stream().wait_stream(stream)


def replayed_follows_input(replay: Callable[[], object], buffer: Tensor, output: Tensor, function: Module) -> None:
    """Raise unless a replay after a change of `buffer` computes `function` of the change.

    Raises:
        WrongOutputError: it does not: something was not captured.
    """
    buffer.copy_(torch.randn_like(buffer))
    with torch.no_grad():
        expected = function(buffer).double()
    replay()
    check_output(output, expected, _REPLAY_LIMIT, "the replayed graph's output")
