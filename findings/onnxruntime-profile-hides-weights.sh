#!/usr/bin/env bash
# Versions: onnxruntime 1.32.0, onnx 1.23.2, NumPy 2.3.5 (CPU provider).
# Behaviour: the profile of a session gives parameter_size 0 for a MatMul by an 8 KiB weight. With prepacking disabled
#   the same node has its 8,192 bytes, and one more input. Nothing in the profile says that a weight was left out.
# Good guess that fails: the "parameter_size" that the profiler reports for a node is the size of its parameters, so
#   bytes per op, and intensity, can be summed from it. The heaviest nodes are the ones that read 0.
# Source: onnxruntime's documentation of session.disable_prepacking; what it does to the profile: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.3.5
venv/bin/python - <<'PY'
import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

weight = numpy_helper.from_array(np.ones((64, 32), dtype=np.float32), "weight")
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "weight"], ["y"], "projection")],
    "projection",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [16, 64])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [16, 32])],
    [weight],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.checker.check_model(model)
print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)
seen = {}
for disabled in ("0", "1"):
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.add_session_config_entry("session.disable_prepacking", disabled)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.ones((16, 64), dtype=np.float32)})
    assert (y == 64).all()
    with open(session.end_profiling()) as file:
        (node,) = (event["args"] for event in json.load(file) if "parameter_size" in event.get("args", {}))
    seen[disabled] = int(node["parameter_size"])
    print(f"disable_prepacking={disabled}: parameter_size {seen[disabled]}, inputs {node['input_type_shape']}")
assert seen == {"0": 0, "1": 64 * 32 * 4}, "the sizes have changed"
PY
