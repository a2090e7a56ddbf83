"""Which mixer in which stage: every network that candidates make, those within limits, and the best trade-offs.

A network's cost is the backbone's own plus, for each stage, what the mixer chosen there changes, whatever the other
stages have. So each (stage, candidate) is costed once, and any number of networks is sums of those. A class token
would break that over several stages (it goes where every mixer has a place for it); backbones with one have one stage.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import chain, product
from typing import NamedTuple

from skaprof.analysis.scopes import COMPARED, TOTAL, Costed
from skaprof.errors import SkaprofError, named
from skaprof.model.cost import OpCost
from skaprof.model.network import Network, make_network, network_costs
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import SUMMED_METRICS, ScopeRow

SEARCHED = (*SUMMED_METRICS, "key_params")
"""The figures that may be minimized or limited."""
DEFAULT_OBJECTIVES = COMPARED
MOST_NETWORKS = 1_000_000
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
    """A candidate in one stage, and what it adds to the figures of the unmodified backbone (less, if below 0)."""

    spec: MixerSpec
    added: dict[str, int]


Dropped = tuple[int, str, str]
"""A stage's number, a candidate that is not searched there, and why, or which candidate it is."""


class Search(NamedTuple):
    """The networks that the candidates of each stage make, numbered in the order of their product.

    `network` is the unmodified backbone. `left_out` has the candidates that do not fit their stage: its number, the
    candidate, and why. `doubled` has those that are there what an earlier candidate is, and that candidate.
    """

    network: Network
    dtype: str
    mode: str
    own_costs: list[OpCost]
    stages: tuple[tuple[Part, ...], ...]
    left_out: tuple[Dropped, ...]
    doubled: tuple[Dropped, ...]

    @property
    def size(self) -> int:
        """Number of networks."""
        return network_count(self.stages)

    @property
    def own(self) -> ScopeRow:
        """The unmodified backbone."""
        return self.row_of(self.network.choice.specs)

    def points(self, metrics: Sequence[str]) -> list[Amounts]:
        """The figures of every network, in order."""
        own = self.own
        sums = [tuple(getattr(own, metric) for metric in metrics)]
        for parts in self.stages:
            added = [tuple(part.added[metric] for metric in metrics) for part in parts]
            sums = [tuple(map(operator.add, point, more)) for point in sums for more in added]
        return sums

    def row(self, number: int) -> ScopeRow:
        """The network of that number, as `skaprof model --depth total` has it."""
        specs = []
        for parts in reversed(self.stages):
            number, place = divmod(number, len(parts))
            specs.append(parts[place].spec)
        return self.row_of(specs[::-1])

    def row_of(self, specs: Sequence[MixerSpec]) -> ScopeRow:
        """The network with these mixers."""
        network = _with(self.network, specs)
        costs = network_costs(network, self.dtype, self.mode)
        (row,) = Costed(network, self.dtype, self.mode, costs, self.own_costs).rows(TOTAL)
        return row


class Found(NamedTuple):
    """What a search found: the figures of all networks, those within the limits, and among them the front.

    `front` is in the order of its figures. A network is on it where no other is as good in every objective and better
    in one. `nearest` is of the network that misses its limits least, and the limit it misses most, where none holds
    them all.
    """

    metrics: tuple[str, ...]
    points: list[Amounts]
    within: list[int]
    front: list[int]
    nearest: tuple[int, Limit] | None


def network_count(candidates: Iterable[Sequence[object]]) -> int:
    """How many networks these candidates of each stage make."""
    count = 1
    for of_stage in candidates:
        count *= len(of_stage)
    return count


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
        free = open_axes(parse_mixer(text, option))
        kernels = [f":kernel_size={size}" for size in kernel_sizes if "kernel_size" in free]
        widths = [f":head_dim={width}" for width in head_dims if "head_dim" in free]
        for kernel, width in product(kernels or [""], widths or [""]):
            found[text + kernel + width] = parse_mixer(text + kernel + width, option)
    return list(found.values())


