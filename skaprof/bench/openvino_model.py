"""OpenVINO on the processor: a model compiled for one size, and what its runtime model says of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from skaprof.bench.failures import UnsupportedError
from skaprof.bench.loaded import Loaded, counted
from skaprof.bench.onnx_export import OnnxModel

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16"}
_STACK = 3
"""Dimensions of a stack of matrices: a weight has one less."""
_NO_WORK = ("Const", "Constant", "Input", "Parameter", "Output", "Result")


def load(model: OnnxModel, x: Any, precision: str, threads: int) -> Loaded:
    """The model compiled to run on x, a NumPy array, in that many threads.

    Its sizes are given, and checked: of a model with other sizes than it was made for, a conversion says nothing.

    Raises:
        UnsupportedError: this processor does not compute in that precision, or OpenVINO does not compile the model.
    """
    import openvino

    core = openvino.Core()
    can = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision not in _HINTS:
        raise UnsupportedError(f"--runtime-precision {precision}: ONNX Runtime's alone, which quantizes the weights")
    if _CAPABILITIES[precision] not in can:
        computes = ", ".join(name for name, capability in _CAPABILITIES.items() if capability in can)
        raise UnsupportedError(f"OpenVINO does not compute in {precision} on this processor, but in {computes}")
    found = core.read_model(model=model.data, weights=b"")
    found.reshape({0: openvino.PartialShape(list(model.sizes))})
    require_sizes(tuple(found.inputs[0].partial_shape.to_shape()) if _is_static(found) else None, model.sizes)
    _align_ranks(found)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    try:
        compiled = core.compile_model(found, "CPU", settings)
    except RuntimeError as error:
        raise UnsupportedError(f"OpenVINO does not compile it: {reason_in(error)}") from error
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
    nodes = sorted(compiled.get_runtime_model().get_ops(), key=_order)
    kinds = {op.get_friendly_name(): op.get_type_name() for op in found.get_ops()}
    return Loaded(
        partial(request.infer, share_outputs=True),
        lambda: [request.get_output_tensor(place).data for place in range(len(compiled.outputs))],
        _precision_of(nodes, precision),
        tuple(dict.fromkeys(filter(None, map(_kernel, nodes)))),
        counted(filter(None, (_fused(node, kinds) for node in nodes))),
    )


def _align_ranks(model: Any) -> None:
    """Give both factors of each product of stacks equally many dimensions, which changes nothing of what it computes.

    The exporter leaves out a reshape where broadcasting does without it, and OpenVINO 2026.4.1 then fails at a softmax
    of three dimensions times values of four: "ReduceDecomposition supports only Reduce by last dimension".
    """
    import numpy as np
    from openvino import opset13 as ops

    for product in model.get_ordered_ops():
        factors = product.inputs() if product.get_type_name() == "MatMul" else []
        ranks = [len(factor.get_partial_shape()) for factor in factors]
        for factor, rank in zip(factors, ranks, strict=True):
            if _STACK <= rank < max(ranks):
                wider = ops.unsqueeze(factor.get_source_output(), np.arange(max(ranks) - rank))
                factor.replace_source_output(wider.output(0))
    model.validate_nodes_and_infer_types()


def reason_in(error: RuntimeError) -> str:
    """What failed: the last line, as the first ones say where in OpenVINO's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _is_static(model: Any) -> bool:
    return all(port.partial_shape.is_static for port in (*model.inputs, *model.outputs))


def require_sizes(found: tuple[int, ...] | None, wanted: tuple[int, ...]) -> None:
    """Raise unless a converted model takes inputs of these sizes, and of no other.

    Raises:
        UnsupportedError: it has others, or none of its own (None).
    """
    if found != wanted:
        raise UnsupportedError(f"OpenVINO's model is for inputs of {found or 'any size'}: expected {wanted} alone")


def _told(node: Any, key: str) -> str:
    info = node.get_rt_info()
    return str(info[key].value if hasattr(info[key], "value") else info[key]) if key in info else ""


def _order(node: Any) -> int:
    order = _told(node, "execOrder")
    return int(order) if order.isdigit() else 0


def _kernel(node: Any) -> str | None:
    """`FullyConnected: brgemm_avx512_f32`, say; None of what does no work."""
    kind = _told(node, "layerType")
    return None if kind in ("", *_NO_WORK) else f"{kind}: {_told(node, 'primitiveType')}"


def _fused(node: Any, kinds: dict[str, str]) -> str | None:
    """The ops that one kernel was made of, joined by +; None of one op alone."""
    names = _told(node, "originalLayersNames").split(",")
    made_of = [kinds[name] for name in names if kinds.get(name, "Constant") not in _NO_WORK]
    return None if len(made_of) < 2 else f"{_told(node, 'layerType')}: {'+'.join(made_of)}"


def _precision_of(nodes: list[Any], asked: str) -> str:
    """What products and convolutions ran in: the narrowest that one of them says."""
    told = {_told(node, "runtimePrecision").lower() for node in nodes if _kernel(node) is not None}
    return next((name for name, hint in _HINTS.items() if name != "float32" and hint in told), "float32")
