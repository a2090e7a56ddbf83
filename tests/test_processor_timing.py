"""The timer on a processor whose truth is known and that others use too: evidence, the deciding clock, verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from mmap import PAGESIZE, mmap
from random import Random
from statistics import fmean, median
from time import process_time, sleep

import pytest
from conftest import THOROUGH

from skaprof.bench import engine, statistics
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.device import Contender
from skaprof.bench.engine import measure
from skaprof.bench.fake import Noise, autocorrelated, drifting, independent, spiky
from skaprof.bench.fake_processor import FakeProcessor, Neighbours
from skaprof.bench.record import Measurement, Record, Settings, Spent, ratio_of
from skaprof.bench.statistics import fastest_values, looks_between, ratio_interval
from skaprof.implementations import LOOKS

SECONDS = 200e-6


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WARM_WINDOW", 0.002)


def processor(seed: int = 1, **planted: object) -> FakeProcessor:
    return FakeProcessor(**{"noise": independent(Random(seed), 0.01), **planted})


def run(fake: FakeProcessor, contenders: list[Contender] | None = None, **settings: object) -> Measurement:
    contenders = contenders or [fake.kernel("a", SECONDS), fake.kernel("b", 1.2 * SECONDS)]
    return measure(fake, contenders, Settings(timing="hot", **settings))


def flags(found: Measurement) -> set[str]:
    return set().union(*(record.flags for record in found.records))


def clock(found: Measurement) -> str:
    (one,) = {record.decides for record in found.records}
    return one


def verdict(found: Measurement) -> str:
    assert found.comparisons[1] is not None
    return found.comparisons[1].verdict


def busy(seed: int = 2, refill: float = 0.0) -> Neighbours:
    return Neighbours(Random(seed), refill=refill)


def bursts(random: Random) -> Callable[[float], int]:
    """One call in twelve has 100 pages to fault in."""
    return lambda at: 100 if random.random() < 1 / 12 else 0


def test_one_undisturbed_thread_is_timed_by_its_cpu_time_and_raises_nothing() -> None:
    found = run(processor())
    assert (flags(found), clock(found), verdict(found)) == ({"stable"}, "cpu", "slower")
    assert found.records[0].seconds == pytest.approx(SECONDS, rel=0.01)


@pytest.mark.parametrize(
    ("planted", "raised"),
    [
        ({"neighbours": busy()}, "preempted"),
        ({"neighbours": busy(refill=50e-6)}, "preempted"),
        ({"stolen": 0.1}, "stolen"),
        ({"faults_of": bursts(Random(3))}, "page-faults"),
        ({"faults_of": lambda at: 50}, "page-faults"),
    ],
)
def test_each_planted_fault_raises_its_flag_and_no_other_and_cpu_time_bears_it(
    planted: dict[str, object], raised: str
) -> None:
    found = run(processor(**planted))
    assert flags(found) == {raised}
    assert (clock(found), verdict(found)) == ("cpu", "slower")
    assert found.comparisons[1] is not None
    ratio = found.comparisons[1].ratio
    assert ratio.low < math.log(1.2) < ratio.high or raised == "page-faults"  # whose cost is the same for both


def test_turns_that_others_take_are_in_no_cpu_time_and_in_the_wall_clock_of_the_same_samples() -> None:
    record = run(processor(neighbours=busy())).records[0]
    mean_wall = math.fsum(x for blocks in record.rounds for block in blocks for x in block) / len(record.samples)
    assert record.seconds == pytest.approx(SECONDS, rel=0.01)
    assert mean_wall > 2 * SECONDS
    assert sum(each.preemptions or 0 for each in record.all_spent) > 3


def test_a_call_that_waits_raises_waits_alone_and_the_wall_clock_decides_for_all() -> None:
    fake = processor()
    found = run(fake, [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS, waits=0.3 * SECONDS)])
    assert [record.flags for record in found.records] == [{"stable"}, {"waits"}]
    assert (clock(found), verdict(found)) == ("wall", "slower")
    assert found.records[1].seconds == pytest.approx(1.3 * SECONDS, rel=0.02)


def test_a_busy_machine_does_not_make_a_call_wait() -> None:
    fake = processor(neighbours=busy())
    slow = [fake.kernel(label, 20e-3) for label in "ab"]  # each loses the core at every call
    assert clock(run(fake, slow)) == "cpu"


@pytest.mark.parametrize(("chosen", "decides"), [("auto", "cpu"), ("cpu", "cpu"), ("wall", "wall")])
def test_the_clock_is_the_one_chosen(chosen: str, decides: str) -> None:
    assert clock(run(processor(), clock=chosen)) == decides


def test_several_threads_and_lacking_counters_leave_the_wall_clock() -> None:
    assert clock(run(processor(has_cpu_clock=False))) == "wall"

    class Uncounted(FakeProcessor):
        def cpu_seconds(self) -> None:
            return None

        def counts(self) -> None:
            return None

    fake = Uncounted(noise=independent(Random(1), 0.01), has_cpu_clock=False)
    found = run(fake, [fake.kernel("a", SECONDS), fake.kernel("b", 1.2 * SECONDS)])
    assert (clock(found), flags(found), verdict(found)) == ("wall", {"stable"}, "slower")


def test_where_the_wall_clock_leaves_it_open_it_is_told_what_cpu_time_would_say() -> None:
    fake = processor(neighbours=Neighbours(Random(2), turn=0.3e-3, away=2e-3))
    alike = [fake.kernel("a", SECONDS), fake.kernel("b", 1.05 * SECONDS)]
    found = run(fake, alike, clock="wall", samples_per_block=3)
    assert found.comparisons[1] is not None
    assert (clock(found), verdict(found)) == ("wall", "inconclusive")
    assert found.comparisons[1].verdict_by_cpu == "slower"
    quiet = run(processor(), clock="wall").comparisons[1]
    assert quiet is not None
    assert (quiet.verdict, quiet.verdict_by_cpu) == ("slower", None)


def test_warming_up_on_a_busy_machine_does_not_take_the_time_to_measure() -> None:
    fake = processor(neighbours=busy(), noise=independent(Random(4), 0.2))
    starts: list[float] = []

    def first_round(rounds: int) -> None:
        starts.append(fake.now())

    contenders = [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS)]
    measure(fake, contenders, Settings(timing="hot"), first_round)
    assert starts[0] < 0.5


@pytest.mark.parametrize("slow_calls", [4, 16])
def test_first_calls_that_are_slow_are_warming_up(slow_calls: int) -> None:
    fake = processor()
    kernel, calls = fake.kernel("b", SECONDS), iter(range(10**9))

    def slow_at_first() -> None:
        if next(calls) < slow_calls:
            fake._work(0.1)
        kernel.run()

    found = run(fake, [fake.kernel("a", SECONDS), Contender("b", slow_at_first, names=lambda: ("b",))])
    assert found.records[1].seconds == pytest.approx(SECONDS, rel=0.02)
    assert flags(found) == {"stable"}


def test_a_contender_is_compared_with_the_one_it_names() -> None:
    fake = processor()
    contenders = [fake.kernel(label, times * SECONDS) for label, times in (("a", 1), ("fast a", 0.5), ("fast b", 0.6))]
    contenders[2].against = 1
    found = run(fake, contenders)
    assert [math.exp(each.ratio.mean) for each in found.comparisons[1:] if each] == pytest.approx([0.5, 1.2], rel=0.02)


def test_looks_double_from_the_fewest_rounds_to_the_most() -> None:
    assert looks_between(8, 32) == LOOKS
    assert looks_between(4, 50) == (4, 8, 16, 32, 50)
    assert looks_between(8, 8) == looks_between(9, 8)[-1:] == (8,)


def test_the_fastest_quarter_is_of_the_run_and_not_of_each_block() -> None:
    quiet, disturbed = [[1.0, 1.0, 1.0, 1.0]], [[2.0, 2.0, 2.0, 2.0]]
    assert fastest_values([quiet, disturbed, disturbed, quiet]) == pytest.approx([0.0] * 4)
    assert math.exp(median(fastest_values([quiet, quiet]))) == 1.0
    assert fastest_values([quiet]) == [0.0]


def disturbed_in(rounds: int) -> Record:
    """A call of one second, that takes two in so many of twelve rounds."""
    spent = [[[Spent(2.0 if number < rounds else 1.0)] * 4] * 2 for number in range(12)]
    return Record("a", [[[3.0] * 4] * 2] * 12, spent=spent, decides="cpu")


def test_what_disturbs_most_rounds_is_in_no_ratio_by_cpu_time_and_widens_its_interval() -> None:
    found = ratio_of(disturbed_in(8), disturbed_in(0), Settings())
    assert math.exp(found.mean) == pytest.approx(1.0)
    by_medians = ratio_of(replace(disturbed_in(8), decides="wall"), disturbed_in(0), Settings(), "wall")
    assert by_medians.mean == 0.0  # its wall clock saw nothing of it
    assert disturbed_in(8).witnesses_by("cpu") == pytest.approx(3.0)
    assert disturbed_in(8).witnesses_by("wall") == 12


def lasting(random: Random) -> Noise:
    """Weather that only adds, and lasts for some twenty blocks of four calls."""
    slow, own = autocorrelated(random, 0.1, memory=16e-3), independent(random, 0.02)
    return lambda at: abs(slow(at)) + own(at)


NOISES: dict[str, Callable[[Random], dict[str, object]]] = {
    "independent": lambda random: {"noise": independent(random, 0.03)},
    "autocorrelated": lambda random: {"noise": autocorrelated(random, 0.03)},
    "drifting": lambda random: {"noise": drifting(random, 0.01, 0.3)},
    "spiky": lambda random: {"noise": spiky(random, 0.02)},
    "preempted": lambda random: {"noise": independent(random, 0.02), "neighbours": Neighbours(random, refill=100e-6)},
    "stolen": lambda random: {"noise": independent(random, 0.02), "stolen": 0.3},
    "weather": lambda random: {"noise": lasting(random)},
    "faulting": lambda random: {
        "noise": independent(random, 0.02),
        "faults_of": bursts(random),
    },
}
RUNS, LONG = (300 if THOROUGH else 200), 300
"""Each of three pairs: two contenders and the control; `LONG` where one run in fifty is what tells."""


@cache
def recorded(noise: str, chosen: str, runs: int, slower: float = 0.0) -> list[list[Record]]:
    """Of each run the records of a pair, and of its control, over all 32 rounds."""
    found = []
    for seed in range(runs):
        fake = FakeProcessor(**NOISES[noise](Random(f"{noise} {chosen} {seed}")))
        kernels = [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS * (1 + slower))]
        settings = Settings(timing="hot", tolerance=1e-12, clock=chosen, samples_per_block=4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "conclude", lambda records, settings: records)
            found.append(measure(fake, kernels, settings))
    return found


def share_called_different(runs: list[list[Record]], clock: str, *, count_witnesses: bool = True) -> float:
    """In how many pairs of equals some look's interval leaves zero out."""
    different = []
    for records in runs:
        found = [False] * 3
        for look in LOOKS:
            cut = [replace(each, rounds=each.rounds[:look], spent=each.spent[:look]) for each in records]
            sides = [(each.values_by(clock), each.witnesses_by(clock)) for each in cut]
            for place, ((ours, own), (theirs, other)) in enumerate(combinations(sides, 2)):
                interval = ratio_interval(ours, theirs, witnesses=min(own, other) if count_witnesses else look)
                found[place] |= interval.low > 0 or interval.high < 0
        different += found
    return fmean(different)


