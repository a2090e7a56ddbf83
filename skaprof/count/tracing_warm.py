"""Importing this traces and compiles a module once: PyTorch loads much of what that needs only then.

For the process that counters' own are forks of. The module is of no use to anybody.
"""

from __future__ import annotations

import torch
import torch.export
from torch import Tensor, nn


class _Any(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


_module, _x = _Any(), torch.zeros(1, 2)
torch.export.export(_module, (_x,))
torch.compile(_module, backend="aot_eager")(_x)
