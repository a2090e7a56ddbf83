"""Where a claim's backbones get looked up: `caformer_s18[stage3=ska].macs @ resolution=224`.

THE SEAM. No backbone can be computed yet. Whoever adds them replaces `NO_BACKBONES` as the value of `BACKBONES`, and
enables the block of backbone claims in claims/paper.toml; nothing else in the claims knows of backbones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from skaprof.report.claims.sizes import Point


class Backbones(NamedTuple):
    """The known names, and how a spec's cost is told.

    `cost(spec, point, implementation)` gives the keys of `skaprof.results.METRICS`. It raises SkaprofError for stages
    or options that are not valid, and takes batch, resolution, dtype and mode from the point.
    """

    names: tuple[str, ...]
    cost: Callable[[str, Point, str], Mapping[str, int]]


def _none(spec: str, point: Point, implementation: str) -> Mapping[str, int]:
    raise LookupError(spec)


NO_BACKBONES = Backbones((), _none)
BACKBONES = NO_BACKBONES