@pytest.mark.parametrize("noise", NOISES)
def test_at_most_one_pair_of_equals_in_twenty_is_called_different_by_cpu_time(noise: str) -> None:
    assert share_called_different(recorded(noise, "auto", LONG if noise == "weather" else RUNS), "cpu") <= 0.05


@pytest.mark.parametrize("noise", ["preempted", "stolen", "faulting"])
def test_at_most_one_pair_of_equals_in_twenty_is_called_different_by_the_wall_clock(noise: str) -> None:
    assert share_called_different(recorded(noise, "wall", RUNS), "wall") <= 0.05


def test_counting_every_round_as_a_witness_of_the_fastest_samples_fails_the_calibration() -> None:
    runs = recorded("weather", "auto", LONG)
    assert share_called_different(runs, "cpu", count_witnesses=False) > 0.05 >= share_called_different(runs, "cpu")


@pytest.mark.parametrize("noise", ["preempted", "faulting", "weather"])
def test_a_planted_five_percent_is_called_slower_and_covered(noise: str) -> None:
    ratios = [ratio_of(b, a, Settings(), "cpu") for a, b, _ in recorded(noise, "auto", 60, slower=0.05)]
    assert fmean(statistics.verdict(each, math.log(1.02)) == "slower" for each in ratios) >= 0.9
    if noise != "faulting":  # whose cost is the same for both
        assert fmean(each.low <= math.log(1.05) <= each.high for each in ratios) >= 0.93


