"""The fake device many times over: one run of the engine draws the samples of many runs, each with noise of its own.

Every clock of the device is an array with an element for each run. The engine's own code runs on them; where it decides
something, all runs must decide alike, which the noise of a kernel that hides every launch leaves them to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from skaprof.bench import engine
from skaprof.bench.engine import measure
from skaprof.bench.fake import FakeDevice, Noise
from skaprof.bench.record import Record, Settings


class Many(np.ndarray):
    """A number in each of many runs. Comparisons give one answer: that of all runs, which must agree."""

    def _agreed(self, answers: Any) -> bool:
        answers = np.asarray(answers)
        first = bool(answers.flat[0])
        assert answers.all() if first else not answers.any(), "the runs would go different ways"
        return first

    def __lt__(self, other: Any) -> bool:  # type: ignore[override]
        return self._agreed(np.asarray(self) < np.asarray(other))

    def __gt__(self, other: Any) -> bool:  # type: ignore[override]
        return self._agreed(np.asarray(self) > np.asarray(other))

    def __le__(self, other: Any) -> bool:  # type: ignore[override]
        return self._agreed(np.asarray(self) <= np.asarray(other))

    def __ge__(self, other: Any) -> bool:  # type: ignore[override]
        return self._agreed(np.asarray(self) >= np.asarray(other))

    def __iadd__(self, other: Any) -> Many:  # type: ignore[override,misc]
        return self + other  # numbers do not change under those who hold them: two clocks may be one array

    def __round__(self) -> Many:
        return np.rint(self)


class ManyRandoms:
    """What the noises of `skaprof.bench.fake` ask of a `random.Random`, for each of many runs."""

    def __init__(self, seed: str, runs: int) -> None:
        self.generator, self.runs = np.random.default_rng(list(seed.encode())), runs

    def gauss(self, mean: float, spread: float) -> Many:
        return self.generator.normal(mean, spread, self.runs).view(Many)

    def uniform(self, low: float, high: float) -> Many:
        return self.generator.uniform(low, high, self.runs).view(Many)

    def random(self) -> Any:
        return self.generator.random(self.runs)


Draw = Callable[[Any], Noise]
"""From what draws random numbers, a `random.Random` or one for many runs, to a noise."""


def many_records(draw: Draw, randoms: Any, seconds: Sequence[float], settings: Settings) -> list[Record]:
    """What the engine records of kernels that take so long, the control last: each sample an array over the runs.

    All rounds are measured; what would be concluded of them is left to whoever looks at one run.
    """
    clocks = {name: np.zeros(randoms.runs).view(Many) for name in ("host", "device", "side_stream")}
    fake = FakeDevice(noise=draw(randoms), **clocks)
    kernels = [fake.kernel(label, each) for label, each in zip("abc", seconds, strict=False)]
    with pytest.MonkeyPatch.context() as patch:
        whole_runs_only(patch)
        return measure(fake, kernels, settings)


def whole_runs_only(patch: pytest.MonkeyPatch) -> None:
    """Make `measure` give the records of all rounds: one warm-up window of one sample each, and no conclusions."""
    patch.setattr(engine, "WARM_WINDOW", 0)
    patch.setattr(engine, "WARM_AGREEMENT", np.inf)
    patch.setattr(engine, "_was_cold", lambda record: False)
    patch.setattr(engine, "decided", lambda records, settings: False)
    patch.setattr(engine, "_own_flags", lambda record, settings: set())
    patch.setattr(engine, "evidence_flags", lambda device, record: set())
    patch.setattr(engine, "conclude", lambda records, settings: records)


def each_run(records: Sequence[Record]) -> list[list[Record]]:
    """The records of every run on its own."""
    samples = [np.moveaxis(np.array(record.rounds), -1, 0).tolist() for record in records]
    labels = [record.label for record in records]
    return [[Record(*pair) for pair in zip(labels, rounds, strict=True)] for rounds in zip(*samples, strict=True)]
