"""Calls whose ops are timed where they stand: mixers and small networks at sizes spread evenly by their logarithms.

Which call comes next is fixed, so that a longer calibration contains a shorter one and goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import sqrt
from time import perf_counter, thread_time_ns
from typing import NamedTuple

import torch
from torch import nn

from skaprof.bench.dispatched import dispatched, timed
from skaprof.errors import SkaprofError
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.choice import choose
from skaprof.model.kernel_times import KernelTime, TimedCall
from skaprof.model.network import make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import FUSED, TILED, Workload

TOKENS, DIMS, BATCHES = (36, 1024), (64, 512), (1, 8)
MOST_SCORES = 3_000_000
"""Entries of all attention maps of a call: larger ones take too long."""
CALLS = 7
"""Times a call is made in a pass, bare and op by op in turn, at least."""
MIXERS = ("mhsa", "ska", "cska")
NORMS = (("layer_norm", "star_relu"), ("layer_norm", "gelu"), ("layer_norm", "star_relu"), ("group_norm", "gelu"))
"""Of a network's blocks, with their activation."""
ON_PROCESSORS = ("eager", FUSED, TILED)
"""The forms that run on a processor."""
IN_STAGES = ("sepconv", "mhsa", "ska", "cska", "pooling", "linear")
_STEP = (0.7548776662466927, 0.5698402909980532, 0.4301597090019468, 0.3247179572447460, 0.8191725133961645)
"""An additive recurrence of low discrepancy (Roberts, 2018): powers of the plastic number's inverse."""


