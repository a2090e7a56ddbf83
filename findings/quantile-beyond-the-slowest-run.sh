#!/usr/bin/env bash
# Versions: Python 3.11 (statistics, of the standard library), NumPy 2.3.5.
# Behaviour: statistics.quantiles gives a 99th percentile above the largest of the values, and a first below the
#   smallest. NumPy's default stays within them; so does method="inclusive".
# Good guess that fails: a percentile of measured times lies between the fastest and the slowest run. The p99 latency
#   of ten runs is then a time that no run took, and a bound on the worst case is broken by its own data.
# Source: Python's documentation of statistics.quantiles (the default, "exclusive", allows for more extreme values).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile numpy==2.3.5
venv/bin/python - <<'PY'
import platform
import statistics

import numpy as np

print("Python", platform.python_version(), "numpy", np.__version__)
times = [10.0, 10.1, 10.2, 10.2, 10.3, 10.3, 10.4, 10.5, 10.6, 14.0]
percentiles = statistics.quantiles(times, n=100)
inclusive = statistics.quantiles(times, n=100, method="inclusive")
print("runs", times)
print(f"p1 {percentiles[0]:.3f}, p99 {percentiles[98]:.3f}; inclusive {inclusive[0]:.3f}, {inclusive[98]:.3f}; "
      f"numpy {np.percentile(times, 1):.3f}, {np.percentile(times, 99):.3f}")
assert round(percentiles[98], 3) == 17.026 > max(times), "p99 has changed"
assert round(percentiles[0], 3) == 9.911 < min(times), "p1 has changed"
assert round(inclusive[98], 3) == round(float(np.percentile(times, 99)), 3) == 13.694
PY
