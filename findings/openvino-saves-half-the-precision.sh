#!/usr/bin/env bash
# Versions: openvino 2026.4.1, onnx 1.23.2, NumPy 2.3.5 (CPU, inference held to float32).
# Behaviour: openvino.save_model halves a float32 model: weights are written as float16 unless told otherwise. The
#   model in memory and the one read back differ in the fourth digit, with every hint asking for float32.
# Good guess that fails: saving and reading back changes nothing. The accuracy was measured before the save and the
#   latency after it; and the file's size next to an ONNX file's says "half the parameters".
# Source: OpenVINO's documentation of save_model (compress_to_fp16 is True by default).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile openvino==2026.4.1 onnx==1.23.2 numpy==2.3.5
venv/bin/python - <<'PY'
import os

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

weight = np.full((64, 32), 0.1, dtype=np.float32)
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "weight"], ["y"])],
    "projection",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 32])],
    [numpy_helper.from_array(weight, "weight")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), "model.onnx")
model = openvino.convert_model("model.onnx")
print("openvino", openvino.get_version())


def output(model: openvino.Model) -> float:
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return float(compiled(np.ones((1, 64), dtype=np.float32))[0][0, 0])


openvino.save_model(model, "default.xml")
openvino.save_model(model, "whole.xml", compress_to_fp16=False)
seen = {"in memory": output(model)}
for name in ("default", "whole"):
    seen[name] = output(openvino.Core().read_model(f"{name}.xml"))
    print(f"{name}: {os.path.getsize(f'{name}.bin'):,} bytes of weights")
print(seen)
assert os.path.getsize("default.bin") == weight.size * 2 and os.path.getsize("whole.bin") == weight.size * 4
assert abs(seen["in memory"] - 6.4) < 1e-5 and abs(seen["whole"] - 6.4) < 1e-5
assert abs(seen["default"] - 64 * float(np.float16(0.1))) < 1e-5 and abs(seen["default"] - 6.4) > 1e-3
PY
