"""ONNX Runtime on the processor: a model loaded, and what its own profile and its rewritten graph say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from skaprof.bench.failures import UnsupportedError
from skaprof.bench.loaded import Loaded, counted
from skaprof.bench.onnx_export import INPUT, OnnxModel, quietly
from skaprof.implementations import INT8

_LEVEL = "all"
_ERRORS_ONLY = 3


def load(model: OnnxModel, x: Any, precision: str, threads: int) -> Loaded:
    """The model loaded to run on x, a NumPy array, in that many threads: with one, in the caller's.

    Raises:
        UnsupportedError: it has no kernels of that precision.
    """
    import onnxruntime

    if precision not in ("float32", *INT8):
        raise UnsupportedError(f"ONNX Runtime has no kernels on a processor that compute float32 models in {precision}")
    with TemporaryDirectory() as folder:
        place = Path(folder)
        data = _quantized(model.data, precision, place) if precision in INT8 else model.data
        session = onnxruntime.InferenceSession(data, _options(threads, place), providers=["CPUExecutionProvider"])
        after = _ops(place / "optimized.onnx")
        peak, weights = _memory(data, threads, x, place)
    bound = session.io_binding()
    bound.bind_ortvalue_input(INPUT, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    for output in session.get_outputs():
        bound.bind_output(output.name)
    added = Counter(after) - Counter(model.ops)
    return Loaded(
        lambda: session.run_with_iobinding(bound),
        bound.copy_outputs_to_cpu,
        precision,
        tuple(dict.fromkeys(after)),
        counted(added.elements()),
        _LEVEL,
        weights,
        peak,
    )


def _options(threads: int, place: Path, *, profile: bool = False) -> Any:
    """One stream of ops, each in so many threads, after all rewrites of the graph; what is left of it is written."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.force_spinning_stop", "1")  # no thread spins on while others are timed
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(place / "profile")
    else:
        options.optimized_model_filepath = str(place / "optimized.onnx")
    return options


def _quantized(data: bytes, precision: str, place: Path) -> bytes:
    """The model with weights of one byte each; inputs of products are rounded to one as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, small = place / "whole.onnx", place / "small.onnx"
    whole.write_bytes(data)
    kind = QuantType.QInt8 if precision == INT8[0] else QuantType.QUInt8
    with quietly():
        quantize_dynamic(whole, small, weight_type=kind)
    return small.read_bytes()


def _ops(path: Path) -> list[str]:
    """The type of each node of a model, in order, and where ONNX does not define it, whose it is."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    return [f"{node.domain}.{node.op_type}".removeprefix(".") for node in nodes]


def _memory(data: bytes, threads: int, x: Any, place: Path) -> tuple[int | None, int | None]:
    """What the allocator held at most in a first call beyond what it held before, and that: the weights, as packed.

    By its profile, whose `parameter_size` is 0 for these. Later calls take one block for all, which is larger.
    """
    import onnxruntime

    options = _options(threads, place, profile=True)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    session.run(None, {INPUT: x})
    events = json.loads(Path(session.end_profiling()).read_text())
    told = [event["args"] for event in events if "mem_in_use_peak" in event.get("args", {})]
    if not told:  # a version that does not tell
        return None, None
    before = int(told[0]["mem_bytes_in_use"]) - int(told[0]["mem_in_use_delta"])
    return max(int(args["mem_in_use_peak"]) for args in told) - before, before