def test_a_real_processor_counts_what_a_thread_does() -> None:
    device = CpuDevice()
    before, cpu = device.counts(), device.cpu_seconds()
    if before is None or cpu is None:
        pytest.skip("this platform counts nothing for a thread")
    with mmap(-1, 16 * 2**20) as fresh:  # pages that no allocator has kept
        for page in range(0, len(fresh), PAGESIZE):
            fresh[page] = 1
        after = device.counts()
        assert after is not None
        assert after.faults - before.faults >= len(fresh) // 2**22
    assert device.cpu_seconds() > cpu
    assert 0 < device.fault_seconds < 1e-3


@pytest.mark.skipif(CpuDevice().counts() is None, reason="this platform counts nothing for a thread")
def test_a_real_call_that_sleeps_waits_and_one_that_works_does_not() -> None:
    device = CpuDevice()
    sleeping, working = Contender("sleeps", lambda: sleep(2e-3)), Contender("works", lambda: sum(range(20_000)))
    found = measure(device, [working, sleeping], Settings(timing="hot", looks=(2,), samples_per_block=4))
    assert ["waits" in record.flags for record in found.records] == [False, True]
    assert clock(found) == "wall"


def test_the_clocks_of_several_threads_are_the_processs_and_cannot_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    device = CpuDevice()
    assert not device.has_cpu_clock
    before = process_time()
    assert before <= (device.cpu_seconds() or 0.0) <= process_time()
