"""The timer's error rates, counted over seeded runs against a known truth; and broken protocols are caught.

At tolerance 0 and without the A/A control, "different" means that an interval leaves zero out at some look. That must
happen in at most 5 % of A/A runs under every noise; with the control and the tolerance on top, it happens less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import median

import pytest

from skaprof.bench import engine
from skaprof.bench.engine import measure
from skaprof.bench.fake import FakeDevice, Noise, autocorrelated, drifting, independent, spiky
from skaprof.bench.record import Measurement, Record, Settings
from skaprof.bench.statistics import Interval, interval, ratio_interval
from skaprof.implementations import LOOKS

RUNS = 2000
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


def pair(noise: str, seed: int, slower: float = 0.0, **settings: object) -> Measurement:
    fake = FakeDevice(noise=NOISES[noise](Random(f"{noise} {seed}")))
    contenders = [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS * (1 + slower))]
    return measure(fake, contenders, Settings(samples_per_block=7, **settings))


def all_rounds(noise: str, runs: int, **settings: object) -> list[tuple[Record, Record]]:
    """A/A pairs over all 32 rounds: at a tolerance of next to nothing no look decides."""
    measured = (pair(noise, seed, tolerance=1e-12, **settings) for seed in range(runs))
    return [(found.records[0], found.records[1]) for found in measured]


def share_called_different(
    pairs: list[tuple[Record, Record]], interval_at: Callable[[Record, Record, int], Interval]
) -> float:
    """In how many runs some look's interval leaves zero out."""
    different = 0
    for a, b in pairs:
        intervals = [interval_at(a, b, look) for look in LOOKS]
        different += any(found.low > 0 or found.high < 0 for found in intervals)
    return different / len(pairs)


def protocol(a: Record, b: Record, look: int) -> Interval:
    return ratio_interval(b.values[:look], a.values[:look])


@pytest.mark.parametrize("noise", NOISES)
def test_at_most_one_aa_run_in_twenty_is_called_different_and_intervals_cover(noise: str) -> None:
    pairs = all_rounds(noise, RUNS)
    assert share_called_different(pairs, protocol) <= 0.05
    covered = sum(found.low <= 0 <= found.high for found in (protocol(a, b, 32) for a, b in pairs))
    assert covered / RUNS >= 0.93


@pytest.mark.parametrize("noise", NOISES)
def test_verdicts_of_equals_are_never_a_difference_and_of_five_percent_nearly_always_slower(noise: str) -> None:
    equals = [pair(noise, seed).comparisons[1] for seed in range(300)]
    assert sum(found is not None and found.verdict in ("faster", "slower") for found in equals) <= 0.05 * 300
    planted = [pair(noise, seed, slower=0.05).comparisons[1] for seed in range(300)]
    assert sum(found is not None and found.verdict == "slower" for found in planted) >= 0.90 * 300
    covered = sum(found is not None and found.ratio.low <= math.log(1.05) <= found.ratio.high for found in planted)
    assert covered / 300 >= 0.93


@pytest.mark.parametrize("noise", ["independent", "autocorrelated", "spiky"])
def test_the_latency_interval_covers_the_true_median(noise: str) -> None:
    random = Random("truth")
    model = NOISES[noise](random)
    truth = SECONDS * math.exp(median(model(0.01 * at) for at in range(20_001)))
    low_high = [pair(noise, seed).latencies[0] for seed in range(300)]
    slack = 0.5e-6  # the event clock's step
    assert sum(low - slack <= truth <= high + slack for low, high in low_high) / 300 >= 0.93


def test_looking_three_times_at_full_alpha_fails_the_calibration() -> None:
    def greedy(a: Record, b: Record, look: int) -> Interval:
        return ratio_interval(b.values[:look], a.values[:look], looks=1)

    assert share_called_different(all_rounds("independent", 800), greedy) > 0.05


def test_a_standard_error_over_samples_fails_the_calibration() -> None:
    def over_samples(a: Record, b: Record, look: int) -> Interval:
        ours, theirs = ([math.log(s) for r in record.rounds[:look] for block in r for s in block] for record in (b, a))
        return interval([x - y for x, y in zip(ours, theirs, strict=True)])

    assert share_called_different(all_rounds("autocorrelated", 300), over_samples) > 0.05


def test_a_b_a_b_instead_of_a_b_b_a_fails_the_calibration() -> None:
    assert share_called_different(all_rounds("drifting", 300, interleave=False), protocol) > 0.05
