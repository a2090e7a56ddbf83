"""Roofline and prediction: figures by hand, the calibration's own arithmetic, and a ledger that adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import row_examples
from conftest import ROOT, Run, variants
from hypothesis import given
from test_schema import require_valid

from skaprof.analysis.costs import cost_row
from skaprof.analysis.explain import PARTS, explained_rows, ledger
from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.plan import Variant
from skaprof.analysis.prediction import prediction_error
from skaprof.analysis.roofline import Kernel, Times, ideal, kernels, predicted, ridge
from skaprof.analysis.roofline_rows import (
    RooflinePoint,
    kernel_rows,
    measured_points,
    mixer_row,
    require_possible,
    timed_kernels,
)
from skaprof.answers import RooflineRow
from skaprof.bench import calibrate as calibrating
from skaprof.bench.calibrate import Calibration, Job, conclude
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.engine import Settings, measure
from skaprof.bench.fake import FakeDevice
from skaprof.cli.calibrate import hardware_text
from skaprof.errors import SkaprofError
from skaprof.measured import MeasuredRow, result_row
from skaprof.model.hardware import COUNTED_IN_FLOPS, KINDS, Hardware, Rate, find_hardware
from skaprof.model.spec import parse_mixer
from skaprof.report.roofline import sentences
from skaprof.report.roofline_plot import roofline_figure
from skaprof.saved import SavedResults
from skaprof.workload import Workload

W = Workload(1, 2, 2, 8, 2, 4)
STAMP = {"device": "cpu", "cpu": 'A "CPU"', "threads": 1, "skaprof": "0", "python": "3", "torch": "2", "load": 0.5}


def machine(**changes: Any) -> Hardware:
    plain = Hardware("mine", "Mine", {"float32": 1e9}, 1e8, 1e9, None, None, None, (), "me", "2026")
    return plain._replace(**changes)


def variant(mixer: str = "mhsa", form: str = "eager") -> Variant:
    return Variant(parse_mixer(mixer), form)


def test_a_kernel_by_hand() -> None:
    """4 tokens of 8 channels through 8 x 8 weights: 256 MACs; x, W and y are 32 + 64 + 32 values of 4 bytes."""
    query = kernels(variant(), W)[0]
    assert query == Kernel("query", "linear", 512, 0, 512)
    assert query.intensity == 1.0
    times = ideal(query, machine(), "float32")
    assert times == Times(512e-9, 512e-9, 0.0)
    softmax = next(kernel for kernel in kernels(variant(), W) if kernel.kind == "softmax")
    assert softmax == Kernel("softmax", "softmax", 0, 5 * 32, 2 * 32 * 4)
    assert ideal(softmax, machine(), "float32") == Times(160 / 1e8, 256e-9, 0.0)
    assert ridge(machine(), "float32") == 1.0


@given(variants(modes=("forward",)))
def test_kernels_add_up_to_the_mixer(drawn: tuple[Variant, Workload]) -> None:
    found, row = kernels(*drawn), cost_row(*drawn)
    assert sum(kernel.flops for kernel in found) == row.flops
    assert sum(kernel.elementwise_flops for kernel in found) == row.elementwise_flops
    assert sum(kernel.bytes for kernel in found) == row.traffic_bytes + row.weight_bytes
    assert {kernel.kind for kernel in found} <= set(KINDS)


def test_a_fused_group_is_one_kernel_and_kinds_are_told_apart() -> None:
    w = W._replace(kernel_size=3)
    assert [k.kind for k in kernels(variant("mhsa", "sdpa"), W)] == ["linear"] * 3 + ["attention", "linear"]
    wide = kernels(variant("cska", "sdpa"), w)
    assert [k.kind for k in wide] == ["linear", "linear", "unfold", "attention_wide", "linear"]
    assert "conv2d" in {k.kind for k in kernels(variant("cska"), w)}
    assert "depthwise" in {k.kind for k in kernels(variant("sepconv"), w)}


def calibrated(**changes: Any) -> Hardware:
    rates = [Rate(kind, "float32", 1e3, 5e8) for kind in KINDS]
    return machine(launch=1e-6, rates=tuple(rates))._replace(**changes)


def test_a_prediction_by_hand() -> None:
    """512 FLOPs at 5e8 a second and a launch of 1 us; its 512 bytes move at the bandwidth, the faster of two."""
    query = kernels(variant(), W)[0]
    times = predicted(query, calibrated(), "float32")
    assert times == Times(512 / 5e8, 512 / 1e9, 1e-6)
    assert times.seconds == pytest.approx(512 / 5e8 + 1e-6)
    assert times.bound == "compute"
    assert predicted(query, calibrated(launch=1e-3), "float32").bound == "launch"
    slow = calibrated(rates=(Rate("linear", "float32", 1, 1e12),))
    assert predicted(query, slow, "float32") == Times(512 / 1e12, 512 / 1e9, 1e-6)
    cached = calibrated(rates=(Rate("linear", "float32", 1, 1e12), Rate("elementwise", "float32", 1, 1e11)))
    assert predicted(query, cached, "float32").memory == 512 / 1e11
    softmax = next(kernel for kernel in kernels(variant(), W) if kernel.kind == "softmax")
    assert predicted(softmax, calibrated(), "float32") == Times(160 / 1e8, 256 / 5e8, 1e-6)


def test_nothing_is_predicted_where_nothing_was_measured() -> None:
    query = kernels(variant(), W)[0]
    assert predicted(query, machine(), "float32") is None
    assert predicted(query, calibrated(launch=None), "float32") is None
    only_linear = calibrated(rates=(Rate("linear", "float32", 1, 1e9),))
    row = mixer_row(RooflinePoint(variant(), W), only_linear, "float32")
    assert row.predicted_ms is None
    assert row.ideal_ms > 0


def test_a_mixers_row_is_the_sum_of_its_kernels_rows() -> None:
    point = RooflinePoint(variant(), W, measured_row(variant(), W, 0.1))
    row, parts = mixer_row(point, calibrated(), "float32"), kernel_rows(point, calibrated(), "float32")
    for key in ("flops", "moved_bytes", "ideal_ms", "predicted_ms"):
        assert getattr(row, key) == pytest.approx(sum(getattr(part, key) for part in parts))
    assert row.peak_share == pytest.approx(row.flops / 1e-4 / 1e9)
    assert row.ideal_share == pytest.approx(row.ideal_ms / 0.1)
    nothing = mixer_row(
        RooflinePoint(variant("identity"), W._replace(heads=None, head_dim=None)), calibrated(), "float32"
    )
    assert (nothing.bound, nothing.intensity, nothing.ideal_ms) == (None, None, 0)


def test_a_peak_below_what_was_measured_is_refused() -> None:
    flops = cost_row(variant(), W).flops
    at_peak = measured_row(variant(), W, flops / 1e9 * 1e3)
    require_possible([RooflinePoint(variant(), W, at_peak), RooflinePoint(variant(), W)], machine())
    with pytest.raises(SkaprofError, match=r"mine: a peak of 1 GFLOP/s for float32 is impossible: mhsa at 4 tokens"):
        require_possible([RooflinePoint(variant(), W, at_peak.replace(median_ms=at_peak.median_ms / 2))], machine())


def test_the_prediction_error_by_hand() -> None:
    error = prediction_error([timed(1, 1, 2), timed(2, 2, 4), timed(3, 4, 8), timed(4, None, 1), timed(5, 1, None)])
    assert (error.rows, error.plain, error.bias, error.held_out_rows) == (3, 0.5, -0.5, 1)
    assert error.held_out == pytest.approx(0)
    error = prediction_error([timed(1, 1, 2), timed(2, 1, 4), timed(1, 1, 2, "mhsa"), timed(2, 4, 4, "mhsa")])
    assert error.held_out == pytest.approx((abs(2 / 4 - 1) + abs(8 / 4 - 1)) / 2)
    assert prediction_error([timed(1, 1, 2)]).held_out is None
    assert prediction_error([timed(1, None, 2)]) is None


def test_what_is_held_out_is_of_sizes_that_nothing_was_learned_from() -> None:
    """Each size twice, in any order: the factor 2 of sizes 1 and 3 is held against size 2, where it is 4."""
    rows = [timed(3, 1, 2), timed(2, 1, 4), timed(1, 1, 2), timed(1, 1, 2), timed(2, 1, 4), timed(3, 1, 2)]
    error = prediction_error(rows)
    assert (error.held_out_rows, error.held_out) == (1, pytest.approx(0.5))
    other = [row.replace(device="another", measured_ms=100) for row in rows]
    assert prediction_error([*rows, *other]).held_out_rows == 2


def timed(tokens: int, predicted_ms: float | None, measured_ms: float | None, mixer: str = "ska") -> RooflineRow:
    row = mixer_row(RooflinePoint(variant(mixer), W._replace(height=1, width=tokens)), machine(), "float32")
    return row.replace(predicted_ms=predicted_ms, measured_ms=measured_ms)


def truth(kernel: Kernel) -> float:
    """What the fake machine takes: 20 GFLOP/s or 5 GB/s, and 10 us a launch."""
    return (kernel.flops / 20e9 if kernel.kind in COUNTED_IN_FLOPS else kernel.bytes / 5e9) + 10e-6


def test_calibrated_on_a_machine_whose_truth_is_known_predictions_come_true(tmp_path: Path) -> None:
    device = FakeDevice()
    jobs = [Job("launch", "float32", 0, int), Job("copy", "float32", 2**27, int)]
    seconds = [10e-6, 2**27 / 50e9]
    for kind in KINDS:
        for work in (10**6, 10**8):
            jobs.append(Job(kind, "float32", work, int))
            seconds.append(truth(Kernel("", kind, work, 0, work)))
    named = [device.kernel(f"{number}", time) for number, time in enumerate(seconds)]
    found = measure(device, named, Settings("cold", looks=(8,)))
    result = conclude(jobs, [record.seconds for record in found.records])
    path = tmp_path / "fake.toml"
    path.write_text("".join(hardware_text(result, STAMP)))
    hardware = find_hardware(str(path))
    assert hardware.launch == pytest.approx(10e-6, rel=0.05)
    w = Workload(1, 16, 16, 256, 8, 32, 3)
    for mixer, form in (("mhsa", "eager"), ("ska", "sdpa"), ("cska", "eager"), ("cska", "sdpa"), ("sepconv", "eager")):
        found_kernels = kernels(variant(mixer, form), w)
        times = [predicted(kernel, hardware, "float32") for kernel in found_kernels]
        for kernel, time in zip(found_kernels, times, strict=True):
            assert time is not None
            assert max(time.compute, time.memory) + time.launch == pytest.approx(truth(kernel), rel=0.05)


def test_launch_cost_is_taken_off_but_never_all_of_a_time() -> None:
    jobs = [Job("launch", "float32", 0, int), Job("copy", "float32", 1e9, int)]
    jobs += [Job("linear", "float32", 1e6, int), Job("softmax", "float32", 1e6, int)]
    found = conclude(jobs, [1e-6, 0.1, 3e-6, 1e-6])
    assert (found.launch, found.bandwidth) == (1e-6, 1e10)
    assert found.rates[0].per_second == pytest.approx(1e6 / 2e-6)
    assert found.rates[1].per_second == pytest.approx(1e6 / 1e-7)
    assert found.peaks == {"float32": found.rates[0].per_second}


def test_a_small_calibration_of_this_processor_is_a_valid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "LARGEST_PRODUCT", {"cpu": 64})
    monkeypatch.setattr(calibrating, "COPIED_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(calibrating, "ROUNDS", (2,))
    found = calibrating.calibrate(CpuDevice(), "cpu", ("float32", "bfloat16"), sizes=((2, 32),))
    assert {rate.kind for rate in found.rates} == set(KINDS)
    assert {rate.dtype for rate in found.rates} == {"float32", "bfloat16"}
    path = tmp_path / "cpu.toml"
    path.write_text("".join(hardware_text(found, STAMP)))
    hardware = find_hardware(str(path))
    assert hardware.calibrated
    assert hardware.name == "A CPU, threads: 1"
    assert hardware.bandwidth == pytest.approx(found.bandwidth, rel=1e-5)
    assert len(hardware.rates) == len(found.rates)


def measured_row(of: Variant, w: Workload, ms: float, **changes: Any) -> MeasuredRow:
    """A sound row, 1 % wide."""
    interval = {"ci_low_ms": ms, "ci_high_ms": 1.01 * ms, "tolerance": 0.0, "verdict": "inconclusive"}
    return MeasuredRow.read(row_examples.measured_row(cost_row(of, w), ms, **interval) | changes)


def points(*measured: tuple[str, str, Workload, float]) -> list[RooflinePoint]:
    return [
        RooflinePoint(variant(mixer, form), w, measured_row(variant(mixer, form), w, ms))
        for mixer, form, w, ms in measured
    ]


def test_the_parts_add_up_and_pairs_are_of_one_size_and_form() -> None:
    larger = W._replace(height=4)
    found = points(
        ("mhsa", "eager", W, 0.3),
        ("mhsa", "sdpa", W, 0.2),
        ("ska", "eager", W, 0.25),
        ("ska", "sdpa", W, 0.3),
        ("mhsa", "eager", larger, 0.9),
        ("ska", "eager", larger, 0.8),
        ("ska", "eager", larger._replace(height=8), 9.0),
    )
    rows = explained_rows(found, ("ska", None), ("mhsa", None), calibrated())
    assert [(row.tokens, row.implementation, row.baseline) for row in rows] == [
        (4, "eager", "mhsa (eager)"),
        (4, "sdpa", "mhsa (sdpa)"),
        (8, "eager", "mhsa (eager)"),
    ]
    for row in rows:
        assert row.difference_ms == row.measured_ms - row.baseline_ms
        assert sum(getattr(row, part) for part in PARTS) == pytest.approx(row.difference_ms, abs=1e-15)
    launches = len(kernels(variant("ska"), W)) - len(kernels(variant(), W))
    assert rows[0].launch_ms == pytest.approx(launches * 1e-3)
    across = explained_rows(found, ("ska", "sdpa"), ("mhsa", "eager"), calibrated())
    assert [row.baseline for row in across] == ["mhsa (eager)"]
    with pytest.raises(SkaprofError, match="no size at which cska and mhsa were both measured"):
        explained_rows(found, ("cska", None), ("mhsa", None), calibrated())


def test_page_faults_are_a_part_of_their_own_and_old_files_lack_it() -> None:
    faulting = RooflinePoint(variant("ska"), W, measured_row(variant("ska"), W, 1.0, faults_ms=0.4))
    old = RooflinePoint(variant(), W, measured_row(variant(), W, 0.5))
    (row,) = explained_rows([faulting, old], ("ska", None), ("mhsa", None), calibrated())
    assert row.faults_ms == 0.4
    assert sum(getattr(row, part) for part in PARTS) == pytest.approx(row.difference_ms)


def test_a_ledger_by_hand() -> None:
    point = RooflinePoint(variant("ska", "sdpa"), W)
    kernels_timed = timed_kernels(point, calibrated(), "float32")
    found = ledger(point, calibrated(), "float32", None)
    assert sum(found) == pytest.approx(1e3 * sum(each.predicted.seconds for each in kernels_timed))
    assert found.launch_ms == pytest.approx(len(kernels_timed) * 1e-3)
    at_ceilings = ledger(point, machine(), "float32", None)
    assert (at_ceilings.kernels_ms, at_ceilings.launch_ms) == (0, 0)
    assert at_ceilings[:2] == found[:2]
    assert found.compute_ms + found.bandwidth_ms == pytest.approx(1e3 * sum(t.ideal.seconds for t in kernels_timed))
    assert found.kernels_ms > 0  # at half of the peak
    said = ledger(point, machine(), "float32", lambda _: Predicted(0.003, kernels=0.002))
    assert (said.launch_ms, said.kernels_ms) == (pytest.approx(1), pytest.approx(2 - sum(at_ceilings[:2])))


def test_only_sound_plain_rows_of_mixers_are_used_and_the_others_are_counted() -> None:
    good = measured_row(variant(), W, 1.0)
    others = [
        good.replace(implementation="compile"),
        result_row(good.as_dict() | {"median_ms": None}),
        good.replace(flags=["few-rounds"]),
        good.replace(mixer="mine:Mine"),
        good.replace(model="caformer_s18"),
        good.replace(dim=None, scope="stem"),
    ]
    trained = good.replace(mode="train")
    saved = SavedResults("runs.jsonl", 1, "skaprof latency", {}, None, (), (good, trained, *others), 0)
    found = measured_points(saved, None)
    assert found.points == [
        RooflinePoint(variant(), W, good),
        RooflinePoint(variant()._replace(mode="train"), W, trained),
    ]
    assert sum(found.left_out.values()) == len(others)
    assert found.left_out["not of a mixer"] == 3
    assert "1 flagged few-rounds" in (found.notice() or "")
    with pytest.raises(SkaprofError, match="no measured rows of cska"):
        measured_points(saved, ["cska"])
    with pytest.raises(SkaprofError, match=r"no measured rows, .* \(rows left out: 1 compiled"):
        measured_points(replace(saved, records=tuple(others)), None)


def test_differences_are_of_one_device_timing_and_kernel_and_say_whether_they_are_decided() -> None:
    w = W._replace(kernel_size=3)
    rows = [
        RooflinePoint(variant("cska"), w, measured_row(variant("cska"), w, 1.0)),
        RooflinePoint(variant("cska"), w, measured_row(variant("cska"), w, 9.0, timing="cold")),
        RooflinePoint(variant("mhsa"), W, measured_row(variant("mhsa"), W, 1.005)),
        RooflinePoint(variant("mhsa"), W, measured_row(variant("mhsa"), W, 2.0, timing="cold")),
        RooflinePoint(variant("mhsa"), W, measured_row(variant("mhsa"), W, 3.0, device="gpu")),
    ]
    found = explained_rows(rows, ("cska", None), ("mhsa", None), calibrated())
    assert [(row.timing, row.baseline_ms, row.decided) for row in found] == [
        ("hot", 1.005, False),
        ("cold", 2.0, True),
    ]
    other = w._replace(kernel_size=5)
    pooled = [RooflinePoint(variant("pooling"), at, measured_row(variant("pooling"), at, 1.0)) for at in (w, other)]
    assert len(explained_rows([rows[0], *pooled], ("cska", None), ("pooling", None), calibrated())) == 1


RUNS = str(ROOT / "tests" / "data" / "runs-forward.jsonl")


@pytest.mark.parametrize(
    "arguments",
    [
        ("roofline", "--dtype", "bfloat16", "--implementation", "eager,sdpa"),
        ("roofline", "--hardware", "l4", "--per-op", "-m", "cska", "-m", "identity"),
        ("roofline", "--hardware", "epyc-9654", "--results", RUNS),
        ("explain", "--hardware", "epyc-9654", "--results", RUNS),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_the_commands_write_valid_rows_and_tables(skaprof: Run, arguments: tuple[str, ...]) -> None:
    document = json.loads(skaprof(*arguments, "--format", "json").stdout)
    assert document["rows"]
    require_valid(document)
    table = skaprof(*arguments)
    assert table.returncode == 0, table.stderr
    assert "mhsa" in table.stdout or "cska" in table.stdout


def test_the_plot_is_drawn(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "roofline.svg"
    done = skaprof("roofline", "--dtype", "bfloat16", "--plot", str(path))
    assert done.returncode == 0
    assert path.read_bytes().startswith(b"<?xml")
    assert skaprof("roofline", "-m", "identity", "--plot", str(path)).returncode == 2


def test_every_dtype_has_its_roof_and_no_point_is_above_it() -> None:
    machine = find_hardware("h100-sxm")
    points = [
        RooflinePoint(variant(form=form)._replace(dtype=dtype), Workload(64, 32, 32, 1024, 32, 32))
        for dtype in ("float32", "bfloat16")
        for form in ("eager", "sdpa")
    ]
    rows = [mixer_row(point, machine, point.variant.dtype) for point in points]
    figure = roofline_figure(rows, machine, ("float32", "bfloat16"))
    axes = figure.axes[0]
    assert axes.get_ylabel() == "rate (TFLOP/s)"
    assert [line.get_ydata()[-1] for line in axes.lines[-2:]] == pytest.approx([66.9e12, 989.4e12])
    assert [text.get_text() for text in axes.texts] == ["float32", "bfloat16"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["mhsa", *(f"{p.variant.implementation}, {p.variant.dtype}" for p in points)]
    said = sentences(rows, machine, ("float32", "bfloat16"))[0]
    assert said.startswith("The ceilings meet at 19.97 (float32), 295.3 (bfloat16) FLOPs per byte")


def test_a_bound_is_the_ceiling_above_the_intensity_unless_launches_take_longer() -> None:
    """At half of the peak, arithmetic takes longer than the bytes, but more arithmetic would not: memory bounds."""
    slow = calibrated(peaks={"float32": 1e12}, bandwidth=1e9, rates=(Rate("linear", "float32", 1, 1e8),))
    query = timed_kernels(RooflinePoint(variant(), W), slow, "float32")[0]
    assert query.predicted is not None
    assert query.predicted.compute > query.predicted.memory
    assert query.bound == "memory"
    assert timed_kernels(RooflinePoint(variant(), W), slow._replace(launch=1.0), "float32")[0].bound == "launch"


def test_no_sentence_on_bounds_is_refuted_by_the_rows() -> None:
    def said(machine: Hardware, *rows: RooflineRow) -> str:
        return sentences(rows, machine, ("float32",))[0]

    machine, wide = find_hardware("h100-sxm"), Workload(1, 14, 14, 256, 8, 32, 3)
    mixers = [RooflinePoint(variant(name), wide) for name in ("mhsa", "cska")]
    assert "A mixer's bound is that of the kernels that take most" in said(
        machine, *(mixer_row(point, machine, "float32") for point in mixers)
    )
    below = "; below, memory is the bound"
    assert below in said(machine, *kernel_rows(mixers[0], machine, "float32"))
    slow = machine._replace(vector=1e12)  # a softmax is then bound by arithmetic, far below the meeting point
    assert below not in said(slow, *kernel_rows(mixers[0], slow, "float32"))
    assert "elementwise FLOPs have a lower peak" in said(slow, *kernel_rows(mixers[0], slow, "float32"))
    launched = calibrated(launch=1.0)
    assert "a launch may take longer" in said(launched, *kernel_rows(RooflinePoint(variant(), W), launched, "float32"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("roofline", "--hardware", "h100"), "did you mean 'h100-sxm'"),
        (("roofline", "--hardware", "l4", "--dtype", "float64"), "a peak of: float32"),
        (("roofline", "--tf32", "--dtype", "bfloat16"), "--tf32: it is for float32, and the dtype is bfloat16"),
        (("roofline", "--results", RUNS, "--per-op"), "--per-op: a results file has times of whole mixers"),
        (("roofline", "--results", RUNS, "--implementation", "sdpa"), "--results: sizes, dtypes and implementations"),
        (("roofline", "--results", RUNS, "--dim", "64"), "--results: sizes, dtypes"),
        (("roofline", "--results", "none.jsonl"), "cannot be read"),
        (("roofline", "--tokens", "1:3000"), "expected at most 2,000"),
        (("explain", "--hardware", "l4", "--results", RUNS, "--mixer", "skka"), "did you mean 'ska'"),
        (("explain", "--hardware", "l4", "--results", RUNS, "--mixer", "ska/flash"), "--mixer: 'flash'"),
        (("explain", "--hardware", "l4"), "--results"),
        (("explain", "--hardware", "l4", "--results", RUNS, "-m", "ska", "-b", "ska"), "another mixer or form"),
        (("calibrate", "--dtype", "float8"), "--dtype: 'float8'"),
        (("calibrate", "--output", "machine.json"), ".toml"),
        (("calibrate", "--resume", "calls.toml"), "--resume: 'calls.toml'"),
        (("roofline", "--plot-predicted", "p.png"), "--plot-predicted: expected --results with it"),
        (("roofline", "--results", RUNS, "--plot-predicted", "p.txt"), "--plot-predicted: 'p.txt'"),
    ],
)
def test_bad_input(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_calibration_says_its_flags() -> None:
    found = Calibration([Rate("linear", "float32", 1e6, 1e9)], 1e9, 1e-6, frozenset(("shared",)))
    assert "flag shared" in "".join(hardware_text(found, STAMP))
