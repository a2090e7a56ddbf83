"""What networks are worth beside what they cost: accuracies measured here or published, joined to costs and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.imported import costs_of
from skaprof.errors import SkaprofError
from skaprof.measured import MeasuredRow
from skaprof.model.choice import open_backbone
from skaprof.model.network import Network, make_network
from skaprof.published import ImportedRow, TradeOffRow
from skaprof.records import Record
from skaprof.results import values_of
from skaprof.trained import TrainedRow

TRADED = ("params", "macs", "peak_bytes", "saved_bytes", "median_ms", "predicted_ms")
"""The figures that accuracy is set against."""
ACCURACY = "accuracy"
Predict = Callable[[Network], float | None]
"""Milliseconds that a machine will take for a network."""


class Times(NamedTuple):
    """What networks take: the rows of `skaprof latency`, and a machine that predicts."""

    measured: Sequence[MeasuredRow] = ()
    hardware: str | None = None
    predict: Predict | None = None


def trade_off_rows(rows: Iterable[Record], times: Times = Times()) -> list[TradeOffRow]:  # noqa: B008  # immutable
    """A row a network, data set and recipe, in the order of the rows; what diverged or is not known here has none.

    `unbeaten`: no other of the same data is as good in accuracy and in every figure known of both, and better in one.
    """
    runs: dict[tuple[Any, ...], list[TrainedRow]] = {}
    found: dict[tuple[Any, ...], TradeOffRow] = {}
    for row in rows:
        if isinstance(row, TrainedRow) and row.accuracy is not None:
            key = values_of(row, ("model", "data", "recipe_hash", "data_hash", "image_height", "image_width"))
            runs.setdefault(key, []).append(row)
            found[key] = _measured(runs[key], times)
        if isinstance(row, ImportedRow) and row.network is not None:
            found[values_of(row, ("model", "data", "source", "image_height", "image_width"))] = _imported(row, times)
    return with_front(list(found.values()))


def with_front(rows: Sequence[TradeOffRow], objectives: Sequence[str] = (ACCURACY, *TRADED)) -> list[TradeOffRow]:
    """The rows with those marked that no other of the same data beats."""
    marked = []
    for row in rows:
        others = [other for other in rows if other.data == row.data and other is not row]
        marked.append(row.replace(unbeaten=not any(_beats(other, row, objectives) for other in others)))
    return marked


def _beats(other: TradeOffRow, row: TradeOffRow, objectives: Sequence[str]) -> bool:
    """Whether another is as good in all that is known of both, and better in one."""
    pairs = [
        (sign * getattr(other, key), sign * getattr(row, key))
        for key in objectives
        for sign in (-1 if key == ACCURACY else 1,)
        if getattr(other, key) is not None and getattr(row, key) is not None
    ]
    return all(theirs <= own for theirs, own in pairs) and any(theirs < own for theirs, own in pairs)


def _measured(runs: Sequence[TrainedRow], times: Times) -> TradeOffRow:
    """One network over its seeds."""
    first = runs[0]
    accuracies = {run.seed: run.accuracy for run in runs if run.accuracy is not None}
    mean, half = _interval(list(accuracies.values()))
    network = _network_of(first)
    costs = costs_of(network) | {"params": first.params, "macs": first.macs}
    return TradeOffRow(
        model=first.model,
        mixers=first.mixers,
        data=first.data,
        recipe_hash=first.recipe_hash,
        measured_here=True,
        source=None,
        seeds=len(accuracies),
        accuracy=mean,
        accuracy_low=None if half is None else max(0.0, mean - half),
        accuracy_high=None if half is None else min(1.0, mean + half),
        is_control=first.is_control,
        image_height=first.image_height,
        image_width=first.image_width,
        **costs,
        **_times_of(first.model, (first.image_height, first.image_width), network, times),
        unbeaten=False,
    )


def _imported(row: ImportedRow, times: Times) -> TradeOffRow:
    assert row.network is not None
    assert row.accuracy is not None
    assert row.mixers is not None
    size = row.image_height or 0, row.image_width or 0
    network = make_network(open_backbone(row.network, row.mixers), *size)
    return TradeOffRow(
        model=row.model,
        mixers=row.mixers,
        data=row.data,
        recipe_hash=None,
        measured_here=False,
        source=row.source,
        seeds=None,
        accuracy=row.accuracy,
        accuracy_low=None,
        accuracy_high=None,
        is_control=None,
        image_height=row.image_height,
        image_width=row.image_width,
        **costs_of(network),
        **_times_of(row.model, size, network, times),
        unbeaten=False,
    )


def _interval(accuracies: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half the 95 % t interval of it, which may reach beyond 0 and 1; None of fewer than two."""
    mean = sum(accuracies) / len(accuracies)
    if len(accuracies) < 2:  # a spread takes two
        return mean, None
    import numpy as np

    from skaprof.analysis.paired_tests import paired

    return mean, float(paired(np.array([accuracies]), 1.0).half_width[0])


def _network_of(run: TrainedRow) -> Network | None:
    """The network that was trained; None where its description is not here any more, or is another."""
    try:
        choice = open_backbone(run.model)
        backbone = choice.backbone._replace(classes=run.classes)
        network = make_network(choice._replace(backbone=backbone), run.image_height, run.image_width)
    except SkaprofError:
        return None
    costs = costs_of(network)
    return network if (costs["params"], costs["macs"]) == (run.params, run.macs) else None


def _times_of(model: str, size: tuple[int, int], network: Network | None, times: Times) -> dict[str, Any]:
    """What was measured of the network, at the smallest batch in its fastest form, and what is predicted."""
    of_model = [
        row
        for row in times.measured
        if row.name == model and (row.image_height, row.image_width) == size and row.mode == "forward"
    ]
    best = min(of_model, key=lambda row: (row.batch, row.median_ms), default=None)
    predicted = None if times.predict is None or network is None else times.predict(network)
    keys = ("implementation", "batch", "device", "median_ms", "ci_low_ms", "ci_high_ms")
    return {
        **{key: None if best is None else getattr(best, key) for key in keys},
        "hardware": times.hardware,
        "predicted_ms": predicted,
    }
