#!/usr/bin/env bash
# Versions: pandas 3.1.1, bottleneck 1.6.0, NumPy 2.3.5.
# Behaviour: installing bottleneck, which nobody imports, changes the standard deviation that pandas gives for a float32
#   column: of a million equal values it becomes more than 0. The same column's groupby().std() stays as it was.
# Good guess that fails: the same data, code and pandas give the same spread of a latency; an optional package is
#   about speed. (pandas hands the column to bottleneck where it is importable, and that sums in float32.)
# Source: pandas/core/nanops.py, bottleneck_switch; pandas' install guide lists bottleneck as a performance dependency.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > spread.py <<'PY'
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd

try:
    print("bottleneck", version("bottleneck"))
except PackageNotFoundError:
    print("no bottleneck")
frame = pd.DataFrame({"ms": np.full(1_000_000, 0.1, dtype=np.float32), "mixer": "ska"})
spread, grouped = float(frame["ms"].std()), float(frame.groupby("mixer")["ms"].std().iloc[0])
print("pandas", version("pandas"), "numpy", version("numpy"), f"std of equal values {spread:.6g}, by group {grouped:.6g}")
assert (spread > 1e-5) == (sys.argv[1] == "with"), "the column's std has changed"
assert grouped < 1e-7, "the group's std has changed"
PY
python3 -m venv venv
venv/bin/pip install --quiet --no-compile pandas==3.1.1 numpy==2.3.5
venv/bin/python spread.py without
venv/bin/pip install --quiet --no-compile bottleneck==1.6.0
venv/bin/python spread.py with
