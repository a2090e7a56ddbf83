#!/usr/bin/env bash
# Versions: thop 0.1.1.post2209072238, ultralytics-thop 2.2.3, torch 2.13.0, NumPy 2.3.5.
# Behaviour: both packages install as `thop`; the later overwrites the earlier's files, and pip keeps both on its list.
#   thop.profile then gives other numbers (a parameter beside a layer: left out, or counted; attention: 0, or counted)
#   while version("thop") still names the package that is gone. Uninstalling one leaves no thop at all.
# Good guess that fails: pip refuses, or warns of, two packages with the same files; the version that importlib.metadata
#   reports is that of the code that ran.
# Source: observed; pip lists what each wheel installs and does not compare the lists.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > count.py <<'PY'
import sys
from importlib.metadata import version

import thop
import torch
from torch import nn


class Projection(nn.Module):
    """A layer, and a parameter held beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.key = nn.Parameter(torch.zeros(10, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


x = torch.zeros(1, 5, 8)
parameters = int(thop.profile(Projection(), (x,), verbose=False)[1])
attention = int(thop.profile(nn.MultiheadAttention(8, 2), (x, x, x), verbose=False)[0])
print(f"version of thop {version('thop')}, module {thop.__version__}: {parameters} parameters, attention {attention}")
assert [thop.__version__, parameters, attention > 0] == eval(sys.argv[1]), "thop counts otherwise now"
PY
python3 -m venv venv
# Any build of torch will do; the CPU one is enough.
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 thop==0.1.1.post2209072238
venv/bin/python count.py '["0.1.1", 72, False]'
venv/bin/pip install --quiet --no-compile ultralytics-thop==2.2.3
venv/bin/python count.py '["2.2.3", 172, True]'
venv/bin/pip list 2>/dev/null | grep thop
venv/bin/pip uninstall --quiet --yes thop
echo "after uninstalling thop: $(venv/bin/pip list 2>/dev/null | grep thop)"
! venv/bin/python -c 'import thop' 2>import.log || { echo "thop is still there"; exit 1; }
tail -1 import.log
