"""Other runtimes beside PyTorch: what rows say, what is compared with what, and what never passes for fast.

Runtimes are fakes but where a test says so: what they are given runs in PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, Run, keep_clock_steady
from in_process import run_here
from torch import Tensor, nn

import skaprof
from skaprof.analysis.roofline_rows import points_of
from skaprof.bench import runtimes
from skaprof.bench.configuration import Entry
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.device import Contender
from skaprof.bench.engine import measure
from skaprof.bench.evidence import overlaps
from skaprof.bench.loaded import Loaded
from skaprof.bench.onnx_export import OnnxModel
from skaprof.bench.record import Settings
from skaprof.bench.runtimes import InRuntime, largest_error
from skaprof.bench.travelling import packed, unpacked
from skaprof.cli.report_times import by_section, read_timings
from skaprof.report.runtimes import where
from skaprof.report.sections import SECTIONS
from skaprof.saved import read_results

SMALL = ("latency", "--device", "cpu", "--threads", "1", "--tokens", "9", "--dim", "16")
FAST = (*SMALL, "--rounds", "2")
MIXERS = ("-m", "mhsa", "-m", "ska")
BOTH = ("--runtime", "pytorch,onnxruntime")


class FakeRuntime:
    """Runs in PyTorch what it was given, and says of it what the test has it say; `off` is added to its outputs."""

    def __init__(self) -> None:
        self.off = 0.0
        self.said = {"fused": ("FusedMatMul x 2",), "session_bytes": 7, "peak_bytes": 11, "kernels": ("MatMul",)}
        self.modules: list[nn.Module] = []

    def export(self, module: nn.Module, x: Tensor) -> OnnxModel:
        self.modules.append(module)
        return OnnxModel(str(len(self.modules) - 1).encode(), tuple(x.shape), 20, ("MatMul",))

    def load(self, model: OnnxModel, x: Any, precision: str, threads: int) -> Loaded:
        module, given, held = self.modules[int(model.data)], torch.from_numpy(x), []

        def run() -> None:
            with torch.no_grad():
                held[:] = [module(given).numpy() + self.off]

        return Loaded(run, lambda: held, precision, **self.said)  # type: ignore[arg-type]


def patched(patch: pytest.MonkeyPatch) -> FakeRuntime:
    found = FakeRuntime()
    patch.setattr(runtimes, "export", found.export)
    patch.setattr(runtimes, "import_module", lambda name: found)
    patch.setattr(runtimes, "version", lambda name: "1.2")
    patch.setattr("skaprof.runtimes.NEEDED", {})
    return found


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    return patched(monkeypatch)


def rows_of(skaprof: Run, *arguments: str) -> list[dict[str, Any]]:
    done = skaprof(*FAST, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return found


@pytest.mark.usefixtures("fake", "steady_clock")
def test_each_mixer_is_compared_with_the_baseline_in_its_runtime_and_form(skaprof: Run) -> None:
    rows = rows_of(skaprof, *MIXERS, *BOTH, "--implementation", "eager,sdpa")
    assert [(row["mixer"], row["implementation"], row["runtime"], row["baseline"]) for row in rows] == [
        ("mhsa", "eager", "pytorch", "mhsa (eager)"),
        ("mhsa", "sdpa", "pytorch", "mhsa (eager)"),
        ("ska", "eager", "pytorch", "mhsa (eager)"),
        ("ska", "sdpa", "pytorch", "mhsa (sdpa)"),
        ("mhsa", "eager", "onnxruntime", "mhsa (eager)"),
        ("mhsa", "sdpa", "onnxruntime", "mhsa (eager)"),
        ("ska", "eager", "onnxruntime", "mhsa (eager, onnxruntime)"),
        ("ska", "sdpa", "onnxruntime", "mhsa (sdpa, onnxruntime)"),
    ]
    assert {row["best_baseline"].endswith("onnxruntime)") for row in rows if row["runtime"] == "onnxruntime"} == {True}
    assert {row["best_baseline"].endswith("onnxruntime)") for row in rows if row["runtime"] == "pytorch"} == {False}


@pytest.mark.usefixtures("fake", "steady_clock")
def test_rows_say_what_ran_them_and_how(skaprof: Run) -> None:
    ours, theirs = rows_of(skaprof, "-m", "mhsa", *BOTH, "--implementation", "eager")
    assert (ours["runtime_version"], ours["precision"], ours["fused"]) == (torch.__version__, "float32", None)
    assert (theirs["runtime_version"], theirs["precision"]) == ("1.2", "float32")
    assert (theirs["fused"], theirs["session_bytes"], theirs["peak_memory_bytes"]) == (["FusedMatMul x 2"], 7, 11)
    assert theirs["kernels"] == ["MatMul"]
    assert theirs["model_bytes"] > 0
    assert 0 < theirs["output_error"] < 1e-5
    assert {row["cpu_of"] for row in (ours, theirs)} == {"process"}
    assert rows_of(skaprof, "-m", "mhsa", "--implementation", "eager")[0]["cpu_of"] == "thread"


@pytest.mark.usefixtures("fake", "steady_clock")
def test_python_asks_for_runtimes_too() -> None:
    rows = skaprof.latency(
        "ska", tokens=4, dim=8, implementation="eager", runtime=("pytorch", "openvino"), max_seconds=0.1
    )
    assert [row.form for row in rows] == ["eager", "eager, openvino"]


@pytest.mark.usefixtures("fake", "steady_clock")
def test_an_error_stands_beside_the_time_of_what_was_rounded(skaprof: Run) -> None:
    forms = ("-m", "mhsa", *BOTH, "--implementation", "eager")
    plain, rounded = (skaprof(*FAST, *forms, *more) for more in ((), ("--runtime-precision", "float32,int8-weights")))
    assert " error " not in plain.stdout.splitlines()[3]
    assert " error " in rounded.stdout.splitlines()[3]
    assert "mhsa (eager, onnxruntime, int8-weights)" in rounded.stdout


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("off", [0.01, float("nan")])
def test_what_is_wrong_is_not_timed(skaprof: Run, fake: FakeRuntime, off: float) -> None:
    fake.off = off
    rows = rows_of(skaprof, "-m", "mhsa", *BOTH, "--implementation", "eager")
    assert [row["verdict"] for row in rows] == ["baseline", "wrong-output"]
    assert rows[1]["median_ms"] is None
    assert "float64" in rows[1]["error"]


def test_the_error_is_over_the_largest_output_and_of_the_last_item() -> None:
    expected = torch.tensor([[1.0, -4.0]]).double()
    assert largest_error([np.array([[9.0, 9.0], [1.0, -3.0]])], [expected], 2) == 0.25
    assert np.isnan(largest_error([np.array([[1.0, np.nan]])], [expected], 1))


UNSUPPORTED = [
    (("--mode", "train"), "training is PyTorch's"),
    (("--implementation", "channels-last", "-m", "cska"), "channels-last is PyTorch's own"),
    (("--implementation", "compile"), "compile is PyTorch's own"),
    (("--dtype", "bfloat16"), "--runtime-precision"),
]


@pytest.mark.usefixtures("fake", "steady_clock")
@pytest.mark.parametrize(("arguments", "reason"), UNSUPPORTED, ids=str)
def test_what_no_other_runtime_runs_is_a_row_that_says_so(
    skaprof: Run, arguments: tuple[str, ...], reason: str
) -> None:
    mixers = () if "-m" in arguments else ("-m", "mhsa")
    done = skaprof(*FAST, *mixers, "--runtime", "onnxruntime", *arguments, "--format", "json")
    assert done.returncode == 1  # nothing was timed
    for row in json.loads(done.stdout)["rows"]:
        assert (row["verdict"], row["runtime"], row["precision"]) == ("unsupported", "onnxruntime", "float32")
        assert reason in row["error"]


@pytest.mark.usefixtures("fake", "steady_clock")
def test_a_baseline_may_be_of_a_runtime(skaprof: Run) -> None:
    rows = rows_of(skaprof, *MIXERS, *BOTH, "--implementation", "eager", "--baseline", "mhsa/eager/onnxruntime")
    assert {row["baseline"] for row in rows} == {"mhsa (eager, onnxruntime)"}
    done = skaprof(*FAST, *MIXERS, *BOTH, "--baseline", "mhsa/onnx")
    assert done.returncode == 2
    assert "eager/onnxruntime" in done.stderr


@pytest.mark.usefixtures("fake", "steady_clock")
def test_resuming_with_another_runtime_measures_what_is_missing(skaprof: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "runs.jsonl")
    own = (*FAST, "-m", "mhsa", "--implementation", "eager")
    assert skaprof(*own, "--output", path).returncode == 0
    for wanted in (BOTH, (*BOTH, "--runtime-precision", "int8-weights"), BOTH):
        assert skaprof(*own, *wanted, "--resume", path).returncode == 0
    found = [(row.runtime, row.precision) for row in read_results(path, "FILE").measured]
    assert sorted(found) == [("onnxruntime", "float32"), ("onnxruntime", "int8-weights"), ("pytorch", "float32")]


def test_a_package_that_is_missing_is_told_with_its_extra(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = skaprof(*FAST, *BOTH)
    assert done.returncode == 3
    assert done.stderr == (
        "skaprof: --runtime onnxruntime needs the package 'onnx', which is not installed here; run: pip install "
        "'skaprof[runtimes]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--runtime", "onnxruntim"), "did you mean 'onnxruntime'"),
        (("--runtime-precision", "int8-weights"), "needs --runtime"),
        (("--runtime", "openvino", "--runtime-precision", "int8"), "int8-weights"),
    ],
)
def test_bad_options_are_refused(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof(*FAST, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_an_entry_travels_to_a_process_of_its_own() -> None:
    entry = InRuntime(Entry("ska", "forward", "float32", "eager", (1, 3, 3, 16, 2, 8, None, 0)), "openvino", "float32")
    assert unpacked(json.loads(json.dumps(packed(entry)))) == entry


def busy() -> int:
    return sum(range(30_000))


def test_work_in_a_thread_of_the_runtimes_own_is_counted() -> None:
    """By the caller's own clock it would take next to nothing."""
    with ThreadPoolExecutor(1) as pool:
        contenders = [Contender("here", busy), Contender("there", lambda: pool.submit(busy).result())]
        settings = Settings(timing="hot", looks=(2,), samples_per_block=8, clock="cpu")
        here, there = measure(CpuDevice(others_work=True), contenders, settings).records
    assert there.seconds_by("cpu") > 0.8 * here.seconds_by("cpu")


