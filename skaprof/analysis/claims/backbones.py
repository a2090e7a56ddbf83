"""Where a claim's backbones get looked up: `caformer_s18[stage3=ska].macs @ resolution=224`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from skaprof.analysis.claims.sizes import Point
from skaprof.analysis.scopes import TOTAL, costed
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.backbones import BACKBONES as MODELS
from skaprof.model.choice import parse_backbone
from skaprof.model.network import backbone_totals, make_network
from skaprof.results import METRICS


def _row(spec: str, point: Point, implementation: str) -> dict[str, Any]:
    network = make_network(
        parse_backbone(spec), *point.resolution, point.batch, IMPLEMENTATIONS[implementation].form, option="resolution"
    )
    (row,) = costed(network, point.dtype, point.mode).rows(TOTAL)
    return row.as_dict() | {"implementation": implementation}


class Backbones(NamedTuple):
    """The known names, each with the side of its own images in pixels, and how a spec's cost is told.

    `cost(spec, point, implementation)` gives the keys of `skaprof.results.METRICS`, and `row` those by which
    `skaprof latency --model` names what it timed. They raise SkaprofError for stages or options that are not valid,
    and take batch, resolution, dtype and mode from the point.
    """

    sides: Mapping[str, int]
    cost: Callable[[str, Point, str], Mapping[str, Any]]
    row: Callable[[str, Point, str], Mapping[str, Any]] = _row


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


BACKBONES = Backbones({name: model.resolution for name, model in MODELS.items()}, _cost)
"""The backbones of the analytic model."""
