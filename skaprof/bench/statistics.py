"""Medians of blocks, intervals over rounds, verdicts: the protocol's arithmetic, apart from any device.

The replicate is the round: samples within a block share its weather, so an interval over samples is far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from scipy.special import bdtr, stdtrit

from skaprof.implementations import LOOKS

ALPHA = 0.05
FASTEST_SHARE = 0.25
MOST_ROUNDS_WORTH_NAMING = 100_000


def looks_between(fewest: int, most: int) -> tuple[int, ...]:
    """After how many rounds a run may stop: after the fewest, then twice as many each time, and after the most."""
    looks = []
    while fewest < most:
        looks.append(fewest)
        fewest *= 2
    return (*looks, most)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of logarithms with its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def outer_bound(self) -> float:
        """The largest distance from zero that the interval allows."""
        return max(abs(self.low), abs(self.high))


def round_value(blocks: Sequence[Sequence[float]]) -> float:
    """One round of one contender: the mean logarithm of its blocks' medians (A B B A: two blocks)."""
    return fmean([math.log(median(block)) for block in blocks])


def fastest_values(rounds: Sequence[Sequence[Sequence[float]]]) -> list[float]:
    """One value per round of what counts where disturbances only add time: the fastest quarter of a run's samples.

    The mean over the whole run is the logarithm of that quarter's mean, and a round's value what the round adds to it
    (the jackknife's pseudo-values, which correct its bias and tell its error). A disturbance may last as long as many
    blocks: then no order statistic within a block gets rid of it, and one over the run does.
    """
    ordered = sorted((sample, place) for place, blocks in enumerate(rounds) for block in blocks for sample in block)
    whole, count = _fastest_mean(ordered), len(rounds)
    if count < 2:
        return [math.log(whole)] * count
    without = [_fastest_mean(ordered, place, sum(map(len, blocks))) for place, blocks in enumerate(rounds)]
    return [count * math.log(whole) - (count - 1) * math.log(each) for each in without]


def rounds_of_fastest(rounds: Sequence[Sequence[Sequence[float]]]) -> float:
    """How many rounds the fastest quarter of the samples comes from: (sum n)^2 / sum n^2 of the n in each round.

    Where one quiet spell gives them all, fewer rounds bear witness than were run, and the interval has to be wider:
    with all rounds counted, 8.7 % of equals are called different in weather that lasts for 20 blocks (docs/timing.md).
    """
    ordered = sorted((sample, place) for place, blocks in enumerate(rounds) for block in blocks for sample in block)
    counts = [0] * len(rounds)
    for _, place in ordered[: max(1, round(FASTEST_SHARE * len(ordered)))]:
        counts[place] += 1
    return sum(counts) ** 2 / sum(count * count for count in counts)


def _fastest_mean(ordered: Sequence[tuple[float, int]], left_out: int | None = None, size: int = 0) -> float:
    """The mean of the fastest quarter of the samples but those of the round left out, of which there are `size`."""
    count = max(1, round(FASTEST_SHARE * (len(ordered) - size)))
    return fmean([sample for sample, place in ordered[: count + size] if place != left_out][:count])


def interval(
    values: Sequence[float], looks: int = len(LOOKS), alpha: float = ALPHA, witnesses: float = math.inf
) -> Interval:
    """The t interval of the mean, at confidence 1 - alpha / looks: the error of all looks together is alpha.

    Args:
        values: one per round; at least 2.
        looks: how many times the run may stop (Bonferroni).
        alpha: the error allowed in all.
        witnesses: how many rounds the values rest on, where those are fewer than all; 2 at the least.
    """
    count = len(values)
    center = fmean(values)
    freedom = max(2.0, min(count, witnesses)) - 1
    spread = math.sqrt(math.fsum([(value - center) ** 2 for value in values]) / (count - 1))
    half_width = float(stdtrit(freedom, 1 - alpha / looks / 2)) * spread / math.sqrt(count)
    return Interval(center, center - half_width, center + half_width)


