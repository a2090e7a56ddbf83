#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: one nn.MultiheadAttention on one input has three counts by FlopCounterMode: in full; without the two
#   products of attention; and 0. Which one depends on train or eval, need_weights and no_grad together.
# Good guess that fails: flags that leave the mathematics as it is leave the count as it is, and the careful way to
#   count (eval and no_grad) is the exact one: it is the one that gives 0.
# Source: torch/nn/modules/activation.py (the fast path, one fused op, is taken in eval without gradients);
#   that the counter has no formula for that op nor for the CPU's fused attention: torch/utils/flop_counter.py.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
from itertools import product

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
tokens, width = 16, 64
attention = nn.MultiheadAttention(width, 4, batch_first=True)
x = torch.zeros(1, tokens, width)
seen = {}
for training, weights, gradients in product((True, False), repeat=3):
    attention.train(training)
    with torch.set_grad_enabled(gradients), FlopCounterMode(display=False) as mode:
        attention(x, x, x, need_weights=weights)
    seen[training, weights, gradients] = mode.get_total_flops()
    print(f"train={training} need_weights={weights} grad={gradients}: {mode.get_total_flops():,}")
projections, products = 2 * 4 * tokens * width**2, 2 * 2 * tokens**2 * width
for (training, weights, gradients), flops in seen.items():
    fast_path = not training and not gradients
    expected = 0 if fast_path else projections + products * weights
    assert flops == expected, "the count has changed"
PY
