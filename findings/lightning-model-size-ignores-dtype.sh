#!/usr/bin/env bash
# Versions: lightning 2.6.6, torch 2.13.0, NumPy 2.4.6 (CPU).
# Behaviour: the "Total estimated model params size (MB)" of a model in bfloat16 is twice its bytes, and of one in
#   float64 half of them: 4 bytes a parameter, whatever their type. What it looks at is the precision that a Trainer was
#   told, of which the model knows nothing; and of buffers nothing is counted.
# Good guess that fails: a size in megabytes is what the parameters hold.
# Source: lightning/pytorch/utilities/model_summary/model_summary.py (precision_to_bits, 32 where there is no Trainer).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 lightning==2.6.6
venv/bin/python -W ignore - <<'PY'
import lightning
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.model_summary import ModelSummary
from torch import nn

print("lightning", lightning.__version__, "torch", torch.__version__)


class Wrapped(LightningModule):
    """A layer as a Lightning user has it."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer = nn.Linear(999, 1_000).to(dtype)


shares = {}
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    module = Wrapped(dtype)
    held = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    said = round(1e6 * ModelSummary(module).model_size)
    shares[dtype] = said / held
    print(f"{dtype}: {held:,} bytes held, {said:,} said, {shares[dtype]:g} times")
assert list(shares.values()) == [0.5, 1, 2], "the sizes are otherwise now"
PY
