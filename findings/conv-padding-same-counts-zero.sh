#!/usr/bin/env bash
# Versions: torch 2.13.0, fvcore 0.1.5.post20221221, torchprofile 0.1.0, mmengine 0.10.7.
# Behaviour: Conv2d(padding="same") is 0 work to three counters and to torch.profiler's with_flops;
#   the same layer with padding=1 is counted in full by all of them. FlopCounterMode counts both.
# Good guess that fails: how a padding is spelled cannot change the work, and a counter that knows Conv2d
#   knows all of Conv2d. (The string reaches another op of ATen, _convolution_mode, that they have no rule for.)
# Source: fvcore/nn/flop_count.py and torchprofile/handlers.py list aten::_convolution only; the rest observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 \
  fvcore==0.1.5.post20221221 torchprofile==0.1.0 mmengine==0.10.7
venv/bin/python -W ignore - <<'PY'
import logging
from importlib.metadata import version

import torch
from fvcore.nn import FlopCountAnalysis
from mmengine.analysis import get_model_complexity_info
from torch import nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode
from torchprofile import profile_macs

logging.disable(logging.WARNING)
for name in ("torch", "fvcore", "torchprofile", "mmengine"):
    print(name, version(name))
x = torch.zeros(1, 8, 16, 16)
seen = {}
for padding in (1, "same"):
    conv = nn.Conv2d(8, 8, 3, padding=padding, bias=False).eval()
    with torch.no_grad(), profile(with_flops=True) as profiled:
        conv(x)
    with FlopCounterMode(display=False) as mode:
        conv(x)
    seen[padding] = {
        "fvcore": FlopCountAnalysis(conv, x).total(),
        "torchprofile": profile_macs(conv, x),
        "mmengine": get_model_complexity_info(conv, inputs=(x,), show_table=False, show_arch=False)["flops"],
        "torch.profiler / 2": sum(event.flops for event in profiled.key_averages()) // 2,
        "FlopCounterMode / 2": mode.get_total_flops() // 2,
    }
    print(f"padding={padding!r}: {seen[padding]}")
macs = 8 * 8 * 3 * 3 * 16 * 16
assert set(seen[1].values()) == {macs}, "padding=1 is not counted in full"
assert seen["same"].pop("FlopCounterMode / 2") == macs
assert set(seen["same"].values()) == {0}, "padding='same' is counted now"
PY
