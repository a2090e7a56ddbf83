"""Calls whose ops are timed where they stand: mixers and small networks at sizes spread evenly by their logarithms.

Between two calls of one in two, other memory is read, as the rest of a larger network would: the same op is seen where
its weights are still in a cache, and where they no longer are. Which call comes next is fixed, so that a longer
calibration contains a shorter one and goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count
from math import sqrt
from time import perf_counter, thread_time_ns
from typing import NamedTuple

import torch
from torch import nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.bench.call_store import CallStore
from skaprof.bench.dispatched import dispatched, timed
from skaprof.bench.usual_network import UsualNetwork
from skaprof.errors import SkaprofError
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.choice import choose
from skaprof.model.cost import total
from skaprof.model.kernel_times import KernelTime, TimedCall
from skaprof.model.network import make_network, network_costs
from skaprof.model.spec import parse_mixer
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import FUSED, TILED, Workload

TOKENS, DIMS, BATCHES = (36, 1024), (64, 512), (1, 8)
MOST_MACS = 8e8
"""Multiply-adds of a call, three times those of forward in training: larger calls take too long."""
CALLS = 3
"""Times a call is made in a pass, bare and op by op in turn, at least."""
MIXERS = ("mhsa", "ska", "cska")
NORMS = (("layer_norm", "star_relu"), ("layer_norm", "gelu"), ("layer_norm", "star_relu"), ("group_norm", "gelu"))
"""Of a network's blocks, with their activation."""
ON_PROCESSORS = ("eager", FUSED, TILED)
"""The forms that run on a processor: a mixer by itself has the first two of them, networks have all."""
IN_STAGES = ("sepconv", "mhsa", "ska", "cska", "pooling", "linear")
_STEP = (
    *(0.7548776662466927, 0.5698402909980532, 0.4301597090019468, 0.3247179572447460),
    *(0.8191725133961645, 0.6710436067037893),
)
"""An additive recurrence of low discrepancy (Roberts, 2018): powers of the plastic number's inverse."""
LEAST_ELSEWHERE = 2**21
EVICTING = 2**26
"""Bytes that put all else out of the caches, where the last of them has no more than half of that."""


class Chain(NamedTuple):
    """A call to time: what builds its module, the shape of its input, whether it trains, and how many bytes of other
    memory are read before it is made again.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    trains: bool
    elsewhere: int = 0


def chains() -> Iterator[Chain]:
    """Every call, for ever: mixers in each form, and every third time a network of two stages; one in three trains."""
    for number in count():
        draws = [(number * step + 0.5) % 1 for step in _STEP]
        make = _network if number % 3 == 2 else _mixer
        try:
            chain = make(number, draws)
        except SkaprofError:  # sizes that do not go together, or make too much work
            continue
        yield chain._replace(elsewhere=_elsewhere(draws[5]))


def _elsewhere(draw: float) -> int:
    """Nothing for one call in two, else evenly by logarithms up to what leaves nothing in a cache."""
    return 0 if draw < 1 / 2 else round(_between(LEAST_ELSEWHERE, evicting_bytes(), 2 * draw - 1))


@cache
def evicting_bytes() -> int:
    """What this processor's caches do not hold."""
    try:
        last = os.sysconf("SC_LEVEL3_CACHE_SIZE")
    except (ValueError, OSError, AttributeError):
        last = 0
    return max(EVICTING, 2 * last)


