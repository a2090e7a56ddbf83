"""The value of each figure of a claim: exact from the closed forms, or with its interval from saved results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

from skaprof.analysis.claims.backbones import BACKBONES, Backbones
from skaprof.analysis.claims.nodes import Claim, ClaimError, Figure, SizeWord
from skaprof.analysis.claims.sizes import DEFAULT_SIDE, Point
from skaprof.analysis.costs import cost_row, sizes_of
from skaprof.analysis.plan import Variant
from skaprof.analysis.row_trust import (
    Bounds,
    baselines_of,
    figure,
    identity,
    is_baseline_of,
    ratio_of,
    why_not_alike,
    why_unsound,
)
from skaprof.errors import SkaprofError, bad_value, shown, shown_path
from skaprof.implementations import PYTORCH
from skaprof.measured import MeasuredRow
from skaprof.model.cost import flops_per_param
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import FLOPS_PER_PARAM, IDENTITY_KEYS, ResultRow, name_of
from skaprof.saved import SavedResults, several
from skaprof.where import is_processor


class NotTestableError(Exception):
    """A figure that cannot be told here, and why."""


class NoRowError(NotTestableError):
    """A figure that the files should tell, which have results of such a device and timing, and do not."""


class RowOfFile(NamedTuple):
    """A row of what was timed, or could not be, and the baselines of its file."""

    row: ResultRow
    baselines: Sequence[MeasuredRow]


class Sources:
    """Where figures come from: closed forms of mixers and backbones, and the rows of results files."""

    def __init__(self, results: Iterable[SavedResults] = (), backbones: Backbones | None = None) -> None:
        self.backbones = BACKBONES if backbones is None else backbones
        self.rows: dict[tuple[Any, ...], RowOfFile] = {}
        self._without_rows = False
        self.warnings: list[str] = []
        for saved in several(list(results)):
            self._add(saved)

    def _add(self, saved: SavedResults) -> None:
        baselines = baselines_of(saved.costs)
        measured = {identity(row): row for row in saved.costs if row.device and row.timing}
        repeated = measured.keys() & self.rows.keys()
        if saved.warning:
            self.warnings.append(saved.warning)
        if not measured:
            self._without_rows = True
            self.warnings.append(f"{shown_path(saved.path)} holds no measurements: expected results of skaprof latency")
        if repeated:
            self.warnings.append(
                f"{shown_path(saved.path)}: {len(repeated):,} of its rows replace those of a file before it"
            )
        self.rows |= {key: RowOfFile(row, baselines) for key, row in measured.items()}

    def require_known(self, claim: Claim) -> None:
        """Raise unless every figure is of a mixer or a backbone that exists.

        Raises:
            ClaimError: one is not, at its place.
        """
        for found in claim.figures:
            try:
                self._require_known(found)
            except SkaprofError as error:
                raise ClaimError(error.message, found.column) from None

    def _require_known(self, found: Figure) -> None:
        name = found.spec.partition("[")[0].partition(":")[0]
        if name in self.backbones.sides:
            return
        if name not in MIXERS:
            known = (*MIXERS, *self.backbones.sides)
            raise bad_value("spec", name, f"one of {', '.join(known)}", known)
        if "[" in found.spec:
            raise SkaprofError(f"spec: {shown(found.spec)} gives stages to a mixer: expected a backbone before the [")
        spec = _parsed(found.spec)
        if found.implementation is not None and not found.measured:
            spec.require_implementation(found.implementation)

    def of_tokens(self, claim: Claim) -> bool:
        """Whether the claim is about a token grid: it names a mixer or a size."""
        if any(isinstance(node, SizeWord) for node in claim.nodes):
            return True
        return any(not self._is_backbone(found) for found in claim.figures) or not claim.figures

    def side_of(self, claim: Claim) -> int:
        """That of the images its backbones are made for, in pixels, where it states none.

        Raises:
            ClaimError: they are made for different ones.
        """
        names = [found.spec.partition("[")[0] for found in claim.figures]
        sides = {name: side for name in names if (side := self.backbones.sides.get(name))}
        if len(set(sides.values())) > 1 and "resolution" not in claim.sizes:
            told = " and ".join(f"{name} of {side} x {side}" for name, side in sides.items())
            raise ClaimError(f"it names {told}: expected resolution=... after the @", claim.figures[0].column)
        return next(iter(sides.values()), DEFAULT_SIDE)

    def _is_backbone(self, found: Figure) -> bool:
        return found.spec.partition("[")[0] in self.backbones.sides

    def settings_of(self, claim: Claim, point: Point) -> list[Point]:
        """The point on each device and timing that it allows and that has rows; itself where there are none."""
        conditions = sorted({(str(row.device), str(row.timing)) for row, _ in self.rows.values()})
        placed = [
            point._replace(device=device, timing=timing)
            for device, timing in conditions
            if _is_at(point, device, timing)
        ]
        return [place for place in placed if self._has_all(claim, place)] or [point]

    def _has_all(self, claim: Claim, point: Point) -> bool:
        try:
            return all(self.measured(found, point) for found in claim.figures if found.measured)
        except NotTestableError:
            return False

    def value(self, found: Figure, point: Point) -> Bounds:
        """The figure at a point.

        Raises:
            NotTestableError: nothing tells it here.
            SkaprofError: the sizes do not fit the mixer.
        """
        if found.measured:
            measured = self.measured(found, point)
            value = figure(measured.row, found.metric, measured.baselines)
            if value is None:
                raise NoRowError(measured.row.error or f"the row has no {found.metric}")
            return value
        implementation = found.implementation or point.implementation
        exact = self._counted(found, point, implementation)
        if exact is None:
            raise NotTestableError(f"{found.spec} has no {found.metric} in {point.mode}")
        return Bounds.exactly(exact)

    def _counted(self, found: Figure, point: Point, implementation: str) -> Fraction | int | None:
        """A figure of the analytic model; None where it has none, as training has no peak."""
        if self._is_backbone(found):
            costs = self.backbones.cost(found.spec, point, implementation)
        else:
            variant, workload = _mixer_at(found, point)
            variant.spec.require_implementation(implementation)
            costs = cost_row(variant, workload).as_dict()
        if found.metric == FLOPS_PER_PARAM:  # exact here, where a row has the nearest float
            return flops_per_param(Fraction(costs["flops"]), costs["params"])
        count: int | None = costs[found.metric]
        return count

    def measured(self, found: Figure, point: Point) -> RowOfFile:
        """The row that tells a measured figure.

        Raises:
            NotTestableError: there is none.
        """
        implementation = found.implementation or point.implementation
        if self._is_backbone(found):
            name, row = found.spec, dict(self.backbones.row(found.spec, point, implementation))
        else:
            variant, workload = _mixer_at(found, point)
            name, row = variant.spec.text, sizes_of(variant, workload)
        row |= {"device": point.device, "timing": point.timing, "runtime": PYTORCH, "precision": row["dtype"]}
        try:
            return self.rows[tuple(row.get(key) for key in IDENTITY_KEYS)]
        except KeyError:
            raise (NoRowError if self._should_tell(point) else NotTestableError)(
                f"no results of {name} ({implementation})"
            ) from None

    def _should_tell(self, point: Point) -> bool:
        """Whether the files have results of a device and timing as the point's, or one that should have has none."""
        return self._without_rows or any(
            _is_at(point, str(row.device), str(row.timing)) for row, _ in self.rows.values()
        )

    def paired_ratio(self, ours: Figure, theirs: Figure, point: Point) -> Bounds | None:
        """ours / theirs where one was the other's baseline in the same rounds: far narrower than two medians.

        Widened by the run's A/A control. None for figures that are no such pair.
        """
        if ours.metric != theirs.metric or ours.metric not in ("median_ms", "images_per_s"):
            return None
        (left, baselines), (right, others) = self.measured(ours, point), self.measured(theirs, point)
        if not isinstance(left, MeasuredRow) or not isinstance(right, MeasuredRow):
            return None
        if is_baseline_of(right, left):
            ratio = _ratio(left, baselines)
        elif is_baseline_of(left, right):
            ratio = _inverse(_ratio(right, others))
        else:
            return None
        return _inverse(ratio) if ours.metric == "images_per_s" else ratio

    def doubt(self, figures: Iterable[Figure], point: Point) -> str | None:
        """Why what was measured for these figures decides nothing, if so."""
        rows = [
            self.measured(found, point).row
            for found in figures
            if found.measured and found.metric != "peak_memory_bytes"
        ]
        for row in rows:
            if reason := why_unsound(row):
                return f"{name_of(row)} ({row.implementation}): {reason}"
        return next(filter(None, (_why_apart(*pair) for pair in combinations(rows, 2))), None)


