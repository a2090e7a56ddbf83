"""The statistics of `skaprof accuracy`: what each word means, and how often it is wrong, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skaprof.analysis import paired_tests
from skaprof.analysis.paired_tests import ALPHA, detectable, holm, paired, seeds_to_decide, verdicts

MARGIN = 1.0
COMPARISONS, CONTENDERS = 8000, 3
SAMPLING = 3 * (ALPHA * (1 - ALPHA) / COMPARISONS) ** 0.5
"""What a rate of 5 % may be off by among so many comparisons."""


def simulated(true: float, seeds: int, spread: float, shared: float = 0.5) -> np.ndarray:
    """Differences (comparisons, contenders, seeds) of the true size: seeds' own noise, and that of the one baseline."""
    rng = np.random.default_rng(7)
    baseline = rng.normal(0, spread * shared**0.5, (COMPARISONS, 1, seeds))
    own = rng.normal(true, spread * (1 - shared) ** 0.5, (COMPARISONS, CONTENDERS, seeds))
    return own - baseline


def any_called(differences: np.ndarray, *words: str) -> float:
    """The share of comparisons in which any contender is called one of the words."""
    return float(np.isin(verdicts(paired(differences, MARGIN)), words).any(axis=-1).mean())


@pytest.mark.parametrize("seeds", [2, 5, 12])
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_equal_networks_are_seldom_called_better_or_worse(seeds: int, spread: float) -> None:
    assert any_called(simulated(0.0, seeds, spread), "better", "worse") <= ALPHA + SAMPLING


@pytest.mark.parametrize("true", [-MARGIN, MARGIN])
@pytest.mark.parametrize(("seeds", "spread"), [(2, 0.3), (5, 0.3), (5, 1.5), (12, 1.0)])
def test_networks_apart_by_the_margin_are_seldom_called_equivalent(true: float, seeds: int, spread: float) -> None:
    assert any_called(simulated(true, seeds, spread), "equivalent") <= ALPHA + SAMPLING


def test_networks_worse_by_the_margin_are_seldom_called_non_inferior() -> None:
    assert any_called(simulated(-MARGIN, 5, 0.7), "non-inferior", "equivalent") <= ALPHA + SAMPLING


@pytest.mark.parametrize("seeds", [3, 5, 12])
def test_intervals_cover_the_truth(seeds: int) -> None:
    tests = paired(simulated(0.4, seeds, 0.8), MARGIN)
    assert (np.abs(tests.mean - 0.4) <= tests.half_width).mean() >= 0.93


@pytest.mark.parametrize("seeds", [3, 5, 12])
def test_what_the_power_says_is_found(seeds: int) -> None:
    """Two points are planted at the spread at which they are said to be found: in 8 of 10 comparisons they are."""
    spread = 2.0 / detectable(1.0, seeds, CONTENDERS)
    found = verdicts(paired(simulated(2.0, seeds, spread), MARGIN))
    assert (found[:, 0] == "better").mean() >= 0.8
    lone = verdicts(paired(simulated(2.0, seeds, 2.0 / detectable(1.0, seeds))[:, :1], MARGIN))
    assert abs((lone == "better").mean() - 0.8) < 0.02


def test_the_calibration_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Holm's correction, or with a normal distribution's tails for t's, equal networks differ too often."""
    differences = simulated(0.0, 5, 0.8)
    monkeypatch.setattr(paired_tests, "holm", lambda p_values: p_values)
    assert any_called(differences, "better", "worse") > ALPHA + SAMPLING
    monkeypatch.undo()

    class Normal:
        sf = staticmethod(lambda value, _: stats.norm.sf(value))

    monkeypatch.setattr(paired_tests.stats, "t", Normal)
    assert any_called(differences, "better", "worse") > ALPHA + SAMPLING


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([2.0, 2.3, 1.8, 2.1, 1.9], "better"),
        ([-2.0, -2.3, -1.8, -2.1, -1.9], "worse"),
        ([0.1, -0.1, 0.2, 0.0, -0.2], "equivalent"),
        ([0.3, 0.4, 0.2, 0.3, 0.35], "equivalent"),  # a difference, and within the margin
        ([0.5, 1.5, -0.2, 1.2, 0.4], "non-inferior"),
        ([2.0, -2.0, 1.0, -1.5, 0.3], "undecided"),
    ],
)
def test_each_word_means_what_it_says(differences: list[float], verdict: str) -> None:
    assert verdicts(paired(np.array([differences]), MARGIN)).tolist() == [verdict]


def test_holm_multiplies_the_smallest_by_all_and_keeps_the_order() -> None:
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("mean", "deviation"), [(0.9, 3.0), (-0.6, 1.2), (0.0, 2.0), (-3.0, 4.0)])
def test_the_seeds_that_would_decide_do_and_fewer_do_not(mean: float, deviation: float) -> None:
    needed = seeds_to_decide(mean, deviation, 3, MARGIN)
    assert needed is not None

    def decided(seeds: int) -> bool:
        values = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds)
        values = (values - values.mean()) / values.std(ddof=1)
        return verdicts(paired(np.array([mean + deviation * values]), MARGIN)).tolist() != ["undecided"]

    assert decided(needed)
    assert not decided(needed - 1)


def test_a_difference_of_the_margin_below_is_decided_by_no_number_of_equivalence_tests() -> None:
    assert seeds_to_decide(-0.001, 50.0, 5, 0.01) is None


def test_seeds_that_agree_to_the_last_image_are_no_proof_beyond_an_image() -> None:
    tests = paired(np.array([[0.5, 0.5]]), MARGIN, least_deviation=1.0)
    assert verdicts(tests).tolist() == ["undecided"]
    assert tests.half_width[0] > 1
