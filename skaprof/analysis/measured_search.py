"""A search over what was measured: a backbone's networks whose accuracy is known, the best of them within limits."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.analysis.search import NANOSECONDS, PREDICTED, Limit
from skaprof.analysis.trade_off import ACCURACY, TRADED, with_front
from skaprof.errors import SkaprofError, bad_value, named
from skaprof.model.backbones import Backbone
from skaprof.model.choice import open_backbone
from skaprof.published import TradeOffRow

SEARCHED_WITH_ACCURACY = (ACCURACY, *(key for key in TRADED if key != "median_ms"))
"""What may be sought beside the accuracy, which is maximized: figures that accuracies from files are set beside."""


def measured_front(
    rows: Sequence[TradeOffRow], backbone: Backbone, objectives: Sequence[str], limits: Sequence[Limit]
) -> list[TradeOffRow]:
    """The networks of the backbone within the limits that no other of them beats; the first objective sorts.

    Raises:
        SkaprofError: an objective or a limit that is not known of networks with accuracies, or no accuracy of the
            backbone.
    """
    for metric in (*objectives, *(limit.metric for limit in limits)):
        if metric not in SEARCHED_WITH_ACCURACY:
            expected = f"one of {', '.join(SEARCHED_WITH_ACCURACY)} where accuracy is sought"
            raise bad_value(named("objective"), metric, expected, SEARCHED_WITH_ACCURACY)
    own = [row for row in rows if _is_of(row, backbone)]
    if not own:
        raise SkaprofError(f"{named('accuracy')}: no accuracy of {backbone.name} in it: expected one, with any mixers")
    within = [row for row in own if all(_holds(limit, row) for limit in limits)]
    front = [row for row in with_front(within, objectives) if row.unbeaten]
    first = objectives[0]
    return sorted(front, key=lambda row: -row.accuracy if first == ACCURACY else getattr(row, first) or 0)


def _is_of(row: TradeOffRow, backbone: Backbone) -> bool:
    try:
        return open_backbone(row.model).backbone == backbone
    except SkaprofError:
        return False


def _holds(limit: Limit, row: TradeOffRow) -> bool:
    figure = getattr(row, limit.metric)
    return figure is not None and limit.holds(figure * NANOSECONDS if limit.metric == PREDICTED else figure)