@cache
def _parsed(spec: str) -> MixerSpec:
    return parse_mixer(spec, "spec")


def _mixer_at(found: Figure, point: Point) -> tuple[Variant, Any]:
    spec = _parsed(found.spec)
    implementation = found.implementation or point.implementation
    return Variant(spec, implementation, point.mode, point.dtype), point.workload(spec)


def _is_at(point: Point, device: str, timing: str) -> bool:
    """Whether what was measured on a device, with a timing, may be at a point."""
    return _is_device(point.device, device) and point.timing in (None, timing)


def _is_device(wanted: str | None, device: str) -> bool:
    """Whether a device is the one a claim names: cpu, cuda (any GPU), or part of its name."""
    if wanted is None or wanted == device:
        return True
    return not is_processor(device) if wanted.partition(":")[0] == "cuda" else wanted.casefold() in device.casefold()


def _why_apart(row: ResultRow, other: ResultRow) -> str | None:
    """Why two rows tell no ratio, where they are not of the same rounds."""
    if isinstance(row, MeasuredRow) and isinstance(other, MeasuredRow):
        together = is_baseline_of(row, other) or is_baseline_of(other, row)
        reason = None if together else why_not_alike(row, other)
        return reason and f"{row.contender} and {other.contender} were {reason}"
    return None


def _ratio(row: MeasuredRow, baselines: Sequence[MeasuredRow]) -> Bounds | None:
    return None if row.ratio_interval is None else ratio_of(row, baselines)


def _inverse(ratio: Bounds | None) -> Bounds | None:
    return None if ratio is None else Bounds(1 / ratio.high, 1 / ratio.value, 1 / ratio.low)
