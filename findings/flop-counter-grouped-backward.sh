#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: FlopCounterMode's backward of a convolution is right, twice the forward, at groups=1, and grows with the
#   groups: 5 times at 4, 9 times at 8, where 2 is right at each. The forward is right throughout.
# Good guess that fails: "training is three times inference", checked on a plain convolution, holds of a depthwise one
#   by the same counter. Of depthwise networks the training count is then mostly this.
# Source: torch/utils/flop_counter.py, conv_backward_flop, whose gradient by the weight takes no account of the groups.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
channels, side = 8, 16
for groups in (1, 2, 4, 8):
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
    x = torch.zeros(1, channels, side, side, requires_grad=True)
    with FlopCounterMode(display=False) as mode:
        y = conv(x)
        forward = mode.get_total_flops()
        y.sum().backward()
    backward = mode.get_total_flops() - forward
    print(f"groups={groups}: forward {forward:,}, backward {backward:,}, {backward / forward:g} times")
    assert forward == 2 * 9 * side**2 * channels**2 // groups
    assert backward == (1 + groups) * forward, "the backward is counted otherwise now"
PY
