"""Devices side by side: on each the time of a mixer over the baseline's, and where a verdict turns between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.promises import Compared, same_form_pairs
from skaprof.analysis.roofline_rows import Predict, points_of
from skaprof.fleets import FleetRow
from skaprof.measured import MeasuredRow
from skaprof.results import ResultRow, values_of

_MEASURED = (
    *("device", "baseline", "ratio", "ratio_low", "ratio_high", "verdict", "flags", "measured_ms", "baseline_ms"),
    *("hardware", "predicted_ms", "predicted_baseline_ms", "predicted_ratio"),
)
ABOUT = tuple(key for key in FleetRow.fields if key not in _MEASURED)
"""The keys that say what a row is about, on whatever device."""


class Predictor(NamedTuple):
    """What says how long calls take on a device, and the machine's name that it is of."""

    hardware: str
    predict: Predict


def devices_of(rows: Sequence[ResultRow]) -> list[str]:
    """The devices, in the order in which they come."""
    return list(dict.fromkeys(row.device for row in rows if row.device is not None))


def fleet_rows(rows: Sequence[ResultRow], predictors: Mapping[str, Predictor]) -> list[FleetRow]:
    """A row for each pair of one form and size, and each device that has it measured or can predict it.

    Pairs are in the order in which the first device that has them measured them; devices within each as they come.
    """
    pairs: dict[tuple[Any, ...], dict[str, Compared]] = {}
    for pair in same_form_pairs(rows):
        pairs.setdefault(_key(pair), {})[str(pair.row.device)] = pair
    found = []
    for on_devices in pairs.values():
        for device in devices_of(rows):
            if device in on_devices or device in predictors:
                example = next(iter(on_devices.values()))
                found.append(_row(example, on_devices.get(device), device, predictors.get(device)))
    return [row for row in found if row.ratio is not None or row.predicted_ratio is not None]


def _key(pair: Compared) -> tuple[Any, ...]:
    return (*values_of(pair.row, ABOUT), pair.other.contender)


def _row(example: Compared, pair: Compared | None, device: str, predictor: Predictor | None) -> FleetRow:
    own, theirs = (_predicted_ms(each, predictor) for each in (example.row, example.other))
    low, high = (pair.interval if pair is not None else None) or (None, None)
    about: dict[str, Any] = {key: getattr(example.row, key, None) for key in ABOUT}
    return FleetRow(
        **about,
        device=device,
        baseline=example.other.contender,
        ratio=None if pair is None else pair.ratio,
        ratio_low=low,
        ratio_high=high,
        verdict=None if pair is None else pair.verdict if pair.is_sound else "inconclusive",
        flags=None if pair is None else list(pair.unsound),
        measured_ms=None if pair is None else pair.row.median_ms,
        baseline_ms=None if pair is None else pair.other.median_ms,
        hardware=None if predictor is None else predictor.hardware,
        predicted_ms=own,
        predicted_baseline_ms=theirs,
        predicted_ratio=own / theirs if own and theirs else None,
    )


def _predicted_ms(row: MeasuredRow, predictor: Predictor | None) -> float | None:
    """What a call of the row's mixer takes there; None of what nothing is predicted of."""
    if predictor is None:
        return None
    points = points_of([row.replace(flags=[], rounds=_ENOUGH)]).points  # how well it was timed elsewhere is no matter
    seconds = predictor.predict(points[0]).seconds if points and not row.elsewhere else None
    return None if seconds is None else 1e3 * seconds


_ENOUGH = 32


class Turn(NamedTuple):
    """A pair whose verdict is one on some devices and the opposite on others, with the rows of each."""

    faster: tuple[FleetRow, ...]
    slower: tuple[FleetRow, ...]


def turns(rows: Sequence[FleetRow]) -> list[Turn]:
    """The pairs at one size that are faster on one device and slower on another."""
    found = []
    for of_pair in by_pair(rows):
        faster, slower = (tuple(row for row in of_pair if row.verdict == word) for word in ("faster", "slower"))
        if faster and slower:
            found.append(Turn(faster, slower))
    return found


def by_pair(rows: Sequence[FleetRow]) -> list[list[FleetRow]]:
    """The rows of one pair and size together, one a device."""
    found: dict[tuple[Any, ...], list[FleetRow]] = {}
    for row in rows:
        found.setdefault((*values_of(row, ABOUT), row.baseline), []).append(row)
    return list(found.values())
