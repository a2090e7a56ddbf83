#!/usr/bin/env bash
# Versions: thop 0.1.1.post2209072238, ptflops 0.7.5, torchinfo 1.8.0, fvcore 0.1.5.post20221221, torch 2.13.0.
# Behaviour: `class Own(nn.Conv2d): pass` has 0 MACs to thop (and 0 parameters) and to ptflops' default backend, and as
#   many as it has weights to torchinfo. Weight norm, which makes a class of its own of the layer that it is put on, turns
#   a counted layer into such a one: 0 to all three. fvcore and ptflops' other backend, which look at ops, count both.
# Good guess that fails: a counter that knows a layer knows what is derived from it; a reparametrisation of a weight costs
#   no more and no less than some elementwise work.
# Source: thop/profile.py (type(m) in a table), ptflops/pytorch_engine.py (likewise), torchinfo/layer_info.py (the class's
#   name); torch/nn/utils/parametrize.py gives the layer a new class.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 \
  thop==0.1.1.post2209072238 ptflops==0.7.5 torchinfo==1.8.0 fvcore==0.1.5.post20221221
venv/bin/python -W ignore - <<'PY'
import logging
from importlib.metadata import version

import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

logging.disable(logging.WARNING)
for name in ("torch", "thop", "ptflops", "torchinfo", "fvcore"):
    print(name, version(name))


class Own(nn.Conv2d):
    pass


LAYERS = {
    "nn.Conv2d": lambda: nn.Conv2d(8, 8, 3, padding=1, bias=False),
    "subclass": lambda: Own(8, 8, 3, padding=1, bias=False),
    "weight norm": lambda: weight_norm(nn.Conv2d(8, 8, 3, padding=1, bias=False)),
}
x = torch.zeros(1, 8, 16, 16)
quiet = {"as_strings": False, "print_per_layer_stat": False}
macs, weights = 8 * 8 * 9 * 16 * 16, 8 * 8 * 9
seen = {}
for name, build in LAYERS.items():
    seen[name] = {
        "thop": int(thop.profile(nn.Sequential(build()), (x,), verbose=False)[0]),
        "ptflops": get_model_complexity_info(nn.Sequential(build()), (8, 16, 16), backend="pytorch", **quiet)[0],
        "torchinfo": torchinfo.summary(nn.Sequential(build()), input_data=x, verbose=0).total_mult_adds,
        "ptflops (aten)": get_model_complexity_info(nn.Sequential(build()), (8, 16, 16), backend="aten", **quiet)[0],
        "fvcore": FlopCountAnalysis(nn.Sequential(build()), x).total(),
    }
    print(f"{name}, {macs:,} MACs: {seen[name]}")
assert list(seen["nn.Conv2d"].values()) == [macs] * 5, "a plain layer is counted otherwise now"
assert list(seen["subclass"].values()) == [0, 0, weights, macs, macs], "a subclass is counted otherwise now"
assert list(seen["weight norm"].values()) == [0, 0, 0, macs, macs], "weight norm is counted otherwise now"
PY
