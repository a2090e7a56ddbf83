#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.4.6 (CPU).
# Behaviour: torch.profiler's FLOPs of the first call of a compiled module are many times those of the second, 12 times
#   here: the compiler traces the module on tensors without data, several times, and the profiler adds those ops to the
#   ones that ran. FlopCounterMode counts the first call as the second.
# Good guess that fails: compiling makes a first call slow, but its FLOPs are those of the ops that ran.
# Source: observed; the spans of the compiler among the profile's events, printed here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
venv/bin/python -W ignore - 2>errors.log <<'PY' || { cat errors.log; exit 1; }
import torch
from torch import nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
x = torch.zeros(1, 8, 16)
macs = 2 * 8 * 16 * 32


def compiled() -> nn.Module:
    torch._dynamo.reset()
    mlp = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)).eval()
    return torch.compile(mlp, backend="aot_eager")


module, profiled = compiled(), []
for call in ("first", "second"):
    with torch.no_grad(), profile(with_flops=True) as profiler:
        module(x)
    events = profiler.key_averages()
    linears = sum(event.count for event in events if event.key in ("aten::addmm", "aten::linear"))
    profiled.append(sum(event.flops for event in events) / 2)
    print(f"{call} call: {profiled[-1]:,.0f} multiply-adds of {macs:,}; {linears} events of linear layers")
module, counted = compiled(), []
for call in ("first", "second"):
    with FlopCounterMode(display=False) as mode:
        module(x)
    counted.append(mode.get_total_flops() / 2)
print("FlopCounterMode:", counted)
assert counted == [macs, macs] and profiled[1] == macs, "what was counted rightly is not any more"
assert profiled[0] > 5 * macs, "tracing is not counted any more"
PY
