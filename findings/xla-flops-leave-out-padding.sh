#!/usr/bin/env bash
# Versions: jax 0.10.2, jaxlib 0.10.2, flax 0.12.8, NumPy 2.3.5 (CPU).
# Behaviour: XLA's flops of a convolution leave out each multiply by a padded zero, as flax's tabulate therefore does:
#   a 3x3 "SAME" convolution of 14x14 is 9.3 % below 2 k^2 n c c', and 31 % below it on 4x4. Every counter of PyTorch
#   counts the padded positions.
# Good guess that fails: the flops of a layer are linear in its output positions, and the JAX and the PyTorch twin of
#   one network have the same. The gap grows as the map shrinks: largest in the last, widest stage.
# Source: observed; each figure below is the closed form (sum over the taps that fall inside) to the last digit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 numpy==2.3.5
JAX_PLATFORMS=cpu venv/bin/python - <<'PY'
from importlib.metadata import version

import jax
import jax.numpy as jnp
from flax import linen

print(*(f"{name} {version(name)}" for name in ("jax", "jaxlib", "flax")))
channels = 8
for side in (14, 7, 4):
    x = jnp.ones((1, side, side, channels))
    conv = linen.Conv(channels, (3, 3), use_bias=False, padding="SAME")
    weights = conv.init(jax.random.key(0), x)
    flops = jax.jit(conv.apply).lower(weights, x).compile().cost_analysis()["flops"]
    all_taps = 2 * 9 * side**2 * channels**2
    inside = 2 * (3 * side - 2) ** 2 * channels**2
    print(f"{side}x{side}: XLA {flops:,.0f}, taps inside the map {inside:,}, all taps {all_taps:,}")
    assert flops == inside < all_taps, "padded positions are counted otherwise now"
    table = conv.tabulate(jax.random.key(0), x, compute_flops=True, console_kwargs={"width": 200, "no_color": True})
    assert str(inside) in table and str(all_taps) not in table
PY