def median_interval(
    rounds: Sequence[Sequence[Sequence[float]]], looks: int = len(LOOKS), alpha: float = ALPHA
) -> tuple[float, float] | None:
    """The distribution-free interval of the median of all block medians, at confidence 1 - alpha / looks.

    Its bounds are order statistics of the block medians, chosen as if each round were one observation: the blocks of a
    round share its weather. None with too few rounds for that confidence: even the whole range would not reach it.
    """
    medians = sorted(median(block) for blocks in rounds for block in blocks)
    count = len(rounds)
    rank = 0
    while rank < count // 2 and 2 * float(bdtr(rank, count, 0.5)) <= alpha / looks:
        rank += 1
    if rank == 0:
        return None
    cut = (rank - 1) * len(medians) // count
    return medians[cut], medians[-1 - cut]


def ratio_interval(
    contender: Sequence[float],
    baseline: Sequence[float],
    looks: int = len(LOOKS),
    alpha: float = ALPHA,
    witnesses: float = math.inf,
) -> Interval:
    """The interval of the log ratio contender / baseline from their round values, paired by round."""
    values = [ours - theirs for ours, theirs in zip(contender, baseline, strict=True)]
    return interval(values, looks, alpha, witnesses)


def verdict(ratio: Interval, tolerance: float, control: Interval | None = None) -> str:
    """faster or slower: the whole interval lies beyond the tolerance, and beyond what the A/A control shows as noise.

    same: the whole interval lies inside the tolerance; noise does not widen it, or a bad enough run would call anything
    the same. Else inconclusive. `tolerance` is a log ratio, 0 or more.
    """
    noise = tolerance_used(tolerance, control)
    if ratio.high < -noise:
        return "faster"
    if ratio.low > noise:
        return "slower"
    if -tolerance < ratio.low and ratio.high < tolerance:
        return "same"
    return "inconclusive"


def rounds_to_decide(ratio: Interval, tolerance: float, rounds: int, control: Interval | None = None) -> int | None:
    """How many rounds would decide, if it went on as it did: a mean inside the tolerance to be the same, one beyond
    the noise to differ. None if hopeless, and for a mean in between, which only a quieter run could tell.
    """
    noise = tolerance_used(tolerance, control)
    size = abs(ratio.mean)
    distance = size - noise if size > noise else tolerance - size
    if distance <= 0:
        return None
    needed = max(rounds + 1, math.ceil(rounds * (ratio.half_width / distance) ** 2 - 1e-9))
    return needed if needed <= MOST_ROUNDS_WORTH_NAMING else None


def tolerance_used(tolerance: float, control: Interval | None) -> float:
    """The tolerance, widened to what the A/A control shows to be noise. Both are log ratios."""
    return tolerance if control is None else max(tolerance, control.outer_bound)


def outliers(samples: Sequence[float]) -> int:
    """Samples outside Tukey's fences (1.5 interquartile ranges): counted, never deleted."""
    if len(samples) < 4:
        return 0
    ordered = sorted(samples)
    lower, upper = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    reach = 1.5 * (upper - lower)
    return sum(sample < lower - reach or sample > upper + reach for sample in samples)


def is_bimodal(samples: Sequence[float]) -> bool:
    """Whether the samples fall into two far groups of at least a fifth each, with next to nothing in between.

    The split is the widest gap in the middle of the sorted logarithms; it must be over 3 %, and over 1.5 times the
    wider of the two groups' interquartile ranges.
    """
    if len(samples) < 20:
        return False
    logs = sorted(map(math.log, samples))
    margin = len(logs) // 5
    gaps = [(logs[at + 1] - logs[at], at + 1) for at in range(margin - 1, len(logs) - margin)]
    gap, split = max(gaps)
    left, right = logs[:split], logs[split:]
    spread = max(_interquartile_range(left), _interquartile_range(right))
    return gap > 0.03 and gap > 1.5 * spread


def _interquartile_range(ordered: Sequence[float]) -> float:
    return ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]


def has_drift(values: Sequence[float], least: float = 0.01) -> bool:
    """Whether round values climb or fall by over `least` in all, beyond chance (p < 0.001)."""
    count = len(values)
    if count < 6:
        return False
    places = [place - (count - 1) / 2 for place in range(count)]
    square = sum(place * place for place in places)
    slope = sum(place * value for place, value in zip(places, values, strict=True)) / square
    center = fmean(values)
    residual = sum((value - center - slope * place) ** 2 for place, value in zip(places, values, strict=True))
    error = math.sqrt(residual / (count - 2) / square)
    climb = abs(slope) * (count - 1)
    return climb > least and abs(slope) > float(stdtrit(count - 2, 0.9995)) * error
