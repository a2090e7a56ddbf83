"""The value of each figure of a claim: exact from the closed forms, or with its interval from saved results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from skaprof.analysis.claims.backbones import BACKBONES, Backbones
from skaprof.analysis.claims.nodes import Claim, ClaimError, Figure, SizeWord
from skaprof.analysis.claims.sizes import Point
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.row_trust import Bounds, baselines_of, figure, identity, is_baseline_of, noise, why_unsound
from skaprof.errors import SkaprofError, bad_value, shown, shown_path
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.results import SIZE_KEYS
from skaprof.saved import SavedResults

Row = Mapping[str, Any]


class NotTestableError(Exception):
    """A figure that cannot be told here, and why."""


class MeasuredRow(NamedTuple):
    """A row of results and the baselines of its file."""

    row: Row
    baselines: Sequence[Row]


class Sources:
    """Where figures come from: closed forms of mixers and backbones, and the rows of results files."""

    def __init__(self, results: Iterable[SavedResults] = (), backbones: Backbones | None = None) -> None:
        self.backbones = BACKBONES if backbones is None else backbones
        self.rows: dict[tuple[Any, ...], MeasuredRow] = {}
        self.warnings: list[str] = []
        for saved in results:
            self._add(saved)

    def _add(self, saved: SavedResults) -> None:
        baselines = baselines_of(saved.rows)
        measured = {identity(row): row for row in saved.rows if row.get("device") and row.get("timing")}
        repeated = measured.keys() & self.rows.keys()
        if saved.warning:
            self.warnings.append(saved.warning)
        if not measured:
            self.warnings.append(f"{shown_path(saved.path)} holds no measurements: expected results of skaprof latency")
        if repeated:
            self.warnings.append(
                f"{shown_path(saved.path)}: {len(repeated):,} of its rows replace those of a file before it"
            )
        self.rows |= {key: MeasuredRow(row, baselines) for key, row in measured.items()}

    def require_known(self, claim: Claim) -> None:
        """Nothing, where every figure is of a mixer or a backbone that exists.

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
        if name in self.backbones.names:
            return
        if name not in MIXERS:
            known = (*MIXERS, *self.backbones.names)
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

    def _is_backbone(self, found: Figure) -> bool:
        return found.spec.partition("[")[0] in self.backbones.names

    def settings_of(self, claim: Claim, point: Point) -> list[Point]:
        """The point on each device and timing that it allows and that has rows; itself where there are none."""
        conditions = sorted({(row["device"], row["timing"]) for row, _ in self.rows.values()})
        placed = [
            point._replace(device=device, timing=timing)
            for device, timing in conditions
            if _is_device(point.device, device) and point.timing in (None, timing)
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
                raise NotTestableError(measured.row.get("error") or f"the row has no {found.metric}")
            return value
        implementation = found.implementation or point.implementation
        exact = self._counted(found, point, implementation)
        if exact is None:
            raise NotTestableError(f"{found.spec} has no {found.metric} in {point.mode}")
        return Bounds.exactly(exact)

    def _counted(self, found: Figure, point: Point, implementation: str) -> int | None:
        """A figure of the analytic model; None where it has none, as training has no peak."""
        if self._is_backbone(found):
            costs = self.backbones.cost(found.spec, point, implementation)
        else:
            variant, workload = _mixer_at(found, point)
            variant.spec.require_implementation(implementation)
            costs = cost_row(variant, workload).as_dict()
        count: int | None = costs[found.metric]
        return count

    def measured(self, found: Figure, point: Point) -> MeasuredRow:
        """The row that tells a measured figure.

        Raises:
            NotTestableError: there is none.
        """
        if self._is_backbone(found):
            raise NotTestableError("no command measures a backbone yet")
        variant, workload = _mixer_at(found, point)
        w = workload
        sizes = (w.batch, w.height, w.width, w.tokens, w.dim, w.heads, w.head_dim, w.kernel_size)
        values = (variant.spec.text, variant.implementation, variant.mode, *sizes, variant.dtype)
        row = dict(zip(SIZE_KEYS, values, strict=True)) | {"device": point.device, "timing": point.timing}
        try:
            return self.rows[identity(row)]
        except KeyError:
            raise NotTestableError(f"no results of {variant.spec.text} ({variant.implementation})") from None

    def paired_ratio(self, ours: Figure, theirs: Figure, point: Point) -> Bounds | None:
        """ours / theirs where one was the other's baseline in the same rounds: far narrower than two medians.

        Widened by the run's A/A control. None for figures that are no such pair.
        """
        if ours.metric != theirs.metric or ours.metric not in ("median_ms", "images_per_s"):
            return None
        left, right = self.measured(ours, point), self.measured(theirs, point)
        if is_baseline_of(right.row, left.row):
            ratio = _ratio(left)
        elif is_baseline_of(left.row, right.row):
            ratio = _inverse(_ratio(right))
        else:
            return None
        return _inverse(ratio) if ours.metric == "images_per_s" else ratio

    def doubt(self, figures: Iterable[Figure], point: Point) -> str | None:
        """Why what was measured for these figures decides nothing, if so."""
        for found in figures:
            if found.measured and found.metric != "peak_memory_bytes":
                row = self.measured(found, point).row
                if reason := why_unsound(row):
                    return f"{row['mixer']} ({row['implementation']}): {reason}"
        return None


@cache
def _parsed(spec: str) -> MixerSpec:
    return parse_mixer(spec, "spec")


def _mixer_at(found: Figure, point: Point) -> tuple[Variant, Any]:
    spec = _parsed(found.spec)
    implementation = found.implementation or point.implementation
    return Variant(spec, implementation, point.mode, point.dtype), point.workload(spec)


def _is_device(wanted: str | None, device: str) -> bool:
    """Whether a device is the one a claim names: cpu, cuda (any GPU), or part of its name."""
    if wanted is None or wanted == device:
        return True
    return device != "cpu" if wanted.partition(":")[0] == "cuda" else wanted.casefold() in device.casefold()


def _ratio(measured: MeasuredRow) -> Bounds | None:
    low, middle, high = (measured.row.get(key) for key in ("ratio_low", "ratio", "ratio_high"))
    if not (low and middle and high):
        return None
    factor = noise(measured.row, measured.baselines)
    return Bounds(Fraction(low / factor), Fraction(middle), Fraction(high * factor))


def _inverse(ratio: Bounds | None) -> Bounds | None:
    return None if ratio is None else Bounds(1 / ratio.high, 1 / ratio.value, 1 / ratio.low)
