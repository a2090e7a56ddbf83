"""Networks that differ in their number of heads: accuracy and speed of each, as figure 3 of the paper has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from skaprof.errors import SkaprofError, named
from skaprof.model.choice import open_backbone
from skaprof.model.network import make_network
from skaprof.published import TradeOffRow


class HeadsPoint(NamedTuple):
    """A network by its mixer, without heads, and how many heads that has."""

    mixer: str
    heads: int
    row: TradeOffRow


def heads_points(rows: Sequence[TradeOffRow]) -> list[HeadsPoint]:
    """The networks whose mixers have heads, by mixer and heads.

    Raises:
        SkaprofError: no mixer is there with two numbers of heads.
    """
    found = [point for row in rows if (point := _point(row)) is not None]
    counts = {point.mixer: {other.heads for other in found if other.mixer == point.mixer} for point in found}
    if not any(len(of_mixer) > 1 for of_mixer in counts.values()):
        raise SkaprofError(
            f"{named('accuracy')}: no mixer is there with two numbers of heads: expected networks such as "
            "vit_micro[stage1=ska:heads=2:head_dim=16] and vit_micro[stage1=ska:heads=8:head_dim=4]"
        )
    return sorted(found, key=lambda point: (list(counts).index(point.mixer), point.heads))


def _point(row: TradeOffRow) -> HeadsPoint | None:
    """The first mixer with heads of a network; None where it has none, or is not known here."""
    if row.image_height is None or row.image_width is None:
        return None
    try:
        network = make_network(open_backbone(row.model), row.image_height, row.image_width)
    except SkaprofError:
        return None
    mixers = [mixer for stage in network.stages for mixer in stage.blocks if mixer.workload.heads]
    if not mixers:
        return None
    kept = [part for part in mixers[0].spec.text.split(":") if part.partition("=")[0] not in ("heads", "head_dim")]
    return HeadsPoint(":".join(kept), mixers[0].workload.heads, row)
