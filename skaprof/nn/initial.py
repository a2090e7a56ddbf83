"""Initial weights by name: networks that share a layer start with the same values in it, whatever else is in them."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from skaprof.implementations import INITIALISATIONS, TIMM, TORCH
from skaprof.workload import check_choice

_TIMM_STD = 0.02
_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


def draw_weights(module: nn.Module, seed: int, initialisation: str = TORCH) -> None:
    """Draw every layer's parameters anew, each from a generator of its own name and the seed.

    Two networks then differ in no layer that has one name and one shape in both. What has no `reset_parameters`, some
    layers of other packages, stays as it was built. "torch": as PyTorch's own layers start. "timm": as timm's ViTs,
    weights of linear layers and convolutions from a normal distribution of standard deviation 0.02 (Touvron et al.,
    arXiv 2012.12877), biases 0. PyTorch's own generator is left as it was.

    Raises:
        SkaprofError: no such initialisation.
    """
    check_choice("initialisation", initialisation, INITIALISATIONS)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for name, layer in module.named_modules():
            reset = getattr(layer, "reset_parameters", None)
            if reset is None or next(layer.parameters(recurse=False), None) is None:
                continue
            torch.manual_seed(seed_of(seed, name))
            reset()
            if initialisation == TIMM and isinstance(layer, _LAYERS):
                nn.init.trunc_normal_(layer.weight, std=_TIMM_STD)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def seed_of(seed: int, *parts: object) -> int:
    """A seed of 63 bits for one use of a run's randomness, by its name: others do not move it.

    >>> seed_of(0, "order", 1) == seed_of(0, "order", 1), seed_of(0, "order", 1) == seed_of(0, "order", 2)
    (True, False)
    """
    text = "\0".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
