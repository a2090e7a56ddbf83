"""Which mixer in which stage or block: every network that candidates make, those within limits, the best trade-offs.

A network's cost is the backbone's own plus, for each stage, what the mixers chosen there change, whatever the other
stages have; and for a stage the sum over its blocks. So each (stage, candidate) is costed once, any number of networks
is sums of those, and their front comes from the fronts of the stages. A class token would break that over several
stages (it goes where every mixer has a place for it); backbones with one have one stage.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import chain, product
from math import prod
from typing import NamedTuple

from skaprof.analysis.scopes import COMPARED, TOTAL, Costed
from skaprof.errors import SkaprofError, named
from skaprof.model.cost import OpCost
from skaprof.model.network import Network, make_network, network_costs
from skaprof.model.spec import MixerSpec, StageMixers, parse_mixer, stage_mixers
from skaprof.results import SUMMED_METRICS, ScopeRow

PREDICTED = "predicted_ms"
NANOSECONDS = 10**6
"""Figures of time are whole: so many to a millisecond."""
COSTS = (*SUMMED_METRICS, "key_params")
SEARCHED = (*COSTS, PREDICTED)
"""The figures that may be minimized or limited; the last on a calibrated machine."""
DEFAULT_OBJECTIVES = COMPARED
_OPERATORS: dict[str, Callable[[int, Fraction], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
LIMIT_SIGNS = tuple(_OPERATORS)
Amounts = tuple[int, ...]
"""A network's figures, in the order of the metrics asked for."""


class Limit(NamedTuple):
    """What a network must keep to, such as params<=28M; `text` is as the user wrote it."""

    text: str
    metric: str
    sign: str
    value: Fraction

    def holds(self, figure: int) -> bool:
        """Whether a network with this figure keeps to it."""
        return _OPERATORS[self.sign](figure, self.value)

    def miss(self, figure: int) -> float:
        """By how much of its value a figure misses it; 0 where it holds."""
        return 0.0 if self.holds(figure) else float(abs(figure - self.value) / max(self.value, Fraction(1)))


class Part(NamedTuple):
    """A candidate in one place, and what it adds to the figures of the unmodified backbone (less, if below 0)."""

    spec: MixerSpec
    added: dict[str, int]


class Machine(NamedTuple):
    """A calibrated machine: its name, and the seconds that it will take for a network in a dtype and mode, or for that
    as a part of a larger one, the last argument.
    """

    id: str
    seconds: Callable[[Network, str, str, Network | None], float]


Dropped = tuple[int, str, str]
"""A stage's number, a candidate that is not searched there, and why, or which candidate it is."""
PLACES = ("stage", "block")
"""What gets a mixer of its own."""


class Search(NamedTuple):
    """The networks that the candidates of each stage make; `per` says whether all blocks of a stage have the same.

    `network` is the unmodified backbone. `stages` are the candidates of each, and what each adds in one place: in all
    of the stage, or in a block. `left_out` has the candidates that do not fit their stage: its number, the candidate,
    and why. `doubled` has those that are there what an earlier candidate is, and that candidate.
    """

    network: Network
    dtype: str
    mode: str
    own_costs: list[OpCost]
    stages: tuple[tuple[Part, ...], ...]
    left_out: tuple[Dropped, ...]
    doubled: tuple[Dropped, ...]
    per: str = "stage"
    machine: Machine | None = None

    @property
    def size(self) -> int:
        """Number of networks."""
        return prod(len(parts) ** self.choices(place) for place, parts in enumerate(self.stages))

    def choices(self, place: int) -> int:
        """How many choices there are in a stage: 1, or one a block."""
        return self.network.stages[place].stage.depth if self.per == "block" else 1

    @property
    def own(self) -> ScopeRow:
        """The unmodified backbone."""
        return self.row_of(self.network.choice.stages)

    def points(self, metrics: Sequence[str]) -> list[Amounts]:
        """The figures of every network of a search by stage, in the order of the product of the candidates."""
        own = self.own_figures
        sums = [tuple(own[metric] for metric in metrics)]
        for parts in self.stages:
            added = [tuple(part.added[metric] for metric in metrics) for part in parts]
            sums = [tuple(map(operator.add, point, more)) for point in sums for more in added]
        return sums

    @property
    def own_figures(self) -> dict[str, int]:
        """What the unmodified backbone has of everything that may be searched here."""
        return _costs(self.own) | (_time(self.machine, self.network, self) if self.machine else {})

    def row_of(self, mixers: Sequence[StageMixers]) -> ScopeRow:
        """The network with these mixers, as `skaprof model --depth total` has it."""
        network = _with(self.network, mixers)
        costs = network_costs(network, self.dtype, self.mode)
        (row,) = Costed(network, self.dtype, self.mode, costs, self.own_costs).rows(TOTAL)
        return row


def open_axes(spec: MixerSpec) -> set[str]:
    """Which of kernel_size and head_dim the mixer has and the spec leaves open."""
    has_kernel = spec.mixer.kernel_size is not None and spec.kernel_size is None
    has_heads = spec.mixer.has_heads and spec.head_dim is None and spec.heads is None
    return {axis for axis, is_open in (("kernel_size", has_kernel), ("head_dim", has_heads)) if is_open}


def expanded(
    texts: Iterable[str], kernel_sizes: Sequence[int], head_dims: Sequence[int], option: str
) -> list[MixerSpec]:
    """The candidates of these specs: each with every kernel size and head dim that it has the axis for and no own.

    Raises:
        SkaprofError: an unknown mixer, or a value that is not valid for it.
    """
    found: dict[str, MixerSpec] = {}
    for text in texts:
        spec = parse_mixer(text, option)
        free = open_axes(spec)
        kernels = [f":kernel_size={size}" for size in kernel_sizes if "kernel_size" in free]
        widths = [f":head_dim={width}" for width in head_dims if "head_dim" in free]
        for kernel, width in product(kernels or [""], widths or [""]):
            found[spec.text + kernel + width] = parse_mixer(spec.text + kernel + width, option)
    return list(found.values())


