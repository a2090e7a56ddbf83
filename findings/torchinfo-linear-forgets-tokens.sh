#!/usr/bin/env bash
# Versions: torchinfo 1.8.0, torch 2.13.0.
# Behaviour: torchinfo's mult-adds of a Linear are (batch x parameters): of an input (B, n, d) the n tokens drop out,
#   so a layer on 196 tokens costs as much as on one. Convolutions are counted at every position.
# Good guess that fails: the "total mult-adds" of a transformer are low only by attention's matrix products; in truth
#   every projection and MLP is low by the factor n, 196 for a ViT at 224, and the CNN beside it in the table is right.
# Source: torchinfo/layer_info.py, calculate_macs: what is not a Conv is output_size[0] x parameters.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 torchinfo==1.8.0
venv/bin/python - <<'PY'
from importlib.metadata import version

import torch
from torch import nn
from torchinfo import summary

print("torchinfo", version("torchinfo"), "torch", torch.__version__)
width = 384
linear, pointwise = nn.Linear(width, width, bias=False), nn.Conv2d(width, width, 1, bias=False)
seen = {}
for side in (1, 14):
    tokens = torch.zeros(1, side * side, width)
    grid = torch.zeros(1, width, side, side)
    seen[side * side] = (
        summary(linear, input_data=tokens, verbose=0).total_mult_adds,
        summary(pointwise, input_data=grid, verbose=0).total_mult_adds,
    )
    print(f"{side * side} tokens: Linear {seen[side * side][0]:,}, the same map as a 1x1 Conv2d {seen[side * side][1]:,}")
assert seen == {1: (width**2, width**2), 196: (width**2, 196 * width**2)}, "the tokens are counted now"
PY
