"""Predictions of users' models and swaps, of measured rows, and by a calibration of another machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, Run
from test_kernel_times import MACHINE
from test_schema import require_valid

from skaprof.analysis.crossover_times import predicted_times
from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.mixer_pair import Sizes, make_pair
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline_rows import RooflinePoint, mixer_row
from skaprof.answers import RooflineRow
from skaprof.bench.call_store import CallStore
from skaprof.bench.chains import call_of
from skaprof.bench.dispatched import dispatched
from skaprof.bench.own_calls import own_kernels
from skaprof.errors import SkaprofError
from skaprof.foreign_model import user_model
from skaprof.model.hardware import find_hardware
from skaprof.model.kernel_times import VIEW, CallCosts, DispatchedKernel, KernelTime, KernelTimes, TimedCall
from skaprof.model.kernel_times import kernel_times_text as text_of
from skaprof.model.spec import parse_mixer
from skaprof.nn.build import build_mixer
from skaprof.report.prediction_plot import prediction_figure
from skaprof.report.roofline_section import roofline_section
from skaprof.workload import MODES, Workload

TESTS = Path(__file__).parent
RUNS = str(ROOT / "tests" / "data" / "runs-forward.jsonl")
VIT = ("user_models:VisionTransformer", "--shape", "1x3x32x32", "--arg", "tokens=4")


def machine_of(kernels: list[DispatchedKernel], **conditions: str) -> str:
    """A machine on which each of these takes 2 us, in calls of PyTorch's version here."""
    times = tuple(KernelTime(kernel, 2e-6) for kernel in dict.fromkeys(kernels))
    costs = dict.fromkeys(MODES, CallCosts(1.0, 0.0, 0.0, 0.25))
    return MACHINE + "".join(text_of(KernelTimes(times, costs, {"torch": torch.__version__, **conditions})))


def vit_kernels(mode: str = "forward") -> list[DispatchedKernel]:
    user = user_model("user_models:VisionTransformer", (("tokens", "4"),), ((1, 3, 32, 32),))
    return own_kernels(user, mode, "NAME")[""]


@pytest.fixture
def rows_of(skaprof: Run) -> Any:
    def rows(*arguments: str) -> list[dict[str, Any]]:
        done = skaprof(*arguments, "--format", "json", cwd=TESTS)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        require_valid(document)
        found: list[dict[str, Any]] = document["rows"]
        return found

    return rows


def test_a_model_of_ones_own_is_predicted_op_by_op_and_its_parts_add_up(
    rows_of: Any, skaprof: Run, tmp_path: Path
) -> None:
    """Where every op takes 2 us, the whole takes 2 us times its ops, forward and in training."""
    path = tmp_path / "m.toml"
    forward, trained = vit_kernels(), vit_kernels("train")
    path.write_text(machine_of([*forward, *trained]))
    given = ("model", "user_models:VisionTransformer", "--model-arg", "tokens=4", "--shape", "1x3x32x32")
    asked = (*given, "--hardware", str(path), "--depth", "1")
    *parts, whole = rows_of(*asked)
    assert whole["predicted_ms"] == pytest.approx(2e-3 * len(forward))
    assert 0 < sum(row["predicted_ms"] or 0 for row in parts) <= whole["predicted_ms"]
    (step,) = rows_of(*asked[:-1], "total", "--mode", "train")
    assert step["predicted_ms"] == pytest.approx(2e-3 * len(trained))
    shown = " ".join(skaprof(*asked, cwd=TESTS).stdout.split())
    assert "Predicted in forward float32 on m: " in shown


def test_a_swap_has_its_times_before_and_after(rows_of: Any, tmp_path: Path) -> None:
    """Ops that were never timed are named; where none is missing, the time before is the model's own."""
    path = tmp_path / "m.toml"
    path.write_text(machine_of(vit_kernels()))
    *sites, total = rows_of("swap", *VIT, "--replace", "attn=mhsa:bias=true", "--hardware", str(path))
    assert total["predicted_before_ms"] == pytest.approx(2e-3 * len(vit_kernels()))
    assert all(row["predicted_before_ms"] < total["predicted_before_ms"] for row in sites)
    assert total["predicted_ms"] or total["unknown_ops"]


