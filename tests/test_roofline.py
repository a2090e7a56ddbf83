"""Roofline and prediction: figures by hand, the calibration's own arithmetic, and a ledger that adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run, variants
from hypothesis import given
from test_schema import require_valid

from skaprof.bench import calibrate as calibrating
from skaprof.bench.calibrate import Calibration, Job, conclude
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.engine import Settings, measure
from skaprof.bench.fake import FakeDevice
from skaprof.cli.calibrate import hardware_text
from skaprof.errors import SkaprofError
from skaprof.model.hardware import COUNTED_IN_FLOPS, KINDS, Hardware, Rate, find_hardware
from skaprof.model.plan import Variant
from skaprof.model.roofline import Kernel, Times, ideal, kernels, predicted, ridge
from skaprof.model.rows import cost_row
from skaprof.model.spec import parse_mixer
from skaprof.report.ceilings import (
    Point,
    kernel_rows,
    measured_points,
    mixer_row,
    prediction_error,
    require_possible,
    timed_kernels,
)
from skaprof.report.explain import PARTS, explained_rows, ledger
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
    row = mixer_row(Point(variant(), W), only_linear, "float32")
    assert row["predicted_ms"] is None
    assert row["ideal_ms"] > 0


def test_a_mixers_row_is_the_sum_of_its_kernels_rows() -> None:
    point = Point(variant(), W, measured_ms=0.1)
    row, parts = mixer_row(point, calibrated(), "float32"), kernel_rows(point, calibrated(), "float32")
    for key in ("flops", "moved_bytes", "ideal_ms", "predicted_ms"):
        assert row[key] == pytest.approx(sum(part[key] for part in parts))
    assert row["peak_share"] == pytest.approx(row["flops"] / 1e-4 / 1e9)
    assert row["ideal_share"] == pytest.approx(row["ideal_ms"] / 0.1)
    nothing = mixer_row(Point(variant("identity"), W._replace(heads=None, head_dim=None)), calibrated(), "float32")
    assert (nothing["bound"], nothing["intensity"], nothing["ideal_ms"]) == (None, None, 0)


def test_a_peak_below_what_was_measured_is_refused() -> None:
    flops = cost_row(variant(), W).flops
    at_peak = Point(variant(), W, measured_ms=flops / 1e9 * 1e3)
    require_possible([at_peak, Point(variant(), W)], machine(), "float32")
    with pytest.raises(SkaprofError, match=r"mine: a peak of 1 GFLOP/s for float32 is impossible: mhsa at 4 tokens"):
        require_possible([at_peak._replace(measured_ms=at_peak.measured_ms / 2)], machine(), "float32")


def test_the_prediction_error_by_hand() -> None:
    def row(predicted_ms: float | None, measured_ms: float | None, mixer: str = "ska") -> dict[str, Any]:
        found = {"mixer": mixer, "implementation": "eager", "dtype": "float32"}
        return {**found, "predicted_ms": predicted_ms, "measured_ms": measured_ms}

    error = prediction_error([row(1, 2), row(2, 4), row(4, 8), row(None, 1), row(1, None)])
    assert (error.rows, error.plain, error.held_out_rows) == (3, 0.5, 1)
    assert error.held_out == pytest.approx(0)
    error = prediction_error([row(1, 2), row(1, 4), row(1, 2, "mhsa"), row(4, 4, "mhsa")])
    assert error.held_out == pytest.approx((abs(2 / 4 - 1) + abs(8 / 4 - 1)) / 2)
    assert prediction_error([row(1, 2)]).held_out is None
    assert prediction_error([row(None, 2)]) is None


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


def points(*measured: tuple[str, str, Workload, float]) -> list[Point]:
    return [Point(variant(mixer, form), w, ms) for mixer, form, w, ms in measured]


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
    assert [(row["tokens"], row["implementation"], row["baseline"]) for row in rows] == [
        (4, "eager", "mhsa (eager)"),
        (4, "sdpa", "mhsa (sdpa)"),
        (8, "eager", "mhsa (eager)"),
    ]
    for row in rows:
        assert row["difference_ms"] == row["measured_ms"] - row["baseline_ms"]
        assert sum(row[part] for part in PARTS) == pytest.approx(row["difference_ms"], abs=1e-15)
    launches = len(kernels(variant("ska"), W)) - len(kernels(variant(), W))
    assert rows[0]["launch_ms"] == pytest.approx(launches * 1e-3)
    across = explained_rows(found, ("ska", "sdpa"), ("mhsa", "eager"), calibrated())
    assert [row["baseline"] for row in across] == ["mhsa (eager)"]
    with pytest.raises(SkaprofError, match="no size at which cska and mhsa were both measured"):
        explained_rows(found, ("cska", None), ("mhsa", None), calibrated())


def test_a_ledger_by_hand() -> None:
    timed = timed_kernels(Point(variant("ska", "sdpa"), W), calibrated(), "float32")
    found = ledger(timed)
    assert sum(found) == pytest.approx(1e3 * sum(each.predicted.seconds for each in timed if each.predicted))
    assert found.launch_ms == pytest.approx(len(timed) * 1e-3)


def test_only_plain_forward_rows_are_used() -> None:
    good = {**cost_row(variant(), W).as_dict(), "median_ms": 1.0}
    others = [{**good, "implementation": "compile"}, {**good, "mode": "train"}, {**good, "median_ms": None}]
    saved = SavedResults("runs.jsonl", 1, "skaprof latency", {}, None, (good, *others), 0)
    assert measured_points(saved, None) == [Point(variant(), W, 1.0)]
    with pytest.raises(SkaprofError, match="no measured forward rows of cska"):
        measured_points(saved, ["cska"])
    with pytest.raises(SkaprofError, match="no measured forward rows"):
        measured_points(replace(saved, rows=tuple(others)), None)


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
    assert (table.returncode, table.stderr) == (0, "")
    assert "mhsa" in table.stdout or "cska" in table.stdout


def test_the_plot_is_drawn(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "roofline.svg"
    done = skaprof("roofline", "--dtype", "bfloat16", "--plot", str(path))
    assert done.returncode == 0
    assert path.read_bytes().startswith(b"<?xml")
    assert skaprof("roofline", "-m", "identity", "--plot", str(path)).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("roofline", "--hardware", "h100"), "did you mean 'h100-sxm'"),
        (("roofline", "--hardware", "l4", "--dtype", "float64"), "a peak of: float32"),
        (("roofline", "--tf32", "--dtype", "bfloat16"), "--tf32"),
        (("roofline", "--results", RUNS, "--dim", "64"), "--results: the sizes"),
        (("roofline", "--results", "none.jsonl"), "cannot be read"),
        (("roofline", "--tokens", "1:3000"), "expected at most 2,000"),
        (("explain", "--hardware", "l4", "--results", RUNS, "--mixer", "skka"), "did you mean 'ska'"),
        (("explain", "--hardware", "l4", "--results", RUNS, "--mixer", "ska/flash"), "--mixer: 'flash'"),
        (("explain", "--hardware", "l4"), "--results"),
        (("calibrate", "--dtype", "float8"), "--dtype: 'float8'"),
        (("calibrate", "--output", "machine.json"), ".toml"),
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
