#!/usr/bin/env bash
# Versions: jax 0.10.2, jaxlib 0.10.2, NumPy 2.3.5 (CPU).
# Behaviour: XLA's flops of ten layers run by lax.scan are those of one layer (and a little); written out in Python, or
#   as vmap where they are independent, the same ten products count ten times.
# Good guess that fails: cost_analysis of a compiled program, whose loop bounds are constants, is the cost of running
#   it. A deep network that scans over its blocks, the usual way to shorten compilation, seems as cheap as one block.
# Source: observed; the loop is still there in the compiled program, and its body is priced once.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5
JAX_PLATFORMS=cpu venv/bin/python - <<'PY'
from importlib.metadata import version

import jax
import jax.numpy as jnp
from jax import Array, lax

print(*(f"{name} {version(name)}" for name in ("jax", "jaxlib")))
layers = jnp.stack([jnp.eye(64)] * 10)
x = jnp.ones((64, 64))


def scanned(x: Array, layers: Array) -> Array:
    return lax.scan(lambda carry, layer: (carry @ layer, None), x, layers)[0]


def unrolled(x: Array, layers: Array) -> Array:
    for index in range(10):
        x = x @ layers[index]
    return x


def mapped(x: Array, layers: Array) -> Array:
    return lax.map(lambda layer: x @ layer, layers)


def vmapped(x: Array, layers: Array) -> Array:
    return jax.vmap(lambda layer: x @ layer)(layers)


one = 2 * 64**3
for function, products in ((scanned, 1), (unrolled, 10), (mapped, 1), (vmapped, 10)):
    flops = jax.jit(function).lower(x, layers).compile().cost_analysis()["flops"]
    print(f"{function.__name__}: {flops:,.0f} flops, {flops / one:.4f} products")
    assert abs(flops / one - products) < 0.01, "loops are counted otherwise now"
assert jnp.array_equal(scanned(x, layers), unrolled(x, layers))
assert jnp.array_equal(mapped(x, layers), vmapped(x, layers))
PY
