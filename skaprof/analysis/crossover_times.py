"""Where one mixer overtakes another by measured times: between which sizes the verdict changes, and no closer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from skaprof.analysis.mixer_pair import Duel, row_identity
from skaprof.analysis.row_trust import baselines_of, faster_of
from skaprof.errors import SkaprofError, named, shown_path
from skaprof.model.spec import MixerSpec
from skaprof.results import name_of
from skaprof.saved import SavedResults

Row = Mapping[str, Any]

UNDECIDED = "undecided"
METRIC = "median_ms"


class Sample(NamedTuple):
    """One size at which both mixers were timed: who is faster there, or None where the intervals do not tell."""

    at: int
    winner: str | None
    ours: float
    theirs: float


class Timed(NamedTuple):
    """All samples of one implementation, mode, device and timing, by size; `metric` says what was sampled."""

    metric: str
    implementation: str
    mode: str
    device: str | None
    timing: str | None
    samples: tuple[Sample, ...]


def timed_samples(saved: SavedResults, duel: Duel) -> list[Timed]:
    """What a file says of a duel's mixers, at its sizes: a mixer without the axis was timed at every point of it.

    Who is faster is judged by `skaprof.analysis.row_trust.faster_of`.

    Raises:
        SkaprofError: no timed rows at all, or none of both mixers at these sizes.
    """
    rows = [row for row in saved.rows if row.get(METRIC)]
    if not rows:
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no timed rows: expected what skaprof latency writes"
        )
    baselines = baselines_of(rows)
    timed: dict[tuple[Any, ...], dict[tuple[Any, ...], Row]] = {}
    for row in rows:
        timed.setdefault(_sizes(row), {}).setdefault(_conditions(row), row)
    found: dict[tuple[Any, ...], list[Sample]] = {}
    for at in _points(duel, rows):
        ours, theirs = (timed.get(_sizes_at(duel, spec, at) or (), {}) for spec in duel.specs)
        for key in ours.keys() & theirs.keys():
            row, other = ours[key], theirs[key]
            winner = faster_of(row, other, baselines)
            sample = Sample(at, str(winner["mixer"]) if winner else None, row[METRIC], other[METRIC])
            found.setdefault(key, []).append(sample)
    if not found:
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has no timed rows of both {duel.mixer.text} and "
            f"{duel.baseline.text} at these sizes: it has {_has(rows)}"
        )
    return [
        Timed(METRIC, implementation, mode, device, timing, tuple(samples))
        for (implementation, mode, device, timing), samples in sorted(found.items(), key=str)
    ]


_SIZES = ("mixer", "batch", "height", "width", "dim", "heads", "head_dim", "kernel_size", "dtype")


def _sizes(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in _SIZES)


def _sizes_at(duel: Duel, spec: MixerSpec, at: int) -> tuple[Any, ...] | None:
    """The sizes of a mixer at a point of the axis, None where it does not exist there."""
    try:
        return _sizes(duel.row_at(spec, at)._asdict())
    except SkaprofError:  # heads that do not fit
        return None


def _points(duel: Duel, rows: Sequence[Row]) -> list[int]:
    """The sizes on the axis at which one of the mixers was timed, in order."""
    own = [row for row in rows if row.get("mixer") in (duel.mixer.text, duel.baseline.text)]
    if duel.axis == "resolution":
        found = {row["height"] * duel.sizes.patch for row in own if row.get("height") == row.get("width")}
    else:
        found = {row[duel.axis] for row in own if row.get(duel.axis) is not None}
    return sorted(found)


def _conditions(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in ("implementation", "mode", "device", "timing"))


def _has(rows: Sequence[Row]) -> str:
    names = sorted(set(map(name_of, rows)))
    dims = sorted({row["dim"] for row in rows if row.get("dim")})
    return f"{', '.join(names)}{' at dim ' if dims else ''}{', '.join(map(str, dims))}"


def sampled_rows(duel: Duel, timed: Iterable[Timed]) -> list[dict[str, Any]]:
    """For each of `timed`, one row a change of the winner along decided samples, or one where there is none.

    `crossover_low` and `crossover_high` are the sizes between which it changes; the undecided lie between them too.
    """
    return [
        {**row_identity(duel, each.metric, each.implementation, each.mode), **_about(each), **change}
        for each in timed
        for change in _changes(each, duel.mixer.text)
    ]


def _about(timed: Timed) -> dict[str, Any]:
    decided = sum(sample.winner is not None for sample in timed.samples)
    where = {"device": timed.device, "timing": timed.timing}
    return {**where, "sizes_sampled": len(timed.samples), "sizes_decided": decided}


def _changes(timed: Timed, mixer: str) -> list[dict[str, Any]]:
    """Where the winner changes: the keys that follow from it."""
    decided = [sample for sample in timed.samples if sample.winner is not None]
    changes = [(left, right) for left, right in pairwise(decided) if left.winner != right.winner]
    unsolved = {"formula": None, "crossover": None}
    if not changes:
        winner = decided[0].winner if decided else UNDECIDED
        ends = {"crossover_low": None, "crossover_high": None, "last_win": None, "first_win": None}
        return [{**unsolved, **ends, "winner_below": winner, "winner_above": winner}]
    return [
        {
            **unsolved,
            "crossover_low": left.at,
            "crossover_high": right.at,
            "last_win": left.at if left.winner == mixer else None,
            "first_win": right.at if right.winner == mixer else None,
            "winner_below": left.winner,
            "winner_above": right.winner,
        }
        for left, right in changes
    ]
