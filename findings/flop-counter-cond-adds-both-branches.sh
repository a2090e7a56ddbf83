#!/usr/bin/env bash
# Versions: torch 2.13.0, NumPy 2.3.5 (CPU).
# Behaviour: of torch.cond, run eagerly on real numbers, FlopCounterMode counts for each op the larger of the two
#   branches' counts, whichever ran: of a matrix product and a batched one it counts the sum, more than either. The
#   same choice by a Python `if` counts what ran.
# Good guess that fails: a dispatch mode sees the ops that are executed, so measuring on real data gives the cost of
#   that data, and an early exit shows in the mean over a test set.
# Source: torch/utils/flop_counter.py, its handling of the higher-order op cond (both branches are run and counted).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5
venv/bin/python -W ignore - <<'PY'
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
narrow, wide = torch.ones(8, 4), torch.ones(8, 400)


def cheap(x: Tensor) -> Tensor:
    return (x @ narrow).sum()


def dear(x: Tensor) -> Tensor:
    return torch.bmm(x[None], wide[None]).sum()


def by_cond(x: Tensor) -> Tensor:
    return torch.cond(x.sum() > 0, cheap, dear, (x,))


def by_if(x: Tensor) -> Tensor:
    return cheap(x) if x.sum() > 0 else dear(x)


def counted(function: Callable[[Tensor], Tensor], x: Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as mode:
        result = function(x)
    assert abs(result) == 32 if x.sum() > 0 else 3200
    return mode.get_total_flops()


seen = {
    f"{function.__name__}, {name} branch taken": counted(function, x)
    for function in (by_cond, by_if)
    for name, x in (("cheap", torch.ones(1, 8)), ("dear", -torch.ones(1, 8)))
}
for name, flops in seen.items():
    print(f"{name}: {flops:,}")
assert list(seen.values()) == [6464, 6464, 64, 6400], "the count has changed"
PY
