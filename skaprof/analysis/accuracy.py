"""What trained networks are worth: each against the baseline, over the seeds that both were trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skaprof.analysis.paired_tests import Array, Paired, detectable, paired, seeds_to_decide, verdicts
from skaprof.trained import DEFAULT_MARGIN, DIVERGED, UNDECIDED, TrainedRow, VerdictRow

POINTS = 100
_NORMAL_95 = 1.96
_IDENTITY = "identity"


def verdict_rows(runs: Sequence[TrainedRow], margin: float = DEFAULT_MARGIN) -> list[VerdictRow]:
    """A row a contender, in the order of the runs, whose first network is the baseline; empty with no contender.

    Only seeds count that every network was trained with. Holm's correction is over all contenders, controls too. Where
    a contender or the baseline diverged with any seed, the verdict is that.
    """
    compared = _Compared(runs, margin)
    tests, places = compared.tests()
    return [_judged(compared.row(model), tests, places.get(model), len(places)) for model in compared.contenders]


class _Compared:
    """The runs of each network by their seed."""

    def __init__(self, runs: Sequence[TrainedRow], margin: float) -> None:
        self.margin = margin
        self.runs: dict[str, dict[int, TrainedRow]] = {}
        for run in runs:
            self.runs.setdefault(run.model, {})[run.seed] = run
        self.baseline, *self.contenders = self.runs or [""]
        every = [set(found) for found in self.runs.values()]
        self.seeds = sorted(set.intersection(*every)) if every else []
        self.means = {model: self._mean(model) for model in self.runs}

    def tests(self) -> tuple[Paired | None, dict[str, int]]:
        """The tests of all contenders that did not diverge, and the place of each; none of fewer than two seeds."""
        whole = [model for model in self.contenders if not self._diverged(model)]
        places = {model: place for place, model in enumerate(whole)}
        if not whole or len(self.seeds) < 2:
            return None, places
        step = POINTS / self._first(self.baseline).test_images / 12**0.5
        differences = np.array([self._accuracies(model) - self._accuracies(self.baseline) for model in whole])
        return paired(POINTS * differences, self.margin, least_deviation=step), places

    def row(self, model: str) -> VerdictRow:
        """All but what tests say."""
        own, theirs = self._first(model), self._first(self.baseline)
        mean, baseline_mean = self.means[model], self.means[self.baseline]
        return VerdictRow(
            model=model,
            mixer=own.mixers,
            baseline=self.baseline,
            data=own.data,
            seeds=len(self.seeds),
            accuracy=mean,
            baseline_accuracy=baseline_mean,
            difference=None if mean is None or baseline_mean is None else POINTS * (mean - baseline_mean),
            low=None,
            high=None,
            verdict=DIVERGED if self._diverged(model) else UNDECIDED,
            seeds_to_decide=None,
            margin=self.margin,
            detectable=None,
            smallest_difference=self._smallest_difference(model),
            tells_apart=self._tells_apart(),
            is_control=own.is_control,
            params=own.params,
            macs=own.macs,
            baseline_params=theirs.params,
            baseline_macs=theirs.macs,
            recipe_hash=own.recipe_hash,
            data_hash=own.data_hash,
        )

    def _first(self, model: str) -> TrainedRow:
        return next(iter(self.runs[model].values()))

    def _diverged(self, model: str) -> bool:
        return any(run.status == DIVERGED for name in (self.baseline, model) for run in self.runs[name].values())

    def _accuracies(self, model: str) -> Array:
        """Over the shared seeds; NaN of a run that diverged."""
        return np.array([self.runs[model][seed].accuracy for seed in self.seeds], dtype=float)

    def _mean(self, model: str) -> float | None:
        found = self._accuracies(model)
        return float(found.mean()) if len(found) and np.isfinite(found).all() else None

    def _tells_apart(self) -> bool | None:
        """Whether mixing no tokens at all comes out below the best by more than the margin; None where not known."""
        lowest = [mean for model, mean in self.means.items() if _mixes_nothing(self._first(model))]
        known = [mean for mean in self.means.values() if mean is not None]
        if not lowest or lowest[0] is None:
            return None
        return POINTS * (max(known) - lowest[0]) > self.margin

    def _smallest_difference(self, model: str) -> float | None:
        """Half the 95 % interval over test images of the mean difference over seeds, in points.

        What is smaller may be of these test images alone: others of their kind would give another difference.
        """
        pairs = [[_hits_of(self.runs[name][seed]) for name in (model, self.baseline)] for seed in self.seeds]
        differences = [own - theirs for own, theirs in pairs if own is not None and theirs is not None]
        if not differences or len(differences) < len(pairs) or len(differences[0]) < 2:
            return None
        spread = np.mean(differences, axis=0).std(ddof=1)
        return float(POINTS * _NORMAL_95 * spread / len(differences[0]) ** 0.5)


def _mixes_nothing(run: TrainedRow) -> bool:
    return run.is_control and _IDENTITY in run.mixers.split(",")


def _judged(row: VerdictRow, tests: Paired | None, place: int | None, contenders: int) -> VerdictRow:
    """The row with what the tests say of it, where there are any."""
    if tests is None or place is None:
        return row
    mean, deviation, half = (float(values[place]) for values in (tests.mean, tests.deviation, tests.half_width))
    verdict = str(verdicts(tests)[place])
    needed = seeds_to_decide(mean, deviation, tests.seeds, row.margin, contenders) if verdict == UNDECIDED else None
    return row.replace(
        low=mean - half,
        high=mean + half,
        verdict=verdict,
        seeds_to_decide=needed,
        detectable=detectable(deviation, tests.seeds, contenders),
    )


def hits_text(right: Array) -> str:
    """Which test images were right, as rows hold it."""
    return np.packbits(right).tobytes().hex()


def _hits_of(run: TrainedRow) -> Array | None:
    """1.0 for each test image that was right, else 0.0; None of a run that diverged, or where it is not that."""
    try:
        packed = np.frombuffer(bytes.fromhex(run.hits or ""), np.uint8)
    except ValueError:
        return None
    bits = np.unpackbits(packed)[: run.test_images].astype(float)
    return bits if len(bits) == run.test_images else None
