"""The runtimes themselves, where they are installed: each form's export computes what float64 does."""

from __future__ import annotations

import json
import logging
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from conftest import SPEC_TEXTS, Run, thorough

from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.bench import onnxruntime_model, openvino_model
from skaprof.bench.configuration import configurations
from skaprof.bench.failures import UnsupportedError
from skaprof.bench.modules import NetworkEntry
from skaprof.bench.onnx_export import OnnxModel
from skaprof.bench.openvino_model import reason_in, require_sizes
from skaprof.bench.runtimes import Checked, InRuntime, largest_error, outputs_of
from skaprof.model.backbones import BACKBONES
from skaprof.model.spec import parse_mixer
from skaprof.runtimes import NEEDED
from skaprof.workload import FORMS, TRITON

HERE = [name for name, packages in NEEDED.items() if all(map(find_spec, packages))]
needs_one = pytest.mark.skipif("onnxruntime" not in HERE, reason="pip install 'skaprof[runtimes]'")


@cache
def checked(mixer: str, form: str, runtime: str, batch: int = 2) -> Checked:
    plan = make_plan([parse_mixer(mixer)], SizeGrid((batch,), ((4, 4),), (16,)))
    ((entry,),) = configurations(plan, (form,))
    return InRuntime(entry, runtime, "float32").checked()


class Exported(NamedTuple):
    """A file that `skaprof export` wrote of SKA, its row, and the input and the float64 output of the same module."""

    file: Path
    row: dict[str, Any]
    model: OnnxModel
    x: torch.Tensor
    expected: list[torch.Tensor]

    def error(self, precision: str, runtime: ModuleType = onnxruntime_model) -> float:
        """Of its output in a runtime."""
        loaded = runtime.load(self.model, self.x.numpy(), precision, 1)
        loaded.run()
        return largest_error(loaded.outputs(), self.expected, len(self.x))


@pytest.fixture(scope="module")
def exported(skaprof: Run, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """One export for all tests: it takes its time."""
    if "onnxruntime" not in HERE:
        pytest.skip("pip install 'skaprof[runtimes]'")
    import onnx

    file = tmp_path_factory.mktemp("exported") / "ska.onnx"
    sizes = ("--mixer", "ska", "--tokens", "16", "--dim", "16", "--batch", "3", "--implementation", "sdpa")
    done = skaprof("export", str(file), *sizes, "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    ops = tuple(node.op_type for node in onnx.load(file).graph.node)
    plan = make_plan([parse_mixer("ska")], SizeGrid((3,), ((4, 4),), (16,)))
    ((entry,),) = configurations(plan, ("sdpa",))
    made = entry.exportable()
    model = OnnxModel(file.read_bytes(), tuple(made.x.shape), row["opset"], ops)
    return Exported(file, row, model, made.x, outputs_of(made.reference, made.x[-1:]))


def test_a_file_has_its_sizes_and_computes_what_float64_does(exported: Exported) -> None:
    import onnx

    told = {each.key: each.value for each in onnx.load(exported.file).metadata_props}
    about = {key: told[f"skaprof.{key}"] for key in ("mixer", "tokens", "dim", "batch", "params")}
    params = str(exported.row["params"])
    graph = onnx.load(exported.file).graph
    assert [each.name for each in (*graph.input, *graph.output)] == ["x", "y"]
    assert about == {"mixer": "ska", "tokens": "16", "dim": "16", "batch": "3", "params": params}
    assert exported.row["model_bytes"] == exported.file.stat().st_size
    assert 0 < exported.row["output_error"] < 1e-5
    assert exported.error("float32") == exported.row["output_error"]
    if "openvino" in HERE:
        assert 0 < exported.error("float32", openvino_model) < 1e-5


def test_a_static_key_is_one_for_all_items_of_a_batch(exported: Exported) -> None:
    """The file's floating-point numbers are the parameters: not a key for each of three items, which would be more."""
    import onnx

    arrays = onnx.load(exported.file).graph.initializer
    numbers = sum(math.prod(array.dims) for array in arrays if array.data_type == onnx.TensorProto.FLOAT)
    assert exported.row["params"] <= numbers < exported.row["params"] + 16


def test_what_a_session_holds_is_told(exported: Exported) -> None:
    loaded = onnxruntime_model.load(exported.model, exported.x.numpy(), "float32", 1)
    assert loaded.peak_bytes >= 3 * 16 * 16 * 4  # all scores of a head at once
    assert loaded.session_bytes >= 2 * 16 * 16 * 4  # weights as PyTorch has them, or somewhat more
    assert "com.microsoft.FusedMatMul" in " ".join(loaded.kernels)


def test_bytes_for_weights_cost_accuracy_which_alone_is_told(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    assert 1e-4 < exported.error("uint8-weights") < 0.25
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_sizes_that_a_conversion_forgot_are_found_out() -> None:
    require_sizes((2, 16, 16), (2, 16, 16))
    for found in (None, (1, 16, 16)):
        with pytest.raises(UnsupportedError, match="expected"):
            require_sizes(found, (2, 16, 16))


def test_why_a_model_is_not_compiled_is_in_the_last_line() -> None:
    said = "Exception from core.cpp:117:\nCheck 'axis' failed at reduce.cpp:196:\nOnly the last dimension.\n\n"
    assert reason_in(RuntimeError(said)) == "Only the last dimension."
    assert reason_in(RuntimeError()) == "RuntimeError"


OWN = """
from torch import nn
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x
"""


@needs_one
def test_what_does_not_export_is_told_in_one_line(skaprof: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    done = skaprof("export", "own.onnx", "--model", "own.py:Branches", "--shape", "1x4x8", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "does not export to ONNX" in done.stderr
    assert not (tmp_path / "own.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x.json", "-m", "ska"), "ends in .onnx"),
        (("x.onnx",), "a file holds one of them"),
        (("x.onnx", "-m", "ska", "-m", "mhsa"), "a file holds one of them"),
        (("x.onnx", "-m", "ska", "--dim", "8,16"), "expected one"),
    ],
)
@needs_one
def test_a_file_that_would_not_hold_one_module_is_refused(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof("export", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


@thorough
@pytest.mark.parametrize("runtime", HERE)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_computes_the_same(backbone: str, runtime: str) -> None:
    side = BACKBONES[backbone].resolution
    found = InRuntime(NetworkEntry(backbone, None, (side, side), 1, "forward", "float32", "eager"), runtime, "float32")
    assert found.checked().error <= 1e-5


@thorough
@pytest.mark.parametrize("runtime", HERE)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mixer", SPEC_TEXTS)
def test_every_mixer_and_form_computes_the_same_or_says_why_not(mixer: str, form: str, runtime: str) -> None:
    why_not = reason_against(mixer, form)
    if why_not is None:
        found = checked(mixer, form, runtime)
        assert found.error <= 1e-5
        assert found.loaded.kernels or mixer == "identity"
        assert found.tokens == 16
    else:
        with pytest.raises(UnsupportedError, match=why_not):
            checked(mixer, form, runtime)


def reason_against(mixer: str, form: str) -> str | None:
    """Why this form of a mixer does not run there."""
    spec = parse_mixer(mixer)
    if form == TRITON:
        return "PyTorch's own"
    if form not in spec.forms():
        return "no such form|no attention"
    return None
