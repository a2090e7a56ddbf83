"""What a measurement may be suspected of: each flag's name, its words, and whether it forbids a verdict."""

from collections.abc import Iterable
from typing import NamedTuple


class Flag(NamedTuple):
    """A suspicion about measured times, in words that name what to do about it where there is something to do.

    `forbids_verdict`: no pair that it stands on may be called anything but inconclusive. Drift and bimodality do not:
    interleaving bears them.
    """

    name: str
    words: str
    forbids_verdict: bool = False


STABLE = "stable"
"""The one flag of a measurement that nothing was found against."""
FLAGS: dict[str, Flag] = {
    flag.name: flag
    for flag in (
        Flag("drift", "the times climbed or fell through the run; interleaving cancels it in ratios, not in medians"),
        Flag("bimodal", "the samples fall into two groups; look at samples_ms"),
        Flag("throttled", "the device's clock was not what it was at the start", forbids_verdict=True),
        Flag("shared", "another process used the device", forbids_verdict=True),
        Flag(
            "launch-exposed",
            "the host could not launch ahead of the device; times include launches",
            forbids_verdict=True,
        ),
        Flag("warm-leak", "the cache was not cold", forbids_verdict=True),
        Flag("resolution", "a call is too short for the clock; use --timing hot or graph", forbids_verdict=True),
        Flag("kernel-changed", "other kernels ran at the end than at the start", forbids_verdict=True),
        Flag("unsynchronized", "work went on after the end was recorded", forbids_verdict=True),
        Flag(
            "preempted",
            "others took the core in the middle of samples; CPU time does not count their turns, but the cold caches "
            "they leave: quote ratios, or measure ms on a quieter machine; where the wall clock decides, --threads 1 "
            "lets CPU time decide",
        ),
        Flag(
            "waits",
            "calls wait for something, other threads or files, which CPU time does not count, so that the wall clock "
            "decides; measure on a quiet machine",
        ),
        Flag(
            "overlaps",
            "several threads worked at once, and their CPU time adds up to more than the call takes, so that the wall "
            "clock decides; measure on a quiet machine",
        ),
        Flag(
            "page-faults",
            "the allocator gave memory back and paid for it again: over 1 % of the time; --allocator keep measures the "
            "call without that",
        ),
        Flag(
            "stolen",
            "the host of this virtual machine took its cores for over 2 % of the time; let CPU time decide "
            "(--threads 1), or measure at another hour",
        ),
        Flag("noisy", "the baseline differed from itself by over 10 % now and then; verdicts take that into account"),
        Flag(
            "few-rounds",
            "time ran out before the first look at the rounds: no intervals; a longer --max-seconds gives more rounds, "
            "--min-rounds an earlier look",
            forbids_verdict=True,
        ),
        Flag("aa-failed", "the baseline differed from itself", forbids_verdict=True),
    )
}
"""Every flag by name, in the order they are told."""
_UNSOUND = frozenset(flag.name for flag in FLAGS.values() if flag.forbids_verdict)


def unsound(raised: Iterable[str]) -> list[str]:
    """Those of the flags raised that forbid a verdict, sorted."""
    return sorted(_UNSOUND.intersection(raised))


def flag_sentences(raised: Iterable[str]) -> list[str]:
    """What each flag raised means, a sentence a flag."""
    names = sorted(set(raised).intersection(FLAGS))
    return [f"{name}: {FLAGS[name].words}{'; no verdict' if FLAGS[name].forbids_verdict else ''}." for name in names]
