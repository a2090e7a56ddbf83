"""The timer's error rates, counted over seeded runs against a known truth; and broken protocols are caught.

At tolerance 0 and without the A/A control, "different" means that an interval leaves zero out at some look. That must
happen in at most 5 % of A/A runs under every noise; with the control and the tolerance on top, it happens less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import THOROUGH
from many_devices import Many, ManyRandoms, each_run, many_records, whole_runs_only

from skaprof.bench import engine
from skaprof.bench.engine import measure
from skaprof.bench.fake import FakeDevice, Noise, autocorrelated, drifting, independent, spiky
from skaprof.bench.record import Measurement, Record, Settings
from skaprof.bench.statistics import Interval, interval, ratio_interval
from skaprof.implementations import LOOKS

RUNS = 2000 if THOROUGH else 1000
SECONDS = 200e-6
NOISES: dict[str, Callable[[Random], Noise]] = {
    "independent": lambda random: independent(random, 0.03),
    "autocorrelated": lambda random: autocorrelated(random, 0.03),
    "drifting": lambda random: drifting(random, 0.01, 0.3),
    "spiky": lambda random: spiky(random, 0.02),
}


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WARM_WINDOW", 0.001)


def recorded(noise: str, runs: int, slower: float = 0.0, **settings: object) -> list[list[Record]]:
    """Of each run the records of a pair over all 32 rounds, and of its A/A control."""
    randoms = ManyRandoms(f"{noise} {slower}", runs)
    own = Settings(samples_per_block=7, **settings)
    return each_run(many_records(NOISES[noise], randoms, (SECONDS, SECONDS * (1 + slower)), own))


def measured(noise: str, runs: int, slower: float = 0.0) -> list[Measurement]:
    """What the engine concludes of pairs, and where it stops, over rounds that were drawn for all runs at once."""
    found = []
    for seed, drawn in enumerate(recorded(noise, runs, slower)):

        def replay(device: object, entries: object, records: list[Record], settings: object, number: int) -> None:
            for record, ready in zip(records, drawn, strict=True):  # noqa: B023  # called before the next is drawn
                record.rounds.append(ready.rounds[number])

        fake = FakeDevice(noise=NOISES[noise](Random(f"{noise} {seed}")))
        contenders = [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS * (1 + slower))]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "_round", replay)
            found.append(measure(fake, contenders, Settings(samples_per_block=7)))
    return found


class Values(NamedTuple):
    """A pair's records, and their round values, which take long to compute."""

    records: tuple[Record, Record]
    a: list[float]
    b: list[float]


def all_rounds(noise: str, runs: int, **settings: object) -> list[Values]:
    """A/A pairs over all 32 rounds."""
    return [Values((a, b), a.values, b.values) for a, b, _ in recorded(noise, runs, **settings)]


def share_called_different(pairs: list[Values], interval_at: Callable[[Values, int], Interval]) -> float:
    """In how many runs some look's interval leaves zero out."""
    different = 0
    for pair in pairs:
        intervals = [interval_at(pair, look) for look in LOOKS]
        different += any(found.low > 0 or found.high < 0 for found in intervals)
    return different / len(pairs)


def protocol(pair: Values, look: int) -> Interval:
    return ratio_interval(pair.b[:look], pair.a[:look])


class Each:
    """What draws for many runs, by a `random.Random` for each."""

    def __init__(self, randoms: list[Random]) -> None:
        self.randoms, self.runs = randoms, len(randoms)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        drawn = lambda *bounds: np.array([getattr(random, name)(*bounds) for random in self.randoms])  # noqa: E731
        return drawn if name == "random" else lambda *bounds: drawn(*bounds).view(Many)


@pytest.mark.parametrize("interleave", [True, False])
@pytest.mark.parametrize("noise", NOISES)
def test_many_runs_at_once_are_the_runs_one_by_one(noise: str, interleave: bool) -> None:
    settings = Settings(samples_per_block=3, interleave=interleave)
    seconds = (SECONDS, 1.05 * SECONDS)
    together = each_run(many_records(NOISES[noise], Each([Random(seed) for seed in range(3)]), seconds, settings))
    for seed, records in enumerate(together):
        fake = FakeDevice(noise=NOISES[noise](Random(seed)))
        with pytest.MonkeyPatch.context() as patch:
            whole_runs_only(patch)
            alone = measure(fake, [fake.kernel(*each) for each in zip("ab", seconds, strict=True)], settings)
        assert [record.samples for record in records] == [pytest.approx(record.samples) for record in alone]


def test_runs_that_would_go_different_ways_are_not_taken_for_one() -> None:
    with pytest.raises(AssertionError, match="different ways"):
        max(np.array([1.0, 3.0]).view(Many), 2.0)


@pytest.mark.parametrize("noise", NOISES)
def test_at_most_one_aa_run_in_twenty_is_called_different_and_intervals_cover(noise: str) -> None:
    pairs = all_rounds(noise, RUNS)
    assert share_called_different(pairs, protocol) <= 0.05
    covered = sum(found.low <= 0 <= found.high for found in (protocol(pair, 32) for pair in pairs))
    assert covered / RUNS >= 0.93


@pytest.mark.parametrize("noise", NOISES)
def test_verdicts_of_equals_are_never_a_difference_and_of_five_percent_nearly_always_slower(noise: str) -> None:
    equals = [found.comparisons[1] for found in measured(noise, 300)]
    assert sum(found is not None and found.verdict in ("faster", "slower") for found in equals) <= 0.05 * 300
    planted = [found.comparisons[1] for found in measured(noise, 300, slower=0.05)]
    assert sum(found is not None and found.verdict == "slower" for found in planted) >= 0.90 * 300
    covered = sum(found is not None and found.ratio.low <= math.log(1.05) <= found.ratio.high for found in planted)
    assert covered / 300 >= 0.93


@pytest.mark.parametrize("noise", ["independent", "autocorrelated", "spiky"])
def test_the_latency_interval_covers_the_true_median(noise: str) -> None:
    random = Random("truth")
    model = NOISES[noise](random)
    truth = SECONDS * math.exp(median(model(0.01 * at) for at in range(20_001)))
    low_high = [found.latencies[0] for found in measured(noise, 300)]
    slack = 0.5e-6  # the event clock's step
    assert sum(low - slack <= truth <= high + slack for low, high in low_high) / 300 >= 0.93


def test_looking_three_times_at_full_alpha_fails_the_calibration() -> None:
    def greedy(pair: Values, look: int) -> Interval:
        return ratio_interval(pair.b[:look], pair.a[:look], looks=1)

    assert share_called_different(all_rounds("independent", 800), greedy) > 0.05


def test_a_standard_error_over_samples_fails_the_calibration() -> None:
    def over_samples(pair: Values, look: int) -> Interval:
        ours, theirs = (
            [math.log(s) for r in record.rounds[:look] for block in r for s in block] for record in pair.records[::-1]
        )
        return interval([x - y for x, y in zip(ours, theirs, strict=True)])

    assert share_called_different(all_rounds("autocorrelated", 300), over_samples) > 0.05


def test_a_b_a_b_instead_of_a_b_b_a_fails_the_calibration() -> None:
    assert share_called_different(all_rounds("drifting", 300, interleave=False), protocol) > 0.05
