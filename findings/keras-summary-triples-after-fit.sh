#!/usr/bin/env bash
# Versions: Keras 3.15.1 on jax 0.10.2, NumPy 2.3.5.
# Behaviour: "Total params" of model.summary() is the model's parameters before training and about three times that
#   after fit() with Adam, in the same session: the optimizer's moments are added. count_params() stays right.
# Good guess that fails: the total of a summary is a property of the architecture. Which cell of a notebook ran last
#   decides the published parameter count.
# Source: keras/src/utils/summary_utils.py (total_count adds the optimizer's variables once it is built).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5
KERAS_HOME="$work" KERAS_BACKEND=jax JAX_PLATFORMS=cpu venv/bin/python - <<'PY'
import keras
import numpy as np

print("keras", keras.__version__, "on", keras.backend.backend())
model = keras.Sequential([keras.Input((32,)), keras.layers.Dense(64), keras.layers.Dense(32)])
parameters = 32 * 64 + 64 + 64 * 32 + 32


def total() -> str:
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    (line,) = (line.strip() for line in "\n".join(lines).splitlines() if "Total params" in line)
    return line


before = total()
model.compile("adam", "mse")
compiled = total()
model.fit(np.zeros((4, 32)), np.zeros((4, 32)), verbose=0)
after = total()
print(f"before: {before}; compiled: {compiled}; after fit: {after}; count_params: {model.count_params():,}")
assert before == compiled and f"{parameters:,}" in before
assert f"{3 * parameters + 2:,}" in after, "the total is otherwise now"
assert model.count_params() == parameters
PY
