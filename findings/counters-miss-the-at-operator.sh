#!/usr/bin/env bash
# Versions: calflops 0.3.2, ptflops 0.7.5 (default backend), torch 2.13.0.
# Behaviour: both count torch.matmul(x, y) and x.matmul(y), and give 0 for x @ y. calflops gives 0 for torch.bmm too,
#   and for einsum the FLOPs without the MACs; ptflops counts bmm and gives 0 for einsum.
# Good guess that fails: @ is matmul by another name (so it is: the same op, the same result), and a counter that lists
#   attention's products under "matmul" in one model has them in the next. Style decides which mixer is cheaper.
# Source: calflops/pytorch_ops.py and ptflops/pytorch_engine.py replace functions by name; neither replaces __matmul__.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough. calflops imports transformers without naming it as required.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 calflops==0.3.2 ptflops==0.7.5 transformers==5.24.0
venv/bin/python -W ignore - <<'PY'
from collections.abc import Callable
from importlib.metadata import version

import torch
from calflops import calculate_flops
from ptflops import get_model_complexity_info
from torch import Tensor, nn


class Product(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.unused = nn.Linear(1, 1)  # calflops divides by the number of parameters

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


print(*(f"{name} {version(name)}" for name in ("calflops", "ptflops", "torch")))
x = torch.ones(1, 5, 8)
spellings = {  # the function; then calflops' FLOPs and MACs, and ptflops' MACs, where (400, 200, 200) is right
    "torch.matmul": (lambda x: torch.matmul(x, x.mT), (400, 200, 200)),
    "x.matmul": (lambda x: x.matmul(x.mT), (400, 200, 200)),
    "@": (lambda x: x @ x.mT, (0, 0, 0)),
    "bmm": (lambda x: torch.bmm(x, x.mT), (0, 0, 200)),
    "einsum": (lambda x: torch.einsum("bnd,bmd->bnm", x, x), (401, 0, 0)),
}
for name, (function, expected) in spellings.items():
    assert torch.equal(function(x), x @ x.mT)
    module = Product(function)
    flops, macs, _ = calculate_flops(
        module, args=[x], print_results=False, print_detailed=False, output_as_string=False
    )
    others, _ = get_model_complexity_info(module, (5, 8), as_strings=False, print_per_layer_stat=False)
    print(f"{name}: calflops {flops} FLOPs, {macs} MACs; ptflops {others} MACs")
    assert (flops, macs, others) == expected, "the count has changed"
PY
