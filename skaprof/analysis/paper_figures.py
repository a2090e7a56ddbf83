"""What the paper's figures show, from the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from typing import NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.mixer_pair import Sizes, make_pair
from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.errors import SkaprofError
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import FLOPS_PER_PARAM, CostRow

PAPER_MIXERS = ("mhsa", "ska", "cska")
FIGURE_3_AXIS = (1, 2, 4, 8, 16, 32)
_FIGURE_3_DIM = 384
_FIXED = 256
_SIDES = tuple((side, side) for side in (4, 6, 8, 11, 16, 23, 32, 45, 64))
_DIMS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def figure_3_plan(specs: Sequence[MixerSpec], *heads: int) -> Plan:
    """Mixers over the number of heads, at 196 tokens and dim 384, batch 8: what its speed half times."""
    return make_plan(specs, SizeGrid(dims=(_FIGURE_3_DIM,), heads=heads or FIGURE_3_AXIS, batches=(8,)))


FIGURE_4_PARTS = ("macs", "params")
FIGURE_4_METRICS = (FLOPS_PER_PARAM, *FIGURE_4_PARTS)
"""What figure 4 draws, and the two that it is a quotient of."""


class Crossing(NamedTuple):
    """Where two mixers cost the same, at a real size of the axis."""

    axis: str
    metric: str
    mixers: tuple[str, str]
    at: float


class CostPanel(NamedTuple):
    """Costs along an axis, under a heading."""

    heading: str
    axis: str
    rows: list[CostRow]


def figure_4_panels(mixers: Sequence[str] = PAPER_MIXERS) -> list[CostPanel]:
    """Both panels of figure 4: over the tokens at d = 256, and over d at n = 256; heads of 32, k = 3."""
    over_tokens, over_dim = SizeGrid(sides=_SIDES, dims=(_FIXED,)), SizeGrid(sides=((16, 16),), dims=_DIMS)
    return [
        CostPanel(f"(a) spatial dimension n, d = {_FIXED}", "tokens", _rows(mixers, over_tokens)),
        CostPanel(f"(b) embedding dimension d, n = {_FIXED}", "dim", _rows(mixers, over_dim)),
    ]


def figure_4_crossings(mixers: Sequence[str], metrics: Sequence[str] = FIGURE_4_METRICS) -> list[Crossing]:
    """Where any two of the mixers cross within the panels of figure 4 (loads sympy); of those that are known here."""
    from skaprof.analysis.crossover import crossing_sizes

    found = []
    specs = known_specs(mixers)
    spans = {"tokens": (_SIDES[0][0] ** 2, _SIDES[-1][0] ** 2), "dim": (_DIMS[0], _DIMS[-1])}
    for axis, (first, last) in spans.items():
        for ours, theirs in combinations(specs.values(), 2):
            pair = make_pair(ours, theirs, axis, Sizes(tokens=_FIXED, dim=_FIXED))
            found += [
                Crossing(axis, metric, (ours.text, theirs.text), at)
                for metric in metrics
                for at in crossing_sizes(pair, metric)
                if first <= at <= last
            ]
    return found


def known_specs(mixers: Sequence[str]) -> dict[str, MixerSpec]:
    """The mixers that this installation knows: rows of a file may be of others."""
    found = {}
    for text in mixers:
        with suppress(SkaprofError):
            found[text] = parse_mixer(text)
    return found


def _rows(mixers: Sequence[str], grid: SizeGrid) -> list[CostRow]:
    plan = make_plan([parse_mixer(text) for text in mixers], grid)
    return [cost_row(variant, workload) for variant, workload, *_ in plan.rows()]
