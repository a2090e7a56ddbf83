#!/usr/bin/env bash
# Versions: torch 2.13.0 (x86-64, CPU, with oneDNN), NumPy 2.3.5.
# Behaviour: tokens (B, n, d) viewed as a map (B, d, H, W) are in channels-last memory, so a Conv2d with its weight as
#   PyTorch makes it copies the whole weight at every call. On a contiguous map of the same numbers, or after
#   conv.to(memory_format=torch.channels_last), it does not.
# Good guess that fails: nobody asked for channels-last, so it is not in use; and a layer's weight is laid out once. The
#   copy is small in a 3x3 of few channels, and counts where the weight is larger than the map.
# Source: observed in torch.profiler's memory record.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch with oneDNN will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

print("torch", torch.__version__)
batch, side, width, out = 2, 14, 64, 256
tokens = torch.randn(batch, side * side, width)
conv = nn.Conv2d(width, out, 3, padding=1)


def weights_copied(x: Tensor) -> int:
    """Calls of clone on a tensor of the weight's shape, in the third call of the layer."""
    with torch.no_grad():
        conv(x), conv(x)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
            conv(x)
    shape = list(conv.weight.shape)
    return sum(event.name == "aten::clone" and shape in event.input_shapes for event in profiled.events())


as_map = tokens.transpose(1, 2).reshape(batch, width, side, side)
print("tokens as a map: channels-last", as_map.is_contiguous(memory_format=torch.channels_last),
      "contiguous", as_map.is_contiguous())
seen = {"tokens as a map": weights_copied(as_map), "contiguous map": weights_copied(as_map.contiguous())}
conv.to(memory_format=torch.channels_last)
seen["tokens as a map, weight channels-last"] = weights_copied(as_map)
print(f"weight of {conv.weight.nbytes:,} bytes, map of {as_map.nbytes:,}: copies a call {seen}")
assert list(seen.values()) == [1, 0, 0], "the weight is copied otherwise now"
PY