@pytest.mark.parametrize("command", ["roofline", "explain"])
def test_a_calibration_of_another_machine_is_refused_unless_asked_for(
    skaprof: Run, tmp_path: Path, command: str
) -> None:
    spec = parse_mixer("mhsa")
    w = Workload(1, 2, 2, *spec.resolve_channels(64), None)
    module, x = build_mixer(spec, w, "eager").eval(), torch.randn(1, 2, 2, 64)
    path = tmp_path / "m.toml"
    seen = dispatched(call_of(module, x, trains=False))
    path.write_text(machine_of(seen, cpu="Another", threads="9"))
    refused = skaprof(command, "--hardware", str(path), "--results", RUNS)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "processor " in refused.stderr
    assert "Another in the calibration" in refused.stderr
    assert "to go on all the same: --allow-different-machine" in refused.stderr
    allowed = skaprof(command, "--hardware", str(path), "--results", RUNS, "--allow-different-machine")
    assert allowed.returncode == 0, allowed.stderr
    assert "Another in the calibration" in allowed.stderr


def test_ops_of_another_pytorch_predict_no_network(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(machine_of([DispatchedKernel(f"{VIEW}/t", "", ())], torch="0.1"))
    done = skaprof("model", "vit_cifar", "--hardware", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"PyTorch {torch.__version__} there, 0.1 in the calibration" in done.stderr


def test_a_line_that_was_cut_off_is_left_out_and_its_call_timed_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    store = CallStore(str(path), {"torch": "2"})
    call = TimedCall((KernelTime(DispatchedKernel("mm/c", "float32", (2, 3, 4, 8)), 1e-6),), 2e-6, "forward")
    for number in (0, 1):
        store.add(number, call)
    assert CallStore(str(path), {"torch": "2"}).calls == {0: [call], 1: [call]}
    path.write_text(path.read_text()[:-20])
    assert CallStore(str(path), {"torch": "2"}).calls == {0: [call]}
    assert CallStore(str(path), {"torch": "2"}).calls == {0: [call]}, "the file is whole again"
    path.write_text("something else\n")
    with pytest.raises(SkaprofError, match="is none of skaprof calibrate"):
        CallStore(str(path), {"torch": "2"})


def test_a_crossover_says_from_which_size_on_its_times_are_extrapolated() -> None:
    pair = make_pair(parse_mixer("ska"), parse_mixer("mhsa"), "tokens", Sizes(dim=64))

    def predict(point: RooflinePoint) -> Predicted:
        return Predicted(1e-3, outside=("mm",) if point.workload.tokens > 500 else ())

    timed = predicted_times(pair, find_hardware("l4"), predict)
    found = [each.extrapolated_from for each in timed]
    assert all(at is not None and 500 < at < 1000 for at in found)
    assert timed[0].notice("tokens") == (
        f"predicted times (eager) from {found[0]} tokens on are extrapolated: sizes of their ops are far from all that "
        "were timed"
    )


def predicted_rows() -> list[RooflineRow]:
    w = Workload(1, 4, 4, 64, 2, 32)
    points = [
        RooflinePoint(Variant(parse_mixer(name), form), w) for name in ("mhsa", "ska") for form in ("eager", "sdpa")
    ]
    rows = [mixer_row(point, find_hardware("l4"), "float32") for point in points]
    return [row.replace(predicted_ms=1.04 + place, measured_ms=1.0 + place) for place, row in enumerate(rows)]


def test_predicted_against_measured_has_a_panel_a_form_and_lines_at_5_and_10_percent() -> None:
    rows = predicted_rows()
    figure = prediction_figure(rows)
    assert [axes.get_title() for axes in figure.axes] == ["eager, forward", "sdpa, forward"]
    diagonal, *lines = figure.axes[0].lines[:5]
    (left, right), at = diagonal.get_ydata(), diagonal.get_xdata()
    assert (left, right) == tuple(at)
    assert [line.get_ydata()[1] / at[1] for line in lines] == pytest.approx([1.05, 0.95, 1.1, 0.9])
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines[5:]]
    assert points == [(1.0, 1.04), (3.0, 3.04)]
    assert "100 % are within 5 %" in figure.get_suptitle().replace("\n", " ")
    with pytest.raises(SkaprofError, match="no row was both predicted and measured"):
        prediction_figure([row.replace(measured_ms=None) for row in rows])


def test_a_report_draws_its_predictions_beside_its_roofline() -> None:
    body, _, figures = roofline_section(predicted_rows(), lambda name, alt: f"[{name}]")
    assert list(figures) == ["roofline", "prediction"]
    assert "[prediction]" in body
    assert "Prediction: median error" in body
    unmeasured = [row.replace(measured_ms=None) for row in predicted_rows()]
    assert list(roofline_section(unmeasured, lambda name, alt: "")[2]) == ["roofline"]