def test_several_threads_at_once_leave_it_to_the_wall_clock() -> None:
    """Their CPU time adds up: a process that spends more than passes works in more than one thread."""

    class Spending(CpuDevice):
        def cpu_seconds(self) -> float | None:
            return 100 * (super().cpu_seconds() or 0.0)

    for device, clock in ((Spending(others_work=True), "wall"), (CpuDevice(others_work=True), "cpu")):
        settings = Settings(timing="hot", looks=(2,), samples_per_block=8)
        (record,) = measure(device, [Contender("busy", busy)], settings).records
        assert overlaps(device, record) == (clock == "wall")
        assert ("overlaps" in record.flags) == (clock == "wall")
        assert record.decides == clock or "waits" in record.flags


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of MHSA and SKA in two runtimes, at two batches."""
    with pytest.MonkeyPatch.context() as patch:
        patched(patch)
        keep_clock_steady(patch)
        path = tmp_path_factory.mktemp("runtimes") / "runs.jsonl"
        forms = (*MIXERS, *BOTH, "--implementation", "eager", "--batch", "1,2", "--rounds", "8")
        assert run_here(*SMALL, *forms, "--output", str(path)).returncode == 0
        yield path


def test_the_report_has_a_line_a_mixer_and_a_column_a_runtime(timed: Path) -> None:
    rows = by_section(read_timings([str(timed)]))["runtimes"]
    body, findings, _ = SECTIONS["runtimes"].render(rows)
    lines = [line for line in body.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].split("|")[5:-1]] == ["mixer", "form", "pytorch", "onnxruntime"]
    assert len(lines) == 2 + 2 * 2
    assert all(line.count(" ms") == 2 for line in lines[2:])
    assert any("x in pytorch, " in said and "x in onnxruntime" in said for said in findings)
    assert "Fused in mhsa (eager, onnxruntime), ska (eager, onnxruntime): FusedMatMul x 2." in body


def test_ceilings_and_explanations_are_of_each_runtime(skaprof: Run, timed: Path) -> None:
    against = ("--results", str(timed), "--hardware", "epyc-9654", "--format", "json")
    points = json.loads(skaprof("roofline", *against).stdout)["rows"]
    assert [row["runtime"] for row in points] == [*["pytorch"] * 2, *["onnxruntime"] * 2] * 2
    rows = json.loads(skaprof("explain", *against).stdout)["rows"]
    assert [(row["runtime"], row["baseline"]) for row in rows] == [
        ("pytorch", "mhsa (eager)"),
        ("onnxruntime", "mhsa (eager, onnxruntime)"),
    ] * 2


def test_what_was_computed_in_less_is_not_held_against_the_ceilings_of_its_dtype(timed: Path) -> None:
    rows = read_results(timed, "FILE").measured
    rounded = [row.replace(precision="uint8-weights") if row.runtime == "onnxruntime" else row for row in rows]
    found = points_of(rounded)
    assert {point.measured.runtime for point in found.points if point.measured} == {"pytorch"}
    assert found.notice() == "rows left out: 4 computed in less than their dtype"
    assert {where(row) for row in rounded} == {"pytorch", "onnxruntime (uint8-weights)"}


def test_a_file_compared_with_itself_pairs_each_runtime_with_itself(skaprof: Run, timed: Path) -> None:
    rows = json.loads(skaprof("compare", str(timed), str(timed), "--all", "--format", "json").stdout)["rows"]
    medians = [row for row in rows if row["metric"] == "median_ms"]
    assert [row["runtime"] for row in medians] == [*["pytorch"] * 2, *["onnxruntime"] * 2] * 2
    assert all(row["old"] == row["new"] for row in medians)


def test_rows_of_older_files_are_pytorchs_in_their_dtype() -> None:
    (row, *_) = read_results(ROOT / "tests" / "data" / "latency.json", "FILE").measured
    assert (row.runtime, row.precision, row.form) == ("pytorch", row.dtype, row.implementation)