def make_search(
    network: Network, candidates: Sequence[Sequence[MixerSpec]], dtype: str = "float32", mode: str = "forward"
) -> Search:
    """The search over `candidates`, one list a stage, at the size and in the form of `network`, whatever its mixers.

    Candidates that are one mixer in a stage (`mhsa` and `mhsa:head_dim=32`, where heads are that wide) count once.

    Raises:
        SkaprofError: too many networks, or no candidate that fits a stage.
    """
    own = _with(network, network.choice.unmodified.specs)
    empty = Search(own, dtype, mode, network_costs(own, dtype, mode), (), (), ())
    own_row = empty.own
    fitting = [_fitting(empty, place, specs) for place, specs in enumerate(candidates)]
    count = network_count(stage.specs for stage in fitting)
    if count > MOST_NETWORKS:
        raise SkaprofError(
            f"{named('mixer')}: the candidates make {count:,} networks: expected at most {MOST_NETWORKS:,}; "
            f"name fewer, or fix a stage with {named('stage')}"
        )
    return empty._replace(
        stages=tuple(
            tuple(_part(empty, own_row, place, spec) for spec in stage.specs) for place, stage in enumerate(fitting)
        ),
        left_out=tuple(chain.from_iterable(stage.left_out for stage in fitting)),
        doubled=tuple(chain.from_iterable(stage.doubled for stage in fitting)),
    )


def _part(search: Search, own: ScopeRow, place: int, spec: MixerSpec) -> Part:
    row = search.row_of(_replaced(search.network, place, spec))
    return Part(spec, {key: getattr(row, key) - getattr(own, key) for key in SEARCHED})


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


def _replaced(network: Network, place: int, spec: MixerSpec) -> list[MixerSpec]:
    """The network's mixers with another in one place."""
    specs = list(network.choice.specs)
    specs[place] = spec
    return specs


def _with(network: Network, specs: Sequence[MixerSpec]) -> Network:
    """The network's backbone with these mixers, at the same size and in the same form."""
    choice = network.choice._replace(specs=tuple(specs))
    size = network.height, network.width, network.batch
    return make_network(choice, *size, network.implementation, has_head=network.has_head)


def find(search: Search, objectives: Sequence[str] = DEFAULT_OBJECTIVES, limits: Sequence[Limit] = ()) -> Found:
    """The networks within the limits, and the Pareto front of the objectives among them."""
    metrics = tuple(dict.fromkeys((*objectives, *(limit.metric for limit in limits))))
    points = search.points(metrics)
    places = [metrics.index(limit.metric) for limit in limits]
    within = [
        number
        for number, point in enumerate(points)
        if all(limit.holds(point[place]) for limit, place in zip(limits, places, strict=True))
    ]
    count = len(objectives)
    front = pareto_front({number: points[number][:count] for number in within})
    nearest = None if within else _nearest(points, limits, places)
    return Found(metrics, points, within, front, nearest)


def pareto_front(points: dict[int, Amounts]) -> list[int]:
    """The numbers of the points that no other is as low as in every figure and lower in one, by their figures.

    Sorted first, a point can only be beaten by one before it. Beaten points beat nobody that their victor does not.
    """
    front: list[int] = []
    kept: list[Amounts] = []
    for number, point in sorted(points.items(), key=lambda item: item[1]):
        for place, other in enumerate(kept):
            if all(map(operator.le, other, point)) and other != point:
                kept.insert(0, kept.pop(place))  # what beat one will mostly beat its neighbour: ask it first
                break
        else:
            front.append(number)
            kept.append(point)
    return front


def _nearest(points: Sequence[Amounts], limits: Sequence[Limit], places: Sequence[int]) -> tuple[int, Limit]:
    def worst(number: int) -> tuple[float, Limit]:
        misses = [(limit.miss(points[number][place]), limit) for limit, place in zip(limits, places, strict=True)]
        return max(misses, key=lambda miss: miss[0])

    number = min(range(len(points)), key=lambda candidate: worst(candidate)[0])
    return number, worst(number)[1]
