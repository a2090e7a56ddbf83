#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: q @ K with q (B, h, n, e) and one K (h, e, m) for the batch first writes K out B times; the equivalent
#   einsum does not, and permutes q instead. Both give the same scores, and allocate different bytes.
# Good guess that fails: broadcasting costs no memory, as it is a stride of 0; a key shared by the batch is read once.
#   Bytes (and intensity) derived from the shapes are low by B - 1 keys. A batch of one shows nothing.
# Source: observed in torch.profiler's memory record; matmul makes both operands three-dimensional for bmm, and an
#   expanded K cannot be viewed so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python - <<'PY'
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

print("torch", torch.__version__)
heads, tokens, width, keys = 4, 64, 32, 48


def copied(function: Callable[[], Tensor]) -> int:
    """Bytes of new memory, beside the result's."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        result = function()
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in profiled.events())
    return allocated - result.nbytes


for batch in (1, 16):
    q, key = torch.randn(batch, heads, tokens, width), torch.randn(heads, width, keys)
    product, einsum = copied(lambda: q @ key), copied(lambda: torch.einsum("bhne,hem->bhnm", q, key))
    print(f"batch {batch}: K has {key.nbytes:,} bytes, q {q.nbytes:,}; copied by @ {product:,}, by einsum {einsum:,}")
    assert torch.allclose(q @ key, torch.einsum("bhne,hem->bhnm", q, key), atol=1e-4)
    assert product == (0 if batch == 1 else batch * key.nbytes), "@ copies otherwise now"
    assert einsum == (0 if batch == 1 else q.nbytes), "einsum copies otherwise now"
PY
