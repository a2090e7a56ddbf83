"""Dropout of paths: in training, a branch beside a shortcut is left out for some images (arXiv 1603.09382).

It has no parameters and no MACs, and in inference it does nothing; in training it multiplies each element of the branch
once, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.errors import bad_value
from skaprof.nn.backbones import BackboneNetwork


def add_drop_paths(network: BackboneNetwork, rate: float) -> None:
    """Have each block of the network drop its two branches in training: the first block never, the last at `rate`.

    The rates between grow evenly with the depth, as timm and the MetaFormer baselines have them. No name in the state
    dict changes.

    Args:
        rate: from 0, which changes nothing, to below 1.

    Raises:
        SkaprofError: another rate.
    """
    if not 0 <= rate < 1:
        raise bad_value("rate", rate, "a number from 0 to below 1")
    blocks = network.blocks() if rate else ()
    for place, block in enumerate(blocks):
        share = rate * place / max(1, len(blocks) - 1)
        for branch in ("mixer", "mlp") if share else ():
            block.get_submodule(branch).register_forward_hook(partial(_dropped, share))


def _dropped(rate: float, branch: nn.Module, inputs: Sequence[Any], output: Tensor) -> Tensor:
    """The output (B, ...) of a branch, with that of some images 0 and the others' raised so that the mean stays."""
    if not branch.training:
        return output
    kept = torch.rand(output.shape[0], *([1] * (output.dim() - 1))) >= rate  # of one generator, whatever the device
    return output * (kept / (1 - rate)).to(output)
