#!/usr/bin/env bash
# Versions: torch-summary 1.4.5, thop 0.1.1.post2209072238, torchinfo 1.8.0, torch 2.13.0, NumPy 2.4.6.
# Behaviour: of a transformer block, torch-summary's total_params and thop's parameters are two thirds: they lack all of
#   nn.MultiheadAttention and the embedding of positions. Both add up the layers whose forward ran, and attention calls
#   none of its own: it hands its weights to a function. torchinfo, which torch-summary became, has them all.
# Good guess that fails: a figure of parameters needs no forward pass, and two tools that agree on it are right.
# Source: torchsummary/torchsummary.py (hooks on leaves), thop/profile.py (total_params, by hooks); the figures observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 \
  torch-summary==1.4.5 thop==0.1.1.post2209072238 torchinfo==1.8.0
venv/bin/python -W ignore - <<'PY'
from importlib.metadata import version

import thop
import torch
import torchinfo
import torchsummary
from torch import Tensor, nn

for name in ("torch", "torch-summary", "thop", "torchinfo"):
    print(name, version(name))
TOKENS, DIM = 16, 64


class Block(nn.Module):
    """A transformer's, with an embedding of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, TOKENS, DIM))
        self.norm = nn.LayerNorm(DIM)
        self.attention = nn.MultiheadAttention(DIM, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.positions
        normed = self.norm(x)
        x = x + self.attention(normed, normed, normed)[0]
        return x + self.mlp(x)


x = torch.zeros(1, TOKENS, DIM)
block = Block()
true = sum(parameter.numel() for parameter in block.parameters())
lost = block.positions.numel() + sum(parameter.numel() for parameter in block.attention.parameters())
seen = {
    "torch-summary": int(torchsummary.summary(Block(), x, verbose=0).total_params),
    "thop": int(thop.profile(Block(), (x,), verbose=False)[1]),
    "torchinfo": torchinfo.summary(Block(), input_data=x, verbose=0).total_params,
}
print(f"parameters {true:,}, of attention and positions {lost:,}; {seen}")
assert seen["torchinfo"] == true
assert seen["torch-summary"] == seen["thop"] == true - lost, "they are counted now"
PY
