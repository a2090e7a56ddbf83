#!/usr/bin/env bash
# Versions: pandas 3.1.1, NumPy 2.3.5.
# Behaviour: DataFrame.to_json keeps ten decimals, not ten digits: a time of 123.45678 ns in seconds comes back with four
#   digits, and one of 0.04 ns as 0. The most it can be asked for is 15. to_csv of the same table loses nothing.
# Good guess that fails: JSON written by a library of numbers reads back as the numbers, as json.dumps does. Times in
#   seconds of fast kernels collapse onto a few values, and a ratio of them divides by 0.
# Source: pandas' documentation of to_json (double_precision); what it does to small numbers, and to_csv: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile pandas==3.1.1 numpy==2.3.5
venv/bin/python - <<'PY'
import io
import json

import numpy as np
import pandas as pd

print("pandas", pd.__version__, "numpy", np.__version__)
seconds = [1.2345678e-07, 4e-11, 0.1 + 0.2]
frame = pd.DataFrame({"seconds": seconds})
by_default = json.loads(frame.to_json())["seconds"].values()
at_most = json.loads(frame.to_json(double_precision=15))["seconds"].values()
by_csv = pd.read_csv(io.StringIO(frame.to_csv(index=False)))["seconds"].tolist()
for name, values in (("written", seconds), ("to_json", by_default), ("15 decimals", at_most), ("to_csv", by_csv)):
    print(f"{name}: {list(values)}")
assert list(by_default) == [1.235e-07, 0.0, 0.3], "to_json rounds otherwise now"
assert list(at_most) != seconds, "15 decimals are enough now"
assert by_csv == seconds
PY
