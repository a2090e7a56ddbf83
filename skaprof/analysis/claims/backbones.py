"""Where a claim's backbones get looked up: `caformer_s18[stage3=ska].macs @ resolution=224`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from skaprof.analysis.claims.sizes import Point
from skaprof.model.backbones import BACKBONES as MODELS
from skaprof.model.network import backbone_totals
from skaprof.results import METRICS


class Backbones(NamedTuple):
    """The known names, and how a spec's cost is told.

    `cost(spec, point, implementation)` gives the keys of `skaprof.results.METRICS`. It raises SkaprofError for stages
    or options that are not valid, and takes batch, resolution, dtype and mode from the point.
    """

    names: tuple[str, ...]
    cost: Callable[[str, Point, str], Mapping[str, Any]]


def _cost(spec: str, point: Point, implementation: str) -> dict[str, Any]:
    totals = backbone_totals(
        spec,
        *point.resolution,
        batch=point.batch,
        dtype=point.dtype,
        mode=point.mode,
        implementation=implementation,
    )
    return {metric: getattr(totals, metric) for metric in METRICS}


BACKBONES = Backbones(tuple(MODELS), _cost)
"""The backbones of the analytic model."""
