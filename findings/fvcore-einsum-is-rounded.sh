#!/usr/bin/env bash
# Versions: fvcore 0.1.5.post20221221, NumPy 2.3.5, torch 2.13.0.
# Behaviour: fvcore's count of an einsum is right to four digits only; the same product as a matmul is exact.
# Good guess that fails: a counter of integer work gives exact integers, of which heads and layers add up. A test that
#   holds fvcore against a closed form fails for no fault of the form, even at 256 tokens and width 64.
# Source: fvcore/nn/jit_handles.py, einsum_flop_jit: it reads the number out of the text that numpy.einsum_path
#   returns for people, which prints it in %.3e.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 fvcore==0.1.5.post20221221
venv/bin/python - <<'PY'
from importlib.metadata import version

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn


class Einsum(nn.Module):
    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        return torch.einsum("bnd,bmd->bnm", q, k)


class Matmul(nn.Module):
    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        return torch.matmul(q, k.transpose(1, 2))


print("fvcore", version("fvcore"), "numpy", version("numpy"), "torch", torch.__version__)
seen = {}
for tokens, width in ((256, 64), (197, 61)):
    inputs = (torch.zeros(3, tokens, width), torch.zeros(3, tokens, width))
    counts = [int(FlopCountAnalysis(module, inputs).total()) for module in (Einsum(), Matmul())]
    seen[tokens] = (*counts, 3 * tokens * tokens * width)
    print(f"{tokens} tokens, width {width}: einsum {counts[0]:,}, matmul {counts[1]:,}, true {seen[tokens][2]:,}")
assert seen[256][1] == seen[256][2] and seen[197][1] == seen[197][2], "matmul is not exact"
assert seen[256][0] == 12_585_000 != seen[256][2] == 12_582_912, "the einsum's count has changed"
assert seen[197][0] == 7_100_000 != seen[197][2] == 7_102_047, "the einsum's count has changed"
PY