class Chain(NamedTuple):
    """A call to time: what builds its module, the shape of its input, and whether it trains."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    trains: bool


def chains() -> Iterator[Chain]:
    """Every call, for ever: mixers in each form, and every third time a network of two stages; one in three trains."""
    for number in count():
        draws = [(number * step + 0.5) % 1 for step in _STEP]
        make = _network if number % 3 == 2 else _mixer
        try:
            yield make(number, draws)
        except SkaprofError:  # sizes that do not go together
            continue


def _between(low: int, high: int, draw: float) -> float:
    return float(low * (high / low) ** draw)


def _mixer(number: int, draws: list[float]) -> Chain:
    spec = parse_mixer(MIXERS[number // 3 % len(MIXERS)])
    form = ON_PROCESSORS[number % 3]
    dim = 32 * round(_between(*DIMS, draws[1]) / 32)
    heads = spec.resolve_channels(dim)
    height, width, batch = _grid(_between(*TOKENS, draws[0]), _between(*BATCHES, draws[2]), dim // 32)
    w = Workload(batch, height, width, *heads, spec.resolve_kernel_size())
    return Chain(lambda: build_mixer(spec, w, form), (batch, height, width, dim), draws[3] > 2 / 3)


def _grid(tokens: float, batch: float, heads: int) -> tuple[int, int, int]:
    """(height, width, batch) of about so many tokens, with fewer images where their maps would be too large."""
    height = max(1, round(sqrt(tokens)))
    width = max(1, round(tokens / height))
    most = max(1, MOST_SCORES // (heads * (height * width) ** 2))
    return height, width, max(1, min(round(batch), most))


def _network(number: int, draws: list[float]) -> Chain:
    """Two stages of a block each behind a stem of a convolution, or now and then two blocks of a ViT."""
    dims = [32 * max(1, round(_between(64, 384, draw) / 32)) for draw in (draws[1], draws[4])]
    height, width, batch = _grid(_between(64, 784, draws[0]), _between(*BATCHES, draws[2]), max(dims) // 32)
    size = 4 * max(2, height), 4 * max(2, width)
    backbone = _vit(number, dims[0]) if number % 4 == 1 else _metaformer(number, dims)
    network = make_network(choose(backbone, None, []), *size, batch, ON_PROCESSORS[number // 3 % 3])
    return Chain(lambda: build_network(network), (batch, 3, *size), draws[3] > 2 / 3)


def _metaformer(number: int, dims: Sequence[int]) -> Backbone:
    names = [IN_STAGES[(number // 3 + place * 2) % len(IN_STAGES)] for place in range(2)]
    first, second = (Stage(1, dim, name) for dim, name in zip(dims, names, strict=True))
    norm, activation = NORMS[number // 6 % len(NORMS)]
    return Backbone("chain", (first, second._replace(residual_scale=True)), norm=norm, activation=activation)


def _vit(number: int, dim: int) -> Backbone:
    mixer = ("mhsa:bias=true", "ska:bias=true", "cska:bias=true")[number // 12 % 3]
    plain = Backbone("chain", (Stage(2, dim, mixer),), stem="patches", stem_window=Window(4, 4, 0), class_token=True)
    return plain._replace(head="linear", bias=True, activation="gelu")


def call_of(module: nn.Module, x: torch.Tensor, *, trains: bool) -> Callable[[], object]:
    """The call of a module: forward without gradients, or forward and backward as `skaprof latency` has it."""

    def forward() -> object:
        with torch.no_grad():
            return module(x)

    def train() -> object:
        x.grad = None
        module.zero_grad(set_to_none=True)
        return module(x).backward(gradient)

    if not trains:
        return forward
    x.requires_grad_(True)
    with torch.no_grad():
        gradient = torch.ones_like(module(x))
    return train


def timed_chain(chain: Chain, seconds: float) -> TimedCall:
    """The lower quartile of its time, whole and op by op, from calls in turn over some seconds."""
    module, x = chain.build().eval(), torch.randn(chain.shape)
    call = call_of(module, x, trains=chain.trains)
    call()
    kernels = dispatched(call)
    wholes: list[int] = []
    parts: list[list[int]] = []
    end = perf_counter() + seconds
    while len(wholes) < CALLS or perf_counter() < end:
        start = thread_time_ns()
        call()
        wholes.append(thread_time_ns() - start)
        parts.append(timed(call))
    each = [_lower_quartile(list(of_one)) for of_one in zip(*parts, strict=True)]
    times = (KernelTime(kernel, nanoseconds / 1e9) for kernel, nanoseconds in zip(kernels, each, strict=True))
    return TimedCall(tuple(times), _lower_quartile(wholes) / 1e9, "train" if chain.trains else "forward")


def _lower_quartile(values: list[int]) -> int:
    return sorted(values)[len(values) // 4]


PASS_SECONDS = 0.12
"""For each call in each of two passes, where it takes less than that."""
SHARES = 0.47
"""Of a budget, what each pass may take."""


def measured_chains(budget: float, tick: Callable[[float], None] = lambda share: None) -> list[TimedCall]:
    """As many calls as fit in so many seconds, each in two passes, so that no phase of the machine is in all of one.

    Ctrl-C ends it with what was measured.
    """
    found: list[TimedCall] = []
    kept: list[Chain] = []
    start = perf_counter()
    try:
        for chain in chains():
            found.append(timed_chain(chain, PASS_SECONDS))
            kept.append(chain)
            tick((perf_counter() - start) / budget)
            if perf_counter() - start > SHARES * budget:
                break
        for place, chain in enumerate(kept):
            if perf_counter() - start > budget:
                break
            found[place] = _faster(found[place], timed_chain(chain, PASS_SECONDS))
            tick((perf_counter() - start) / budget)
    except KeyboardInterrupt:
        if len(found) < FEWEST_CALLS:
            raise
    return found


FEWEST_CALLS = 20
"""Calls that a calibration needs."""


def _faster(one: TimedCall, other: TimedCall) -> TimedCall:
    """The lesser of each time: disturbances only add."""
    pairs = zip(one.times, other.times, strict=True)
    times = tuple(KernelTime(a.kernel, min(a.seconds, b.seconds)) for a, b in pairs)
    return TimedCall(times, min(one.seconds, other.seconds), one.mode)
