#!/usr/bin/env bash
# Versions: torch 2.13.0 (x86-64, CPU, with oneDNN), NumPy 2.3.5.
# Behaviour: a 3x3 Conv2d on one image of at most 20,480 numbers runs on PyTorch's own kernel, which unfolds the input
#   (9 times its size); one number of channels more, or a second image, and it runs on oneDNN. A 1x1 Conv2d changes
#   kernel with the number of threads as well.
# Good guess that fails: batch 1 and batch 2, or 1 and 2 threads, time the same code. A step in latency there is taken
#   for the cache or for parallel efficiency; "time per image" at batch 1 and at 8 are of two programs.
# Source: the rule is use_mkldnn in ATen's Convolution.cpp; the sides of its limits: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch with oneDNN will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

print("torch", torch.__version__, "oneDNN:", torch.backends.mkldnn.is_available())
assert torch.backends.mkldnn.is_available()
OWN, ONEDNN = "aten::_slow_conv2d_forward", "aten::mkldnn_convolution"


def kernel(batch: int, channels: int, size: int, threads: int) -> str:
    torch.set_num_threads(threads)
    conv, x = nn.Conv2d(channels, 8, size, padding=size // 2), torch.zeros(batch, channels, 14, 14)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        conv(x)
    (name,) = {event.key for event in profiled.key_averages()} & {OWN, ONEDNN}
    print(f"{size}x{size}, {threads} threads, {list(x.shape)}, {x.numel():,} numbers: {name}")
    return name


assert kernel(1, 104, 3, 2) == OWN and kernel(1, 105, 3, 2) == ONEDNN, "the limit has moved"
assert kernel(2, 104, 3, 2) == ONEDNN, "the batch decides no more"
assert kernel(2, 104, 1, 2) == ONEDNN and kernel(2, 104, 1, 1) == OWN, "the threads decide no more"
PY
