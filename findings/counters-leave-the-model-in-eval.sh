#!/usr/bin/env bash
# Versions: ptflops 0.7.5, calflops 0.3.2, fvcore 0.1.5.post20221221, torchinfo 1.8.0, torch 2.13.0.
# Behaviour: after a count by ptflops or calflops the model is in eval mode; torchinfo restores the mode. fvcore keeps
#   the mode, and so, of a model in training, moves BatchNorm's running averages by one step on the counter's input.
# Good guess that fails: counting looks and does not touch. A script that counts, then trains, trains without dropout
#   and with frozen BatchNorm statistics; nothing is printed, and accuracy is what tells.
# Source: model.eval() without its undoing: ptflops/pytorch_engine.py, calflops/flops_counter.py; the rest observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough. calflops imports transformers without naming it as required.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 ptflops==0.7.5 calflops==0.3.2 \
  transformers==5.24.0 fvcore==0.1.5.post20221221 torchinfo==1.8.0
venv/bin/python -W ignore - <<'PY'
from importlib.metadata import version

import torch
from calflops import calculate_flops
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch import nn
from torchinfo import summary

x = torch.ones(2, 3, 8, 8)
quiet = {"print_results": False, "print_detailed": False}
counters = {
    "ptflops": lambda m: get_model_complexity_info(m, (3, 8, 8), as_strings=False, print_per_layer_stat=False),
    "calflops": lambda m: calculate_flops(m, args=[x], **quiet),
    "torchinfo": lambda m: summary(m, input_data=x, verbose=0),
    "fvcore": lambda m: FlopCountAnalysis(m, x).unsupported_ops_warnings(False).total(),
}
seen = {}
for name, count in counters.items():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    count(model)
    seen[name] = ("train" if model.training else "eval", int(model[1].num_batches_tracked))
    print(f"{name} {version(name)}: left in {seen[name][0]} mode, BatchNorm steps {seen[name][1]}")
assert seen == {"ptflops": ("eval", 0), "calflops": ("eval", 0), "torchinfo": ("train", 0), "fvcore": ("train", 1)}
PY
