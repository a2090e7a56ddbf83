#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: FlopCounterMode counts scaled_dot_product_attention as 0 on the CPU, and rightly on meta. On the CPU it
#   counts it too as soon as there is dropout, or values of another width than the keys: those take another kernel.
# Good guess that fails: the counter works on shapes, so the device and the dropout rate are nothing to it. A count in
#   training mode and one in eval mode differ by all of attention, and tests on meta do not show it.
# Source: torch/utils/flop_counter.py registers no formula for aten._scaled_dot_product_flash_attention_for_cpu; which
#   calls reach that kernel: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

heads, tokens, width = 2, 64, 32
print("torch", torch.__version__)


def counted(device: str, value_width: int = width, **options: float) -> int:
    q = torch.zeros(1, heads, tokens, width, device=device)
    v = torch.zeros(1, heads, tokens, value_width, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as mode:
        F.scaled_dot_product_attention(q, q, v, **options)
    return mode.get_total_flops()


both = 2 * 2 * heads * tokens**2 * width
seen = {
    "CPU": (counted("cpu"), 0),
    "meta": (counted("meta"), both),
    "CPU, dropout 0.1": (counted("cpu", dropout_p=0.1), both),
    "CPU, values half as wide": (counted("cpu", width // 2), both * 3 // 4),
}
for name, (flops, expected) in seen.items():
    print(f"{name}: {flops:,}")
    assert flops == expected, "the count has changed"
PY
