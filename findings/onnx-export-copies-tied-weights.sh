#!/usr/bin/env bash
# Versions: torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, NumPy 2.3.5.
# Behaviour: torch.onnx.export writes one parameter that is used as K and as K transposed, or by two Linear layers, as
#   two arrays; and a parameter of one row that the code expands over batch and tokens as the whole expanded array.
# Good guess that fails: the file holds the model's parameters, so its size, and its number of weights as an ONNX
#   counter sums them, are the model's. A shared static key counts twice; a bias of 64 numbers counts 32,768.
# Source: observed (the exporter folds operations on constants into new constants, and names no limit).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 onnx==1.23.2 onnxscript==0.7.2
venv/bin/python -W ignore - <<'PY'
import math
from importlib.metadata import version

import onnx
import torch
from torch import Tensor, nn


class StaticKey(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Parameter(torch.randn(16, 64))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.key.transpose(0, 1)).softmax(-1) @ self.key


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Expanded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, 1, 64))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand(32, 16, 64).contiguous()


print(*(f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript")))
for module, times in ((StaticKey(), 2), (Tied(), 2), (Expanded(), 32 * 16)):
    parameters = sum(parameter.numel() for parameter in module.parameters())
    torch.onnx.export(module.eval(), (torch.zeros(32, 16, 64),), "model.onnx", dynamo=True, verbose=False)
    arrays = onnx.load("model.onnx").graph.initializer
    stored = sum(math.prod(array.dims) for array in arrays)
    print(f"{type(module).__name__}: {parameters:,} parameters, {stored:,} in the file, {[list(a.dims) for a in arrays]}")
    assert stored == times * parameters, "the file's weights have changed"
PY
