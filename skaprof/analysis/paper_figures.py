"""What the paper's figures show, from the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import CostRow

PAPER_MIXERS = ("mhsa", "ska", "cska")
FIGURE_3_AXIS = (1, 2, 4, 8, 16, 32)
_FIGURE_3_DIM = 384
_FIXED = 256
_SIDES = tuple((side, side) for side in (4, 6, 8, 11, 16, 23, 32, 45, 64))
_DIMS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def figure_3_plan(specs: Sequence[MixerSpec]) -> Plan:
    """Mixers over the number of heads, at 196 tokens and dim 384, batch 8: what its speed half times."""
    return make_plan(specs, SizeGrid(dims=(_FIGURE_3_DIM,), heads=FIGURE_3_AXIS, batches=(8,)))


class CostPanel(NamedTuple):
    """Costs along an axis, under a heading."""

    heading: str
    axis: str
    rows: list[CostRow]


def figure_4_panels(mixers: Sequence[str] = PAPER_MIXERS) -> list[CostPanel]:
    """Both panels of figure 4: over the tokens at d = 256, and over d at n = 256; heads of 32, k = 3."""
    over_tokens, over_dim = SizeGrid(sides=_SIDES, dims=(_FIXED,)), SizeGrid(sides=((16, 16),), dims=_DIMS)
    return [
        CostPanel(f"(a) over the spatial dimension, d = {_FIXED}", "tokens", _rows(mixers, over_tokens)),
        CostPanel(f"(b) over the embedding dimension, n = {_FIXED}", "dim", _rows(mixers, over_dim)),
    ]


def _rows(mixers: Sequence[str], grid: SizeGrid) -> list[CostRow]:
    plan = make_plan([parse_mixer(text) for text in mixers], grid)
    return [cost_row(variant, workload) for variant, workload, *_ in plan.rows()]
