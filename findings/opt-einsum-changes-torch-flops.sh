#!/usr/bin/env bash
# Versions: torch 2.13.0, opt_einsum 3.4.0, NumPy 2.3.5.
# Behaviour: installing opt_einsum, which jax brings along, changes the work that torch.einsum of three operands does:
#   linear attention written as one einsum goes from 2 n^2 d to 2 n d^2 multiply-adds, an eighth here.
# Good guess that fails: the same code on the same torch does the same arithmetic. Whether a mixer is quadratic or
#   linear in the tokens hangs on a package that the code does not import.
# Source: PyTorch's documentation of torch.backends.opt_einsum (used where it is importable, else left to right).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > count.py <<'PY'
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

tokens, width = 256, 32
q, k, v = (torch.ones(1, tokens, width) for _ in range(3))
with FlopCounterMode(display=False) as mode:
    torch.einsum("bnd,bmd,bme->bne", q, k, v)
macs = mode.get_total_flops() // 2
quadratic, linear = 2 * tokens**2 * width, 2 * tokens * width**2
print("torch", torch.__version__, "opt_einsum:", torch.backends.opt_einsum.is_available(), f"MACs {macs:,}")
assert macs == {"without": quadratic, "with": linear}[sys.argv[1]], "the order of contraction has changed"
PY
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python count.py without
venv/bin/pip install --quiet --no-compile opt_einsum==3.4.0
venv/bin/python count.py with