@cache
def _other_memory() -> torch.Tensor:
    return torch.ones(evicting_bytes() // 4)  # pages of zeros would all be one


def _require_short(macs: int, *, trains: bool) -> None:
    if macs * (3 if trains else 1) > MOST_MACS:
        raise SkaprofError(f"{macs} multiply-adds: too many for a call that is timed")


def _between(low: int, high: int, draw: float) -> float:
    return float(low * (high / low) ** draw)


def _mixer(number: int, draws: list[float]) -> Chain:
    spec = parse_mixer(MIXERS[number // 3 % len(MIXERS)])
    form = ON_PROCESSORS[number % 3]
    dim = 32 * round(_between(*DIMS, draws[1]) / 32)
    heads = spec.resolve_channels(dim)
    height, width = _grid(_between(*TOKENS, draws[0]))
    w = Workload(1, height, width, *heads, spec.resolve_kernel_size())
    trains = draws[3] > 2 / 3
    macs = cost_row(Variant(spec), w).macs
    batch = max(1, min(round(_between(*BATCHES, draws[2])), int(MOST_MACS / 3 / macs)))
    _require_short(batch * macs, trains=trains)
    w = w._replace(batch=batch)
    return Chain(lambda: build_mixer(spec, w, form), (batch, height, width, dim), trains)


def _grid(tokens: float) -> tuple[int, int]:
    """(height, width) of about so many tokens."""
    height = max(1, round(sqrt(tokens)))
    return height, max(1, round(tokens / height))


def _network(number: int, draws: list[float]) -> Chain:
    """Two stages of a block each behind a stem of a convolution, now and then two blocks of a ViT, or what is usual."""
    dims = [32 * max(1, round(_between(64, 512, draw) / 32)) for draw in (draws[1], draws[4])]
    height, width = _grid(_between(64, 3136, draws[0]))
    patch = (4, 8, 16)[number // 36 % 3] if number % 4 == 1 else 4
    size = patch * max(8, height), patch * max(8, width)
    backbone = _vit(number, dims[0], patch) if number % 4 == 1 else _metaformer(number, dims)
    batch, trains = max(1, round(_between(*BATCHES, draws[2]))), draws[3] > 2 / 3
    if number % 4 == 3:
        batch = max(1, min(batch, int(MOST_MACS / 3 / _usual_macs(dims[0], *size))))
        _require_short(batch * _usual_macs(dims[0], *size), trains=trains)
        return Chain(lambda: UsualNetwork(dims[0], number // 12), (batch, 3, *size), trains)
    network = make_network(choose(backbone, None, []), *size, 1, ON_PROCESSORS[number // 3 % 3])
    macs = total(network_costs(network)).macs
    batch = max(1, min(batch, int(MOST_MACS / 3 / macs)))
    _require_short(batch * macs, trains=trains)
    network = make_network(network.choice, *size, batch, network.implementation)
    return Chain(lambda: build_network(network), (batch, 3, *size), trains)


def _usual_macs(dim: int, height: int, width: int) -> int:
    """About those of the largest convolutions."""
    return 15 * dim * dim * (height // 4) * (width // 4)


def _metaformer(number: int, dims: Sequence[int]) -> Backbone:
    names = [IN_STAGES[(number // 3 + place * 2) % len(IN_STAGES)] for place in range(2)]
    first, second = (Stage(1, dim, name) for dim, name in zip(dims, names, strict=True))
    norm, activation = NORMS[number // 6 % len(NORMS)]
    return Backbone("chain", (first, second._replace(residual_scale=True)), norm=norm, activation=activation)


def _vit(number: int, dim: int, patch: int) -> Backbone:
    mixer = ("mhsa:bias=true", "ska:bias=true", "cska:bias=true")[number // 12 % 3]
    window = Window(patch, patch, 0)
    plain = Backbone("chain", (Stage(2, dim, mixer),), stem="patches", stem_window=window, class_token=True)
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
    kernels = dispatched(call, chain.elsewhere)
    other = _other_memory()[: chain.elsewhere // 4]
    wholes: list[int] = []
    parts: list[list[int]] = []
    end = perf_counter() + seconds
    while len(wholes) < CALLS or perf_counter() < end:
        other.sum()
        start = thread_time_ns()
        call()
        wholes.append(thread_time_ns() - start)
        other.sum()
        parts.append(timed(call))
    each = [_lower_quartile(list(of_one)) for of_one in zip(*parts, strict=True)]
    times = (KernelTime(kernel, nanoseconds / 1e9) for kernel, nanoseconds in zip(kernels, each, strict=True))
    return TimedCall(tuple(times), _lower_quartile(wholes) / 1e9, "train" if chain.trains else "forward")


def _lower_quartile(values: list[int]) -> int:
    return sorted(values)[len(values) // 4]


PASSES = 3
"""Times that a calibration comes back to each call: neighbours on the machine disturb some minutes, and not others."""
PASS_SECONDS = 0.015
"""For each call in each pass, where it takes less than that."""
FEWEST_CALLS = 20
"""Calls that a calibration needs."""


def measured_chains(
    budget: float, store: CallStore, tick: Callable[[float], None] = lambda share: None
) -> list[TimedCall]:
    """As many calls as fit in so many seconds, each in `PASSES`, so that no phase of the machine is in all of one.

    Those that the store has are not timed again; those that are, it keeps. Ctrl-C ends it with what was measured.
    """
    start = perf_counter()

    def share() -> float:
        return (perf_counter() - start) / budget

    try:
        for number, chain in _visits(store, lambda: share() > 1 / PASSES):
            if store.calls and share() > 1:
                break
            store.add(number, timed_chain(chain, PASS_SECONDS))
            tick(share())
    except KeyboardInterrupt:
        if len(store.calls) < FEWEST_CALLS:
            raise
    return [_fastest(calls) for _, calls in sorted(store.calls.items())]


def _visits(store: CallStore, first_pass_is_over: Callable[[], bool]) -> Iterator[tuple[int, Chain]]:
    """New calls until the first pass is over, then those that were timed in fewer passes than the others."""
    last = max(store.calls, default=-1)
    kept: list[tuple[int, Chain]] = []
    for number, chain in enumerate(chains()):
        kept.append((number, chain))
        if number > last:
            yield number, chain
            if first_pass_is_over():
                break
    for done in range(1, PASSES):
        yield from ((number, chain) for number, chain in kept if len(store.calls.get(number, ())) <= done)


def _fastest(calls: Sequence[TimedCall]) -> TimedCall:
    """The least of each time over the passes: disturbances only add."""
    rows = zip(*(call.times for call in calls), strict=True)
    times = tuple(min(row, key=lambda time: time.seconds) for row in rows)
    return TimedCall(times, min(call.seconds for call in calls), calls[0].mode)