def make_search(
    network: Network,
    candidates: Sequence[Sequence[MixerSpec]],
    dtype: str = "float32",
    mode: str = "forward",
    per: str = "stage",
    machine: Machine | None = None,
) -> Search:
    """The search over `candidates`, one list a stage, at the size and in the form of `network`, whatever its mixers.

    Candidates that are one mixer in a stage (`mhsa` and `mhsa:head_dim=32`, where heads are that wide) count once.

    Raises:
        SkaprofError: no candidate that fits a stage.
    """
    own = _with(network, network.choice.unmodified.stages)
    empty = Search(own, dtype, mode, network_costs(own, dtype, mode), (), (), (), per, machine)
    thin = _Thin(empty)
    fitting = [_fitting(empty, place, specs) for place, specs in enumerate(candidates)]
    return empty._replace(
        stages=tuple(
            tuple(_part(empty, thin, place, spec) for spec in of_stage.specs) for place, of_stage in enumerate(fitting)
        ),
        left_out=tuple(chain.from_iterable(stage.left_out for stage in fitting)),
        doubled=tuple(chain.from_iterable(stage.doubled for stage in fitting)),
    )


def _part(search: Search, thin: _Thin, place: int, spec: MixerSpec) -> Part:
    """What the candidate adds in all of the stage, or its share in one of the stage's blocks, which are alike."""
    new, shares = thin.added(place, spec), search.choices(place)
    if thin.is_whole:
        return Part(spec, {key: value // shares for key, value in new.items()})
    had = [thin.added(place, block) for block in search.network.choice.stages[place].blocks]
    return Part(spec, {key: (len(had) * new[key] - sum(each[key] for each in had)) // shares for key in new})


class _Thin:
    """The network of a search with one block in each stage: what a block adds, it adds as often as there are blocks.

    The whole network where it has a class token: that comes and goes with all the blocks, and once.
    """

    def __init__(self, search: Search) -> None:
        self.is_whole = search.network.backbone.class_token
        network = search.network if self.is_whole else _thin(search.network)
        own_costs = network_costs(network, search.dtype, search.mode)
        self._search = search._replace(network=network, own_costs=own_costs)
        self._whole = search.network
        self._known: dict[tuple[int, str], dict[str, int]] = {}
        self._own = self._figures(network)

    def added(self, place: int, spec: MixerSpec) -> dict[str, int]:
        """What the mixer adds to the figures in all blocks of that stage, which are one unless it is whole."""
        if (place, spec.text) not in self._known:
            network = self._search.network
            found = self._figures(_with(network, _replaced(network, place, spec)))
            self._known[place, spec.text] = {key: value - self._own[key] for key, value in found.items()}
        return self._known[place, spec.text]

    def _figures(self, network: Network) -> dict[str, int]:
        search = self._search
        costs = _costs(search.row_of(network.choice.stages))
        return costs | (_time(search.machine, network, search, self._whole) if search.machine else {})


def _costs(row: ScopeRow) -> dict[str, int]:
    return {key: getattr(row, key) for key in COSTS}


def _time(machine: Machine, network: Network, search: Search, whole: Network | None = None) -> dict[str, int]:
    """Of a part of the whole network, as in a call that touches as much memory as the whole one does."""
    seconds = machine.seconds(network, search.dtype, search.mode, whole)
    return {PREDICTED: round(1e3 * NANOSECONDS * seconds)}


def _thin(network: Network) -> Network:
    """The network with one block in each stage."""
    backbone = network.backbone
    stages = tuple(stage._replace(depth=1) for stage in backbone.stages)
    mixers = tuple(stage_mixers([(mixer.blocks[0], 1)]) for mixer in network.choice.stages)
    choice = network.choice._replace(backbone=backbone._replace(stages=stages), stages=mixers)
    size = network.height, network.width, network.batch
    return make_network(choice, *size, network.implementation, has_head=network.has_head)


class _Fitting(NamedTuple):
    """The candidates of a stage that fit it and differ there, and what became of the others, as `Search` has it."""

    specs: list[MixerSpec]
    left_out: list[Dropped]
    doubled: list[Dropped]


def _fitting(search: Search, place: int, specs: Sequence[MixerSpec]) -> _Fitting:
    found: dict[object, MixerSpec] = {}
    left_out, doubled = [], []
    for spec in specs:
        try:
            placed = _with(search.network, _replaced(search.network, place, spec)).stages[place]
        except SkaprofError as error:
            left_out.append((place + 1, spec.text, error.message))
            continue
        resolved = spec.mixer.name, tuple(spec.options.items()), placed.workload
        first = found.setdefault(resolved, spec)
        if first is not spec:
            doubled.append((place + 1, spec.text, first.text))
    if not found:
        raise SkaprofError(f"{named('mixer')}: no candidate fits stage {place + 1}: {left_out[-1][2]}")
    return _Fitting(list(found.values()), left_out, doubled)


def _replaced(network: Network, place: int, spec: MixerSpec) -> list[StageMixers]:
    """The network's mixers with another in all blocks of one stage."""
    mixers = list(network.choice.stages)
    mixers[place] = stage_mixers([(spec, network.stages[place].stage.depth)])
    return mixers


def _with(network: Network, mixers: Sequence[StageMixers]) -> Network:
    """The network's backbone with these mixers, at the same size and in the same form."""
    choice = network.choice._replace(stages=tuple(mixers))
    size = network.height, network.width, network.batch
    return make_network(choice, *size, network.implementation, has_head=network.has_head)
