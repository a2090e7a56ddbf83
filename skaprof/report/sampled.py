"""Where one mixer overtakes another by measured times: between which sizes the verdict changes, and no closer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, shown_path
from skaprof.report.measured import baselines_of, figure, is_baseline_of, why_unsound
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
    """All samples of one implementation, mode, device and timing, by size."""

    implementation: str
    mode: str
    device: str | None
    timing: str | None
    samples: tuple[Sample, ...]


def timed_samples(
    saved: SavedResults,
    mixer: str,
    baseline: str,
    size_of: Callable[[Row], int | None],
) -> list[Timed]:
    """What a file says of two mixers where `size_of` a row gives a size on the axis; None: not at the sizes asked for.

    A pair timed together is judged by its own verdict, which comes from the ratios of its rounds. Others are judged by
    their intervals, widened by their A/A controls, and are undecided where these overlap.

    Raises:
        SkaprofError: no timed rows at all, or none of both mixers at these sizes.
    """
    rows = [row for row in saved.rows if row.get(METRIC)]
    if not rows:
        raise SkaprofError(
            f"--results: {shown_path(saved.path)} has no timed rows: expected what skaprof latency writes"
        )
    baselines = baselines_of(rows)
    found: dict[tuple[Any, ...], dict[int, Sample]] = {}
    for row, other, at in _pairs(rows, mixer, baseline, size_of):
        key = tuple(row.get(name) for name in ("implementation", "mode", "device", "timing"))
        sample = Sample(at, _faster(row, other, baselines), row[METRIC], other[METRIC])
        found.setdefault(key, {}).setdefault(at, sample)
    if not found:
        raise SkaprofError(
            f"--results: {shown_path(saved.path)} has no timed rows of both {mixer} and {baseline} at these sizes: "
            f"it has {_has(rows)}"
        )
    return [
        Timed(implementation, mode, device, timing, tuple(of_key[at] for at in sorted(of_key)))
        for (implementation, mode, device, timing), of_key in found.items()
    ]


def _pairs(
    rows: Sequence[Row], mixer: str, baseline: str, size_of: Callable[[Row], int | None]
) -> Iterable[tuple[Row, Row, int]]:
    """Each row of the mixer with the baseline's at the same size and under the same conditions."""
    theirs = {_conditions(row): row for row in rows if row.get("mixer") == baseline and size_of(row) is not None}
    for row in rows:
        at = size_of(row) if row.get("mixer") == mixer else None
        if at is not None and _conditions(row) in theirs:
            yield row, theirs[_conditions(row)], at


def _conditions(row: Row) -> tuple[Any, ...]:
    shared = ("implementation", "mode", "dtype", "batch", "height", "width", "dim", "device", "timing")
    return tuple(row.get(key) for key in shared)


def _faster(row: Row, other: Row, baselines: Sequence[Row]) -> str | None:
    """Which of the two mixers is faster; None where that is not decided."""
    if why_unsound(row) or why_unsound(other):
        return None
    if is_baseline_of(other, row):
        return {"faster": row["mixer"], "slower": other["mixer"]}.get(row.get("verdict", ""))
    ours, theirs = figure(row, METRIC, baselines), figure(other, METRIC, baselines)
    if ours is None or theirs is None or not ours.apart_from(theirs):
        return None
    return str(row["mixer"] if ours.value < theirs.value else other["mixer"])


def _has(rows: Sequence[Row]) -> str:
    mixers = sorted({str(row.get("mixer")) for row in rows})
    dims = sorted({row["dim"] for row in rows if row.get("dim")})
    return f"{', '.join(mixers)} at dim {', '.join(map(str, dims))}"


def sampled_rows(identity: Row, timed: Timed, mixer: str) -> list[dict[str, Any]]:
    """One row a change of the winner along decided samples, or one where there is none.

    `crossover_low` and `crossover_high` are the sizes between which it changes; the undecided lie between them too.
    """
    decided = [sample for sample in timed.samples if sample.winner is not None]
    changes = [(left, right) for left, right in pairwise(decided) if left.winner != right.winner]
    about = {**identity, "device": timed.device, "timing": timed.timing, "formula": None, "crossover": None}
    if not changes:
        winner = decided[0].winner if decided else UNDECIDED
        ends = {"crossover_low": None, "crossover_high": None, "last_win": None, "first_win": None}
        return [{**about, **ends, "winner_below": winner, "winner_above": winner}]
    return [
        {
            **about,
            "crossover_low": left.at,
            "crossover_high": right.at,
            "last_win": left.at if left.winner == mixer else None,
            "first_win": right.at if right.winner == mixer else None,
            "winner_below": left.winner,
            "winner_above": right.winner,
        }
        for left, right in changes
    ]
