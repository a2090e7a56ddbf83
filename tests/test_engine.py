"""The timer on a device whose truth is known: each planted fault raises its flag and no other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from skaprof.bench import engine, statistics
from skaprof.bench.clock import clock_reading
from skaprof.bench.device import Contender
from skaprof.bench.engine import measure
from skaprof.bench.fake import NOMINAL_CLOCK, FakeDevice, drifting, independent
from skaprof.bench.record import LEAST_SLEEP_CYCLES, Measurement, Record, Settings, conclude
from skaprof.bench.statistics import Interval, outliers, rounds_to_decide, verdict

SECONDS = 200e-6


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WARM_WINDOW", 0.002)


def device(seed: int = 1, **options: object) -> FakeDevice:
    noise = options.pop("noise", None) or independent(Random(seed), 0.01)
    return FakeDevice(noise=noise, **options)


def run(fake: FakeDevice, contenders: list[Contender] | None = None, **settings: object) -> Measurement:
    contenders = contenders or [fake.kernel("a", SECONDS), fake.kernel("b", 1.2 * SECONDS)]
    return measure(fake, contenders, Settings(**settings))


def flags(measurement: Measurement) -> set[str]:
    return set().union(*(record.flags for record in measurement.records))


def only_verdict(measurement: Measurement) -> str:
    comparison = measurement.comparisons[1]
    assert comparison is not None
    return comparison.verdict


@pytest.mark.parametrize("timing", ["cold", "hot", "graph", "wall"])
def test_a_sound_device_raises_no_flag_and_gets_its_truth(timing: str) -> None:
    found = run(device(), timing=timing)
    assert flags(found) == {"stable"}
    assert only_verdict(found) == "slower"
    if timing != "wall":  # wall time has the launch on top
        expected = SECONDS if timing == "cold" else SECONDS / 1.6
        assert found.records[0].seconds == pytest.approx(expected, rel=0.01)
        assert found.comparisons[1] is not None
        assert found.comparisons[1].ratio.low < math.log(1.2) < found.comparisons[1].ratio.high


def test_equal_kernels_are_the_same() -> None:
    fake = device()
    assert only_verdict(run(fake, [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS)])) == "same"


def test_wall_time_includes_the_launch_and_event_time_does_not() -> None:
    seconds = {}
    for timing in ("wall", "cold"):
        fake = device(launch_seconds=100e-6)
        seconds[timing] = run(fake, [fake.kernel("a", 50e-6)], timing=timing).records[0].seconds
    assert seconds["wall"] > 100e-6
    assert seconds["cold"] == pytest.approx(50e-6, rel=0.02)


def test_a_missing_flush_raises_warm_leak() -> None:
    found = run(device(flush_works=False))
    assert flags(found) == {"warm-leak"}
    assert only_verdict(found) == "inconclusive"


def test_too_few_graph_buffers_raise_warm_leak() -> None:
    fake = device()
    kernel = fake.kernel("a", SECONDS)
    kernel.rotated_bytes = fake.cache_bytes
    assert flags(run(fake, [kernel, fake.kernel("b", SECONDS)], timing="graph")) == {"warm-leak"}
    kernel.rotated_bytes = 6 * fake.cache_bytes
    assert flags(run(fake, [kernel, fake.kernel("b", SECONDS)], timing="graph")) == {"stable"}


def test_a_slow_host_is_hidden_by_a_longer_sleep() -> None:
    found = run(device(launch_seconds=1e-3))
    assert flags(found) == {"stable"}
    assert found.records[0].sleep_cycles > LEAST_SLEEP_CYCLES
    assert found.records[0].seconds == pytest.approx(SECONDS, rel=0.01)


def test_a_host_too_slow_to_hide_raises_launch_exposed() -> None:
    found = run(device(launch_seconds=20e-3), samples_per_block=5)
    assert flags(found) == {"launch-exposed"}
    assert only_verdict(found) == "inconclusive"


def length_of_a_run() -> float:
    fake = device()
    run(fake, tolerance=1e-9)
    return fake.now()


def test_a_clock_ramp_raises_drift_and_leaves_the_ratio_right() -> None:
    end = length_of_a_run()
    fake = device(2, clock_curve=lambda at: NOMINAL_CLOCK * (1 - 0.018 * min(1.0, at / end)))
    found = run(fake, tolerance=1e-9)
    assert flags(found) == {"drift"}
    assert found.comparisons[1] is not None
    assert found.comparisons[1].ratio.low < math.log(1.2) < found.comparisons[1].ratio.high


def test_throttling_raises_throttled_and_keeps_the_data() -> None:
    end = length_of_a_run()
    fake = device(clock_curve=lambda at: NOMINAL_CLOCK * (0.85 if at > end / 2 else 1.0))
    found = run(fake, tolerance=1e-9)
    assert flags(found) == {"throttled"}
    assert only_verdict(found) == "inconclusive"
    assert found.records[0].off_clock_samples


def test_a_short_dip_of_the_clock_is_repeated_and_kept_aside() -> None:
    middle = length_of_a_run() / 2
    aside = []
    for start in (middle + 3e-3 * step for step in range(8)):  # some hit the control, whose record is not reported
        dip = (start, start + 9e-3)
        fake = device(clock_curve=lambda at, dip=dip: NOMINAL_CLOCK * (0.85 if dip[0] < at < dip[1] else 1.0))
        found = run(fake, tolerance=1e-9)
        assert flags(found) == {"stable"}
        aside += [record.label for record in found.records if record.off_clock_samples]
    assert len(aside) >= 2


def test_reasons_the_device_gives_for_slowing_raise_throttled() -> None:
    assert flags(run(device(throttle_reasons=("hardware slowdown",)))) == {"throttled"}


def test_a_foreign_process_raises_shared() -> None:
    found = run(device(foreign_processes=1))
    assert flags(found) == {"shared"}
    assert only_verdict(found) == "inconclusive"


def test_a_switch_of_kernels_raises_kernel_changed_on_its_contender_alone() -> None:
    fake = device()
    switching = fake.kernel("b", SECONDS)
    names = iter([("algorithm 1",), ("algorithm 2",), ("algorithm 2",)])
    switching.names = lambda: next(names)
    found = run(fake, [fake.kernel("a", SECONDS), switching])
    assert [record.flags for record in found.records] == [{"stable"}, {"kernel-changed"}]
    assert found.records[1].kernels == ("algorithm 1",)


def test_a_profile_that_lost_records_once_is_no_switch_of_kernels() -> None:
    fake = device()
    kernel = fake.kernel("b", SECONDS)
    names = iter([("b",), (), ("b",)])
    kernel.names = lambda: next(names)
    assert flags(run(fake, [fake.kernel("a", SECONDS), kernel])) == {"stable"}


def test_a_heavy_kernel_that_always_runs_at_a_lower_clock_is_not_throttled() -> None:
    fake = device()
    light, heavy = fake.kernel("light", SECONDS), fake.kernel("heavy", SECONDS)
    state = {"low_until": 0.0}
    fake.clock_curve = lambda at: NOMINAL_CLOCK * (0.96 if at < state["low_until"] else 1.0)

    def loaded() -> None:
        heavy.run()
        state["low_until"] = fake.device + 20e-3

    assert flags(run(fake, [Contender("heavy", loaded)])) == {"stable"}
    assert "throttled" not in flags(run(fake, [Contender("heavy", loaded), Contender("twin", loaded)]))
    assert light is not heavy


def test_a_host_that_is_late_now_and_then_is_not_launch_exposed() -> None:
    class Hiccups(FakeDevice):
        random = Random(7)

        def record(self) -> float:
            if self.random.random() < 0.002:
                self.host += self.random.uniform(1e-3, 15e-3)
            return super().record()

    found = run(Hiccups(noise=independent(Random(1), 0.01)))
    assert "launch-exposed" not in flags(found)
    assert found.records[0].sleep_cycles < 100 * LEAST_SLEEP_CYCLES


def test_a_contender_that_launches_nothing_is_measured_as_next_to_nothing() -> None:
    for timing in ("cold", "hot"):
        found = run(device(), [Contender("nothing", lambda: None)], timing=timing)
        assert 0 < found.records[0].seconds < 1e-6
        assert found.records[0].repeats <= engine.MOST_REPEATS


def test_two_speeds_raise_bimodal() -> None:
    random = Random(3)
    fake = device(noise=lambda at: random.gauss(0, 0.005) + random.choice((0.0, 0.2)))
    assert flags(run(fake)) == {"bimodal"}


def test_work_on_another_stream_raises_unsynchronized() -> None:
    fake = device()
    here, aside = fake.kernel("here", SECONDS), fake.kernel("aside", 5 * SECONDS, on_side_stream=True)

    def both() -> None:
        here.run()
        aside.run()

    found = run(fake, [fake.kernel("a", SECONDS), Contender("b", both)])
    assert [record.flags for record in found.records] == [{"stable"}, {"unsynchronized"}]


def test_a_host_that_is_late_now_and_then_raises_nothing() -> None:
    class Jittery(FakeDevice):
        calls = 0

        def synchronize(self) -> None:
            super().synchronize()
            self.calls += 1
            self.host += 300e-6 if self.calls % 10 == 0 else 0.0

    assert flags(run(Jittery(noise=independent(Random(1), 0.01)))) == {"stable"}


def test_a_kernel_near_the_event_step_raises_resolution() -> None:
    fake = device()
    assert flags(run(fake, [fake.kernel("a", 3e-6), fake.kernel("b", 3e-6)])) == {"resolution"}
    hot = run(fake, [fake.kernel("a", 3e-6), fake.kernel("b", 3e-6)], timing="hot")
    assert flags(hot) == {"stable"}
    assert hot.records[0].repeats > 10
    assert hot.records[0].seconds == pytest.approx(3e-6 / 1.6, rel=0.02)


def test_a_baseline_that_differs_from_itself_fails_the_control() -> None:
    values = [math.log(SECONDS) + 0.0001 * at for at in range(8)]
    records = [
        Record(label, [[[math.exp(v + shift)] * 5] * 2 for v in values])
        for label, shift in (("a", 0.0), ("b", 0.5), ("a", 0.1))
    ]
    for record in records:
        for number, blocks in enumerate(record.rounds):
            blocks[:] = [[sample * (1 + 1e-4 * number * len(record.label)) for sample in block] for block in blocks]
    found = conclude(records, Settings())
    assert flags(found) == {"aa-failed"}
    assert only_verdict(found) == "inconclusive"


def test_rounds_are_a_b_b_a_each_starts_with_the_next_and_every_sample_is_kept() -> None:
    fake, order = device(), []

    def watched(label: str) -> Contender:
        kernel = fake.kernel(label, SECONDS)
        plain = kernel.run
        kernel.run = lambda: (order.append(label), plain())
        return kernel

    found = run(fake, [watched("a"), watched("b")], samples_per_block=5)
    assert found.rounds == 8
    blocks = "".join(order[-8 * 6 * 5 :: 5])  # one letter a block; A is the baseline's second entry
    assert blocks == "".join(("abaaba", "baaaab", "aabbaa")[number % 3] for number in range(8))
    for record in found.records:
        assert [len(block) for of_round in record.rounds for block in of_round] == [5] * 16


def test_a_deadline_before_the_first_look_leaves_no_verdict_and_no_interval() -> None:
    found = run(device(noise=independent(Random(1), 0.001)), deadline=0.05)
    assert 2 <= found.rounds < 8
    assert len(found.records[0].samples) > 0
    assert flags(found) == {"few-rounds"}
    assert only_verdict(found) == "inconclusive"
    assert found.rounds >= 7 or found.latencies == [None, None]


def test_the_clock_is_read_behind_a_wait_that_hides_every_launch() -> None:
    for launch in (4e-6, 30e-6):
        reading = clock_reading(device(launch_seconds=launch))
        assert reading == pytest.approx(NOMINAL_CLOCK, rel=0.005)
    assert run(device(launch_seconds=30e-6)).records[0].clock == pytest.approx(NOMINAL_CLOCK, rel=0.005)


def test_a_context_is_entered_once_a_block_and_not_once_a_call() -> None:
    fake, entered = device(), []

    @contextmanager
    def costly() -> Iterator[None]:
        fake.host += 25e-6
        entered.append(fake.host)
        yield

    plain, within = fake.kernel("a", SECONDS), fake.kernel("a", SECONDS)
    within.context = costly
    found = run(fake, [plain, within], timing="wall", samples_per_block=5)
    assert only_verdict(found) == "same"
    assert 16 <= len(entered) < 40


def test_it_stops_at_the_first_look_that_decides() -> None:
    assert run(device(noise=independent(Random(1), 0.001))).rounds == 8
    assert run(device(noise=independent(Random(1), 0.2))).rounds == 32


@pytest.mark.parametrize(
    ("interval", "control", "said"),
    [
        (Interval(-0.10, -0.12, -0.08), None, "faster"),
        (Interval(0.10, 0.08, 0.12), None, "slower"),
        (Interval(0.0, -0.01, 0.01), None, "same"),
        (Interval(0.03, 0.01, 0.05), None, "inconclusive"),
        (Interval(0.10, 0.08, 0.12), Interval(0.0, -0.09, 0.05), "inconclusive"),
        (Interval(0.0, -0.05, 0.05), Interval(0.0, -0.5, 0.5), "inconclusive"),
    ],
)
def test_a_verdict_takes_the_whole_interval_and_the_control(
    interval: Interval, control: Interval | None, said: str
) -> None:
    assert verdict(interval, 0.02, control) == said


def test_rounds_to_decide_follow_the_square_law() -> None:
    assert rounds_to_decide(Interval(0.06, -0.02, 0.14), 0.02, 8) == 32
    assert rounds_to_decide(Interval(0.01, -0.03, 0.05), 0.02, 8) == 128
    assert rounds_to_decide(Interval(0.02, -0.02, 0.06), 0.02, 8) is None


def test_rounds_to_decide_are_more_than_were_run_and_none_where_the_control_forbids() -> None:
    just_short = Interval(0.10, 0.02, 0.18)
    assert rounds_to_decide(just_short, 0.02, 8) == 9
    assert rounds_to_decide(just_short, 0.02, 8, Interval(0.0, -0.15, 0.15)) is None
    assert rounds_to_decide(just_short, 0.02, 8, Interval(0.0, -0.09, 0.09)) == 512


def test_outliers_are_counted() -> None:
    assert outliers([1.0] * 10 + [1.1] * 10 + [9.0]) == 1
    assert outliers([1.0, 2.0]) == 0


def test_drift_is_told_from_noise() -> None:
    random = Random(5)
    assert not any(statistics.has_drift([random.gauss(0, 0.02) for _ in range(32)]) for _ in range(200))
    assert statistics.has_drift([0.001 * at + random.gauss(0, 0.002) for at in range(32)])


def test_interleaving_cancels_a_drift_that_blocks_in_sequence_would_call_a_difference() -> None:
    fake = device(noise=drifting(Random(2), 0.005, 0.05))
    found = run(fake, [fake.kernel("a", SECONDS), fake.kernel("b", SECONDS)])
    assert only_verdict(found) == "same"
