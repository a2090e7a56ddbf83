"""The runtimes themselves, where they are installed: each form's export computes what float64 does."""

from __future__ import annotations

import json
import logging
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import SPEC_TEXTS, Run, thorough

from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.bench.configuration import configurations
from skaprof.bench.failures import UnsupportedError
from skaprof.bench.onnx_export import OnnxModel
from skaprof.bench.openvino_model import reason_in, require_sizes
from skaprof.bench.runtimes import Checked, InRuntime
from skaprof.model.spec import parse_mixer
from skaprof.runtimes import NEEDED
from skaprof.workload import FORMS, TRITON

HERE = [name for name, packages in NEEDED.items() if all(map(find_spec, packages))]
needs_one = pytest.mark.skipif("onnxruntime" not in HERE, reason="pip install 'skaprof[runtimes]'")


@cache
def checked(mixer: str, form: str, runtime: str, batch: int = 2, precision: str = "float32") -> Checked:
    plan = make_plan([parse_mixer(mixer)], SizeGrid((batch,), ((4, 4),), (16,)))
    ((entry,),) = configurations(plan, (form,))
    return InRuntime(entry, runtime, precision).checked()


@pytest.mark.parametrize("runtime", HERE)
@pytest.mark.parametrize(("mixer", "form"), [("mhsa", "eager"), ("ska", "sdpa"), ("cska:diagonal_mask=true", "eager")])
def test_what_is_exported_computes_the_same(mixer: str, form: str, runtime: str) -> None:
    found = checked(mixer, form, runtime)
    assert 0 < found.error < 1e-5
    assert found.loaded.kernels
    assert found.tokens == 16
    if runtime == "onnxruntime":  # all scores of a head at once, and weights as PyTorch has them, or somewhat more
        assert found.loaded.peak_bytes >= 2 * 16 * 16 * 4
        assert found.loaded.session_bytes >= 3 * 16 * 16 * 4


def numbers_in(model: OnnxModel) -> int:
    """How many floating-point numbers its file holds: sizes and indices aside."""
    import onnx

    arrays = onnx.load_from_string(model.data).graph.initializer
    return sum(math.prod(array.dims) for array in arrays if array.data_type == onnx.TensorProto.FLOAT)


@pytest.mark.parametrize("runtime", HERE)
def test_a_static_key_is_one_for_all_items_of_a_batch(runtime: str) -> None:
    two, one = checked("ska", "sdpa", runtime), checked("ska", "sdpa", runtime, 1)
    assert numbers_in(two.model) == numbers_in(one.model)


@needs_one
def test_bytes_for_weights_cost_accuracy_which_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert 1e-4 < checked("mhsa", "eager", "onnxruntime", precision="uint8-weights").error < 0.25
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


@needs_one
def test_a_file_is_written_with_its_sizes(skaprof: Run, tmp_path: Path) -> None:
    import onnx

    file = tmp_path / "ska.onnx"
    sizes = ("--mixer", "ska", "--tokens", "4", "--dim", "8", "--batch", "3")
    done = skaprof("export", str(file), *sizes, "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    model = onnx.load(file)
    told = {each.key: each.value for each in model.metadata_props}
    about = {key: told[f"skaprof.{key}"] for key in ("mixer", "tokens", "dim", "batch", "params")}
    assert about == {"mixer": "ska", "tokens": "4", "dim": "8", "batch": "3", "params": str(row["params"])}
    assert row["model_bytes"] == file.stat().st_size
    assert row["output_error"] <= 1e-4
    assert sum(math.prod(array.dims) for array in model.graph.initializer if array.data_type == 1) >= row["params"]


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
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mixer", SPEC_TEXTS)
def test_every_mixer_and_form_computes_the_same_or_says_why_not(mixer: str, form: str, runtime: str) -> None:
    why_not = reason_against(mixer, form, runtime)
    if why_not is None:
        assert checked(mixer, form, runtime).error <= 1e-4
    else:
        with pytest.raises(UnsupportedError, match=why_not):
            checked(mixer, form, runtime)


def reason_against(mixer: str, form: str, runtime: str) -> str | None:
    """Why this form of a mixer does not run there."""
    spec = parse_mixer(mixer)
    if form == TRITON:
        return "PyTorch's own"
    if spec.mixer.name == "identity" and form == "eager":
        return "gives its input back"
    if form not in spec.forms():
        return "no such form|no attention"
    if (spec.mixer.name, form, runtime) == ("mhsa", "tiled", "openvino"):  # whose own rewrite of a reduction fails
        return "does not compile it: ReduceDecomposition"
    return None
