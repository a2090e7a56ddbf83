#!/usr/bin/env bash
# Versions: safetensors 0.8.0 and 0.7.0, NumPy 2.3.5.
# Behaviour: since 0.8.0, safetensors.numpy.save of a transposed or Fortran-ordered array stores its memory under its
#   shape, so what is loaded has the right shape, type and values, in the wrong places. 0.7.0 stores it rightly;
#   no error or warning in either.
# Good guess that fails: a writer of arrays heeds their strides, as numpy.save does, or refuses, as safetensors.torch
#   does. A key written as K.T reads back as noise of the right mean and variance.
# Source: safetensors/numpy.py, _flatten (the data pointer and nbytes are all that is passed on); safetensors issue 825.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > save.py <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load, save

key = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {"plain": key, "transposed": key.T, "fortran": np.asfortranarray(key)}
back = load(save(arrays))
same = {name: bool(np.array_equal(back[name], array)) for name, array in arrays.items()}
print("safetensors", version("safetensors"), "numpy", version("numpy"), same)
print("  key.T", key.T.tolist(), "read back as", back["transposed"].tolist())
assert all(back[name].shape == array.shape for name, array in arrays.items())
wrong = sorted(name for name, equal in same.items() if not equal)
assert wrong == sys.argv[1:], f"read back wrongly: {wrong}, expected: {sys.argv[1:]}"
PY
python3 -m venv venv
venv/bin/pip install --quiet --no-compile numpy==2.3.5 safetensors==0.7.0
venv/bin/python save.py
venv/bin/pip install --quiet --no-compile safetensors==0.8.0
venv/bin/python save.py fortran transposed
